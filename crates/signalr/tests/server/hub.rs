//! The hub that all tests call, and the journal of what happens in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _, stream};
use parking_lot::Mutex;
use serde::{Serialize, Serializer};
use serde_json::Value;
use signalr::{CloseReason, Context, Hub, HubError, Methods, Upload};
use testkit::raw::eventually;
use tokio::sync::Notify;

/// What happened in the hub, and gates at which its methods wait for the test.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    entries: Mutex<Vec<String>>,
    opened: Mutex<BTreeSet<String>>,
    gate_opened: Notify,
}

impl Journal {
    pub(crate) fn write(&self, entry: impl Into<String>) {
        self.entries.lock().push(entry.into());
    }

    pub(crate) fn entries(&self) -> Vec<String> {
        self.entries.lock().clone()
    }

    pub(crate) fn count(&self, entry: &str) -> usize {
        self.entries
            .lock()
            .iter()
            .filter(|found| *found == entry)
            .count()
    }

    /// Waits until an entry stands there.
    pub(crate) async fn wait_for(&self, entry: &str) {
        self.wait_for_many(entry, 1).await;
    }

    pub(crate) async fn wait_for_many(&self, entry: &str, count: usize) {
        eventually(format!("{count} times '{entry}' in the journal"), || {
            self.count(entry) >= count
        })
        .await;
    }

    /// Lets all pass that wait, or will wait, at a gate.
    pub(crate) fn open(&self, gate: &str) {
        self.opened.lock().insert(gate.to_owned());
        self.gate_opened.notify_waiters();
    }

    async fn pass(&self, gate: &str) {
        loop {
            let opened = self.gate_opened.notified();
            if self.opened.lock().contains(gate) {
                return;
            }
            opened.await;
        }
    }
}

pub(crate) struct TestHub {
    journal: Arc<Journal>,
}

impl TestHub {
    pub(crate) fn new(journal: Arc<Journal>) -> Self {
        Self { journal }
    }
}

impl Hub for TestHub {
    fn methods(methods: &mut Methods<Self>) {
        methods.call("Echo", Self::echo);
        methods.call("Add", Self::add);
        methods.call("Greet", Self::greet);
        methods.call("Nothing", Self::nothing);
        methods.call("Fail", Self::fail);
        methods.call("FailPublicly", Self::fail_publicly);
        methods.call("Panic", Self::panic);
        methods.call("Unwritable", Self::unwritable);
        methods.call("PanicWhenWritten", Self::panic_when_written);
        methods.call("Pass", Self::pass);
        methods.call("PassAndPanic", Self::pass_and_panic);
        methods.call("CountPolls", Self::count_polls);
        methods.call("WriteDown", Self::write_down);
        methods.call("Eager", Self::eager);
        methods.call("Text", Self::text);
        methods
            .call("Secret", Self::secret)
            .authorize(|context| context.user_id() == Some("admin"));
        methods.call("WhoAmI", Self::who_am_i);
        methods.call("Abort", Self::abort);
        methods.call("Send", Self::send);
        methods.call("Burst", Self::burst);
        methods.call("Join", Self::join);
        methods.call("Leave", Self::leave);
        methods.call("GroupCount", Self::group_count);
        methods.call("Ask", Self::ask);
        methods.call("AskCaller", Self::ask_caller);
        methods.call("WaitForEnd", Self::wait_for_end);
        methods.call("Sum", Self::sum);
        methods.call("Concat", Self::concat);
        methods.call("Zip", Self::zip);
        methods.call("Hold", Self::hold);
        methods.call("ReadOne", Self::read_one);
        methods.stream("Count", Self::count);
        methods.stream("CountGated", Self::count_gated);
        methods.stream("CountThenFail", Self::count_then_fail);
        methods.stream("FailFirst", Self::fail_first);
        methods.stream("PanicInStream", Self::panic_in_stream);
        methods.stream("Forever", Self::forever);
        methods.stream("Texts", Self::texts);
        methods.stream("Double", Self::double);
        methods.stream("AskInStream", Self::ask_in_stream);
    }

