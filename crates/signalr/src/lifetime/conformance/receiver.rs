//! A connection without a client, which the suite reads itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use signalr_protocol::HubProtocol;
use signalr_protocol::framing::Frame as Split;
use signalr_protocol::negotiate::Transport;
use tokio::time::timeout;

use crate::caller::Caller;
use crate::connection::link::Link;
use crate::connection::outbox::Sink;
use crate::connection::registry::random_id;
use crate::frame::Broadcast;
use crate::lifetime::{Connection, LifetimeManager, Target};
use crate::options::HubOptions;

/// How long a message may be on its way, through whatever stands behind a manager.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection whose messages the suite takes.
#[derive(Debug)]
pub struct Receiver {
    connection: Connection,
    received: Vec<u8>,
}

impl Receiver {
    /// Connects somebody in JSON.
    pub async fn connect(manager: &Arc<dyn LifetimeManager>, user: Option<&str>) -> Self {
        Self::connect_in(manager, user, HubProtocol::Json).await
    }

    /// Connects somebody in a protocol.
    ///
    /// # Panics
    /// If the manager does not take it.
    pub async fn connect_in(
        manager: &Arc<dyn LifetimeManager>,
        user: Option<&str>,
        protocol: HubProtocol,
    ) -> Self {
        static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);
        let caller = user.map_or_else(Caller::anonymous, Caller::user);
        let link = Arc::new(Link::new(
            NEXT_NUMBER.fetch_add(1, Ordering::Relaxed),
            random_id(),
            random_id(),
            caller,
            Arc::new(HubOptions::default()),
        ));
        link.claim(Transport::LongPolling);
        link.set_protocol(protocol);
        link.outbox.attach_first(Sink::Fetched);
        let receiver = Self {
            connection: Connection(link),
            received: Vec::new(),
        };
        manager
            .connected(&receiver.connection)
            .await
            .expect("the manager takes a connection");
        manager
            .add_to_group(receiver.id(), &receiver.marker_group())
            .await
            .expect("a group of its own can be joined");
        receiver
    }

    /// The connection itself.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Takes the next message, with its framing.
    ///
    /// # Panics
    /// If none comes.
    pub async fn next_message(&mut self) -> Vec<u8> {
        let protocol = self.connection.protocol().expect("it has shaken hands");
        let complete = timeout(PATIENCE, async {
            loop {
                match protocol.split(&self.received, 0, None) {
                    Ok(Split::Complete { len, .. }) => return len,
                    Ok(Split::Incomplete) => self.receive().await,
                    Err(error) => panic!("{error}"),
                }
            }
        });
        let len = complete.await.expect("a message comes");
        self.received.drain(..len).collect()
    }

    /// The public id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.connection.id()
    }

    /// Tells the manager that the connection has ended.
    ///
    /// # Panics
    /// If the manager does not take it.
    pub async fn disconnect(&self, manager: &Arc<dyn LifetimeManager>) {
        self.connection.0.set_closed();
        manager
            .disconnected(&self.connection)
            .await
            .expect("the manager lets a connection go");
    }

    /// Breaks the connection; the manager has yet to learn of it.
    pub fn break_off(&self) {
        self.connection.0.outbox.close();
    }

    /// Checks that calls of exactly these client methods have come, in this order and without arguments.
    ///
    /// A last message, to a group of which only this connection is a member, shows that nothing else is under way:
    /// also a manager of several servers, which may reach a connection on a shorter way, sends it behind the others.
    ///
    /// # Panics
    /// If it is not so.
    pub async fn expect(&mut self, manager: &Arc<dyn LifetimeManager>, targets: &[&str]) {
        let marker = Broadcast::new("Marker", &());
        let group = self.marker_group();
        let target = Target::Group {
            name: &group,
            except: &[],
        };
        let sent = manager.send(&target, &marker);
        sent.await.expect("a group can be sent to");
        let expected: Vec<u8> = targets
            .iter()
            .chain(&["Marker"])
            .flat_map(|target| self.encoded(target))
            .collect();
        let end = self.encoded("Marker");
        let received = timeout(PATIENCE, async {
            while !self.received.ends_with(&end) {
                self.receive().await;
            }
        });
        assert!(received.await.is_ok(), "nothing came, not even the marker");
        let received = std::mem::take(&mut self.received);
        assert_eq!(
            String::from_utf8_lossy(&received),
            String::from_utf8_lossy(&expected)
        );
    }

    fn marker_group(&self) -> String {
        format!("marker of {}", self.id())
    }

    fn encoded(&self, target: &str) -> Vec<u8> {
        let protocol = self.connection.protocol().expect("it has shaken hands");
        let frame = Broadcast::new(target, &())
            .frame(protocol)
            .expect("no arguments can be written")
            .payload();
        frame.to_vec()
    }

    async fn receive(&mut self) {
        let link = &self.connection.0;
        let frames = link.fetch(usize::MAX);
        if frames.is_empty() {
            link.fetchable.notified().await;
        }
        for frame in frames {
            self.received.extend_from_slice(&frame.payload());
        }
    }
}
