//! The wall clock of the server is set, while nodes and users are there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use testkit::raw::within;
use tokio::time::{Instant, sleep};

use super::Plain;
use super::nodes::Server;
use crate::ids::{ConnectionId, NodeId, UserId};
use crate::settings::{Liveness, Settings, ValidSettings};
use crate::state::End;
use crate::status::Status;
use crate::store::clock::Clock;
use crate::store::conformance::Recorder;
use crate::store::redis::RedisStore;
use crate::store::redis::time::Time;
use crate::store::{Condition, Store};

/// Two nodes, and a server whose clock shows what the test wants.
struct Apart {
    server: Server,
    ahead: Arc<AtomicU64>,
    nodes: [(NodeId, RedisStore); 2],
    recorder: Arc<Recorder>,
}

impl Apart {
    async fn start(settings: &ValidSettings) -> Option<Self> {
        let server = Server::start().await?;
        let ahead = Arc::new(AtomicU64::new(100 * HOUR));
        let recorder = Arc::new(Recorder::default());
        let clock = Clock::start();
        let nodes = [0xa, 0xb].map(NodeId::new).map(|name| {
            let time = Time::Apart(clock, Arc::clone(&ahead));
            let publication = Arc::new(Plain::default());
            let (link, listener) = (server.link(), recorder.clone());
            let store = RedisStore::start_by(time, settings, link, name, publication, listener);
            (name, store)
        });
        let apart = Self {
            server,
            ahead,
            nodes,
            recorder,
        };
        apart
            .all("be members", |node| node.condition() == Condition::Sound)
            .await;
        Some(apart)
    }

    async fn all(&self, what: &str, is_so: impl Fn(&RedisStore) -> bool) {
        within(format!("nodes to {what}"), async {
            while !self.nodes.iter().all(|(_, node)| is_so(node)) {
                sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }

    /// Waits until the nodes have looked at the clock so often that they have done all that they will do.
    async fn all_has_been_seen(&self) {
        self.all("settle", RedisStore::is_settled).await;
        let renewals = || {
            self.nodes
                .each_ref()
                .map(|(_, node)| node.figures().renewals.get())
        };
        let before = renewals();
        within("renewals", async {
            while renewals()
                .iter()
                .zip(before)
                .any(|(now, before)| *now < before + 3)
            {
                sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }

    async fn connect(&self, at: usize, number: u64, user: &UserId) {
        let (node, store) = &self.nodes[at];
        let connection = ConnectionId {
            node: *node,
            number,
        };
        store.connect(user, connection).await.unwrap();
    }

    /// Users at each of the nodes.
    async fn people(&self) -> [Vec<UserId>; 2] {
        let mut people = [0, 1].map(|_| Vec::new());
        for (at, people) in people.iter_mut().enumerate() {
            for number in 0..USERS {
                let user = UserId::new(&format!("{at} {number}")).unwrap();
                self.connect(at, number, &user).await;
                people.push(user);
            }
        }
        assert_eq!(self.recorder.changes().len() as u64, 2 * USERS);
        people
    }

    fn set_back(&self) {
        self.ahead.fetch_sub(HOUR, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_flips_when_the_clock_jumps_an_hour() {
    let Some(apart) = Apart::start(&settings(Liveness::Connection)).await else {
        return;
    };
    let people = apart.people().await;
    let users = people.concat();
    apart.all_has_been_seen().await;
    apart.ahead.fetch_add(HOUR, Ordering::Relaxed);
    // As the server itself would do it: what has a time to live is over.
    let words: Vec<_> = users
        .iter()
        .map(|user| format!("user:{user}:status"))
        .collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let deleted = apart
        .server
        .process
        .cli(&[&["DEL"], &words[..]].concat())
        .await;
    assert_eq!(deleted, users.len().to_string());
    let lost = |node: &RedisStore| node.figures().leases_lost.get() == 1;
    apart.all("find their leases ended", lost).await;
    apart.all_has_been_seen().await;
    apart.set_back();
    apart.all_has_been_seen().await;
    apart.all("hold their leases", lost).await;
    let users: Vec<_> = users.iter().map(UserId::as_str).collect();
    for (_, node) in &apart.nodes {
        let found = node.words(&users).await.unwrap();
        assert!(
            found.iter().all(|word| *word == Some(Status::Online)),
            "{found:?}"
        );
    }
    assert_eq!(
        apart.recorder.changes().len() as u64,
        2 * USERS,
        "nobody flips"
    );
}

/// A lease, a grace: what would end in an hour is taken for what was just given.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_was_set_back_makes_nobody_immortal() {
    let Some(apart) = Apart::start(&settings(Liveness::Connection)).await else {
        return;
    };
    let people = apart.people().await;
    apart.all("settle", RedisStore::is_settled).await;
    let heard = apart.recorder.heard().len();
    let (node, store) = &apart.nodes[0];
    let lost = &people[0][0];
    let connection = ConnectionId {
        node: *node,
        number: 0,
    };
    store.disconnect(lost, connection, End::Lost).await.unwrap();
    apart.nodes[1].1.die();
    apart.set_back();
    let before = Instant::now();
    let heard = apart.recorder.wait_for(heard + 1 + people[1].len()).await[heard..].to_vec();
    // Just given, a lease of a handed-over grace, and a look; a machine with much else to do.
    assert!(
        before.elapsed() < Duration::from_secs(10),
        "{:?}",
        before.elapsed()
    );
    let changes = apart.recorder.changes();
    let gone = changes.iter().filter(|change| change.to == Status::Offline);
    let mut gone: Vec<_> = gone.map(|change| change.user.clone()).collect();
    gone.sort();
    let mut expected = people[1].clone();
    expected.push(lost.clone());
    expected.sort();
    assert_eq!(gone, expected, "{heard:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_was_set_back_makes_no_heartbeat_last() {
    let Some(apart) = Apart::start(&settings(Liveness::Heartbeat)).await else {
        return;
    };
    let alice = UserId::new("alice").unwrap();
    apart.connect(0, 1, &alice).await;
    apart.set_back();
    apart.recorder.wait_for(2).await;
    let told: Vec<_> = apart
        .recorder
        .changes()
        .iter()
        .map(|change| change.to)
        .collect();
    assert_eq!(told, [Status::Online, Status::Offline]);
}

/// Short, but not so short that a machine with much else to do loses a lease.
fn settings(liveness: Liveness) -> ValidSettings {
    let settings = Settings {
        status_ttl: Duration::from_millis(1_500),
        refresh_interval: Duration::from_millis(500),
        grace: Duration::from_secs(1),
        node_ttl: Duration::from_millis(2_400),
        liveness,
    };
    settings.validate().unwrap()
}

const USERS: u64 = 20;

/// In milliseconds.
const HOUR: u64 = 3_600_000;