    async fn on_connected(self: Arc<Self>, context: Context) -> Result<(), HubError> {
        self.journal.write("connected");
        match wish(&context, "connect") {
            Some("refuse") => {
                return Err(HubError::hidden(
                    "InvalidOperationException",
                    "Hub OnConnected failed.",
                ));
            }
            Some("panic") => panic!("on_connected panics"),
            Some("abort") => context.abort(),
            Some("wait") => self.journal.pass("connect").await,
            Some("wait_for_end") => {
                context.aborted().cancelled().await;
                self.journal.write("aborted while connecting");
            }
            Some("join") => {
                context
                    .groups()
                    .add(context.connection_id(), "early")
                    .await?;
                context
                    .clients()
                    .group("early")
                    .send("Joined", ("early",))
                    .await?;
            }
            Some("ask") => {
                let asked = context.clients().caller().invoke::<i32>("Number", ()).await;
                self.journal.write(format!("asked: {asked:?}"));
            }
            _ => {}
        }
        self.journal.write("let in");
        Ok(())
    }

    async fn on_disconnected(
        self: Arc<Self>,
        context: Context,
        reason: CloseReason,
    ) -> Result<(), HubError> {
        let is_aborted = context.aborted().is_cancelled();
        self.journal.write(format!("disconnected: {reason:?}"));
        if !is_aborted {
            self.journal.write("disconnected before it was aborted");
        }
        match wish(&context, "disconnect") {
            Some("fail") => return Err(HubError::hidden("Exception", "on_disconnected fails")),
            Some("panic") => panic!("on_disconnected panics"),
            Some("wait") => self.journal.pass("disconnect").await,
            Some("send") => {
                context
                    .clients()
                    .group("room")
                    .send("Left", (context.group_count(),))
                    .await?;
            }
            _ => {}
        }
        self.journal.write("gone");
        Ok(())
    }
}

/// What the query of the client's request asks for.
fn wish<'a>(context: &'a Context, name: &str) -> Option<&'a str> {
    context
        .caller_data::<String>()?
        .split('&')
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// Methods that answer once.
impl TestHub {
    async fn echo(self: Arc<Self>, _: Context, value: Value) -> Result<Value, HubError> {
        Ok(value)
    }

    async fn add(self: Arc<Self>, _: Context, a: i32, b: i32) -> Result<i32, HubError> {
        Ok(a + b)
    }

    async fn greet(
        self: Arc<Self>,
        _: Context,
        times: i32,
        name: String,
    ) -> Result<String, HubError> {
        Ok(name.repeat(usize::try_from(times)?))
    }

    async fn nothing(self: Arc<Self>, _: Context) -> Result<(), HubError> {
        Ok(())
    }

    async fn fail(self: Arc<Self>, _: Context) -> Result<(), HubError> {
        Err(HubError::hidden("InvalidOperationException", "BOOM!"))
    }

    async fn fail_publicly(self: Arc<Self>, _: Context) -> Result<(), HubError> {
        Err(HubError::new("This is a hub exception"))
    }

    async fn panic(self: Arc<Self>, _: Context) -> Result<(), HubError> {
        panic!("the method panics")
    }

    async fn unwritable(self: Arc<Self>, _: Context) -> Result<Unwritable, HubError> {
        Ok(Unwritable::Fails)
    }

    async fn panic_when_written(self: Arc<Self>, _: Context) -> Result<Unwritable, HubError> {
        Ok(Unwritable::Panics)
    }

    /// Waits like `Pass`, and answers with what panics when it is written.
    async fn pass_and_panic(
        self: Arc<Self>,
        context: Context,
        gate: String,
    ) -> Result<Unwritable, HubError> {
        self.pass(context, gate).await?;
        Ok(Unwritable::Panics)
    }

    /// Waits like `Pass`, and answers how often it was polled.
    async fn count_polls(self: Arc<Self>, context: Context, gate: String) -> Result<u32, HubError> {
        let mut polls = 0;
        let mut passing = std::pin::pin!(self.pass(context, gate));
        std::future::poll_fn(|cx| {
            polls += 1;
            passing.as_mut().poll(cx)
        })
        .await?;
        Ok(polls)
    }

    /// Waits until the test opens a gate.
    async fn pass(self: Arc<Self>, _: Context, gate: String) -> Result<String, HubError> {
        self.journal.write(format!("at {gate}"));
        self.journal.pass(&gate).await;
        self.journal.write(format!("through {gate}"));
        Ok(gate)
    }

    async fn write_down(self: Arc<Self>, _: Context, entry: String) -> Result<(), HubError> {
        self.journal.write(entry);
        Ok(())
    }

    /// Acts when it is called, before its future is looked at.
    fn eager(self: Arc<Self>, _: Context) -> std::future::Ready<Result<(), HubError>> {
        self.journal.write("eager");
        std::future::ready(Ok(()))
    }

    async fn text(self: Arc<Self>, _: Context, len: usize) -> Result<String, HubError> {
        Ok("x".repeat(len))
    }

