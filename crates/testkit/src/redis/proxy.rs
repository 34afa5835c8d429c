//! A network that fails as a test wants it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::AbortHandle,
};

/// A TCP proxy in front of a port on loopback.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    listener: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    target: AtomicUsize,
    mode: watch::Sender<Mode>,
    /// Grows with each cut: connections of an earlier number end.
    cuts: watch::Sender<u64>,
    open: AtomicUsize,
    accepted: AtomicU64,
    to_server: AtomicU64,
    to_client: AtomicU64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Pass,
    Stall,
    Refuse,
}

impl Proxy {
    /// Listens, and passes everything on to a port.
    pub async fn start(target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .expect("a port is free");
        let port = listener.local_addr().expect("it has an address").port();
        let shared = Arc::new(Shared {
            target: AtomicUsize::new(target.into()),
            mode: watch::Sender::new(Mode::Pass),
            cuts: watch::Sender::new(0),
            open: AtomicUsize::new(0),
            accepted: AtomicU64::new(0),
            to_server: AtomicU64::new(0),
            to_client: AtomicU64::new(0),
        });
        let listener = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self {
            port,
            shared,
            listener: listener.abort_handle(),
        }
    }

    /// Where it listens, on loopback.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The connection string of a Redis behind it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Breaks all connections with a reset; new ones are taken.
    pub fn cut(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Nothing is passed on any more in either direction; connections stay, and new ones are taken.
    pub fn stall(&self) {
        self.shared.mode.send_replace(Mode::Stall);
    }

    /// Breaks all connections; new ones are broken, too, as soon as they are there.
    pub fn refuse(&self) {
        self.shared.mode.send_replace(Mode::Refuse);
        self.cut();
    }

    /// Everything is passed on again, also what was held back.
    pub fn pass(&self) {
        self.shared.mode.send_replace(Mode::Pass);
    }

    /// New connections go to another port.
    pub fn retarget(&self, target: u16) {
        self.shared.target.store(target.into(), Ordering::SeqCst);
    }

    /// Connections that are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// Connections that were ever taken.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Bytes that went to the server.
    #[must_use]
    pub fn to_server(&self) -> u64 {
        self.shared.to_server.load(Ordering::SeqCst)
    }

    /// Bytes that went to clients.
    #[must_use]
    pub fn to_client(&self) -> u64 {
        self.shared.to_client.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listener.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        shared.accepted.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(pass(client, Arc::clone(&shared)));
    }
}

/// One connection, until either side ends it, or it is cut.
async fn pass(client: TcpStream, shared: Arc<Shared>) {
    let _ = client.set_zero_linger();
    let mut cuts = shared.cuts.subscribe();
    if *shared.mode.borrow() == Mode::Refuse {
        return;
    }
    let target = u16::try_from(shared.target.load(Ordering::SeqCst)).unwrap_or(0);
    let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    shared.open.fetch_add(1, Ordering::SeqCst);
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = pump(from_client, to_server, &shared, &shared.to_server) => {}
        () = pump(from_server, to_client, &shared, &shared.to_client) => {}
        _ = cuts.changed() => {}
    }
    shared.open.fetch_sub(1, Ordering::SeqCst);
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, shared: &Shared, count: &AtomicU64) {
    let mut mode = shared.mode.subscribe();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let Ok(len @ 1..) = from.read(&mut buffer).await else {
            // A server that is gone is not seen through a network that stalls.
            let _ = mode.wait_for(|mode| *mode != Mode::Stall).await;
            return;
        };
        if mode.wait_for(|mode| *mode != Mode::Stall).await.is_err()
            || to.write_all(&buffer[..len]).await.is_err()
        {
            return;
        }
        count.fetch_add(len as u64, Ordering::SeqCst);
    }
}
