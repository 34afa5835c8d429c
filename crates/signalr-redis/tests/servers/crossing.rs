//! Everything that goes from a client of one server to a client of another.

use serde_json::json;
use signalr::protocol::HubProtocol::{Json, MessagePack};
use testkit::client::Client;
use testkit::raw::within;
use testkit::redis::{Cluster, RedisServer};

use crate::common::{Ours, Server, all_get, answer, call, question};

#[tokio::test]
async fn clients_of_two_servers_are_one_hub() {
    let Some(redis) = RedisServer::start().await else {
        return;
    };
    let (a, b) = (
        Ours::start(&redis.url()).await,
        Ours::start(&redis.url()).await,
    );
    everything_crosses(&a, &b).await;
}

#[tokio::test]
async fn a_prefix_of_the_connection_string_keeps_hubs_apart() {
    let Some(redis) = RedisServer::start().await else {
        return;
    };
    let at = |prefix: &str| format!("127.0.0.1:{},channelPrefix={prefix}", redis.port());
    let a = Ours::start(&at("blue-")).await;
    let (b, c) = (
        Ours::start(&at("blue-")).await,
        Ours::start(&at("green-")).await,
    );
    let mut stranger = c.client("alice", Json).await;
    everything_crosses(&a, &b).await;
    // Nothing of it has come here.
    call(&mut stranger, "SendAll", &["own"]).await;
    all_get([&mut stranger], "own").await;
}

#[tokio::test]
async fn servers_may_share_a_cluster() {
    let Some(cluster) = Cluster::start(3).await else {
        return;
    };
    let (a, b) = (
        Ours::start(&cluster.connection_string()).await,
        Ours::start(&cluster.connection_string()).await,
    );
    let mut clients = Clients::connect(&a, &b).await;
    messages_cross(&mut clients).await;
    groups_cross(&mut clients).await;
    answers_cross(&mut clients).await;
}

#[tokio::test]
async fn servers_may_share_a_cluster_with_sharded_pub_sub() {
    let Some(cluster) = Cluster::start(3).await else {
        return;
    };
    let (a, b) = (
        Ours::start_sharded(&cluster.connection_string()).await,
        Ours::start_sharded(&cluster.connection_string()).await,
    );
    let mut monitors = Vec::new();
    for server in cluster.servers() {
        monitors.push(server.monitor().await);
    }
    let mut clients = Clients::connect(&a, &b).await;
    messages_cross(&mut clients).await;
    groups_cross(&mut clients).await;
    answers_cross(&mut clients).await;
    let Clients { alice, bob, .. } = &mut clients;
    call(bob, "Join", &["tagged {7"]).await;
    call(alice, "SendGroup", &["tagged {7", "by its tag"]).await;
    all_get([bob], "by its tag").await;
    let owner = cluster.master_of(cluster.slot("{{7}").await);
    let channel = "{{7}TestHub:group:tagged {7";
    let number = cluster.servers()[owner]
        .cli(&["PUBSUB", "SHARDNUMSUB", channel])
        .await;
    assert_eq!(number, format!("{channel}\n1"));
    // Nobody answers, and all servers together know that nobody is there.
    let asked = [json!("nobody"), json!(1)];
    assert!(alice.invoke("AskClient", &asked).await.is_err());
    for monitor in &monitors {
        assert_eq!(
            (monitor.count("PUBLISH"), monitor.count("SUBSCRIBE")),
            (0, 0)
        );
    }
    let published: usize = monitors
        .iter()
        .map(|monitor| monitor.count("SPUBLISH"))
        .sum();
    assert!(published > 20, "{published}");
}

#[tokio::test]
async fn sharded_pub_sub_needs_no_cluster() {
    let Some(redis) = RedisServer::start().await else {
        return;
    };
    let (a, b) = (
        Ours::start_sharded(&redis.url()).await,
        Ours::start_sharded(&redis.url()).await,
    );
    everything_crosses(&a, &b).await;
}

/// Two clients on each of two servers; one in each protocol, and alice is on both.
pub(crate) struct Clients {
    alice: Client,
    carol: Client,
    bob: Client,
    alice_too: Client,
}

impl Clients {
    pub(crate) async fn connect(a: &impl Server, b: &impl Server) -> Self {
        Self {
            alice: a.client("alice", Json).await,
            carol: a.client("carol", MessagePack).await,
            bob: b.client("bob", Json).await,
            alice_too: b.client("alice", MessagePack).await,
        }
    }
}

pub(crate) async fn everything_crosses(a: &impl Server, b: &impl Server) {
    there(Clients::connect(a, b).await).await;
    there(Clients::connect(b, a).await).await;
}