    async fn secret(self: Arc<Self>, _: Context, number: i32) -> Result<i32, HubError> {
        Ok(number)
    }

    async fn who_am_i(
        self: Arc<Self>,
        context: Context,
    ) -> Result<(String, Option<String>), HubError> {
        Ok((
            context.connection_id().to_owned(),
            context.user_id().map(str::to_owned),
        ))
    }

    async fn abort(self: Arc<Self>, context: Context) -> Result<(), HubError> {
        context.abort();
        Ok(())
    }

    /// Sends `Said(text)` to whoever is meant.
    async fn send(
        self: Arc<Self>,
        context: Context,
        whom: String,
        names: Vec<String>,
        except: Vec<String>,
        text: String,
    ) -> Result<(), HubError> {
        let clients = context.clients();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let except = except.iter().map(String::as_str);
        let first = names.first().copied().unwrap_or_default();
        let message = (text,);
        match whom.as_str() {
            "all" => clients.all().send("Said", message).await?,
            "all except" => clients.all_except(except).send("Said", message).await?,
            "caller" => clients.caller().send("Said", message).await?,
            "others" => clients.others().send("Said", message).await?,
            "client" => clients.client(first).send("Said", message).await?,
            "clients" => clients.clients(names).send("Said", message).await?,
            "group" => clients.group(first).send("Said", message).await?,
            "group except" => {
                clients
                    .group_except(first, except)
                    .send("Said", message)
                    .await?
            }
            "groups" => clients.groups(names).send("Said", message).await?,
            "others in group" => clients.others_in_group(first).send("Said", message).await?,
            "user" => clients.user(first).send("Said", message).await?,
            "users" => clients.users(names).send("Said", message).await?,
            other => return Err(HubError::hidden("Exception", format!("nobody is {other}"))),
        }
        Ok(())
    }

    /// Sends `Item(number, text)` so many times to whoever is in a group, without waiting in between.
    async fn burst(
        self: Arc<Self>,
        context: Context,
        group: String,
        count: u32,
        len: usize,
    ) -> Result<u32, HubError> {
        let text = "x".repeat(len);
        for number in 0..count {
            context
                .clients()
                .group(&group)
                .send("Item", (number, &text))
                .await?;
        }
        Ok(count)
    }

    async fn join(
        self: Arc<Self>,
        context: Context,
        id: String,
        group: String,
    ) -> Result<(), HubError> {
        let id = if id.is_empty() {
            context.connection_id()
        } else {
            &id
        };
        Ok(context.groups().add(id, &group).await?)
    }

    async fn leave(
        self: Arc<Self>,
        context: Context,
        id: String,
        group: String,
    ) -> Result<(), HubError> {
        let id = if id.is_empty() {
            context.connection_id()
        } else {
            &id
        };
        Ok(context.groups().remove(id, &group).await?)
    }

    async fn group_count(self: Arc<Self>, context: Context) -> Result<usize, HubError> {
        Ok(context.group_count())
    }

    async fn ask(
        self: Arc<Self>,
        context: Context,
        id: String,
        question: String,
    ) -> Result<i32, HubError> {
        let answer = context
            .clients()
            .client(&id)
            .invoke::<i32>("Number", (question,))
            .await;
        self.journal.write(format!("asked: {answer:?}"));
        answer
    }

    async fn ask_caller(self: Arc<Self>, context: Context) -> Result<i32, HubError> {
        context.clients().caller().invoke("Number", ()).await
    }

    async fn wait_for_end(self: Arc<Self>, context: Context) -> Result<(), HubError> {
        self.journal.write("waiting for the end");
        context.aborted().cancelled().await;
        self.journal.write("aborted");
        Ok(())
    }

    async fn sum(self: Arc<Self>, _: Context, mut numbers: Upload<i32>) -> Result<i32, HubError> {
        let mut sum = 0;
        while let Some(number) = numbers.next().await {
            sum += number.inspect_err(|e| self.journal.write(format!("upload: {e:?}")))?;
        }
        self.journal.write(format!("sum {sum}"));
        Ok(sum)
    }

    async fn concat(
        self: Arc<Self>,
        _: Context,
        mut parts: Upload<String>,
    ) -> Result<String, HubError> {
        let mut text = String::new();
        while let Some(part) = parts.next().await {
            text.push_str(&part?);
        }
        Ok(text)
    }

    async fn zip(
        self: Arc<Self>,
        _: Context,
        mut first: Upload<i32>,
        factor: i32,
        mut second: Upload<i32>,
    ) -> Result<Vec<i32>, HubError> {
        let mut all = Vec::new();
        while let (Some(a), Some(b)) = (first.next().await, second.next().await) {
            all.push(factor * (a? + b?));
        }
        Ok(all)
    }

