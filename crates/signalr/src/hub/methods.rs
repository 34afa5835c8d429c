//! The methods of a hub: names, and functions with typed parameters behind them.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use hashbrown::HashMap;
use serde::Serialize;
use serde::de::DeserializeOwned;
use signalr_protocol::payload::{Arguments, BindError, Value};

use super::calls::Responder;
use super::context::Context;
use super::filter::{MethodCall, Step};
use super::runtime::caught;
use super::stream::{Upload, UploadSink, upload};
use crate::error::HubError;

/// The methods that clients may call, by name and without regard to case.
///
/// A method is a function of the hub, a [`Context`] and up to eight parameters: values that serde can read, and
/// [`Upload`] streams.
pub struct Methods<H> {
    all: Vec<Method<H>>,
    /// Where each stands in `all`: by its name in lower case, and as it was spelled when it was added, which is how
    /// nearly all clients spell it.
    by_name: HashMap<String, usize>,
}

/// Who may call a method.
type Policy = Arc<dyn Fn(&Context) -> bool + Send + Sync>;

pub(crate) struct Method<H> {
    function: Box<dyn Function<H>>,
    policy: Option<Policy>,
}

impl<H: Send + Sync + 'static> Methods<H> {
    pub(crate) fn new() -> Self {
        Self {
            all: Vec::new(),
            by_name: HashMap::new(),
        }
    }

    /// Adds a method that answers once.
    ///
    /// # Panics
    /// If there is a method of that name: a mistake of the program, found at its start.
    pub fn call<P, F>(&mut self, name: &str, function: F) -> Added<'_, H>
    where
        F: CallFn<H, P>,
        P: 'static,
    {
        self.add(
            name,
            Box::new(Call(Arc::new(function), std::marker::PhantomData)),
        )
    }

    /// Adds a method that answers with a stream of items.
    ///
    /// # Panics
    /// As [`Methods::call`].
    pub fn stream<P, F>(&mut self, name: &str, function: F) -> Added<'_, H>
    where
        F: StreamFn<H, P>,
        P: 'static,
    {
        self.add(
            name,
            Box::new(Streaming(Arc::new(function), std::marker::PhantomData)),
        )
    }

    fn add(&mut self, name: &str, function: Box<dyn Function<H>>) -> Added<'_, H> {
        let key = name.to_lowercase();
        assert!(
            !self.by_name.contains_key(&key),
            "the hub has two methods named '{name}'"
        );
        let place = self.all.len();
        self.all.push(Method {
            function,
            policy: None,
        });
        self.by_name.insert(key, place);
        self.by_name.insert(name.to_owned(), place);
        Added(&mut self.all[place])
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Method<H>> {
        let place = self
            .by_name
            .get(name)
            .or_else(|| self.by_name.get(&name.to_lowercase()))?;
        self.all.get(*place)
    }
}

impl<H> std::fmt::Debug for Methods<H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.by_name.keys()).finish()
    }
}

/// A method that was just added.
pub struct Added<'a, H>(&'a mut Method<H>);

impl<H> Added<'_, H> {
    /// Lets only those call it for whom `policy` holds; the others are told that they may not.
    pub fn authorize(self, policy: impl Fn(&Context) -> bool + Send + Sync + 'static) {
        self.0.policy = Some(Arc::new(policy));
    }
}

impl<H> std::fmt::Debug for Added<'_, H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Added")
    }
}

/// A call from a client, with all that it takes to run it.
pub(crate) struct Request<'m> {
    pub(crate) context: Context,
    pub(crate) arguments: &'m Arguments<'m>,
    /// How many upload streams the client announced.
    pub(crate) stream_count: usize,
    /// Whether the client expects a stream of items.
    pub(crate) wants_stream: bool,
    pub(crate) responder: Responder,
}

/// A call that is ready to run.
pub(crate) struct Prepared {
    pub(crate) future: BoxFuture<'static, ()>,
    /// Where the items of each upload stream go, in the order of the announced ids.
    pub(crate) sinks: Vec<Box<dyn UploadSink>>,
    pub(crate) is_stream: bool,
}

