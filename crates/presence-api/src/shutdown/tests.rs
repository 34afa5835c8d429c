use std::sync::Arc;

use futures_util::FutureExt as _;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use super::*;

/// Writes down what happened, and what the readiness was at that moment.
#[derive(Clone, Debug)]
struct Diary {
    readiness: Readiness,
    lines: Arc<Mutex<Vec<(&'static str, Phase)>>>,
}

impl Diary {
    fn new() -> Self {
        let readiness = Readiness::new();
        readiness.ready();
        Self {
            readiness,
            lines: Arc::default(),
        }
    }

    fn write(&self, what: &'static str) {
        self.lines.lock().push((what, self.readiness.phase()));
    }

    fn lines(&self) -> Vec<(&'static str, Phase)> {
        self.lines.lock().clone()
    }
}

fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

#[tokio::test(start_paused = true)]
async fn not_ready_first_then_no_new_connections_then_the_hub() {
    let diary = Diary::new();
    let stop = CancellationToken::new();
    let listener = tokio::spawn({
        let (stop, diary) = (stop.clone(), diary.clone());
        async move {
            stop.cancelled().await;
            diary.write("stopped accepting");
        }
    });
    let start = Instant::now();
    let outcome = run(Plan {
        readiness: diary.readiness.clone(),
        delay: seconds(3),
        timeout: seconds(30),
        stop_accepting: stop.clone(),
        close_hub: {
            let (diary, stop) = (diary.clone(), stop.clone());
            async move {
                assert!(stop.is_cancelled());
                sleep(seconds(2)).await;
                diary.write("hub closed");
            }
        },
        drained: {
            let diary = diary.clone();
            async move {
                listener.await.unwrap();
                sleep(seconds(4)).await;
                diary.write("drained");
            }
        },
        at_once: std::future::pending(),
    })
    .await;
    assert_eq!(outcome, Outcome::Drained);
    assert_eq!(start.elapsed(), seconds(3 + 4));
    assert_eq!(
        diary.lines(),
        [
            ("stopped accepting", Phase::Draining),
            ("hub closed", Phase::Draining),
            ("drained", Phase::Draining)
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_time_out_counts_from_the_end_of_the_delay() {
    let start = Instant::now();
    let outcome = run(Plan {
        readiness: Readiness::new(),
        delay: seconds(5),
        timeout: seconds(30),
        stop_accepting: CancellationToken::new(),
        close_hub: async {},
        drained: std::future::pending(),
        at_once: std::future::pending(),
    })
    .await;
    assert_eq!((outcome, start.elapsed()), (Outcome::TimedOut, seconds(35)));
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_ends_it_at_once_even_during_the_delay() {
    let start = Instant::now();
    let stop = CancellationToken::new();
    let outcome = run(Plan {
        readiness: Readiness::new(),
        delay: seconds(60),
        timeout: seconds(30),
        stop_accepting: stop.clone(),
        close_hub: async {},
        drained: std::future::pending(),
        at_once: sleep(seconds(1)),
    })
    .await;
    assert_eq!((outcome, start.elapsed()), (Outcome::AtOnce, seconds(1)));
    assert!(stop.is_cancelled());
}

#[cfg(unix)]
#[tokio::test]
async fn a_signal_that_came_while_nobody_waited_is_not_lost() {
    let mut signals = Signals::catch().unwrap();
    assert!(signals.next().now_or_never().is_none());
    let sent = std::process::Command::new("kill")
        .args(["-s", "TERM", &std::process::id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
    assert_eq!(signals.next().await, "SIGTERM");
}
