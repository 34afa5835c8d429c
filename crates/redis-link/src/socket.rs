//! Sockets to servers, plain or with TLS, that remember when something last came.

use std::{
    fmt,
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Instant,
};
use tokio_rustls::TlsConnector;

use crate::{Endpoint, Settings, Tls, error::Refusal};

/// Why a connection could not be made, or ended.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    /// For people. Never contains a password.
    pub(crate) reason: Arc<str>,
    /// The server is there and does not let us in: haste is no use.
    pub(crate) is_locked_out: bool,
}

/// Opens sockets as the settings want them.
#[derive(Debug)]
pub(crate) struct Dialer {
    pub(crate) settings: Settings,
    tls: OnceLock<Arc<ClientConfig>>,
}

/// A socket.
///
/// Before each write it lets the tasks have their turn that are ready to run: what they have to say goes along. Each
/// command alone would be a system call here and at the server, and a third of what it costs.
pub(crate) struct Socket {
    stream: Box<dyn Duplex>,
    activity: Arc<Activity>,
    /// Others have had their turn since the last write.
    has_waited: bool,
}

/// When something last came from the other side.
#[derive(Debug)]
pub(crate) struct Activity {
    since: Instant,
    last_ms: AtomicU64,
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

impl Dialer {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            tls: OnceLock::new(),
        }
    }

    /// Connects, without a time limit of its own.
    pub(crate) async fn dial(&self, endpoint: &Endpoint) -> Result<Socket, Fault> {
        let failed = |what: &str, error: &dyn fmt::Display| {
            Fault::new(format!("{endpoint}: {what}: {error}"))
        };
        let tcp = TcpStream::connect((endpoint.host.as_str(), endpoint.port))
            .await
            .map_err(|error| failed("connecting", &error))?;
        self.prepare(&tcp)
            .map_err(|error| failed("setting up the socket", &error))?;
        let Some(tls) = &self.settings.tls else {
            return Ok(Socket::new(Box::new(tcp)));
        };
        let name = tls.host_name.as_ref().unwrap_or(&endpoint.host);
        let name = ServerName::try_from(name.clone())
            .map_err(|error| failed("the name for TLS", &error))?;
        let connector = TlsConnector::from(self.tls_config(tls)?);
        let stream = connector
            .connect(name, tcp)
            .await
            .map_err(|error| failed("TLS", &error))?;
        Ok(Socket::new(Box::new(stream)))
    }

    fn prepare(&self, tcp: &TcpStream) -> io::Result<()> {
        // A command is one small packet and waits for its answer: nothing is gained by holding it back.
        tcp.set_nodelay(true)?;
        let time = self.settings.keep_alive;
        if !time.is_zero() {
            let keep_alive = TcpKeepalive::new().with_time(time).with_interval(time);
            SockRef::from(tcp).set_tcp_keepalive(&keep_alive)?;
        }
        Ok(())
    }

    fn tls_config(&self, tls: &Tls) -> Result<Arc<ClientConfig>, Fault> {
        if let Some(config) = self.tls.get() {
            return Ok(Arc::clone(config));
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(authorities) = &tls.authorities {
            let read = CertificateDer::pem_slice_iter(authorities).filter_map(Result::ok);
            roots.add_parsable_certificates(read);
        }
        if roots.is_empty() {
            return Err(Fault::new(
                "no certificate authority is known to the system",
            ));
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Fault::new(format!("TLS: {error}")))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::clone(self.tls.get_or_init(|| Arc::new(config))))
    }
}

impl Fault {
    pub(crate) fn new(reason: impl Into<Arc<str>>) -> Self {
        Self {
            reason: reason.into(),
            is_locked_out: false,
        }
    }

    /// A server answered with an error while the connection was being made.
    pub(crate) fn refused(endpoint: &Endpoint, refusal: &Refusal) -> Self {
        Self {
            reason: format!("{endpoint}: {refusal}").into(),
            is_locked_out: refusal.is_locked_out(),
        }
    }
}

impl Activity {
    /// For how long nothing has come.
    pub(crate) fn silent_for(&self) -> Duration {
        let last = Duration::from_millis(self.last_ms.load(Ordering::Relaxed));
        self.since.elapsed().saturating_sub(last)
    }

    fn note(&self) {
        let now = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(now, Ordering::Relaxed);
    }
}

impl Socket {
    fn new(stream: Box<dyn Duplex>) -> Self {
        Self {
            stream,
            activity: Arc::new(Activity {
                since: Instant::now(),
                last_ms: AtomicU64::new(0),
            }),
            has_waited: false,
        }
    }

    /// On any stream, for tests.
    #[cfg(test)]
    pub(crate) fn on(stream: tokio::io::DuplexStream) -> Self {
        Self::new(Box::new(stream))
    }

    /// Puts the task that wants to write behind those that are ready to run, once for each write.
    ///
    /// Every write begins with it; whoever wants to know when the others have spoken asks before.
    pub(crate) fn poll_turn(&mut self, cx: &Context<'_>) -> Poll<()> {
        if !std::mem::replace(&mut self.has_waited, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    pub(crate) fn activity(&self) -> Arc<Activity> {
        Arc::clone(&self.activity)
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.activity.note();
        }
        polled
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_turn(cx));
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, parts));
        self.has_waited = false;
        Poll::Ready(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("activity", &self.activity)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn who_is_ready_to_run_has_its_turn_before_a_write() {
        let (here, mut there) = tokio::io::duplex(1024);
        let mut socket = Socket::on(here);
        let (said, mut heard) = tokio::sync::mpsc::unbounded_channel();
        // Ready to run, as whoever has been woken by the same look at the sockets.
        for number in 0..3 {
            let said = said.clone();
            tokio::spawn(async move { said.send(number).unwrap() });
        }
        for _ in 0..2 {
            socket.write_all(b"command").await.unwrap();
            let before: Vec<_> = std::iter::from_fn(|| heard.try_recv().ok()).collect();
            assert_eq!(before, [0, 1, 2]);
            for number in 0..3 {
                let said = said.clone();
                tokio::spawn(async move { said.send(number).unwrap() });
            }
        }
        let mut bytes = [0; 1024];
        let size = there.read(&mut bytes).await.unwrap();
        assert_eq!(&bytes[..size], b"commandcommand");
    }
}
