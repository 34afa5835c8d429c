//! What presence costs in memory and in processor time when so many users are known to the store in memory.
//!
//! `cargo run --release -p presence --example known -- USERS` prints one JSON object: `users`; `bytes_each`, of heap, for
//! each user who is online; `status_ns`, for a question; `change_ns`, for a user who goes and comes back.
//! `bench/growth.py` runs it in several sizes. Questions and changes are of users in an order that no cache foresees, and
//! processor time is the scheduler's count (`/proc/self/schedstat`), so that other programs do not count.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement, which says what it found or fails"
)]

use std::hint::black_box;
use std::sync::Arc;

use presence::{Changes, End, Settings, StatusChange, Tracker, UserId, Version};

/// Nobody listens.
struct Deaf;

impl Changes for Deaf {
    fn changed(&self, _: &StatusChange) {}

    fn confirmed(&self, _: &UserId, _: Version) {}
}

fn main() {
    let count: u64 = std::env::args()
        .nth(1)
        .and_then(|count| count.parse().ok())
        .filter(|count| *count > 0)
        .expect("the number of users is wanted");
    // Who leaves in order is offline at once, and a user's change is as visible as it can be.
    let settings = Settings::default().validate().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let users: Vec<UserId> = (0..count)
        .map(|number| UserId::new(&format!("4f1c2d8e-{number:08}")).unwrap())
        .collect();
    let tracker = runtime.block_on(async { Tracker::in_memory(&settings, Arc::new(Deaf)) });

    let mut connections = Vec::with_capacity(users.len());
    let held = allocation_counter::measure(|| {
        for user in &users {
            let connection = tracker.new_connection();
            connections.push(connection);
            runtime.block_on(tracker.connect(user, connection)).unwrap();
        }
    });

    let started = cpu_ns();
    for at in scattered(users.len()).take(QUESTIONS) {
        black_box(runtime.block_on(tracker.status(&users[at])).unwrap());
    }
    let status_ns = cpu_ns() - started;

    let started = cpu_ns();
    for at in scattered(users.len()).take(CHANGES) {
        let (user, connection) = (&users[at], connections[at]);
        runtime.block_on(async {
            tracker
                .disconnect(user, connection, End::Clean)
                .await
                .unwrap();
            tracker.connect(user, connection).await.unwrap();
        });
    }
    let change_ns = cpu_ns() - started;

    println!(
        "{{\"users\": {count}, \"bytes_each\": {}, \"status_ns\": {}, \"change_ns\": {}}}",
        held.bytes_current / i64::try_from(count).unwrap(),
        status_ns / QUESTIONS as u64,
        change_ns / CHANGES as u64,
    );
    runtime.block_on(tracker.close());
}

/// Each user once, in an order that no processor foresees; then again.
fn scattered(count: usize) -> impl Iterator<Item = usize> {
    // A prime that divides no count used here: every number comes before one comes again.
    (0..).map(move |step: usize| step.wrapping_mul(7_368_787) % count)
}

/// What this thread has had of the processors so far, in nanoseconds.
fn cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

/// Enough to be out of every cache with a million users, and some hundred milliseconds.
const QUESTIONS: usize = 1_000_000;
const CHANGES: usize = 300_000;