async fn there(mut clients: Clients) {
    messages_cross(&mut clients).await;
    groups_cross(&mut clients).await;
    answers_cross(&mut clients).await;
    ends_cross(&mut clients).await;
    for mut client in [clients.alice, clients.carol, clients.alice_too] {
        client.close().await;
    }
}

async fn messages_cross(clients: &mut Clients) {
    let Clients {
        alice,
        carol,
        bob,
        alice_too,
    } = clients;
    call(alice, "SendAll", &["to all"]).await;
    all_get([alice, carol, bob, alice_too], "to all").await;
    call(bob, "SendAll", &["and back"]).await;
    all_get([alice, carol, bob, alice_too], "and back").await;
    call(carol, "SendOthers", &["to others"]).await;
    all_get([alice, bob, alice_too], "to others").await;
    call(bob, "SendUser", &["alice", "to alice"]).await;
    all_get([alice, alice_too], "to alice").await;
    let id = alice_too.id().to_owned();
    call(alice, "SendClient", &[&id, "to one"]).await;
    all_get([alice_too], "to one").await;
    call(alice, "SendClient", &["nobody", "to nobody"]).await;
    call(alice, "SendUser", &["nobody", "to nobody"]).await;
}

async fn groups_cross(clients: &mut Clients) {
    let Clients {
        alice,
        carol,
        bob,
        alice_too,
    } = clients;
    call(alice, "Join", &["room"]).await;
    call(bob, "Join", &["room"]).await;
    call(carol, "SendGroup", &["room", "to room"]).await;
    all_get([alice, bob], "to room").await;
    call(bob, "SendOthersInGroup", &["room", "to others in room"]).await;
    all_get([alice], "to others in room").await;
    let id = alice_too.id().to_owned();
    call(alice, "JoinOther", &[&id, "room"]).await;
    call(bob, "SendGroup", &["room", "one more"]).await;
    all_get([alice, bob, alice_too], "one more").await;
    call(carol, "LeaveOther", &[&id, "room"]).await;
    call(alice, "Leave", &["room"]).await;
    call(alice, "SendGroup", &["room", "only one"]).await;
    all_get([bob], "only one").await;
    call(bob, "Leave", &["room"]).await;
    call(bob, "SendGroup", &["room", "to nobody"]).await;
    // Whoever got too much gets something else than this.
    call(bob, "SendAll", &["last"]).await;
    all_get([alice, carol, bob, alice_too], "last").await;
}

async fn answers_cross(clients: &mut Clients) {
    let Clients {
        alice,
        carol,
        bob,
        alice_too,
    } = clients;
    for asking in [alice, carol] {
        for asked in [&mut *bob, &mut *alice_too] {
            let id = asked.id().to_owned();
            let call = asking.begin("AskClient", &[json!(id), json!(21)]).await;
            let (question, value) = question(asked).await;
            assert_eq!(value, 21);
            answer(asked, question, Ok(json!(42))).await;
            assert_eq!(asking.completion(&call).await, Ok(json!(42)));
        }
    }
}

async fn ends_cross(clients: &mut Clients) {
    const FAILED: &str = "An unexpected error occurred invoking 'AskClient' on the server.";
    let Clients { alice, bob, .. } = clients;
    let id = bob.id().to_owned();
    let ask = [json!(id), json!(1)];

    let call = alice.begin("AskClient", &ask).await;
    let (asked, _) = question(bob).await;
    answer(bob, asked, Err("I do not know")).await;
    let error = failure(alice, &call).await;
    assert_eq!(error, format!("{FAILED} HubException: I do not know"));

    let call = alice.begin("AskClient", &ask).await;
    let (asked, _) = question(bob).await;
    answer(bob, asked, Ok(json!("seven"))).await;
    let error = failure(alice, &call).await;
    let begin = format!("{FAILED} HubException: Error trying to deserialize result to Int32. ");
    assert!(error.starts_with(&begin), "{error}");

    let call = alice.begin("AskClient", &ask).await;
    question(bob).await;
    bob.close().await;
    let error = failure(alice, &call).await;
    assert_eq!(
        error,
        format!("{FAILED} HubException: Connection disconnected.")
    );

    // Its server may take a moment to forget it; one on ASP.NET Core may even forget the question.
    within("a connection that does not exist", async {
        while alice.invoke("AskClient", &ask).await != Err(FAILED.to_owned()) {}
    })
    .await;
}

async fn failure(client: &mut Client, call: &str) -> String {
    let answer = client.completion(call).await;
    answer.expect_err("the call fails")
}
