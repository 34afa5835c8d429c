//! All connections of a hub; the one place where one is removed.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64_URL;
use hashbrown::HashMap;
use parking_lot::Mutex;
use signalr_protocol::negotiate::Transport;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::link::Link;
use super::timers::Timers;
use crate::caller::Caller;
use crate::close::CloseReason;
use crate::lifetime::LifetimeManager;
use crate::metrics::{Metrics, Refused};
use crate::options::HubOptions;

/// The connections of a hub by their secret tokens.
#[derive(Debug)]
pub(crate) struct Registry {
    options: Arc<HubOptions>,
    metrics: Arc<Metrics>,
    pub(crate) timers: Timers,
    by_token: Mutex<HashMap<Box<str>, Arc<Link>>>,
    /// How many connections have a transport, by address; empty unless that is limited.
    by_address: Mutex<HashMap<IpAddr, usize>>,
    next_number: AtomicU64,
    unclaimed: AtomicUsize,
    is_closing: AtomicBool,
    /// Woken whenever the last connection has gone.
    emptied: Notify,
}

impl Registry {
    pub(crate) fn new(options: Arc<HubOptions>, metrics: Arc<Metrics>, now: Instant) -> Self {
        Self {
            options,
            metrics,
            timers: Timers::new(now),
            by_token: Mutex::default(),
            by_address: Mutex::default(),
            next_number: AtomicU64::new(1),
            unclaimed: AtomicUsize::new(0),
            is_closing: AtomicBool::new(false),
            emptied: Notify::new(),
        }
    }

    /// Reserves a connection for a client that negotiates; it goes again if it is not used in time.
    pub(crate) fn reserve(
        &self,
        caller: Caller,
        has_own_token: bool,
        is_stateful: bool,
        now: Instant,
    ) -> Result<Arc<Link>, Refused> {
        if self.is_closing() {
            return Err(self.refuse(Refused::Closing));
        }
        if self.unclaimed.load(Ordering::Relaxed) >= self.options.unclaimed_connections_max {
            return Err(self.refuse(Refused::Unclaimed));
        }
        self.metrics.count_negotiation();
        let id = random_id();
        let token = if has_own_token {
            random_id()
        } else {
            id.clone()
        };
        let link = self.insert(id, token, caller);
        link.is_stateful.store(is_stateful, Ordering::Relaxed);
        self.unclaimed.fetch_add(1, Ordering::Relaxed);
        self.timers
            .schedule(&link, now + self.options.disconnect_timeout);
        if self.is_closing() {
            // Begun to close meanwhile, and perhaps before this one was there to be seen.
            self.remove_unclaimed(&link, &CloseReason::ServerShutdown);
            return Err(self.refuse(Refused::Closing));
        }
        Ok(link)
    }

    /// A connection for a client that did not negotiate.
    pub(crate) fn open(&self, caller: Caller, transport: Transport) -> Arc<Link> {
        let id = random_id();
        let link = self.insert(id.clone(), id, caller);
        link.claim(transport);
        self.count_opened(&link, transport);
        link
    }

    fn count_opened(&self, link: &Link, transport: Transport) {
        self.metrics.count_open(transport);
        if let Some(address) = self.counted_address(link) {
            *self.by_address.lock().entry(address).or_default() += 1;
        }
    }

    /// The address of a connection, where addresses are limited.
    fn counted_address(&self, link: &Link) -> Option<IpAddr> {
        self.options.connections_per_address_max?;
        link.caller.address
    }

    /// Whether one more connection from there may be had; its transport is about to be opened.
    ///
    /// Clients that connect in the same moment may pass by a few.
    pub(crate) fn check_limits(
        &self,
        caller: &Caller,
        lifetime: &dyn LifetimeManager,
    ) -> Result<(), Refused> {
        if self.is_closing() {
            return Err(self.refuse(Refused::Closing));
        }
        if let (Some(max), Some(user)) = (self.options.connections_per_user_max, &caller.user_id)
            && lifetime.user_connections(user) >= max
        {
            return Err(self.refuse(Refused::User));
        }
        if let (Some(max), Some(address)) =
            (self.options.connections_per_address_max, caller.address)
            && self
                .by_address
                .lock()
                .get(&address)
                .is_some_and(|n| *n >= max)
        {
            return Err(self.refuse(Refused::Address));
        }
        Ok(())
    }

    fn refuse(&self, why: Refused) -> Refused {
        self.metrics.count_refused(why);
        why
    }

    /// Gives a reserved connection its transport.
    pub(crate) fn claim(&self, link: &Link, transport: Transport) -> Claim {
        {
            // Under the lock, so that none is given to a connection that is being removed.
            let by_token = self.by_token.lock();
            if !by_token.contains_key(&link.token) {
                return Claim::Gone;
            }
            if !link.claim(transport) {
                return Claim::Taken;
            }
        }
        // From now on its driver files it, and sooner than the end of an unused one.
        self.timers.remove(link);
        self.unclaimed.fetch_sub(1, Ordering::Relaxed);
        self.count_opened(link, transport);
        Claim::First
    }

    pub(crate) fn get(&self, token: &str) -> Option<Arc<Link>> {
        self.by_token.lock().get(token).cloned()
    }

    /// Removes a connection; false: it was gone.
    pub(crate) fn remove(&self, link: &Link, reason: &CloseReason) -> bool {
        self.remove_if(link, reason, |_| true)
    }

