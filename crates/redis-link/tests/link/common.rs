//! What several tests need.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use redis_link::{Cmd, Link, LinkState, Listener, Script, Settings, Subscriber};
use testkit::raw::within;
use tokio::sync::watch;

/// A script on one key, with one argument.
pub(crate) fn with_argument(script: &Script, key: &str, argument: &str) -> Cmd {
    let mut command = script.command(&[key]);
    command.arg(argument);
    command
}

/// Settings of a string that must be good.
pub(crate) fn parsed(text: &str) -> Settings {
    Settings::parse(text)
        .expect("a good connection string")
        .settings
}

/// Waits until a link is ready; its generation.
pub(crate) async fn ready(link: &Link) -> u64 {
    ready_after(&mut link.state(), 0).await
}

/// Waits until a subscriber is ready; its generation.
pub(crate) async fn subscribed(subscriber: &Subscriber) -> u64 {
    ready_after(&mut subscriber.state(), 0).await
}

/// Waits until a connection of a later generation is ready.
pub(crate) async fn ready_after(state: &mut watch::Receiver<LinkState>, before: u64) -> u64 {
    let good = state
        .wait_for(|state| matches!(state, LinkState::Ready { generation } if *generation > before));
    match *within("a connection", good).await.expect("it goes on") {
        LinkState::Ready { generation } => generation,
        _ => unreachable!("it was waited for"),
    }
}

/// Waits until the connection is seen to be gone.
pub(crate) async fn away(state: &mut watch::Receiver<LinkState>) -> LinkState {
    let gone = state.wait_for(|state| matches!(state, LinkState::Away { .. }));
    within("an outage", gone).await.expect("it goes on").clone()
}

/// By when an outage is seen, at the latest: two or three seconds, on a machine with much else to do.
///
/// Without heartbeats it would not be seen before the operating system gives up.
pub(crate) const SEEN_WITHIN: Duration = Duration::from_secs(10);

/// Writes down what it is told.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    messages: Mutex<Vec<(Vec<u8>, Vec<u8>)>>,
    resumed: Mutex<Vec<u64>>,
}

impl Notes {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn count(&self) -> usize {
        self.messages.lock().len()
    }

    pub(crate) fn has(&self, channel: &[u8], payload: &[u8]) -> bool {
        let messages = self.messages.lock();
        messages
            .iter()
            .any(|(on, what)| on == channel && what == payload)
    }

    pub(crate) fn payloads(&self) -> Vec<String> {
        let messages = self.messages.lock();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        messages.iter().map(|(_, payload)| text(payload)).collect()
    }

    pub(crate) fn resumed(&self) -> Vec<u64> {
        self.resumed.lock().clone()
    }
}

impl Listener for Notes {
    fn message(&self, channel: &[u8], payload: &[u8]) {
        self.messages
            .lock()
            .push((channel.to_vec(), payload.to_vec()));
    }

    fn resumed(&self, generation: u64) {
        self.resumed.lock().push(generation);
    }
}
