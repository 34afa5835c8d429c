use crate::cmd;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use super::*;

const LIMIT: Duration = Duration::from_secs(2);

/// A pipeline whose driver runs in a task, which ends with what was wrong; and the server's end.
struct Setup {
    pipeline: Pipeline,
    server: DuplexStream,
    driver: tokio::task::JoinHandle<Fault>,
}

impl Setup {
    fn new(unanswered_max: usize) -> Self {
        Self::with_room(unanswered_max, 64 * 1024)
    }

    /// `room`: how many bytes the server takes without reading.
    fn with_room(unanswered_max: usize, room: usize) -> Self {
        let (here, server) = tokio::io::duplex(room);
        let (pipeline, mut driver) = Pipeline::new(Wire::on(here), LIMIT, unanswered_max);
        let driver = tokio::spawn(async move { driver.run().await });
        Self {
            pipeline,
            server,
            driver,
        }
    }

    /// Asks so many commands; they are behind those that were asked before, also if nobody waits for the answers yet.
    fn ask(&self, count: usize) -> tokio::task::JoinHandle<Result<Vec<i64>, Unanswered>> {
        let cmds = vec![cmd("PING"); count];
        let asked = self
            .pipeline
            .lane
            .ask(cmds.iter(), Patience::Limited, Instant::now());
        tokio::spawn(async move {
            let answers = asked?.await.unwrap_or(Err(Unanswered::Over))?;
            let number = |value| match value {
                Value::Int(number) => number,
                other => panic!("{other:?}"),
            };
            Ok(answers.values.into_iter().map(number).collect())
        })
    }

    /// Waits until the server has got so many commands.
    async fn receive(&mut self, count: usize) {
        let mut bytes = vec![0; PING.len() * count];
        self.server.read_exact(&mut bytes).await.unwrap();
        assert_eq!(bytes, PING.repeat(count));
    }

    async fn answer(&mut self, numbers: std::ops::Range<i64>) {
        let answers: String = numbers.map(|number| format!(":{number}\r\n")).collect();
        self.server.write_all(answers.as_bytes()).await.unwrap();
    }
}

const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";

#[tokio::test]
async fn everybody_has_their_own_answers() {
    let mut setup = Setup::new(100);
    let (one, three, none, two) = (setup.ask(1), setup.ask(3), setup.ask(1), setup.ask(2));
    none.abort();
    setup.receive(7).await;
    setup.answer(0..3).await;
    assert_eq!(one.await.unwrap(), Ok(vec![0]));
    setup.answer(3..7).await;
    assert_eq!(three.await.unwrap(), Ok(vec![1, 2, 3]));
    assert_eq!(two.await.unwrap(), Ok(vec![5, 6]));
}

