//! What one step at Redis takes, there and back: the scripts of the store, and its question.
//!
//! The server is one of the measurement's own on the same machine; where it is not installed, all is skipped with a word.

#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot go on has failed"
)]
#![allow(missing_docs, reason = "criterion's macros make functions without any")]

use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use presence::{
    Changes, End, NodeId, Publication, RedisStore, Settings, Status, StatusChange, Tracker, UserId,
    Version,
};
use redis_link::Link;
use testkit::redis::RedisServer;

/// Nobody listens.
struct Deaf;

impl Changes for Deaf {
    fn changed(&self, _: &StatusChange) {}

    fn confirmed(&self, _: &UserId, _: Version) {}
}

/// What is published is as long as an event, and nobody hears it.
impl Publication for Deaf {
    fn channel(&self, user: &UserId) -> Vec<u8> {
        format!("hub:group:user:{}", user.as_str()).into_bytes()
    }

    fn message(&self, _: &UserId, _: Status) -> Vec<u8> {
        vec![b'm'; 120]
    }

    fn tell_here(&self, _: &UserId, _: Status) {}

    fn confirm_here(&self, _: &UserId) {}
}

fn redis(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let Some(server) = runtime.block_on(RedisServer::start()) else {
        return;
    };
    let settings = Settings::default().validate().unwrap();
    let link = redis_link::Settings::parse(&server.url()).unwrap().settings;
    let node = NodeId::random();
    let (tracker, other) = runtime.block_on(async {
        let start = |node| {
            let link = Link::start(&link);
            RedisStore::start(&settings, link, node, Arc::new(Deaf), Arc::new(Deaf))
        };
        let store = start(node);
        while !store.is_settled() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let tracker = Tracker::new(store, node, Arc::default());
        (tracker, start(NodeId::random()))
    });
    let user = UserId::new("4f1c2d8e-user").unwrap();
    let mut group = c.benchmark_group("redis");
    group.bench_function("come_and_go", |b| {
        b.iter(|| {
            runtime.block_on(async {
                let connection = tracker.new_connection();
                tracker.connect(&user, connection).await.unwrap();
                tracker
                    .disconnect(&user, connection, End::Clean)
                    .await
                    .unwrap();
            });
        });
    });
    let connection = tracker.new_connection();
    runtime
        .block_on(tracker.connect(&user, connection))
        .unwrap();
    group.bench_function("say_online", |b| {
        b.iter(|| runtime.block_on(tracker.touch(&user, connection)).unwrap());
    });
    // The node that holds a user does not ask.
    group.bench_function("status_at_another_node", |b| {
        b.iter(|| {
            let words = runtime.block_on(other.words(&[user.as_str()])).unwrap();
            assert_eq!(words, [Some(Status::Online)]);
        });
    });
    group.finish();
    runtime.block_on(tracker.close());
}

criterion_group!(steps, redis);
criterion_main!(steps);