/// Why a call is not run.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The arguments do not fit.
    Bind(BindError),
    /// The caller may not call it.
    Unauthorized,
    /// A stream was asked of a method that gives none.
    NotStreaming,
    /// No stream was asked of a method that gives one.
    Streaming,
    /// Another number of upload streams than the method takes.
    StreamCount { found: usize, expected: usize },
}

impl<H: 'static> Method<H> {
    /// Reads the arguments and decides, in ASP.NET Core's order: arguments, authorization, kind, upload streams.
    pub(crate) fn prepare(&self, hub: Arc<H>, request: Request<'_>) -> Result<Prepared, Refusal> {
        self.function.prepare(hub, request, self.policy.as_ref())
    }
}

/// A function of whatever parameters.
trait Function<H>: Send + Sync {
    fn prepare(
        &self,
        hub: Arc<H>,
        request: Request<'_>,
        policy: Option<&Policy>,
    ) -> Result<Prepared, Refusal>;
}

struct Call<F, P>(Arc<F>, std::marker::PhantomData<fn() -> P>);
struct Streaming<F, P>(Arc<F>, std::marker::PhantomData<fn() -> P>);

/// A function that can be a hub method which answers once.
pub trait CallFn<H, P>: Sized + Send + Sync + 'static {
    #[doc(hidden)]
    fn prepare(self: &Arc<Self>, hub: Arc<H>, call: Unbound<'_>) -> Result<Bound, RefusedCall>;
}

/// A function that can be a hub method which answers with a stream.
pub trait StreamFn<H, P>: Sized + Send + Sync + 'static {
    #[doc(hidden)]
    fn prepare(self: &Arc<Self>, hub: Arc<H>, call: Unbound<'_>) -> Result<Bound, RefusedCall>;
}

/// A call whose arguments were not yet read.
#[doc(hidden)]
#[expect(unnameable_types, reason = "only this crate makes hub functions")]
pub struct Unbound<'m> {
    request: Request<'m>,
    policy: Option<&'m Policy>,
}

/// A call that is ready to run.
#[doc(hidden)]
#[expect(unnameable_types, reason = "only this crate makes hub functions")]
pub struct Bound(Prepared);

/// A call that does not run.
#[doc(hidden)]
#[expect(unnameable_types, reason = "only this crate makes hub functions")]
pub struct RefusedCall(Refusal);

impl std::fmt::Debug for Unbound<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Unbound")
    }
}

impl std::fmt::Debug for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bound")
    }
}

impl std::fmt::Debug for RefusedCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl<H: Send + Sync + 'static, P: 'static, F: CallFn<H, P>> Function<H> for Call<F, P> {
    fn prepare(
        &self,
        hub: Arc<H>,
        request: Request<'_>,
        policy: Option<&Policy>,
    ) -> Result<Prepared, Refusal> {
        let call = Unbound { request, policy };
        self.0
            .prepare(hub, call)
            .map(|bound| bound.0)
            .map_err(|refused| refused.0)
    }
}

impl<H: Send + Sync + 'static, P: 'static, F: StreamFn<H, P>> Function<H> for Streaming<F, P> {
    fn prepare(
        &self,
        hub: Arc<H>,
        request: Request<'_>,
        policy: Option<&Policy>,
    ) -> Result<Prepared, Refusal> {
        let call = Unbound { request, policy };
        self.0
            .prepare(hub, call)
            .map(|bound| bound.0)
            .map_err(|refused| refused.0)
    }
}

/// The type of a parameter of a hub method.
pub trait Parameter: Sized + Send + 'static {
    /// Whether it is an upload stream, which takes no argument.
    #[doc(hidden)]
    const IS_UPLOAD: bool;

    #[doc(hidden)]
    fn bind(from: &mut Binder<'_>) -> Result<Self, BindError>;
}

impl<T: DeserializeOwned + Send + 'static> Parameter for T {
    const IS_UPLOAD: bool = false;

    fn bind(from: &mut Binder<'_>) -> Result<Self, BindError> {
        from.values
            .next()
            .and_then(|value| value.read().ok())
            .ok_or(BindError::WrongType)
    }
}

