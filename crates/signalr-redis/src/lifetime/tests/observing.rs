//! What an observer learns, and in which order.

use parking_lot::Mutex;

use super::*;
use crate::Observer;

#[derive(Debug, Default)]
struct Diary(Mutex<Vec<String>>);

impl Diary {
    fn take(&self) -> Vec<String> {
        let mut lines = std::mem::take(&mut *self.0.lock());
        lines.retain(|line| !line.contains("marker of"));
        lines
    }
}

impl Observer for Diary {
    fn delivers(&self, group: &str, messages: wire::Messages<'_>) -> bool {
        let json = messages.get("json").unwrap();
        let name = String::from_utf8_lossy(json);
        let name = name.split('"').nth(5).unwrap();
        self.0.lock().push(format!("{group}: {name}"));
        name != "Unwanted"
    }

    fn joined_first(&self, group: &str) {
        self.0.lock().push(format!("{group}: begins"));
    }

    fn left_last(&self, group: &str) {
        self.0.lock().push(format!("{group}: ends"));
    }

    fn resumed(&self, mut groups: Vec<String>) {
        groups.retain(|group| !group.contains("marker of"));
        groups.sort();
        self.0
            .lock()
            .push(format!("resumed: {}", groups.join(", ")));
    }
}

on_both! { an_observer_learns_what_its_servers_groups_are_told }

async fn an_observer_learns_what_its_servers_groups_are_told(under: &Under) {
    let diary = Arc::new(Diary::default());
    let observer: Arc<dyn Observer> = Arc::clone(&diary) as _;
    let a: Manager = under
        .server_with(|builder| builder.observer(observer))
        .await;
    let b: Manager = under.server().await;
    let mut alice = Receiver::connect(&a, Some("alice")).await;
    let mut bob = Receiver::connect(&a, None).await;
    let mut elsewhere = Receiver::connect(&b, None).await;
    join(&b, &elsewhere, "hall").await;
    join(&a, &alice, "room").await;
    join(&b, &bob, "room").await;
    send(&b, &group("room"), "First").await;
    send(&b, &group("room"), "Unwanted").await;
    send(&a, &group("room"), "Second").await;
    send(&a, &group("hall"), "NotHere").await;
    alice.expect(&a, &["First", "Second"]).await;
    bob.expect(&a, &["First", "Second"]).await;
    elsewhere.expect(&b, &["NotHere"]).await;
    leave(&a, &alice, "room").await;
    bob.disconnect(&a).await;
    assert_eq!(
        diary.take(),
        [
            "room: begins",
            "room: First",
            "room: Unwanted",
            "room: Second",
            "room: ends"
        ]
    );
}

#[tokio::test]
async fn an_observer_learns_which_groups_may_have_missed_something() {
    let exchange = Exchange::new();
    let diary = Arc::new(Diary::default());
    let observer: Arc<dyn Observer> = Arc::clone(&diary) as _;
    let server = Under::Memory(Arc::clone(&exchange))
        .server_with(|builder| builder.observer(observer))
        .await;
    let a: Manager = Arc::clone(&server) as Manager;
    let alice = Receiver::connect(&a, None).await;
    for name in ["room", "hall", "left"] {
        join(&a, &alice, name).await;
    }
    leave(&a, &alice, "left").await;
    diary.take();
    exchange.go_away();
    exchange.come_back();
    eventually("it learns of it", || server.metrics().resumed() == 1).await;
    eventually("it is told", || !diary.0.lock().is_empty()).await;
    assert_eq!(diary.take(), ["resumed: hall, room"]);
}

/// Beginnings and ends take turns, however many come and go at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn beginnings_and_ends_take_turns() {
    let exchange = Exchange::new();
    let diary = Arc::new(Diary::default());
    let observer: Arc<dyn Observer> = Arc::clone(&diary) as _;
    let server = Under::Memory(Arc::clone(&exchange))
        .server_with(|builder| builder.observer(observer))
        .await;
    let a: Manager = Arc::clone(&server) as Manager;
    let mut members = Vec::new();
    for _ in 0..4 {
        let member = Receiver::connect(&a, None).await;
        let manager = Arc::clone(&a);
        members.push(tokio::spawn(async move {
            for _ in 0..500 {
                join(&manager, &member, "room").await;
                leave(&manager, &member, "room").await;
            }
            member.disconnect(&manager).await;
        }));
    }
    for member in members {
        member.await.unwrap();
    }
    let lines = diary.take();
    for (at, line) in lines.iter().enumerate() {
        let expected = if at % 2 == 0 {
            "room: begins"
        } else {
            "room: ends"
        };
        assert_eq!(line, expected, "line {at}");
    }
    assert_eq!(lines.len() % 2, 0);
    assert_eq!(exchange.subscribers(b"Ns.ChatHub:group:room"), 0);
}

#[tokio::test]
async fn what_is_sent_here_alone_stays_here() {
    let exchange = Exchange::new();
    let under = Under::Memory(Arc::clone(&exchange));
    let server = under.server().await;
    let a: Manager = Arc::clone(&server) as Manager;
    let b: Manager = under.server().await;
    let mut alice = Receiver::connect(&a, None).await;
    let mut bob = Receiver::connect(&b, None).await;
    join(&a, &alice, "room").await;
    join(&b, &bob, "room").await;
    exchange.go_away();
    server
        .send_here(&group("room"), &Broadcast::new("Here", &()))
        .unwrap();
    exchange.come_back();
    alice.expect(&a, &["Here"]).await;
    bob.expect(&b, &[]).await;
}

/// As a script of Redis' would do it.
#[tokio::test]
async fn what_others_publish_to_a_groups_channel_reaches_it() {
    let exchange = Exchange::new();
    let server = Under::Memory(Arc::clone(&exchange)).server().await;
    let a: Manager = Arc::clone(&server) as Manager;
    let mut alice = Receiver::connect(&a, None).await;
    join(&a, &alice, "room").await;
    let payload = RedisLifetime::encode(&Broadcast::new("ByScript", &())).unwrap();
    exchange.inject(&server.group_channel("room"), &payload);
    alice.expect(&a, &["ByScript"]).await;
}
