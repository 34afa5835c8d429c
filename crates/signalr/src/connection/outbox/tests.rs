//! What waits, for whom, and for how long.

use futures_util::FutureExt as _;

use super::*;
use crate::transport::websocket::frame::OpCode;

const LIMIT: usize = 1_000;

fn outbox(sink: Sink) -> Outbox {
    let outbox = Outbox::new();
    outbox.attach_first(sink);
    outbox
}

/// A frame that takes so many bytes, header included.
fn frame(len: usize) -> Frame {
    let frame = Frame::relayed(
        signalr_protocol::HubProtocol::Json,
        &vec![b'x'; len - 2 - 2 * usize::from(len > 127)],
    );
    assert_eq!(frame.len(), len);
    frame
}

fn note(text: &str) -> Frame {
    Frame::relayed(signalr_protocol::HubProtocol::Json, text.as_bytes())
}

fn texts(frames: &[Frame]) -> Vec<String> {
    frames
        .iter()
        .map(|frame| String::from_utf8(frame.payload().to_vec()).unwrap())
        .collect()
}

async fn second() {
    tokio::time::advance(TAKES_NOTHING_FOR).await;
}

#[tokio::test(start_paused = true)]
async fn only_who_takes_nothing_for_a_while_is_too_slow() {
    let outbox = outbox(Sink::Fetched);
    for _ in 0..5 {
        assert_ne!(outbox.push(frame(500), LIMIT), Queued::Overflow);
    }
    outbox.flush();
    assert_eq!(
        outbox.push(frame(500), LIMIT),
        Queued::Done,
        "it was just told"
    );
    second().await;
    assert_eq!(outbox.push(frame(500), LIMIT), Queued::Overflow);
    assert_eq!(outbox.pull(usize::MAX).len(), 6);
}

#[tokio::test(start_paused = true)]
async fn who_takes_something_now_and_then_is_not_too_slow() {
    let outbox = outbox(Sink::Fetched);
    for _ in 0..10 {
        outbox.push(frame(500), LIMIT);
    }
    for _ in 0..5 {
        outbox.flush();
        tokio::time::advance(TAKES_NOTHING_FOR * 3 / 4).await;
        assert_eq!(outbox.pull(1).len(), 1);
        assert_ne!(outbox.push(frame(500), LIMIT), Queued::Overflow);
    }
}

#[tokio::test(start_paused = true)]
async fn little_may_wait_for_long() {
    let outbox = outbox(Sink::Fetched);
    outbox.push(frame(LIMIT), LIMIT);
    outbox.flush();
    second().await;
    assert_eq!(
        outbox.push(frame(20), LIMIT),
        Queued::Done,
        "one message of any size may wait, and one more"
    );
    assert_eq!(outbox.push(frame(20), LIMIT), Queued::Overflow);
}

#[test]
fn a_burst_has_a_bound() {
    let outbox = outbox(Sink::Pulled);
    let mut bytes = 0;
    while outbox.push(frame(100), LIMIT) != Queued::Overflow {
        bytes += 100;
    }
    assert_eq!(bytes, BURST_FACTOR * LIMIT + 100);
}

#[test]
fn nothing_follows_the_last_words_but_other_last_words() {
    let outbox = outbox(Sink::Fetched);
    outbox.push(note("one"), LIMIT);
    outbox.push_last(note("goodbye"));
    assert_eq!(outbox.push(note("two"), LIMIT), Queued::Done);
    outbox.push_last(note("closed"));
    assert_eq!(
        texts(&outbox.pull(usize::MAX)),
        ["one", "goodbye", "closed"]
    );
    outbox.close();
    outbox.push_last(note("too late"));
    assert!(outbox.pull(usize::MAX).is_empty() && outbox.is_closed());
}

