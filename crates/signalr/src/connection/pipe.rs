//! What clients post to connections whose transport is made of separate requests.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::link::Link;
use crate::transport::long_polling::Polls;

/// Bytes on their way from requests to the driver.
#[derive(Debug)]
pub(crate) struct Pipe {
    state: Mutex<State>,
    room: Notify,
    limit: usize,
    turn: tokio::sync::Mutex<()>,
    polls: Polls,
}

#[derive(Debug)]
struct State {
    bytes: Vec<u8>,
    /// When bytes came of which the driver does not know yet.
    written_at: Option<Instant>,
    /// Whether a request waits for room.
    is_full: bool,
    ended: Option<(Ended, Instant)>,
    /// Since when no request waits for messages.
    idle_since: Option<Instant>,
}

/// How the client ended the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It asked for the end.
    Asked,
    /// The request that carried its messages broke.
    Broken,
}

/// The connection was over before all bytes were taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Over;

impl Pipe {
    /// `limit`: how many bytes may wait before requests are made to.
    pub(crate) fn new(limit: usize, now: Instant) -> Self {
        Self {
            state: Mutex::new(State {
                bytes: Vec::new(),
                written_at: None,
                is_full: false,
                ended: None,
                idle_since: Some(now),
            }),
            room: Notify::new(),
            limit,
            turn: tokio::sync::Mutex::new(()),
            polls: Polls::default(),
        }
    }

    /// Waits until no other request writes.
    pub(crate) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Which poll is served.
    pub(crate) fn polls(&self) -> &Polls {
        &self.polls
    }

    /// Takes bytes for the driver; waits while more than the limit are there.
    pub(crate) async fn write(&self, bytes: &[u8], link: &Link) -> Result<(), Over> {
        loop {
            let room = self.room.notified();
            {
                let mut state = self.state.lock();
                // Behind an event stream that broke, the client's last words may still be on their way.
                if matches!(state.ended, Some((Ended::Asked, _))) || link.is_closed() {
                    return Err(Over);
                }
                if state.bytes.is_empty() || state.bytes.len() + bytes.len() <= self.limit {
                    state.bytes.extend_from_slice(bytes);
                    state.written_at = Some(Instant::now());
                    break;
                }
                state.is_full = true;
            }
            room.await;
        }
        link.wake();
        Ok(())
    }

    /// Waits until nobody takes bytes any more.
    pub(crate) async fn over(&self, link: &Link) {
        loop {
            let released = self.room.notified();
            if matches!(self.ended(), Some((Ended::Asked, _))) || link.is_closed() {
                return;
            }
            released.await;
        }
    }

    /// Takes all bytes that have come.
    pub(crate) fn take(&self) -> Vec<u8> {
        let bytes = {
            let mut state = self.state.lock();
            state.is_full = false;
            state.written_at = None;
            std::mem::take(&mut state.bytes)
        };
        if !bytes.is_empty() {
            self.room.notify_waiters();
        }
        bytes
    }

    /// Whether the client has to wait before it can post more.
    pub(crate) fn is_full(&self) -> bool {
        self.state.lock().is_full
    }

    /// When bytes came that are not taken yet; each time is told once.
    pub(crate) fn take_written_at(&self) -> Option<Instant> {
        self.state.lock().written_at.take()
    }

    /// The client ends the connection; the first reason stands.
    pub(crate) fn end(&self, ended: Ended, link: &Arc<Link>) {
        let now = Instant::now();
        self.state.lock().ended.get_or_insert((ended, now));
        self.release_writers();
        self.polls.set_over();
        link.wake();
    }

    /// Whether, how and when the client ended the connection.
    pub(crate) fn ended(&self) -> Option<(Ended, Instant)> {
        self.state.lock().ended
    }

    /// Writers find out that the connection is over.
    pub(crate) fn release_writers(&self) {
        self.room.notify_waiters();
    }

    /// Whether a request waits for messages.
    pub(crate) fn set_idle_since(&self, idle_since: Option<Instant>) {
        self.state.lock().idle_since = idle_since;
    }

    /// Since when no request waits for messages.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        self.state.lock().idle_since
    }
}
