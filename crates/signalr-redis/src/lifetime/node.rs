//! What a server's clients and its messages have in common.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use signalr::{LocalLifetime, SendError};
use tokio::sync::Semaphore;

use super::asking::{Answers, Questions};
use super::subscriptions::note;
use crate::acks::Acks;
use crate::addressing::Addressing;
use crate::bus::Bus;
use crate::channels::Channels;
use crate::metrics::Metrics;
use crate::observer::Observer;

/// One server of a hub.
pub(super) struct Node {
    pub(super) channels: Arc<Channels>,
    pub(super) addressing: Addressing,
    pub(super) bus: Arc<dyn Bus>,
    pub(super) local: LocalLifetime,
    pub(super) acks: Arc<Acks>,
    pub(super) questions: Arc<Questions>,
    pub(super) answers: Answers,
    /// Room for commands of other servers that are being confirmed.
    pub(super) commands: Arc<Semaphore>,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) metrics: Arc<Metrics>,
    /// Whether what a server listens to without any client was once confirmed.
    pub(super) is_listening: Arc<AtomicBool>,
}

impl Node {
    /// Other servers make this one work, though each waits for its acks: at 500 B each this is 8 MB.
    pub(super) fn room_for_commands() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(16_384))
    }

    /// Subscribes to what a server always listens to, unless that was done, and to more; done when it is, or cannot be.
    pub(super) fn listen(&self, mut more: Vec<Vec<u8>>) -> BoxFuture<'static, ()> {
        let is_listening = Arc::clone(&self.is_listening);
        if !is_listening.load(Ordering::Acquire) {
            if self.addressing.all.yes() {
                more.push(self.channels.all());
            }
            more.push(self.channels.commands());
            more.push(self.channels.acks(self.channels.server()));
            more.push(self.channels.answers());
        }
        let subscribing = self.bus.subscribe(more);
        Box::pin(async move {
            let subscribed = subscribing.await;
            note(&subscribed);
            if subscribed.is_ok() {
                is_listening.store(true, Ordering::Release);
            }
        })
    }

    /// Publishes; gives how many servers got it, if that can be told.
    pub(super) fn publish(
        &self,
        channel: Vec<u8>,
        payload: Vec<u8>,
    ) -> BoxFuture<'static, Result<Option<u64>, SendError>> {
        let metrics = Arc::clone(&self.metrics);
        let len = payload.len() as u64;
        let publishing = self.bus.publish(channel, payload);
        Box::pin(publishing.map(move |published| match published {
            Ok(receivers) => {
                metrics.published.add(1);
                metrics.published_bytes.add(len);
                Ok(receivers)
            }
            Err(reason) => {
                metrics.publish_failures.add(1);
                Err(SendError::Backplane(reason))
            }
        }))
    }

    /// Publishes what another server waits for; that it cannot be told so is only noted.
    pub(super) async fn reply(self: Arc<Self>, channel: Vec<u8>, payload: Vec<u8>) {
        if let Err(error) = self.publish(channel, payload).await {
            tracing::debug!(%error, "another server gets no reply");
        }
    }
}
