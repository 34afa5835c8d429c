//! The service as a process of its own, as its operator and its clients see it.

use std::ffi::OsStr;
use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use tempfile::NamedTempFile;

use crate::issuer::Issuer;
use crate::process;
use crate::raw::eventually;

/// A command of the program, with neither a settings file nor a variable nor the input of whoever runs the tests.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(std::env::temp_dir())
        .env_clear()
        .stdin(Stdio::null());
    command
}

/// The command that serves whoever has a token of this issuer; gRPC is on a port that the system gives.
///
/// Where the web is to be, the caller adds.
pub fn serve(program: impl AsRef<OsStr>, issuer: &Issuer) -> Command {
    let mut command = command(program);
    command
        .arg("serve")
        .env("ApiAuth__Authority", issuer.url())
        .env("ApiAuth__RequireHttpsMetadata", "false")
        .env("Kestrel__Grpc__Url", ANY_PORT);
    command
}

/// The address of a listener on a port that the system gives.
pub const ANY_PORT: &str = "http://127.0.0.1:0";

/// A running service; it is killed when this is dropped.
///
/// Whether it has panicked is checked then; a test that fails shows what it logged last.
#[derive(Debug)]
pub struct Service {
    child: Child,
    log: NamedTempFile,
    web: SocketAddr,
    grpc: SocketAddr,
}

impl Service {
    /// Starts a service with two plain listeners, for the web and for gRPC, and waits until both are there.
    ///
    /// # Panics
    /// If it ends instead.
    pub async fn start(command: &mut Command) -> Self {
        let log = NamedTempFile::new().expect("a file for the log can be made");
        let output = || log.reopen().expect("the log can be written");
        let mut child = command
            .stdout(output())
            .stderr(output())
            .spawn()
            .expect("the program can be started");
        eventually("the service starts", || {
            let ended = child.try_wait().expect("it is a child");
            assert_eq!(ended, None, "{}", read(&log));
            read(&log).contains("Application started")
        })
        .await;
        let addresses = addresses(&read(&log), "http");
        let [web, grpc] = addresses[..] else {
            panic!("not two addresses: {addresses:?}");
        };
        Self {
            child,
            log,
            web,
            grpc,
        }
    }

    /// Where its hub and its pages are.
    #[must_use]
    pub fn web(&self) -> SocketAddr {
        self.web
    }

    /// Where its gRPC is.
    #[must_use]
    pub fn grpc(&self) -> SocketAddr {
        self.grpc
    }

    /// Where its listener with TLS is.
    ///
    /// # Panics
    /// If it has none.
    #[must_use]
    pub fn secure(&self) -> SocketAddr {
        addresses(&self.log(), "https")[0]
    }

    /// What it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        read(&self.log)
    }

    /// The id of the process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it without a word.
    pub fn kill(&mut self) {
        process::kill(&mut self.child);
    }

    /// Sends a signal by its name: `TERM`.
    pub fn signal(&self, name: &str) {
        process::signal(&self.child, name);
    }

    /// Waits for its orderly end, for which somebody has asked.
    ///
    /// # Panics
    /// If it tells of a failure.
    pub async fn has_ended(&mut self) {
        let mut ended = None;
        eventually("the service ends", || {
            ended = self.child.try_wait().expect("it is a child");
            ended.is_some()
        })
        .await;
        let code = ended.and_then(|status| status.code());
        assert_eq!(code, Some(0), "{}", self.log());
    }
}

#[expect(
    clippy::print_stderr,
    reason = "a test that fails shows what the service said"
)]
impl Drop for Service {
    fn drop(&mut self) {
        // Frozen ones end, too; nothing happens to one that has ended.
        self.kill();
        let log = self.log();
        if std::thread::panicking() {
            let from = log.len().saturating_sub(SHOWN_MAX);
            eprintln!("--- {}\n{}", self.web, log.get(from..).unwrap_or(&log));
        } else {
            assert!(!log.contains("panicked"), "{log}");
        }
    }
}

/// How many bytes of a log are shown.
const SHOWN_MAX: usize = 4_000;

fn read(log: &NamedTempFile) -> String {
    fs::read_to_string(log.path()).expect("the log can be read")
}

/// The addresses of its listeners with this scheme, in their order.
fn addresses(log: &str, scheme: &str) -> Vec<SocketAddr> {
    let begin = format!("Now listening on: {scheme}://");
    log.lines()
        .filter_map(|line| line.split_once(&begin))
        .map(|(_, address)| address.trim().parse().expect("it logs an address"))
        .collect()
}