    /// Reads nothing of its upload until the test opens a gate.
    async fn hold(
        self: Arc<Self>,
        context: Context,
        numbers: Upload<i32>,
        gate: String,
    ) -> Result<i32, HubError> {
        self.journal.write(format!("at {gate}"));
        self.journal.pass(&gate).await;
        self.sum(context, numbers).await
    }

    async fn read_one(
        self: Arc<Self>,
        _: Context,
        mut numbers: Upload<i32>,
    ) -> Result<Option<i32>, HubError> {
        numbers.next().await.transpose()
    }
}

/// Methods that answer with streams.
impl TestHub {
    async fn count(
        self: Arc<Self>,
        _: Context,
        to: u32,
    ) -> Result<impl Stream<Item = Result<u32, HubError>>, HubError> {
        Ok(stream::iter((0..to).map(Ok)))
    }

    /// Gives each item when the test opens its gate, `item 0` and so on.
    async fn count_gated(
        self: Arc<Self>,
        _: Context,
        to: u32,
    ) -> Result<impl Stream<Item = Result<u32, HubError>>, HubError> {
        let guard = Noted(Arc::clone(&self.journal));
        Ok(stream::unfold(0, move |number| {
            let journal = Arc::clone(&guard.0);
            async move {
                if number == to {
                    return None;
                }
                journal.pass(&format!("item {number}")).await;
                Some((Ok(number), number + 1))
            }
        }))
    }

    async fn count_then_fail(
        self: Arc<Self>,
        _: Context,
        to: u32,
    ) -> Result<impl Stream<Item = Result<u32, HubError>>, HubError> {
        let end = Err(HubError::hidden("InvalidOperationException", "no more"));
        Ok(stream::iter((0..to).map(Ok).chain([end])))
    }

    async fn fail_first(
        self: Arc<Self>,
        _: Context,
    ) -> Result<stream::Empty<Result<u32, HubError>>, HubError> {
        Err(HubError::hidden("InvalidOperationException", "no stream"))
    }

    async fn panic_in_stream(
        self: Arc<Self>,
        _: Context,
    ) -> Result<impl Stream<Item = Result<u32, HubError>>, HubError> {
        Ok(stream::iter(0..3).map(|number| {
            assert_ne!(number, 2, "the stream panics");
            Ok(number)
        }))
    }

    /// Numbers as fast as they are taken, until it is dropped.
    async fn forever(
        self: Arc<Self>,
        _: Context,
    ) -> Result<impl Stream<Item = Result<u64, HubError>>, HubError> {
        let guard = Noted(Arc::clone(&self.journal));
        Ok(stream::iter(0..).map(move |number| {
            let _in_use = &guard;
            Ok(number)
        }))
    }

    async fn texts(
        self: Arc<Self>,
        _: Context,
        count: u32,
        len: usize,
    ) -> Result<impl Stream<Item = Result<(u32, String), HubError>>, HubError> {
        Ok(stream::iter(0..count).map(move |number| Ok((number, "x".repeat(len)))))
    }

    async fn double(
        self: Arc<Self>,
        _: Context,
        numbers: Upload<i32>,
    ) -> Result<impl Stream<Item = Result<i32, HubError>>, HubError> {
        Ok(numbers.map(|number| number.map(|number| 2 * number)))
    }

    async fn ask_in_stream(
        self: Arc<Self>,
        context: Context,
    ) -> Result<impl Stream<Item = Result<i32, HubError>>, HubError> {
        Ok(stream::once(async move {
            context.clients().caller().invoke::<i32>("Number", ()).await
        }))
    }
}

/// Writes into the journal when it is dropped: a stream is not wanted any more.
struct Noted(Arc<Journal>);

impl Drop for Noted {
    fn drop(&mut self) {
        self.0.write("stream dropped");
    }
}

/// A result that cannot be written.
enum Unwritable {
    Fails,
    Panics,
}

impl Serialize for Unwritable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fails => Err(serde::ser::Error::custom("it cannot be written")),
            Self::Panics => panic!("{:?}", serializer.is_human_readable()),
        }
    }
}

/// Counts how often each of some values is there.
pub(crate) fn tally<T: Ord>(values: impl IntoIterator<Item = T>) -> BTreeMap<T, usize> {
    let mut counts = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    counts
}

/// A time-out short enough for a test to wait for, and long enough for everything else to happen before.
pub(crate) const SHORT: Duration = Duration::from_millis(600);