    /// Removes a connection that has no transport; false: it was gone, or has one.
    fn remove_unclaimed(&self, link: &Link, reason: &CloseReason) -> bool {
        self.remove_if(link, reason, |link| link.transport().is_none())
    }

    fn remove_if(
        &self,
        link: &Link,
        reason: &CloseReason,
        may_go: impl FnOnce(&Link) -> bool,
    ) -> bool {
        let is_empty = {
            let mut by_token = self.by_token.lock();
            if !may_go(link) || by_token.remove(&link.token).is_none() {
                return false;
            }
            by_token.is_empty()
        };
        self.timers.remove(link);
        link.set_closed();
        link.release_posts();
        if link.transport().is_none() {
            self.unclaimed.fetch_sub(1, Ordering::Relaxed);
        } else if let Some(address) = self.counted_address(link) {
            let mut by_address = self.by_address.lock();
            if let Some(count) = by_address.get_mut(&address) {
                *count -= 1;
                if *count == 0 {
                    by_address.remove(&address);
                }
            }
        }
        self.metrics.count_closed(link.transport(), reason);
        if is_empty {
            self.emptied.notify_waiters();
        }
        true
    }

    /// Looks at the connections whose time has come.
    pub(crate) fn handle_tick(&self, now: Instant) {
        for link in self.timers.poll_due(now) {
            if !self.remove_unclaimed(&link, &CloseReason::Abandoned) {
                link.wake();
            }
        }
    }

    /// Whether every connection was asked to end.
    pub(crate) fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Acquire)
    }

    /// Asks every connection to end, and those that still come.
    pub(crate) fn close_all(&self, reason: &CloseReason) {
        self.is_closing.store(true, Ordering::Release);
        let links: Vec<Arc<Link>> = self.by_token.lock().values().cloned().collect();
        for link in links {
            if !self.remove_unclaimed(&link, reason) {
                link.close(reason.clone());
            }
        }
    }

    /// Waits until no connection is left.
    pub(crate) async fn wait_until_empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.by_token.lock().is_empty() {
                return;
            }
            emptied.await;
        }
    }

    fn insert(&self, id: Box<str>, token: Box<str>, caller: Caller) -> Arc<Link> {
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        let link = Arc::new(Link::new(
            number,
            id,
            token.clone(),
            caller,
            Arc::clone(&self.options),
        ));
        self.by_token.lock().insert(token, Arc::clone(&link));
        if self.is_closing() {
            link.close(CloseReason::ServerShutdown);
        }
        link
    }
}

/// What became of an attempt to give a connection its transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// It has it.
    First,
    /// It has had one before.
    Taken,
    /// It has been removed meanwhile.
    Gone,
}

/// 16 random bytes as 22 characters that need no escape in a URL, as ASP.NET Core makes them.
pub(crate) fn random_id() -> Box<str> {
    let mut bytes = [0u8; 16];
    #[expect(
        clippy::expect_used,
        reason = "an operating system without randomness cannot be served with secrets"
    )]
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    BASE64_URL.encode(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(unclaimed_connections_max: usize) -> (Registry, Arc<Metrics>, Instant) {
        let options = Arc::new(HubOptions {
            unclaimed_connections_max,
            ..HubOptions::default()
        });
        let metrics = Arc::new(Metrics::default());
        let now = Instant::now();
        (
            Registry::new(options, Arc::clone(&metrics), now),
            metrics,
            now,
        )
    }

    #[test]
    fn a_negotiated_connection_that_nobody_uses_goes() {
        let (registry, metrics, now) = registry(1);
        let link = registry
            .reserve(Caller::anonymous(), true, false, now)
            .unwrap();
        assert_ne!(link.id, link.token);
        assert!(registry.get(&link.token).is_some());
        assert!(registry.get(&link.id).is_none(), "the id is no secret");
        assert_eq!(
            registry
                .reserve(Caller::anonymous(), true, false, now)
                .unwrap_err(),
            Refused::Unclaimed
        );
        registry.handle_tick(now + std::time::Duration::from_secs(16));
        assert!(registry.get(&link.token).is_none());
        assert!(
            registry
                .reserve(Caller::anonymous(), true, false, now)
                .is_ok()
        );
        assert_eq!(registry.claim(&link, Transport::WebSockets), Claim::Gone);
        assert!(metrics.closed().any(|closed| closed == ("abandoned", 1)));
        assert!(metrics.refused().any(|refused| refused == ("unclaimed", 1)));
    }

    #[test]
    fn a_connection_that_is_used_stays_and_is_removed_once() {
        let (registry, metrics, now) = registry(1);
        let link = registry
            .reserve(Caller::anonymous(), false, false, now)
            .unwrap();
        assert_eq!(link.id, link.token, "version 0 has one id for both");
        assert_eq!(registry.claim(&link, Transport::WebSockets), Claim::First);
        assert_eq!(registry.claim(&link, Transport::LongPolling), Claim::Taken);
        registry.handle_tick(now + std::time::Duration::from_secs(16));
        assert!(registry.get(&link.token).is_some());
        assert_eq!(metrics.open(Transport::WebSockets), 1);
        assert!(registry.remove(&link, &CloseReason::TransportEnded));
        assert!(!registry.remove(&link, &CloseReason::TransportEnded));
        assert_eq!(metrics.open(Transport::WebSockets), 0);
    }

    #[test]
    fn ids_are_twenty_two_characters_of_a_url() {
        let id = random_id();
        assert_eq!(id.len(), 22);
        assert!(
            id.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        );
        assert_ne!(id, random_id());
    }
}
