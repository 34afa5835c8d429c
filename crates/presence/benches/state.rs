//! What presence costs, with a thousand users known and with a million: the cost may not grow with them.

#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot go on has failed"
)]
#![allow(missing_docs, reason = "criterion's macros make functions without any")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use presence::state::{End, State};
use presence::{
    Changes, ConnectionId, NodeId, Settings, StatusChange, Timestamp, Tracker, UserId, Version,
};

/// Nobody listens.
struct Deaf;

impl Changes for Deaf {
    fn changed(&self, _: &StatusChange) {}

    fn confirmed(&self, _: &UserId, _: Version) {}
}

fn users(count: usize) -> Vec<UserId> {
    (0..count)
        .map(|number| UserId::new(&format!("4f1c2d8e-{number:08}")).unwrap())
        .collect()
}

/// Each user once, in an order that no processor foresees.
fn scattered(count: usize) -> impl Iterator<Item = usize> {
    // A prime that divides no count used here: every number comes before one comes again.
    (0..).map(move |step: usize| step.wrapping_mul(7_368_787) % count)
}

fn state(c: &mut Criterion) {
    let settings = Settings::default().validate().unwrap();
    let mut group = c.benchmark_group("state");
    for count in [1_000, 1_000_000] {
        let users = users(count);
        let node = NodeId::random();
        let connection = |number: u64| ConnectionId { node, number };
        let now = Timestamp::ORIGIN;
        let mut state = State::new(&settings);
        for (user, number) in users.iter().zip(0..) {
            state.connect(user, connection(number), now);
        }
        let mut order = scattered(count);
        group.bench_function(BenchmarkId::new("come_and_go", count), |b| {
            b.iter_batched(
                || &users[order.next().unwrap()],
                |user| {
                    let second = connection(u64::MAX);
                    black_box(state.connect(user, second, now));
                    state.disconnect(user, second, End::Clean, now)
                },
                BatchSize::SmallInput,
            );
        });
        group.bench_function(BenchmarkId::new("status", count), |b| {
            b.iter(|| state.status(&users[order.next().unwrap()]));
        });
    }
    group.finish();
}

fn memory_store(c: &mut Criterion) {
    let settings = Settings::default().validate().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut group = c.benchmark_group("memory_store");
    for count in [1_000, 1_000_000] {
        let users = users(count);
        let tracker = runtime.block_on(async { Tracker::in_memory(&settings, Arc::new(Deaf)) });
        for user in &users {
            let connection = tracker.new_connection();
            runtime.block_on(tracker.connect(user, connection)).unwrap();
        }
        let mut order = scattered(count);
        let asked: Vec<Vec<&str>> = (0..100)
            .map(|_| {
                order
                    .by_ref()
                    .take(100)
                    .map(|at| users[at].as_str())
                    .collect()
            })
            .collect();
        let mut asked = asked.iter().cycle();
        group.throughput(Throughput::Elements(100));
        group.bench_function(BenchmarkId::new("statuses_of_100", count), |b| {
            b.iter(|| {
                runtime
                    .block_on(tracker.statuses(asked.next().unwrap()))
                    .unwrap()
            });
        });
        runtime.block_on(tracker.close());
    }
    group.finish();
}

criterion_group!(presence, state, memory_store);
criterion_main!(presence);