#[test]
fn one_of_many_who_queue_sees_to_the_writing() {
    let outbox = outbox(Sink::Pulled);
    assert_eq!(outbox.push(note("one"), LIMIT), Queued::Flush);
    assert_eq!(outbox.push(note("two"), LIMIT), Queued::Done);
    assert!(matches!(outbox.flush(), Flushed::Blocked));
    assert_eq!(outbox.push(note("three"), LIMIT), Queued::Done);
    assert_eq!(texts(&outbox.pull(1)), ["one"]);
    assert_eq!(texts(&outbox.pull(usize::MAX)), ["two", "three"]);
    assert_eq!(
        outbox.push(note("four"), LIMIT),
        Queued::Flush,
        "all was taken"
    );
}

#[test]
fn what_was_not_acknowledged_comes_again_behind_the_preface() {
    let outbox = outbox(Sink::Pulled);
    outbox.enable_replay(LIMIT);
    for text in ["one", "two", "three"] {
        outbox.push(note(text), LIMIT);
    }
    outbox.push(Frame::unnumbered(OpCode::Text, b"ping"), LIMIT);
    outbox.pull(1);
    outbox.handle_ack(1);
    outbox.detach();
    assert!(outbox.is_detached());
    outbox.push(note("four"), LIMIT);
    outbox.push(Frame::unnumbered(OpCode::Text, b"ping"), LIMIT);
    assert!(outbox.pull(usize::MAX).is_empty(), "nobody is there");
    outbox.attach(Sink::Pulled, |number| note(&format!("from {number}")));
    outbox.push(note("five"), LIMIT);
    let again = texts(&outbox.pull(usize::MAX));
    assert_eq!(again, ["from 2", "two", "three", "four", "five"]);
}

#[test]
fn what_is_kept_for_a_lost_client_has_a_bound() {
    let outbox = outbox(Sink::Pulled);
    outbox.enable_replay(2 * LIMIT);
    outbox.detach();
    let mut bytes = 0;
    while outbox.push(frame(100), LIMIT) != Queued::Overflow {
        bytes += 100;
    }
    assert_eq!(bytes, 3 * LIMIT + 100);
}

#[tokio::test(start_paused = true)]
async fn who_reads_and_acknowledges_is_not_closed_for_what_was_sent_in_between() {
    let outbox = outbox(Sink::Pulled);
    outbox.enable_replay(LIMIT);
    for number in 1..=5 {
        assert_ne!(outbox.push(frame(5 * LIMIT), LIMIT), Queued::Overflow);
        outbox.pull(usize::MAX);
        assert_ne!(outbox.push(frame(100), LIMIT), Queued::Overflow);
        outbox.pull(usize::MAX);
        second().await;
        outbox.handle_ack(2 * number);
    }
    outbox.push(frame(5 * LIMIT), LIMIT);
    outbox.pull(usize::MAX);
    tokio::time::advance(ACKNOWLEDGES_NOTHING_FOR).await;
    assert_eq!(outbox.push(frame(100), LIMIT), Queued::Overflow);
}

#[tokio::test(start_paused = true)]
async fn what_comes_again_does_not_count_as_unread() {
    let outbox = outbox(Sink::Pulled);
    outbox.enable_replay(5 * LIMIT);
    outbox.detach();
    for _ in 0..40 {
        outbox.push(frame(100), LIMIT);
    }
    second().await;
    outbox.attach(Sink::Pulled, |_| note("first"));
    outbox.unblock();
    second().await;
    assert_ne!(outbox.push(frame(100), LIMIT), Queued::Overflow);
}

