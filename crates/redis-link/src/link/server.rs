//! A connection to one server.

use std::{pin::Pin, sync::Arc};

use futures_util::FutureExt as _;
use redis::{AsyncConnectionConfig, RedisConnectionInfo, Value, aio::MultiplexedConnection, cmd};
use tokio::time::{sleep, timeout};

use super::{Active, Connection};
use crate::{
    Endpoint,
    error::LinkError,
    script,
    socket::{Activity, Dialer, Fault},
    state::{HEARTBEAT, SILENCE_MAX},
    switch,
    wire::{CLOSED, Wire},
};

/// A connection, and what moves its bytes.
pub(super) struct Held {
    connection: MultiplexedConnection,
    driver: Pin<Box<dyn Future<Output = ()> + Send>>,
    activity: Arc<Activity>,
    endpoint: Endpoint,
}

/// Hands a connection that is logged in to the client library.
pub(super) async fn connect(wire: Wire) -> Result<Held, Fault> {
    let endpoint = wire.endpoint().clone();
    let socket = wire.into_socket();
    let activity = socket.activity();
    // All that the library would say at the beginning has been said; time-outs are ours, too.
    let nothing = RedisConnectionInfo::default().set_skip_set_lib_name();
    let config = AsyncConnectionConfig::new()
        .set_response_timeout(None)
        .set_pipeline_buffer_size(QUEUE)
        .set_write_backpressure_boundary(WRITTEN_AT_ONCE);
    let (connection, driver) = MultiplexedConnection::new_with_config(&nothing, socket, config)
        .await
        .map_err(|error| Fault::new(format!("{endpoint}: {error}")))?;
    let mut held = Held {
        connection,
        driver: driver.boxed(),
        activity,
        endpoint,
    };
    held.load_scripts().await?;
    Ok(held)
}

impl Held {
    pub(super) fn connection(&self) -> MultiplexedConnection {
        self.connection.clone()
    }

    /// A server that may have restarted gets the scripts before anything else.
    async fn load_scripts(&mut self) -> Result<(), Fault> {
        let loads = script::load_all();
        if loads.is_empty() {
            return Ok(());
        }
        let loading = super::load(Connection::Server(self.connection.clone()), loads);
        let loaded = tokio::select! {
            loaded = timeout(HEARTBEAT + SILENCE_MAX, loading) => loaded,
            () = &mut self.driver => return Err(self.fault(CLOSED)),
        };
        match loaded {
            Err(_) => Err(self.fault("no answer to the scripts")),
            // Who may not load scripts may not run them either, and is told so then.
            Ok(Err(error)) if error.code().is_some() => {
                tracing::debug!(%error, "scripts could not be loaded");
                Ok(())
            }
            Ok(Err(error)) => Err(self.fault(&error.to_string())),
            Ok(Ok(())) => Ok(()),
        }
    }

    /// Moves bytes until the connection is lost, stalls, or is the wrong one; dropping it closes the connection.
    pub(super) async fn hold(mut self, dialer: &Dialer, active: &Active) -> Fault {
        let heartbeat = heartbeat(self.connection.clone(), Arc::clone(&self.activity));
        tokio::select! {
            () = &mut self.driver => self.fault(CLOSED),
            what = heartbeat => self.fault(&what),
            () = active.doubt.notified() => {
                let what = active.doubted.get().map_or("the wrong server", |what| &**what);
                self.fault(what)
            }
            fault = switch::announced(dialer) => fault,
        }
    }

    fn fault(&self, what: &str) -> Fault {
        Fault::new(format!("{}: {what}", self.endpoint))
    }
}

/// Makes the server say something whenever it is silent; ends with what is wrong.
async fn heartbeat(mut connection: MultiplexedConnection, activity: Arc<Activity>) -> String {
    loop {
        sleep(HEARTBEAT).await;
        if activity.silent_for() < HEARTBEAT {
            continue;
        }
        // Before it counts as stalled it may be busy with other answers: only silence counts.
        let ping = cmd("PING");
        let mut answer = Box::pin(connection.send_packed_command(&ping));
        let answered = loop {
            match timeout(SILENCE_MAX, &mut answer).await {
                Ok(answered) => break answered,
                Err(_) if activity.silent_for() >= SILENCE_MAX => {
                    return format!("no sign of life for {:.1?}", activity.silent_for());
                }
                Err(_) => {}
            }
        };
        let error = match answered {
            Ok(Value::ServerError(error)) => LinkError::Refused((&error).into()),
            Ok(_) => continue,
            Err(error) => LinkError::from(error),
        };
        return match error {
            LinkError::Refused(refusal) if !refusal.is_wrong_server() => continue,
            error => error.to_string(),
        };
    }
}

/// Commands that may wait for the socket to take them; what is in flight has its bound elsewhere.
const QUEUE: usize = 1024;

/// How many bytes of commands are gathered for one write: 64 KiB, some hundred scripts.
const WRITTEN_AT_ONCE: usize = 64 * 1024;
