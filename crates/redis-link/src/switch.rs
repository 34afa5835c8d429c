//! Hears from sentinels when another server becomes the master.

use redis::Value;

use crate::{
    Topology,
    backoff::{Backoff, random},
    cmd,
    socket::{Dialer, Fault},
    state::{HEARTBEAT, SILENCE_MAX},
    wire::{As, Wire, text},
};

/// Waits until a sentinel says that the service has a new master; for ever, where there are no sentinels.
///
/// A sentinel that is lost is replaced by the next. What is said meanwhile is not missed for good: the old master, when it
/// comes back, breaks its connections or answers with READONLY.
pub(crate) async fn announced(dialer: &Dialer) -> Fault {
    let Topology::Sentinel { service } = &dialer.settings.topology else {
        return std::future::pending().await;
    };
    let mut backoff = Backoff::default();
    loop {
        for sentinel in &dialer.settings.endpoints {
            let fault = match Wire::open(dialer, sentinel, As::Asker).await {
                Ok(wire) => match listen(wire, service, &mut backoff).await {
                    Ok(fault) => return fault,
                    Err(fault) => fault,
                },
                Err(fault) => fault,
            };
            tracing::debug!(reason = &*fault.reason, "no sentinel to listen to");
            tokio::time::sleep(backoff.next(random())).await;
        }
    }
}

/// Waits on one sentinel; the error is the end of the connection to it.
async fn listen(mut wire: Wire, service: &str, backoff: &mut Backoff) -> Result<Fault, Fault> {
    wire.send(cmd("SUBSCRIBE").arg("+switch-master").packed())
        .await?;
    backoff.reset();
    let activity = wire.activity();
    loop {
        let Ok(read) = tokio::time::timeout(HEARTBEAT, wire.read()).await else {
            if activity.silent_for() > HEARTBEAT + SILENCE_MAX {
                return Err(Fault::new(format!("{}: silent", wire.endpoint())));
            }
            wire.send(cmd("PING").packed()).await?;
            continue;
        };
        if let Some(master) = new_master(&read?, service) {
            return Ok(Fault::new(format!(
                "a sentinel named a new master of {service}: {master}"
            )));
        }
    }
}

/// Out of the message `service old-host old-port new-host new-port`.
fn new_master(message: &Value, service: &str) -> Option<String> {
    let Value::Array(parts) = message else {
        return None;
    };
    let [kind, _, payload] = parts.as_slice() else {
        return None;
    };
    if text(kind)? != "message" {
        return None;
    }
    let payload = text(payload)?;
    let words: Vec<&str> = payload.split(' ').collect();
    match words.as_slice() {
        [name, _, _, host, port] if *name == service => Some(format!("{host}:{port}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_service_counts() {
        let message = |kind: &str, payload: &str| {
            let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
            Value::Array(vec![bulk(kind), bulk("+switch-master"), bulk(payload)])
        };
        let moved = "mine 10.0.0.1 6379 10.0.0.2 6380";
        assert_eq!(
            new_master(&message("message", moved), "mine").as_deref(),
            Some("10.0.0.2:6380")
        );
        assert_eq!(new_master(&message("message", moved), "other"), None);
        assert_eq!(new_master(&message("subscribe", moved), "mine"), None);
        assert_eq!(new_master(&message("message", "mine"), "mine"), None);
        assert_eq!(new_master(&Value::Okay, "mine"), None);
    }
}