#[tokio::test(start_paused = true)]
async fn writers_wait_for_acknowledgements_and_not_for_ever() {
    let outbox = outbox(Sink::Pulled);
    outbox.enable_replay(LIMIT);
    for _ in 0..11 {
        outbox.push(frame(100), LIMIT);
        outbox.pull(usize::MAX);
    }
    assert!(outbox.is_replay_full() && outbox.is_congested(usize::MAX));
    let since = Instant::now();
    second().await;
    assert_eq!(outbox.blocked_since(), Some(since));
    outbox.detach();
    assert_eq!(
        outbox.blocked_since(),
        None,
        "who is away cannot acknowledge"
    );
    second().await;
    outbox.attach(Sink::Pulled, |_| note("first"));
    assert_eq!(
        outbox.blocked_since(),
        Some(Instant::now()),
        "and has time when it is back"
    );
    outbox.handle_ack(1);
    outbox.pull(usize::MAX);
    assert!(!outbox.is_replay_full());
    assert_eq!(outbox.blocked_since(), None);
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_blocked_from_when_it_last_took_something() {
    let outbox = outbox(Sink::Pulled);
    outbox.push(frame(100), LIMIT);
    outbox.pull(usize::MAX);
    outbox.set_blocked(true);
    let since = Instant::now();
    second().await;
    outbox.set_blocked(false);
    assert_eq!(outbox.blocked_since(), Some(since));
    outbox.set_blocked(true);
    assert_eq!(outbox.blocked_since(), Some(Instant::now()));
    outbox.set_written();
    assert_eq!(outbox.blocked_since(), None);
}

#[tokio::test(start_paused = true)]
async fn who_polls_late_is_not_blocked() {
    let outbox = outbox(Sink::Fetched);
    outbox.push(frame(100), LIMIT);
    outbox.flush();
    second().await;
    assert_eq!(outbox.blocked_since(), None);
}

/// A socket pair: ours, and the peer's.
async fn sockets() -> (Arc<TcpStream>, TcpStream) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (ours, _) = listener.accept().await.unwrap();
    ours.writable().await.unwrap();
    (Arc::new(ours), peer)
}

#[tokio::test]
async fn a_socket_that_takes_no_more_is_gone_on_with_in_the_middle_of_a_frame() {
    let (ours, peer) = sockets().await;
    let outbox = outbox(Sink::Socket(Arc::clone(&ours)));
    let mut sent = Vec::new();
    // Until the kernel takes no more.
    for number in 0u32.. {
        let frame = note(&format!("{number:010}").repeat(5_000));
        sent.extend_from_slice(frame.websocket());
        outbox.push(frame, usize::MAX);
        if matches!(outbox.flush(), Flushed::Blocked) {
            break;
        }
    }
    // The runtime knows of it, and wakes whoever waits.
    assert!(ours.writable().now_or_never().is_none());
    // Batches that are put together and batches that are not.
    for number in 0..1_000 {
        let frame = note(&format!("{number:03}").repeat(1 + number * number % 97));
        sent.extend_from_slice(frame.websocket());
        assert_eq!(outbox.push(frame, usize::MAX), Queued::Done);
    }
    let mut received = Vec::new();
    while received.len() < sent.len() {
        tokio::select! {
            _ = peer.readable() => {
                let _ = peer.try_read_buf(&mut received);
            }
            _ = ours.writable(), if outbox.is_blocked() => {
                outbox.unblock();
            }
        }
    }
    assert!(received == sent, "not one byte is lost, doubled or moved");
    assert!(outbox.is_empty() && outbox.blocked_since().is_none());
}

#[tokio::test]
async fn a_broken_socket_ends_the_connection_unless_another_may_come() {
    for is_stateful in [false, true] {
        let (ours, peer) = sockets().await;
        let outbox = outbox(Sink::Socket(Arc::clone(&ours)));
        if is_stateful {
            outbox.enable_replay(LIMIT);
        }
        peer.set_zero_linger().unwrap();
        drop(peer);
        ours.readable().await.unwrap();
        outbox.push(note("lost"), LIMIT);
        match outbox.flush() {
            Flushed::Failed(_) => assert!(!is_stateful && outbox.is_closed()),
            Flushed::Lost(_) => {
                assert!(is_stateful && outbox.is_detached());
                outbox.attach(Sink::Pulled, |number| note(&number.to_string()));
                assert_eq!(texts(&outbox.pull(usize::MAX)), ["1", "lost"]);
            }
            other => panic!("{other:?}"),
        }
    }
}
