//! What HTTP/2 writes in one turn leaves in one write, and what has arrived is taken in one read.
//!
//! An answer of gRPC is headers, a message and trailers, and h2 hands the last to the socket apart from the others: two
//! system calls, two segments, and a client that is woken twice. Here they are kept until the connection has been polled,
//! together with the answers of other streams.
//!
//! h2 reads to the end of a buffer of 8 KiB, whatever is left of it: every other call for 100 users lies across that end,
//! and took two reads. Here what does not fit waits for h2.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A socket that keeps what is written until it is told to send.
///
/// Flushing it does nothing: whoever polls the connection [sends](Sending::poll_send) after each poll. What has arrived may
/// be read ahead of who reads.
#[derive(Debug)]
pub(super) struct Gathering<I>(Arc<Mutex<Parts<I>>>);

/// Sends what a [`Gathering`] keeps.
#[derive(Debug)]
pub(super) struct Sending<I>(Arc<Mutex<Parts<I>>>);

#[derive(Debug)]
struct Parts<I> {
    socket: I,
    /// What was read ahead.
    ahead: Bytes,
    kept: BytesMut,
    /// Written to the socket, and not flushed there: TLS keeps something, too.
    is_held: bool,
}

/// A socket to write to, and what sends it on.
pub(super) fn gather<I>(socket: I) -> (Gathering<I>, Sending<I>) {
    let parts = Arc::new(Mutex::new(Parts {
        socket,
        ahead: Bytes::new(),
        kept: BytesMut::new(),
        is_held: false,
    }));
    (Gathering(Arc::clone(&parts)), Sending(parts))
}

impl<I: AsyncWrite + Unpin> Sending<I> {
    /// Sends all that is kept.
    pub(super) fn poll_send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.lock().poll_send(cx)
    }
}

impl<I: AsyncWrite + Unpin> Parts<I> {
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.kept.is_empty() {
            let sent = ready!(Pin::new(&mut self.socket).poll_write(cx, &self.kept))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.is_held = true;
            self.kept.advance(sent);
        }
        if self.is_held {
            // No buffer while there is nothing to say.
            self.kept = BytesMut::new();
            ready!(Pin::new(&mut self.socket).poll_flush(cx))?;
            self.is_held = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Keeps more, once there is room.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.kept.len() < KEPT_MAX {
            return Poll::Ready(Ok(()));
        }
        self.poll_send(cx)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Gathering<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let parts = &mut *self.0.lock();
        ready!(parts.poll_room(cx))?;
        let size = pieces.iter().map(|piece| piece.len()).sum();
        parts.kept.reserve(size);
        for piece in pieces {
            parts.kept.extend_from_slice(piece);
        }
        Poll::Ready(Ok(size))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let parts = &mut *self.0.lock();
        ready!(parts.poll_send(cx))?;
        Pin::new(&mut parts.socket).poll_shutdown(cx)
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Gathering<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let parts = &mut *self.0.lock();
        if parts.ahead.is_empty() {
            if room.remaining() >= READ {
                return Pin::new(&mut parts.socket).poll_read(cx, room);
            }
            let mut arrived = [MaybeUninit::uninit(); READ];
            let mut arrived = ReadBuf::uninit(&mut arrived);
            ready!(Pin::new(&mut parts.socket).poll_read(cx, &mut arrived))?;
            let arrived = arrived.filled();
            let (now, ahead) = arrived.split_at(room.remaining().min(arrived.len()));
            room.put_slice(now);
            parts.ahead = Bytes::copy_from_slice(ahead);
        } else {
            let size = room.remaining().min(parts.ahead.len());
            room.put_slice(&parts.ahead.split_to(size));
        }
        Poll::Ready(Ok(()))
    }
}

/// How much is read at once at most, for some 40 calls for a few users, or three for 100.
const READ: usize = 16 * 1024;

