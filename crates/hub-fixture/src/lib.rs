//! The hub that tests across programs call: one method for everything that the protocol can do.
//!
//! The peer on ASP.NET Core that answers were recorded from has the same methods, by the same names. `test-hub` serves
//! this one to outside suites, and the tests of `signalr-redis` on several servers.

mod dynamic;
mod point;

use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _, stream};
use signalr::protocol::payload::ByteArray;
use signalr::{Context, Hub, HubError, Methods, Upload};

use self::dynamic::Dynamic;
use self::point::Point;

/// The hub that outside suites expect; anybody may connect.
#[derive(Debug)]
pub struct TestHub;

type Answer<T> = Result<T, HubError>;

impl Hub for TestHub {
    fn methods(methods: &mut Methods<Self>) {
        methods.call("Echo", Self::echo);
        methods.call("EchoString", Self::echo_string);
        methods.call("Add", Self::add);
        methods.call("Half", Self::half);
        methods.call("Not", Self::not);
        methods.call("EchoBytes", Self::echo_bytes);
        methods.call("EchoPoint", Self::echo_point);
        methods.call("ReturnNull", Self::return_null);
        methods.call("Nothing", Self::nothing);
        methods.call("NothingAsync", Self::nothing);
        methods.call("Throw", Self::throw);
        methods.call("ThrowHub", Self::throw_hub);
        methods.call("WhoAmI", Self::who_am_i);
        methods.call("ConnectionId", Self::connection_id);
        methods.call("Slow", Self::slow);
        methods.call("Abort", Self::abort);
        methods.call("SendCaller", Self::send_caller);
        methods.call("SendNested", Self::send_nested);
        methods.call("SendAll", Self::send_all);
        methods.call("SendOthers", Self::send_others);
        methods.call("SendUser", Self::send_user);
        methods.call("SendClient", Self::send_client);
        methods.call("SendGroup", Self::send_group);
        methods.call("SendOthersInGroup", Self::send_others_in_group);
        methods.call("Join", Self::join);
        methods.call("Leave", Self::leave);
        methods.call("JoinOther", Self::join_other);
        methods.call("LeaveOther", Self::leave_other);
        methods.call("AskCaller", Self::ask_caller);
        methods.call("AskClient", Self::ask_client);
        methods.stream("Count", Self::count);
        methods.stream("CountThenThrow", Self::count_then_throw);
        methods.stream("Letters", Self::letters);
        methods.call("Sum", Self::sum);
        methods.stream("Doubled", Self::doubled);
        methods
            .call("Secret", Self::secret)
            .authorize(|context| context.user_id().is_some());
        methods.call("renamed", Self::renamed);
    }
}

/// Values.
impl TestHub {
    async fn echo(self: Arc<Self>, _: Context, value: Dynamic) -> Answer<Dynamic> {
        Ok(value)
    }

    async fn echo_string(
        self: Arc<Self>,
        _: Context,
        value: Option<String>,
    ) -> Answer<Option<String>> {
        Ok(value)
    }

    async fn add(self: Arc<Self>, _: Context, a: i32, b: i32) -> Answer<i32> {
        Ok(a.wrapping_add(b))
    }

    async fn half(self: Arc<Self>, _: Context, value: f64) -> Answer<f64> {
        Ok(value / 2.0)
    }

    async fn not(self: Arc<Self>, _: Context, value: bool) -> Answer<bool> {
        Ok(!value)
    }

    async fn echo_bytes(self: Arc<Self>, _: Context, value: ByteArray) -> Answer<ByteArray> {
        Ok(value)
    }

    async fn echo_point(self: Arc<Self>, _: Context, value: Point) -> Answer<Point> {
        Ok(value)
    }

    async fn return_null(self: Arc<Self>, _: Context) -> Answer<Option<String>> {
        Ok(None)
    }

    async fn nothing(self: Arc<Self>, _: Context) -> Answer<()> {
        Ok(())
    }

    async fn throw(self: Arc<Self>, _: Context) -> Answer<String> {
        Err(HubError::hidden(
            "InvalidOperationException",
            "secret detail",
        ))
    }

    async fn throw_hub(self: Arc<Self>, _: Context) -> Answer<String> {
        Err(HubError::new("a message for the caller"))
    }

    async fn who_am_i(self: Arc<Self>, context: Context) -> Answer<String> {
        Ok(context.user_id().unwrap_or("<null>").to_owned())
    }

    async fn connection_id(self: Arc<Self>, context: Context) -> Answer<String> {
        Ok(context.connection_id().to_owned())
    }

    async fn slow(self: Arc<Self>, _: Context, ms: u32) -> Answer<u32> {
        tokio::time::sleep(Duration::from_millis(ms.into())).await;
        Ok(ms)
    }

    async fn abort(self: Arc<Self>, context: Context) -> Answer<()> {
        context.abort();
        Ok(())
    }

