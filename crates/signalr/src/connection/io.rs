//! A WebSocket as the driver sees it: pieces that come in, frames that go out.

use std::cell::RefCell;
use std::io::{self, Read as _};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use smallvec::SmallVec;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use super::link::Link;
use super::outbox::{Flushed, Sink};
use crate::transport::websocket::decoder::{Decoder, Piece, Violation};

/// What one read may bring; more waits in the socket. 16 KiB holds a hundred ordinary messages.
const READ_LEN_MAX: usize = 16 * 1024;

/// What one write of a stream may take from the outbox.
const WRITE_LEN_MAX: usize = 64 * 1024;

thread_local! {
    /// Where reads go: shared by all connections of a thread, so that an idle one needs no buffer.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_LEN_MAX]);
}

/// A duplex byte stream of whatever kind.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Duplex for T {}

/// A WebSocket after its opening handshake.
pub(crate) struct Io {
    stream: Stream,
    decoder: Decoder,
    /// Bytes that came with the opening handshake.
    early: Bytes,
}

enum Stream {
    /// A socket of the operating system: anybody may write to it while the driver reads.
    Socket(Arc<TcpStream>),
    /// TLS, HTTP/2 or anything else that only one task can use.
    Other(Box<Other>),
}

struct Other {
    stream: Pin<Box<dyn Duplex>>,
    /// Taken from the outbox and not yet written.
    unwritten: SmallVec<[Bytes; 2]>,
    needs_flush: bool,
}

/// How the transport ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The peer sent a close frame, with its code if it gave one.
    Closed(Option<u16>),
    /// The peer violated the protocol.
    Violation(u16),
    /// The connection broke, or ended without a close frame.
    Broken,
}

impl Io {
    pub(crate) fn socket(stream: TcpStream, early: &[u8]) -> Self {
        // A copy: the original keeps the whole buffer of the HTTP connection alive, even where it is empty.
        let early = Bytes::copy_from_slice(early);
        Self::new(Stream::Socket(Arc::new(stream)), early)
    }

    pub(crate) fn other(stream: impl Duplex + 'static) -> Self {
        let other = Other {
            stream: Box::pin(stream),
            unwritten: SmallVec::new(),
            needs_flush: false,
        };
        Self::new(Stream::Other(Box::new(other)), Bytes::new())
    }

    fn new(stream: Stream, early: Bytes) -> Self {
        Self {
            stream,
            decoder: Decoder::default(),
            early,
        }
    }

    /// Where the outbox is to write to.
    pub(crate) fn sink(&self) -> Sink {
        match &self.stream {
            Stream::Socket(socket) => Sink::Socket(Arc::clone(socket)),
            Stream::Other(_) => Sink::Pulled,
        }
    }

    /// Reads once and hands on all pieces that came.
    pub(crate) fn poll_pieces(
        &mut self,
        cx: &mut Context<'_>,
        mut take: impl FnMut(Piece<'_>),
    ) -> Poll<Result<(), End>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut early;
            let mut input = if self.early.is_empty() {
                let len = ready!(self.stream.poll_read(cx, scratch)).map_err(|_| End::Broken)?;
                if len == 0 {
                    return Poll::Ready(Err(End::Broken));
                }
                &mut scratch[..len]
            } else {
                early = std::mem::take(&mut self.early).to_vec();
                &mut early[..]
            };
            loop {
                match self.decoder.poll_piece(&mut input) {
                    Ok(Some(Piece::Close(code))) => return Poll::Ready(Err(End::Closed(code))),
                    Ok(Some(piece)) => take(piece),
                    Ok(None) => return Poll::Ready(Ok(())),
                    Err(Violation(code)) => return Poll::Ready(Err(End::Violation(code))),
                }
            }
        })
    }

    /// Reads once and throws it away.
    pub(crate) fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let read = ready!(self.stream.poll_read(cx, scratch));
            Poll::Ready(match read {
                Ok(1..) => Ok(()),
                Ok(0) | Err(_) => Err(End::Broken),
            })
        })
    }

    /// Writes what waits in the outbox, as far as the stream takes it.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, link: &Link) {
        match &mut self.stream {
            Stream::Socket(socket) => {
                // Registered before the attempt: whoever else writes meanwhile may use the readiness up.
                while link.outbox.is_blocked() && socket.poll_write_ready(cx).is_ready() {
                    link.handle_flushed(link.outbox.unblock());
                }
            }
            Stream::Other(other) => {
                let mut has_progressed = false;
                match other.poll_write(cx, link, &mut has_progressed) {
                    Poll::Ready(Ok(())) => {
                        link.outbox.set_written();
                        if has_progressed {
                            link.handle_flushed(Flushed::Done);
                        }
                    }
                    Poll::Ready(Err(error)) => link.handle_flushed(link.outbox.fail(error)),
                    Poll::Pending => link.outbox.set_blocked(has_progressed),
                }
            }
        }
    }

    /// Whether all that was taken from the outbox is written.
    pub(crate) fn is_written(&self) -> bool {
        match &self.stream {
            Stream::Socket(_) => true,
            Stream::Other(other) => other.unwritten.is_empty() && !other.needs_flush,
        }
    }
}

