//! Connections to the nodes of a cluster, made as all others are.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::FutureExt as _;
use parking_lot::Mutex;
use redis::{
    AsyncConnectionConfig, Cmd, ConnectionAddr, IntoConnectionInfo, Pipeline, RedisConnectionInfo,
    RedisError, RedisFuture, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    cluster_async::Connect,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    Endpoint,
    socket::Dialer,
    wire::{As, Wire},
};

/// A connection to one node.
///
/// The client library decides when it wants one; how it is made is for the [`Dialer`] to say: that knows the name that
/// the node's certificate must have, whom to trust beside the system's authorities, and as whom to log in.
#[derive(Clone)]
pub(in crate::link) struct Node {
    connection: MultiplexedConnection,
    _end: Arc<DropGuard>,
}

impl Connect for Node {
    fn connect_with_config<'a, T>(info: T, config: AsyncConnectionConfig) -> RedisFuture<'a, Self>
    where
        T: IntoConnectionInfo + Send + 'a,
    {
        async move {
            let info = info.into_connection_info()?;
            let ConnectionAddr::Tcp(host, port) = info.addr() else {
                return Err(failed("a node has a host and a port"));
            };
            let endpoint = Endpoint::new(host.clone(), *port);
            let dialer = Entered::find(info.redis_settings().username());
            let dialer = dialer.ok_or_else(|| failed("the connection to the cluster has ended"))?;
            let wire = Wire::open(&dialer, &endpoint, As::Client)
                .await
                .map_err(|fault| failed(&fault.reason))?;
            // All that the library would say at the beginning has been said.
            let nothing = RedisConnectionInfo::default().set_skip_set_lib_name();
            let socket = wire.into_socket();
            let (connection, driver) =
                MultiplexedConnection::new_with_config(&nothing, socket, config).await?;
            let end = CancellationToken::new();
            tokio::spawn(end.clone().run_until_cancelled_owned(driver));
            Ok(Self {
                connection,
                _end: Arc::new(end.drop_guard()),
            })
        }
        .boxed()
    }
}

impl ConnectionLike for Node {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        self.connection.req_packed_command(cmd)
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.connection.req_packed_commands(pipeline, offset, count)
    }

    fn get_db(&self) -> i64 {
        self.connection.get_db()
    }
}

/// A dialer that nodes are connected by, for as long as this lives.
///
/// The library gives a new connection nothing of ours but its address and its credentials. So the name of the user says
/// which dialer it is to be; it is sent to nobody.
pub(in crate::link) struct Entered {
    number: u64,
}

impl Entered {
    pub(super) fn new(dialer: &Arc<Dialer>) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        DIALERS.lock().insert(number, Arc::clone(dialer));
        Self { number }
    }

    /// What the library has to take for the name of the user.
    pub(super) fn user(&self) -> String {
        self.number.to_string()
    }

    fn find(user: Option<&str>) -> Option<Arc<Dialer>> {
        DIALERS.lock().get(&user?.parse().ok()?).cloned()
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        DIALERS.lock().remove(&self.number);
    }
}

fn failed(what: &str) -> RedisError {
    io::Error::other(what).into()
}

/// One for each cluster that this process is connected to.
static DIALERS: Mutex<BTreeMap<u64, Arc<Dialer>>> = Mutex::new(BTreeMap::new());

static NEXT: AtomicU64 = AtomicU64::new(0);
