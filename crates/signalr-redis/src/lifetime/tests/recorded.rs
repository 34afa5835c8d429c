//! The same bytes as ASP.NET Core 10 published, recorded in `e2e/wire/aspnet/redis.json`.

use serde_json::Value;
use signalr::{Context, Hub, HubEndpoint, HubHandle, Methods};

use super::*;

#[tokio::test]
async fn messages_have_the_recorded_bytes() {
    let test = Recording::of("TestHub").await;
    let clients = test.handle.clients();
    let alice = test.alice.id();
    let x = ("x",);
    clients.all().send("Receive", x).await.unwrap();
    test.check("redis: all");
    clients
        .all_except([alice])
        .send("Receive", x)
        .await
        .unwrap();
    test.check("redis: others");
    clients.user("bob").send("Receive", x).await.unwrap();
    test.check("redis: user");
    clients.user("nobody").send("Receive", x).await.unwrap();
    test.check("redis: user who is nowhere");
    clients.group("g").send("Receive", x).await.unwrap();
    test.check("redis: group without members");
    clients
        .group_except("g", [alice])
        .send("Receive", x)
        .await
        .unwrap();
    test.check("redis: others in group");
    clients
        .client("nosuchconnection")
        .send("Receive", x)
        .await
        .unwrap();
    test.check("redis: client nowhere");
    clients.client(alice).send("Receive", x).await.unwrap();
    test.check("redis: caller");
    let groups = test.handle.groups();
    groups.add(alice, "g").await.unwrap();
    groups.remove(alice, "other").await.unwrap();
    test.check("redis: join");
}

#[tokio::test]
async fn commands_and_questions_have_the_recorded_bytes() {
    let test = Recording::of("TestHub").await;
    let groups = test.handle.groups();
    groups.add("nosuchconnection", "g").await.unwrap();
    test.check("redis: join a connection that is nowhere");
    groups.remove("nosuchconnection", "g").await.unwrap();
    test.check("redis: leave a connection that is nowhere");
    let clients = test.handle.clients();
    let asked = clients
        .client("nosuchconnection")
        .invoke::<i32>("Ask", (3,))
        .await;
    asked.unwrap_err();
    test.check("redis: ask a client nowhere");
}

#[tokio::test]
async fn the_presence_service_publishes_the_recorded_bytes() {
    let test = Recording::of("MSChat.PresenceAPI.Hubs.PresenceHub").await;
    for (user, status) in [
        ("alice", "online"),
        ("carol", "online"),
        ("carol", "online"),
        ("carol", "offline"),
        ("alice", "offline"),
    ] {
        let group = format!("user:{user}");
        let clients = test.handle.clients();
        let watchers = clients.group(&group);
        watchers
            .send("PresenceStatusChanged", (user, status))
            .await
            .unwrap();
    }
    test.check("redis: a presence session, commands and messages");
}

struct Silent;

impl Hub for Silent {
    fn methods(methods: &mut Methods<Self>) {
        methods.call("Nothing", |_: Arc<Self>, _: Context| async {
            Ok::<(), HubError>(())
        });
    }
}

/// A hub, and what was recorded.
struct Recording {
    exchange: Arc<Exchange>,
    server: Arc<RedisLifetime>,
    handle: HubHandle,
    alice: Receiver,
    cases: Vec<Value>,
}

impl Recording {
    async fn of(hub: &str) -> Self {
        let exchange = Exchange::new();
        let server = RedisLifetime::builder(hub)
            .machine_name("vm")
            .start_on(&exchange);
        let manager: Manager = Arc::clone(&server) as Manager;
        let alice = Receiver::connect(&manager, Some("alice")).await;
        let handle = HubEndpoint::builder(Silent)
            .lifetime(manager)
            .build()
            .handle();
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../e2e/wire/aspnet/redis.json"
        );
        let text = std::fs::read_to_string(path).expect("the recording is in the repository");
        Self {
            exchange,
            server,
            handle,
            alice,
            cases: serde_json::from_str(&text).unwrap(),
        }
    }

    /// Compares what was published since the last check with a recorded case.
    #[track_caller]
    fn check(&self, case: &str) {
        let case = self
            .cases
            .iter()
            .find(|found| found["name"] == case)
            .expect("it is recorded");
        let rows: Vec<&str> = case["rows"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let expected: Vec<(&str, &str)> = rows
            .windows(2)
            .filter_map(|rows| {
                Some((
                    rows[0].strip_prefix("channel ")?,
                    rows[1].strip_prefix("  payload ")?,
                ))
            })
            .collect();
        let published = self.exchange.take_published();
        assert_eq!(published.len(), expected.len(), "{published:?}");
        for ((channel, payload), (expected_channel, expected_payload)) in
            published.iter().zip(&expected)
        {
            assert_eq!(channel, expected_channel);
            assert_eq!(self.named(payload), as_named(expected_payload));
        }
    }

    /// Hexadecimal, with the names of what is different each time in their places.
    fn named(&self, payload: &[u8]) -> String {
        let mut text = hex(payload);
        text = text.replace(&hex(self.alice.id().as_bytes()), "<alice>");
        text = text.replace(&hex(self.server.server_name().as_bytes()), "<server>");
        if let Ok(wire::Invocation {
            question: Some(question),
            ..
        }) = wire::Invocation::read(payload)
        {
            text = text.replace(&hex(question.invocation_id.as_bytes()), "<id>");
        }
        text
    }
}

/// The same of a recorded payload.
fn as_named(recorded: &str) -> String {
    recorded
        .replace("<aliceId>", "<alice>")
        .replace("<server 1>", "<server>")
        .replace(&hex(b"vm_f36b04bee764499682d27d5e9967287c"), "<server>")
        .replace(&hex(b"cA9gUuOJjESZ2MhW6NTmuQ"), "<id>")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