impl Stream {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Socket(socket) => loop {
                ready!(socket.poll_read_ready(cx))?;
                if let Some(read) = read_once(socket, buffer) {
                    return Poll::Ready(read);
                }
            },
            Self::Other(other) => {
                let mut buffer = ReadBuf::new(buffer);
                ready!(other.stream.as_mut().poll_read(cx, &mut buffer))?;
                Poll::Ready(Ok(buffer.filled().len()))
            }
        }
    }
}

/// Reads what is there; none: nothing is.
///
/// Less than there was room for is all there was, and so the socket counts as drained without being asked again: half of
/// the reads of a client that calls now and then would be for nothing. [`TcpStream::try_read`] does not do that, though
/// tokio's own streams do.
fn read_once(socket: &TcpStream, buffer: &mut [u8]) -> Option<io::Result<usize>> {
    let mut len = 0;
    let tried = socket.try_io(Interest::READABLE, || {
        len = (&*SockRef::from(socket)).read(buffer)?;
        if len == 0 || len == buffer.len() {
            Ok(())
        } else {
            // Takes the readiness back that was seen before the read: a newer one stays.
            Err(io::ErrorKind::WouldBlock.into())
        }
    });
    match tried {
        Ok(()) => Some(Ok(len)),
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => (len > 0).then_some(Ok(len)),
        Err(e) => Some(Err(e)),
    }
}

impl Other {
    /// Writes what waits, and notes whether the stream took any of it.
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        link: &Link,
        has_progressed: &mut bool,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.unwritten.is_empty() {
                let frames = link.outbox.pull(WRITE_LEN_MAX);
                let bytes = frames.iter().map(|frame| frame.websocket().clone());
                self.unwritten.extend(bytes);
            }
            if self.unwritten.is_empty() {
                break;
            }
            let slices: SmallVec<[io::IoSlice<'_>; 4]> = self
                .unwritten
                .iter()
                .map(|bytes| io::IoSlice::new(bytes))
                .collect();
            let written = self.stream.as_mut().poll_write_vectored(cx, &slices);
            drop(slices);
            let mut written = ready!(written)?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.needs_flush = true;
            *has_progressed = true;
            self.unwritten.retain(|bytes| {
                let len = written.min(bytes.len());
                bytes.advance(len);
                written -= len;
                !bytes.is_empty()
            });
        }
        if self.needs_flush {
            ready!(self.stream.as_mut().poll_flush(cx))?;
            self.needs_flush = false;
        }
        Poll::Ready(Ok(()))
    }
}

impl std::fmt::Debug for Io {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.stream {
            Stream::Socket(_) => "Io::Socket",
            Stream::Other(_) => "Io::Other",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (Stream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, server) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (server, _) = server.unwrap();
        (Stream::Socket(Arc::new(server)), client.unwrap())
    }

    async fn read(stream: &mut Stream, buffer: &mut [u8]) -> usize {
        poll_fn(|cx| stream.poll_read(cx, buffer)).await.unwrap()
    }

    /// Whether a read would be tried now.
    async fn is_ready(stream: &Stream) -> bool {
        let Stream::Socket(socket) = stream else {
            panic!("not a socket");
        };
        poll_fn(|cx| Poll::Ready(socket.poll_read_ready(cx).is_ready())).await
    }

    #[tokio::test]
    async fn a_socket_that_gave_less_than_it_might_is_not_asked_again() {
        let (mut stream, mut client) = pair().await;
        let mut buffer = [0; 8];
        client.write_all(b"hello").await.unwrap();
        assert_eq!(read(&mut stream, &mut buffer).await, 5);
        assert!(!is_ready(&stream).await);

        // What comes afterwards, and the end, are noticed all the same.
        client.write_all(b"world, hello").await.unwrap();
        assert_eq!(read(&mut stream, &mut buffer).await, 8);
        assert!(is_ready(&stream).await, "the buffer was full");
        assert_eq!(read(&mut stream, &mut buffer).await, 4);
        drop(client);
        assert_eq!(read(&mut stream, &mut buffer).await, 0);
    }

    #[tokio::test]
    async fn an_end_right_behind_the_last_bytes_is_noticed() {
        let (mut stream, mut client) = pair().await;
        client.write_all(b"bye").await.unwrap();
        drop(client);
        let mut buffer = [0; 8];
        assert_eq!(read(&mut stream, &mut buffer).await, 3);
        assert_eq!(read(&mut stream, &mut buffer).await, 0);
    }
}
