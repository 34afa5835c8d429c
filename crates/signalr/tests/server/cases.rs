//! What RFC 6455 asks of a server, case by case: bytes that a client sends, and all that comes back.
//!
//! A hub's connection has no WebSocket messages, only their bytes: text and binary frames are one stream of calls, and
//! what is an echo elsewhere is the answer to a call here. Every case runs in one piece, over a socket and over what
//! hides one, and, where it is short, byte by byte.

mod closing;
mod framing;
mod sizes;
mod utf8;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use signalr::HubOptions;
use testkit::client::websocket::masked;
use testkit::raw::within;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;

use crate::common::{Server, Sockets};

const CONTINUATION: u8 = 0x80;
const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;

/// The two kinds of data frames.
const KINDS: [(&str, u8); 2] = [("text", TEXT), ("binary", BINARY)];

/// The first byte of a frame that does not end its message.
const fn unfinished(first: u8) -> u8 {
    first & 0x7f
}

/// One case.
struct Case {
    name: String,
    /// What the client sends behind the hub's handshake.
    bytes: Vec<u8>,
    /// How many bytes of it are written at once.
    at_once: usize,
    /// Whether a further call is served behind it.
    lives: bool,
    expected: Outcome,
}

/// What came back.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    pongs: Vec<Vec<u8>>,
    /// The results of the calls, in their order.
    results: Vec<Value>,
    /// The code of the close frame, and nothing came behind it; none: there was none.
    close: Option<u16>,
}

impl Case {
    /// A case after which the connection serves a further call, and closes when the client does.
    fn lives(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self {
            name: name.into(),
            bytes,
            at_once: usize::MAX,
            lives: true,
            expected: Outcome {
                close: Some(1000),
                ..Outcome::default()
            },
        }
    }

    /// A case that ends the connection, with this code.
    fn ends(name: impl Into<String>, bytes: Vec<u8>, code: u16) -> Self {
        let mut case = Self::lives(name, bytes);
        case.lives = false;
        case.expected.close = Some(code);
        case
    }

    /// A call of it is answered, with this result.
    fn result(mut self, result: impl Into<Value>) -> Self {
        self.expected.results.push(result.into());
        self
    }

    /// A ping of it is answered, with this payload.
    fn pong(mut self, payload: &[u8]) -> Self {
        self.expected.pongs.push(payload.to_vec());
        self
    }

    /// It is written in pieces of so many bytes.
    fn at_once(mut self, count: usize) -> Self {
        self.at_once = count;
        self
    }

    /// Runs it and compares; an error says what is otherwise.
    async fn run(&self, address: SocketAddr, at_once: usize) -> Result<(), String> {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        socket.write_all(OPENING).await.unwrap();
        let handshake = masked(TEXT, b"{\"protocol\":\"json\",\"version\":1}\x1e");
        socket.write_all(&handshake).await.unwrap();
        let (read, mut write) = socket.split();
        let mut read = BufReader::new(read);
        skip_opening(&mut read).await;
        let is_served = Notify::new();
        let writing = async {
            let mut bytes = self.bytes.clone();
            if self.lives {
                bytes.extend(masked(TEXT, &call(LAST)));
            }
            for piece in bytes.chunks(at_once) {
                if write.write_all(piece).await.is_err() {
                    // The server has closed: what it said counts.
                    return;
                }
                if at_once == 1 {
                    // Lets the server read it, most times; whether it did makes no difference to what is right.
                    tokio::task::yield_now().await;
                }
            }
            if self.lives {
                is_served.notified().await;
                let _ = write
                    .write_all(&masked(CLOSE, &1000u16.to_be_bytes()))
                    .await;
            }
        };
        let what = format!("{} ({at_once} at once)", self.name);
        let (mut outcome, ()) = within(&what, async {
            tokio::join!(outcome(&mut read, &is_served), writing)
        })
        .await;
        if self.lives && outcome.results.pop() != Some(json!(LAST)) {
            return Err(format!("{what}: the last call was not served: {outcome:?}"));
        }
        if outcome == self.expected {
            return Ok(());
        }
        let (expected, found) = (short(&self.expected), short(&outcome));
        Err(format!("{what}: expected {expected}, found {found}"))
    }
}

/// What shows that a connection goes on.
const LAST: &str = "last";

const OPENING: &[u8] = b"GET /hub HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A call that is answered with `text`, which needs no escapes.
fn call(text: &str) -> Vec<u8> {
    call_with(text.as_bytes())
}

/// The same with bytes that need not be text.
fn call_with(text: &[u8]) -> Vec<u8> {
    let head = b"{\"type\":1,\"invocationId\":\"1\",\"target\":\"Echo\",\"arguments\":[\"";
    [head, text, b"\"]}\x1e"].concat()
}

/// A call of exactly `len` bytes, and its result; they hold some 70 at least.
fn call_of(len: usize) -> (Vec<u8>, String) {
    let text = "*".repeat(len - call("").len());
    (call(&text), text)
}

/// An outcome that can be printed.
fn short(outcome: &Outcome) -> String {
    let mut text = format!("{outcome:?}");
    if text.len() > 400 {
        text = text.chars().take(400).collect();
    }
    text
}