#[tokio::test]
async fn what_is_said_in_one_turn_leaves_together() {
    let mut setup = Setup::new(100);
    // The driver is woken by the first, and lets all others have their turn before it writes.
    let pipeline = setup.pipeline.clone();
    let asked: Vec<_> = (0..10)
        .map(|_| {
            let pipeline = pipeline.clone();
            tokio::spawn(async move {
                let ping = [cmd("PING")];
                pipeline
                    .ask(ping.iter(), Patience::Limited, Instant::now())
                    .await
                    .unwrap();
            })
        })
        .collect();
    let mut bytes = vec![0; 1024];
    let size = setup.server.read(&mut bytes).await.unwrap();
    assert_eq!(size, 10 * PING.len());
    setup.answer(0..10).await;
    for asked in asked {
        asked.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_too_long_is_told_and_the_others_have_their_answers() {
    let mut setup = Setup::new(100);
    let begun = Instant::now();
    let late = setup.ask(2);
    tokio::time::advance(LIMIT / 2).await;
    let next = setup.ask(1);
    setup.receive(3).await;
    assert_eq!(late.await.unwrap(), Err(Unanswered::Late));
    assert!(begun.elapsed() >= LIMIT && begun.elapsed() < LIMIT + LIMIT / 4);
    // The answers of whoever is gone come all the same, and first.
    setup.answer(0..3).await;
    assert_eq!(next.await.unwrap(), Ok(vec![2]));

    // The alarm was for somebody who has an answer by now.
    tokio::time::advance(LIMIT * 2).await;
    let begun = Instant::now();
    assert_eq!(setup.ask(1).await.unwrap(), Err(Unanswered::Late));
    assert!(begun.elapsed() >= LIMIT && begun.elapsed() < LIMIT + LIMIT / 4);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_nothing_makes_nobody_wait_for_ever() {
    let mut setup = Setup::with_room(100, 4);
    assert_eq!(setup.ask(1).await.unwrap(), Err(Unanswered::Late));
    // Some of it is still unsent, and nothing would wake the driver.
    for _ in 0..2 {
        let begun = Instant::now();
        assert_eq!(setup.ask(1).await.unwrap(), Err(Unanswered::Late));
        assert!(begun.elapsed() < LIMIT + LIMIT / 4, "{:?}", begun.elapsed());
    }
    // Nothing was lost of what was asked in the order of answers.
    let last = setup.ask(1);
    setup.receive(4).await;
    setup.answer(0..4).await;
    assert_eq!(last.await.unwrap(), Ok(vec![3]));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_any_more_counts_until_it_is_answered() {
    let mut setup = Setup::new(4);
    let (first, second) = (setup.ask(2), setup.ask(2));
    second.abort();
    assert_eq!(setup.ask(1).await.unwrap(), Err(Unanswered::Full));
    assert_eq!(first.await.unwrap(), Err(Unanswered::Late));
    assert_eq!(setup.ask(1).await.unwrap(), Err(Unanswered::Full));
    // What the connection itself asks is never too much.
    let ping = [cmd("PING"), cmd("PING")];
    let pipeline = setup.pipeline.clone();
    let asked = pipeline.ask(ping.iter(), Patience::Endless, Instant::now());
    let served = async {
        tokio::time::sleep(LIMIT * 10).await;
        setup.receive(6).await;
        setup.answer(0..6).await;
    };
    let (answers, ()) = tokio::join!(asked, served);
    assert_eq!(answers.unwrap().values[..], [Value::Int(4), Value::Int(5)]);
    let more = setup.ask(4);
    setup.receive(4).await;
    setup.answer(6..10).await;
    assert_eq!(more.await.unwrap(), Ok(vec![6, 7, 8, 9]));
}

#[tokio::test]
async fn nobody_waits_when_the_connection_has_ended() {
    let mut setup = Setup::new(100);
    let waiting = setup.ask(1);
    setup.receive(1).await;
    drop(setup.server);
    let fault = setup.driver.await.unwrap();
    assert!(fault.reason.contains("closed"), "{fault:?}");
    assert_eq!(waiting.await.unwrap(), Err(Unanswered::Over));
    let ping = [cmd("PING")];
    let pipeline = setup.pipeline;
    let asked = pipeline.ask(ping.iter(), Patience::Limited, Instant::now());
    assert_eq!(asked.await.unwrap_err(), Unanswered::Over);
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_is_the_end() {
    let mut setup = Setup::new(100);
    setup.answer(0..1).await;
    let fault = setup.driver.await.unwrap();
    assert!(fault.reason.contains("nobody asked"), "{fault:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However answers are cut into pieces, and whoever has gone meanwhile.
    #[test]
    fn answers_are_in_the_order_of_the_commands(
        batches in prop::collection::vec((1..5usize, any::<bool>()), 1..20),
        cuts in prop::collection::vec(1..20usize, 1..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut setup = Setup::new(usize::MAX);
            let mut first = 0;
            let mut waiting = Vec::new();
            for (count, goes) in batches {
                let asked = setup.ask(count);
                let numbers = first..first + count as i64;
                first = numbers.end;
                if goes {
                    asked.abort();
                } else {
                    waiting.push((asked, numbers));
                }
            }
            setup.receive(first as usize).await;
            let answers: String = (0..first).map(|number| format!(":{number}\r\n")).collect();
            let mut rest = answers.as_bytes();
            for cut in cuts.iter().cycle() {
                let (piece, behind) = rest.split_at((*cut).min(rest.len()));
                setup.server.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
                rest = behind;
                if rest.is_empty() {
                    break;
                }
            }
            for (asked, numbers) in waiting {
                assert_eq!(asked.await.unwrap(), Ok(numbers.collect::<Vec<_>>()));
            }
        });
    }
}