impl<T: DeserializeOwned + Send + 'static> Parameter for Upload<T> {
    const IS_UPLOAD: bool = true;

    fn bind(from: &mut Binder<'_>) -> Result<Self, BindError> {
        let (stream, sink) = upload(from.upload_capacity);
        from.sinks.push(sink);
        Ok(stream)
    }
}

/// What parameters are made of.
#[doc(hidden)]
#[expect(unnameable_types, reason = "only this crate makes hub functions")]
pub struct Binder<'m> {
    values: std::vec::IntoIter<Value<'m>>,
    sinks: Vec<Box<dyn UploadSink>>,
    argument_count: usize,
    upload_capacity: usize,
}

impl std::fmt::Debug for Binder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Binder")
    }
}

impl<'m> Unbound<'m> {
    fn binder(&self, uploads: &[bool]) -> Result<Binder<'m>, RefusedCall> {
        let expected = uploads.iter().filter(|is_upload| !**is_upload).count();
        let values = self
            .request
            .arguments
            .split(expected)
            .map_err(|e| RefusedCall(Refusal::Bind(e)))?;
        Ok(Binder {
            values: values.into_iter(),
            sinks: Vec::new(),
            argument_count: expected,
            upload_capacity: self.request.context.link.options.stream_buffer_capacity,
        })
    }

    fn admit(&self, is_stream: bool, expected: usize) -> Result<(), RefusedCall> {
        let request = &self.request;
        let refusal = if self.policy.is_some_and(|policy| !policy(&request.context)) {
            Refusal::Unauthorized
        } else if is_stream && !request.wants_stream {
            Refusal::Streaming
        } else if !is_stream && request.wants_stream {
            Refusal::NotStreaming
        } else if request.stream_count != expected {
            Refusal::StreamCount {
                found: request.stream_count,
                expected,
            }
        } else {
            return Ok(());
        };
        Err(RefusedCall(refusal))
    }
}

fn refused(error: BindError) -> RefusedCall {
    RefusedCall(Refusal::Bind(error))
}

/// How a method answers.
trait Answer<T> {
    const IS_STREAM: bool;

    /// Tells the caller what the method has returned.
    fn give(returned: T, responder: &Responder) -> impl Future<Output = ()> + Send;
}

/// With its result.
struct Once;

/// With the items of a stream.
struct Items;

impl<R: Serialize + Send + Sync> Answer<R> for Once {
    const IS_STREAM: bool = false;

    async fn give(returned: R, responder: &Responder) {
        responder.succeed(&returned);
    }
}

impl<S, R, G> Answer<S> for Items
where
    S: Stream<Item = Result<R, G>> + Send,
    R: Serialize + Send + Sync,
    G: Into<HubError> + Send,
{
    const IS_STREAM: bool = true;

    async fn give(returned: S, responder: &Responder) {
        let items = returned.map(|item| item.map_err(Into::into));
        responder.stream(items).await;
    }
}

impl<'m> Unbound<'m> {
    /// Makes a call of a function whose parameters are bound; `run` hands them to it.
    fn with<A, F, Fut, T, E>(
        self,
        binder: Binder<'m>,
        function: &Arc<F>,
        run: impl FnOnce(&F, Context) -> Fut + Send + 'static,
    ) -> Result<Bound, RefusedCall>
    where
        A: Answer<T>,
        F: Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Send,
        E: Into<HubError>,
    {
        self.admit(A::IS_STREAM, binder.sinks.len())?;
        let is_filtered = !self.request.context.hub.filters.is_empty();
        let function = Arc::clone(function);
        let future = if is_filtered {
            let (call, responder) = self.into_filtered(binder.argument_count);
            async move {
                let context = call.context.clone();
                // Called within: nothing of it runs before the filters let it.
                let method = async { run(&function, context).await.map_err(Into::into) };
                let filters = &call.context.hub.filters;
                match filters.around(Step::Method(&call), method).await {
                    Ok(returned) => A::give(returned, &responder).await,
                    Err(error) => responder.fail(&error),
                }
            }
            .boxed()
        } else {
            let Request {
                context, responder, ..
            } = self.request;
            async move {
                // Called within: it may panic before there is a future.
                let method = caught(async move { run(&function, context).await });
                match method.await {
                    Ok(returned) => A::give(returned, &responder).await,
                    Err(error) => responder.fail(&error),
                }
            }
            .boxed()
        };
        Ok(Bound(Prepared {
            future,
            sinks: binder.sinks,
            is_stream: A::IS_STREAM,
        }))
    }