    async fn secret(self: Arc<Self>, _: Context) -> Answer<&'static str> {
        Ok("only for the authorised")
    }

    async fn renamed(self: Arc<Self>, _: Context) -> Answer<&'static str> {
        Ok("by its other name")
    }
}

/// Clients and groups.
impl TestHub {
    async fn send_caller(self: Arc<Self>, context: Context, text: Option<String>) -> Answer<()> {
        let caller = context.clients().caller();
        Ok(caller.send("Receive", (text,)).await?)
    }

    async fn send_nested(self: Arc<Self>, context: Context) -> Answer<()> {
        let arguments = (
            Point::new(1, 2, None),
            3.5,
            true,
            (),
            ["a", "b"],
            ByteArray(vec![1, 2, 3]),
        );
        let caller = context.clients().caller();
        Ok(caller.send("Receive", arguments).await?)
    }

    async fn send_all(self: Arc<Self>, context: Context, text: Option<String>) -> Answer<()> {
        Ok(context.clients().all().send("Receive", (text,)).await?)
    }

    async fn send_others(self: Arc<Self>, context: Context, text: Option<String>) -> Answer<()> {
        Ok(context.clients().others().send("Receive", (text,)).await?)
    }

    async fn send_user(
        self: Arc<Self>,
        context: Context,
        user: String,
        text: Option<String>,
    ) -> Answer<()> {
        let user = context.clients().user(&user);
        Ok(user.send("Receive", (text,)).await?)
    }

    async fn send_client(
        self: Arc<Self>,
        context: Context,
        id: String,
        text: Option<String>,
    ) -> Answer<()> {
        let client = context.clients().client(&id);
        Ok(client.send("Receive", (text,)).await?)
    }

    async fn send_group(
        self: Arc<Self>,
        context: Context,
        group: String,
        text: Option<String>,
    ) -> Answer<()> {
        let group = context.clients().group(&group);
        Ok(group.send("Receive", (text,)).await?)
    }

    async fn send_others_in_group(
        self: Arc<Self>,
        context: Context,
        group: String,
        text: Option<String>,
    ) -> Answer<()> {
        let others = context.clients().others_in_group(&group);
        Ok(others.send("Receive", (text,)).await?)
    }

    async fn join(self: Arc<Self>, context: Context, group: String) -> Answer<()> {
        let groups = context.groups();
        Ok(groups.add(context.connection_id(), &group).await?)
    }

    async fn leave(self: Arc<Self>, context: Context, group: String) -> Answer<()> {
        let groups = context.groups();
        Ok(groups.remove(context.connection_id(), &group).await?)
    }

    async fn join_other(
        self: Arc<Self>,
        context: Context,
        id: String,
        group: String,
    ) -> Answer<()> {
        Ok(context.groups().add(&id, &group).await?)
    }

    async fn leave_other(
        self: Arc<Self>,
        context: Context,
        id: String,
        group: String,
    ) -> Answer<()> {
        Ok(context.groups().remove(&id, &group).await?)
    }

    async fn ask_caller(self: Arc<Self>, context: Context, value: i32) -> Answer<i32> {
        context.clients().caller().invoke("Ask", (value,)).await
    }

    async fn ask_client(self: Arc<Self>, context: Context, id: String, value: i32) -> Answer<i32> {
        context.clients().client(&id).invoke("Ask", (value,)).await
    }
}

/// Streams.
impl TestHub {
    async fn count(
        self: Arc<Self>,
        _: Context,
        count: i32,
        delay_ms: u32,
    ) -> Answer<impl Stream<Item = Answer<i32>>> {
        let delay = Duration::from_millis(delay_ms.into());
        Ok(stream::iter(0..count).then(move |i| async move {
            if i > 0 && !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            Ok(i)
        }))
    }

    async fn count_then_throw(
        self: Arc<Self>,
        _: Context,
        count: i32,
    ) -> Answer<impl Stream<Item = Answer<i32>>> {
        let broken = stream::iter([Err(HubError::new("stream broke"))]);
        Ok(stream::iter(0..count).map(Ok).chain(broken))
    }

    async fn letters(
        self: Arc<Self>,
        _: Context,
        count: u32,
    ) -> Answer<impl Stream<Item = Answer<String>>> {
        let letter = |i| char::from_u32(u32::from('a') + i).unwrap_or('?');
        Ok(stream::iter(0..count).map(move |i| Ok(letter(i).to_string())))
    }

    async fn sum(self: Arc<Self>, _: Context, mut items: Upload<i32>) -> Answer<i32> {
        let mut sum = 0i32;
        while let Some(item) = items.next().await {
            sum = sum.wrapping_add(item?);
        }
        Ok(sum)
    }

    async fn doubled(
        self: Arc<Self>,
        _: Context,
        items: Upload<i32>,
    ) -> Answer<impl Stream<Item = Answer<i32>>> {
        Ok(items.map(|item| item.map(|item| item.wrapping_mul(2))))
    }
}