/// How much is kept before it is sent in the middle of a turn: 64 KiB, which a socket takes at once.
const KEPT_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_util::FutureExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Takes a few bytes at a time, keeps them until it is flushed, and is now and then not ready.
    #[derive(Debug, Default)]
    struct Sluggish {
        writes: usize,
        taken: Vec<u8>,
        flushed: usize,
        is_ready: bool,
    }

    impl Sluggish {
        /// Every other time nothing is done yet.
        fn poll_ready(&mut self, cx: &Context<'_>) -> Poll<()> {
            self.is_ready = !self.is_ready;
            if self.is_ready {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(())
        }
    }

    impl AsyncWrite for Sluggish {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            ready!(self.poll_ready(cx));
            let some = bytes.len().min(1000);
            self.writes += 1;
            self.taken.extend_from_slice(&bytes[..some]);
            Poll::Ready(Ok(some))
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            ready!(self.poll_ready(cx));
            self.flushed = self.taken.len();
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            assert_eq!(self.flushed, self.taken.len(), "cut off");
            Poll::Ready(Ok(()))
        }
    }

    async fn send<I: AsyncWrite + Unpin>(sending: &Sending<I>) -> io::Result<()> {
        poll_fn(|cx| sending.poll_send(cx)).await
    }

    #[tokio::test]
    async fn what_was_written_in_pieces_leaves_in_one() {
        let (here, mut there) = tokio::io::duplex(1024);
        let (mut socket, sending) = gather(here);
        for piece in ["headers ", "message ", "trailers"] {
            socket.write_all(piece.as_bytes()).await.unwrap();
            socket.flush().await.unwrap();
        }
        let mut bytes = [0; 1024];
        let early = tokio::time::timeout(std::time::Duration::ZERO, there.read(&mut bytes)).await;
        assert!(early.is_err(), "it was sent before the end of the turn");
        send(&sending).await.unwrap();
        let size = there.read(&mut bytes).await.unwrap();
        assert_eq!(&bytes[..size], b"headers message trailers");

        there.write_all(b"more").await.unwrap();
        let size = socket.read(&mut bytes).await.unwrap();
        assert_eq!(&bytes[..size], b"more", "reading is as ever");
    }

    /// Gives all it has at once, and counts how often it is asked.
    #[derive(Debug)]
    struct Source {
        arrived: Vec<u8>,
        reads: usize,
    }

    impl AsyncRead for Source {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            room: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            self.reads += 1;
            let size = room.remaining().min(self.arrived.len());
            room.put_slice(&self.arrived[..size]);
            self.arrived.drain(..size);
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn what_has_arrived_is_taken_in_one_read() {
        let arrived: Vec<u8> = (0..=255).cycle().take(5000).collect();
        let (mut socket, _sending) = gather(Source { arrived, reads: 0 });
        let mut bytes = vec![0; 5000];
        for part in bytes.chunks_mut(3200) {
            socket.read_exact(part).await.unwrap();
        }
        assert!(bytes.iter().copied().eq((0..=255).cycle().take(5000)));
        assert_eq!(socket.0.lock().socket.reads, 1);
        assert_eq!(socket.read(&mut bytes).await.unwrap(), 0, "the end");
    }

    proptest::proptest! {
        #[test]
        fn whatever_room_there_is_nothing_is_lost(
            size in 0usize..60_000,
            rooms in proptest::collection::vec(1usize..20_000, 1..8),
        ) {
            let arrived: Vec<u8> = (0..=250).cycle().take(size).collect();
            let (mut socket, _sending) = gather(Source { arrived: arrived.clone(), reads: 0 });
            let mut read = Vec::new();
            for room in rooms.iter().cycle() {
                let mut bytes = vec![0; *room];
                let some = socket.read(&mut bytes).now_or_never().unwrap().unwrap();
                if some == 0 {
                    break;
                }
                read.extend_from_slice(&bytes[..some]);
            }
            proptest::prop_assert_eq!(read, arrived);
        }
    }

    #[tokio::test]
    async fn a_socket_that_takes_little_gets_all_in_the_end() {
        let (mut socket, sending) = gather(Sluggish::default());
        let pieces: Vec<Vec<u8>> = (0..5).map(|piece| vec![piece; 700]).collect();
        let slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        assert_eq!(socket.write_vectored(&slices).await.unwrap(), 3500);
        send(&sending).await.unwrap();
        {
            let parts = socket.0.lock();
            assert_eq!(parts.socket.taken, pieces.concat());
            assert_eq!((parts.socket.writes, parts.socket.flushed), (4, 3500));
            assert_eq!(parts.kept.capacity(), 0, "a buffer is held for nothing");
        }
        socket.write_all(b"bye").await.unwrap();
        socket.shutdown().await.unwrap();
        assert_eq!(socket.0.lock().socket.flushed, 3503);
    }

    #[tokio::test]
    async fn no_more_is_kept_than_the_bound() {
        let (mut socket, _sending) = gather(Sluggish::default());
        let piece = [7; 16 * 1024];
        for _ in 0..100 {
            socket.write_all(&piece).await.unwrap();
            assert!(socket.0.lock().kept.len() < KEPT_MAX + piece.len());
        }
    }

    #[tokio::test]
    async fn an_error_of_the_socket_is_told() {
        let (here, there) = tokio::io::duplex(1024);
        let (mut socket, sending) = gather(here);
        socket.write_all(b"to nobody").await.unwrap();
        drop(there);
        let error = send(&sending).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