    /// What filters see of the call, and who is answered.
    fn into_filtered(self, argument_count: usize) -> (MethodCall, Responder) {
        let request = self.request;
        // They were split before, without an error.
        let arguments = request.arguments.split(argument_count).unwrap_or_default();
        let call = MethodCall {
            target: request.responder.target(),
            arguments: arguments.into_iter().map(Value::detach).collect(),
            context: request.context,
        };
        (call, request.responder)
    }
}

macro_rules! hub_functions {
    ($($name:ident),*) => {
        impl<H, F, Fut, R, E, $($name),*> CallFn<H, ($($name,)*)> for F
        where
            H: Send + Sync + 'static,
            F: Fn(Arc<H>, Context, $($name),*) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = Result<R, E>> + Send + 'static,
            R: Serialize + Send + Sync,
            E: Into<HubError>,
            $($name: Parameter,)*
        {
            hub_functions!(@prepare Once, $($name),*);
        }

        impl<H, F, Fut, S, R, E, G, $($name),*> StreamFn<H, ($($name,)*)> for F
        where
            H: Send + Sync + 'static,
            F: Fn(Arc<H>, Context, $($name),*) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = Result<S, E>> + Send + 'static,
            S: Stream<Item = Result<R, G>> + Send + 'static,
            R: Serialize + Send + Sync,
            E: Into<HubError>,
            G: Into<HubError> + Send,
            $($name: Parameter,)*
        {
            hub_functions!(@prepare Items, $($name),*);
        }
    };
    (@prepare $answer:ty, $($name:ident),*) => {
        #[allow(non_snake_case, unused_mut, reason = "a type's name serves as its value's; some have no parameters")]
        fn prepare(self: &Arc<Self>, hub: Arc<H>, call: Unbound<'_>) -> Result<Bound, RefusedCall> {
            let mut binder = call.binder(&[$($name::IS_UPLOAD),*])?;
            $(let $name = $name::bind(&mut binder).map_err(refused)?;)*
            call.with::<$answer, _, _, _, _>(binder, self, move |function, context| {
                function(hub, context, $($name),*)
            })
        }
    };
}

hub_functions!();
hub_functions!(A);
hub_functions!(A, B);
hub_functions!(A, B, C);
hub_functions!(A, B, C, D);
hub_functions!(A, B, C, D, I);
hub_functions!(A, B, C, D, I, J);
hub_functions!(A, B, C, D, I, J, K);
hub_functions!(A, B, C, D, I, J, K, L);

/// The text of a refused call, for the caller.
pub(crate) fn describe(refusal: &Refusal, target: &str, detailed: bool) -> String {
    match refusal {
        Refusal::Bind(error) => HubError::hidden("InvalidDataException", error.to_string())
            .describe(&failed_to_invoke(target), detailed),
        Refusal::Unauthorized => {
            format!("Failed to invoke '{target}' because user is unauthorized")
        }
        Refusal::NotStreaming => format!(
            "The client attempted to invoke the non-streaming '{target}' method with a streaming invocation."
        ),
        Refusal::Streaming => format!(
            "The client attempted to invoke the streaming '{target}' method with a non-streaming invocation."
        ),
        Refusal::StreamCount { found, expected } => format!(
            "An unexpected error occurred invoking '{target}' on the server. HubException: Client sent {found} stream(s), Hub method expects {expected}."
        ),
    }
}

/// What every call that never began is answered with.
pub(crate) fn failed_to_invoke(target: &str) -> String {
    format!("Failed to invoke '{target}' due to an error on the server.")
}
