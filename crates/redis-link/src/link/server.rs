//! A connection to one server.

use std::{pin::pin, sync::Arc};

use redis::Value;
use tokio::time::{Instant, sleep, timeout};

use super::{
    Active,
    pipeline::{Driver, Patience, Pipeline, Unanswered},
};
use crate::{
    Cmd, Endpoint, Settings, cmd,
    error::Refusal,
    script,
    socket::{Activity, Dialer, Fault},
    state::{HEARTBEAT, SILENCE_MAX},
    switch,
    wire::{CLOSED, Wire},
};

/// A connection, and what moves its bytes.
pub(super) struct Held {
    pipeline: Pipeline,
    driver: Driver,
    activity: Arc<Activity>,
    endpoint: Endpoint,
}

/// Takes commands on a connection that is logged in.
pub(super) async fn connect(wire: Wire, settings: &Settings) -> Result<Held, Fault> {
    let endpoint = wire.endpoint().clone();
    let activity = wire.activity();
    // Twice as many as may be waited for at once: one stall alone is no reason to be silent when it is over.
    let unanswered_max = settings.in_flight_max.max(1).saturating_mul(2);
    let (pipeline, driver) = Pipeline::new(wire, settings.command_timeout, unanswered_max);
    let mut held = Held {
        pipeline,
        driver,
        activity,
        endpoint,
    };
    held.load_scripts().await?;
    Ok(held)
}

impl Held {
    pub(super) fn pipeline(&self) -> Pipeline {
        self.pipeline.clone()
    }

    /// A server that may have restarted gets the scripts before anything else.
    async fn load_scripts(&mut self) -> Result<(), Fault> {
        let loads = script::load_all();
        if loads.is_empty() {
            return Ok(());
        }
        let loading = load(&self.pipeline, &loads, Patience::Endless);
        let loaded = tokio::select! {
            loaded = timeout(HEARTBEAT + SILENCE_MAX, loading) => loaded,
            fault = self.driver.run() => return Err(fault),
        };
        match loaded {
            Err(_) => Err(self.fault("no answer to the scripts")),
            // Who may not load scripts may not run them either, and is told so then.
            Ok(Ok(Err(refusal))) => {
                tracing::debug!(%refusal, "scripts could not be loaded");
                Ok(())
            }
            Ok(Err(_)) => Err(self.fault(CLOSED)),
            Ok(Ok(Ok(()))) => Ok(()),
        }
    }

    /// Moves bytes until the connection is lost, stalls, or is the wrong one; dropping it closes the connection.
    pub(super) async fn hold(mut self, dialer: &Dialer, active: &Active) -> Fault {
        let heartbeat = heartbeat(self.pipeline.clone(), Arc::clone(&self.activity));
        tokio::select! {
            fault = self.driver.run() => fault,
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

/// Loads scripts, all at once, so that a batch finds all or none.
pub(super) async fn load(
    pipeline: &Pipeline,
    loads: &[Cmd],
    patience: Patience,
) -> Result<Result<(), Refusal>, Unanswered> {
    let (multi, exec) = (cmd("MULTI"), cmd("EXEC"));
    let all: Vec<_> = [&multi].into_iter().chain(loads).chain([&exec]).collect();
    let answers = pipeline
        .ask(all.into_iter(), patience, Instant::now())
        .await?;
    // Of each command, or, where it was taken, among those of all that were carried out at last.
    let errors = answers.values.iter().find_map(refusal);
    Ok(errors.map_or(Ok(()), Err))
}

fn refusal(value: &Value) -> Option<Refusal> {
    match value {
        Value::ServerError(error) => Some(Refusal::from(error)),
        Value::Array(values) => values.iter().find_map(refusal),
        _ => None,
    }
}

/// Makes the server say something whenever it is silent; ends with what is wrong.
async fn heartbeat(pipeline: Pipeline, activity: Arc<Activity>) -> String {
    loop {
        sleep(HEARTBEAT).await;
        if activity.silent_for() < HEARTBEAT {
            continue;
        }
        let ping = [cmd("PING")];
        let mut answer = pin!(pipeline.ask(ping.iter(), Patience::Endless, Instant::now()));
        // Before it counts as stalled it may be busy with other answers: only silence counts.
        let answered = loop {
            match timeout(SILENCE_MAX, &mut answer).await {
                Ok(answered) => break answered,
                Err(_) if activity.silent_for() >= SILENCE_MAX => {
                    return format!("no sign of life for {:.1?}", activity.silent_for());
                }
                Err(_) => {}
            }
        };
        match answered {
            Ok(answers) => {
                let refused = answers.values.iter().find_map(refusal);
                if let Some(refusal) = refused.filter(Refusal::is_wrong_server) {
                    return refusal.to_string();
                }
            }
            Err(unanswered) => {
                debug_assert_eq!(unanswered, Unanswered::Over, "its patience is endless");
                return CLOSED.to_owned();
            }
        }
    }
}