/// Skips the answer to the opening, and that to the hub's handshake.
async fn skip_opening(read: &mut (impl AsyncRead + Unpin)) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(read.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    assert_eq!(frame(read).await, Some((TEXT, b"{}\x1e".to_vec())));
}

/// Reads all that comes, to the end of the connection.
async fn outcome(read: &mut (impl AsyncRead + Unpin), is_served: &Notify) -> Outcome {
    let mut outcome = Outcome::default();
    while let Some((first, payload)) = frame(read).await {
        assert_eq!(outcome.close, None, "nothing stands behind a close frame");
        match first {
            PONG => outcome.pongs.push(payload),
            CLOSE => {
                let code = payload.try_into().expect("the server gives a code");
                outcome.close = Some(u16::from_be_bytes(code));
            }
            TEXT => {
                for message in payload
                    .split(|&byte| byte == 0x1e)
                    .filter(|m| !m.is_empty())
                {
                    let message: Value = serde_json::from_slice(message).unwrap();
                    if message["type"] == 3 {
                        if message["result"] == LAST {
                            is_served.notify_one();
                        }
                        outcome.results.push(message["result"].clone());
                    }
                }
            }
            other => panic!("a frame that begins with {other:#x}"),
        }
    }
    outcome
}

/// The next frame of the server's; none: the connection has ended.
async fn frame(read: &mut (impl AsyncRead + Unpin)) -> Option<(u8, Vec<u8>)> {
    let first = read.read_u8().await.ok()?;
    let len = match read.read_u8().await.ok()? {
        126 => usize::from(read.read_u16().await.ok()?),
        127 => usize::try_from(read.read_u64().await.ok()?).unwrap(),
        len => usize::from(len),
    };
    let mut payload = vec![0; len];
    read.read_exact(&mut payload).await.ok()?;
    Some((first, payload))
}

/// Cases up to this length run byte by byte as well: longer ones would show nothing else, and take long.
const BYTEWISE_MAX: usize = 400;

/// How many cases run at a time: enough for the server to meet one amid another, few enough for each to be done long before
/// its time is over, on a machine with much else to do.
const AT_A_TIME: usize = 4;

/// Runs all cases in every way, and tells of all that go wrong.
#[expect(
    clippy::print_stdout,
    reason = "how much was tried is part of what a run tells"
)]
async fn check(section: &str, cases: Vec<Case>) {
    let patient = |options: &mut HubOptions| {
        options.maximum_receive_message_size = None;
        // Every case ends by what is said, and none by a time-out.
        options.close_timeout = Duration::from_secs(3_600);
    };
    let plain = Server::with(patient).await;
    let sockets = Sockets {
        are_hidden: true,
        ..Sockets::default()
    };
    let hidden = Server::on(sockets, patient).await;
    let count = cases.len();
    let places = Arc::new(Semaphore::new(AT_A_TIME));
    let mut running = JoinSet::new();
    for case in cases {
        let case = Arc::new(case);
        let mut ways = vec![
            (plain.address, case.at_once),
            (hidden.address, case.at_once),
        ];
        if case.bytes.len() <= BYTEWISE_MAX {
            ways.push((plain.address, 1));
        }
        for (address, at_once) in ways {
            let (case, places) = (Arc::clone(&case), Arc::clone(&places));
            running.spawn(async move {
                let _place = places.acquire_owned().await;
                case.run(address, at_once).await
            });
        }
    }
    let runs = running.len();
    let failures: Vec<String> = running
        .join_all()
        .await
        .into_iter()
        .filter_map(Result::err)
        .collect();
    println!(
        "{section}: {count} cases, {runs} runs, {} failures",
        failures.len()
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[tokio::test]
async fn frames_of_all_forms() {
    check("frames", framing::cases()).await;
}

#[tokio::test]
async fn text_is_utf8() {
    check("UTF-8", utf8::cases()).await;
}

#[tokio::test]
async fn connections_are_closed_in_order() {
    check("closing", closing::cases()).await;
}

#[tokio::test]
async fn sizes_make_no_difference() {
    check("sizes", sizes::whole()).await;
}

#[tokio::test]
async fn fragments_make_no_difference() {
    check("fragments", sizes::in_fragments()).await;
}

#[tokio::test]
async fn writes_make_no_difference() {
    check("writes", sizes::in_writes()).await;
}

#[tokio::test]
async fn many_calls_behind_each_other_make_no_difference() {
    check("many calls", sizes::many()).await;
}

/// As many as the suite that is the measure for WebSocket servers has without compression.
#[test]
#[expect(
    clippy::print_stdout,
    reason = "how much was tried is part of what a run tells"
)]
fn there_are_enough_cases() {
    let sections = [
        framing::cases(),
        utf8::cases(),
        closing::cases(),
        sizes::cases(),
    ];
    let mut names: Vec<String> = sections
        .into_iter()
        .flatten()
        .map(|case| case.name)
        .collect();
    println!("{} cases", names.len());
    assert!(names.len() >= 300, "{}", names.len());
    names.sort();
    let twice = names.windows(2).find(|pair| pair[0] == pair[1]);
    assert_eq!(twice, None);
}
