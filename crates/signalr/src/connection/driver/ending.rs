//! The end of a connection: what its client is told, and who else has to know.

use std::sync::Arc;
use std::task::Poll;

use futures_util::future::poll_fn;
use signalr_protocol::negotiate::Transport;

use super::{Driver, Moving, Outcome};
use crate::close::CloseReason;
use crate::connection::io::Io;
use crate::connection::link::Link;
use crate::connection::pipe::{Ended, Pipe};
use crate::frame::Frame;
use crate::hub::context::Role;
use crate::lifetime::Connection;
use crate::transport::websocket::frame::{OpCode, close_code};

impl Driver {
    /// Ends the connection in ASP.NET Core's order: Close message, calls, hub, groups, transport.
    pub(super) async fn finish(mut self, mut outcome: Outcome) {
        outcome.has_peer_closed = matches!(self.moving, Moving::WebSocket(_))
            && matches!(
                outcome.reason,
                CloseReason::TransportEnded | CloseReason::GoingAway
            );
        self.say_goodbye(&outcome);
        self.link.set_closed();
        self.link.fire_aborted();
        self.link.release_posts();
        // Now: methods may wait for its answers, and the hub, when it sees the client off, for such methods.
        self.hub
            .client_results
            .handle_disconnected(self.link.number);
        if let Some(rest) = self.calls.handle_end() {
            // Methods are not cut off in the middle.
            tokio::spawn(rest);
        }
        if outcome.had_opened {
            let ended = self
                .hub
                .hub
                .on_disconnected(self.context(Role::Beside), outcome.reason.clone())
                .await;
            if let Err(error) = ended {
                tracing::warn!(connection = %self.link.id, ?error, "the hub's on_disconnected failed");
                outcome.is_faulted = true;
            }
        }
        if outcome.was_registered {
            let connection = Connection(Arc::clone(&self.link));
            if let Err(error) = self.hub.lifetime.disconnected(&connection).await {
                tracing::warn!(connection = %self.link.id, %error, "connection cannot be deregistered");
            }
        }
        let close_timeout = self.link.options.close_timeout;
        match self.moving {
            Moving::WebSocket(io) if outcome.reason != CloseReason::TransportFailed => {
                let code = if outcome.is_faulted {
                    close_code::INTERNAL_ERROR
                } else {
                    outcome.reason.websocket_code()
                };
                // Nothing more is to be expected of a peer that has closed, or broke the protocol.
                let is_last =
                    self.has_close_frame || matches!(outcome.reason, CloseReason::WebSocket(_));
                let closing = close_websocket(io, &self.link, code, is_last);
                let _ = Box::pin(tokio::time::timeout(close_timeout, closing)).await;
            }
            Moving::Requests(pipe) if outcome.reason != CloseReason::Abandoned => {
                let is_polled = self.link.transport() == Some(Transport::LongPolling);
                let limit = match outcome.reason {
                    // The listeners have stopped: if no poll comes at once, none can.
                    CloseReason::ServerShutdown if is_polled => close_timeout / LAST_POLL,
                    _ => close_timeout,
                };
                let told = tell_the_end(&self.link, &pipe);
                let _ = Box::pin(tokio::time::timeout(limit, told)).await;
            }
            // Nobody is there.
            Moving::WebSocket(_) | Moving::Requests(_) | Moving::Lost { .. } => {}
        }
        self.link.outbox.close();
        self.link.fetchable.notify_one();
        self.hub.registry.remove(&self.link, &outcome.reason);
    }

    /// Queues the Close message, if there is one for this end; behind it nothing else is sent.
    fn say_goodbye(&self, outcome: &Outcome) {
        self.link.outbox.silence();
        let Some(protocol) = self.link.protocol() else {
            return;
        };
        if outcome.has_peer_closed || outcome.is_faulted {
            return;
        }
        let detailed = self.hub.options.detailed_errors;
        if let Some(message) = outcome.reason.close_message(detailed) {
            let payload = protocol.close(message.error.as_deref(), message.allow_reconnect);
            let op_code = OpCode::of(protocol.transfer_format());
            self.link.send_last(Frame::unnumbered(op_code, &payload));
        }
    }
}

/// Sends the close frame, and waits for the peer's unless ours is the last.
async fn close_websocket(mut io: Io, link: &Arc<Link>, code: u16, is_last: bool) {
    link.send_last(Frame::unnumbered(OpCode::Close, &code.to_be_bytes()));
    poll_fn(|cx| {
        link.register(cx);
        io.poll_write(cx, link);
        if is_last && link.outbox.is_empty() && io.is_written() {
            // Bytes that were never read would have the socket reset, and take what was written along.
            while let Poll::Ready(Ok(())) = io.poll_discard(cx) {}
            return Poll::Ready(());
        }
        loop {
            match io.poll_pieces(cx, |_| {}) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(()),
            }
        }
    })
    .await;
}

/// Waits until the requests of a client have fetched its last messages and know that there will be no others.
async fn tell_the_end(link: &Arc<Link>, pipe: &Pipe) {
    match pipe.ended().map(|(ended, _)| ended) {
        // Nobody listens any more.
        Some(Ended::Broken) => {}
        Some(Ended::Asked) if pipe.idle_since().is_some() => {}
        Some(Ended::Asked) => link.wait_until_fetched().await,
        None => {
            let fetched = async {
                link.wait_until_fetched().await;
                link.outbox.close();
                link.fetchable.notify_one();
                if link.transport() == Some(Transport::LongPolling) {
                    // The next poll is answered by 204, as ASP.NET Core does, and not by 404.
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                () = fetched => {}
                () = pipe.polls().wait_until_over() => {}
            }
        }
    }
}

/// The part of the time of a closing handshake that a server that shuts down leaves for a last poll: 500 ms of 5 s.
const LAST_POLL: u32 = 10;
