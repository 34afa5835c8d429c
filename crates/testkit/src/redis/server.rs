//! One server.

use std::path::Path;

use tempfile::TempDir;

use super::{
    Monitor, is_installed,
    process::{Process, cli, free_port, until},
    tls::{self, Certificates, LOOPBACK},
};
use crate::raw::within;

/// A `redis-server` on a port of its own, without persistence.
#[derive(Debug)]
pub struct RedisServer {
    process: Process,
    port: u16,
    arguments: Vec<String>,
    /// What `redis-cli` needs to get in.
    entry: Vec<String>,
    password: Option<String>,
    authority: Option<String>,
}

impl RedisServer {
    /// Starts a server; none, and a line on standard error: it is not installed.
    pub async fn start() -> Option<Self> {
        Self::start_with(&[]).await
    }

    /// Starts a server with more arguments, as on its command line: `&["--appendonly", "yes"]`.
    pub async fn start_with(arguments: &[&str]) -> Option<Self> {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned());
        Self::launch(arguments.collect(), Vec::new(), None).await
    }

    /// Starts a server whose default user needs a password.
    pub async fn start_with_password(password: &str) -> Option<Self> {
        let arguments = vec!["--requirepass".to_owned(), password.to_owned()];
        let entry = vec!["-a".to_owned(), password.to_owned()];
        let mut server = Self::launch(arguments, entry, None).await?;
        server.password = Some(password.to_owned());
        Some(server)
    }

    /// Starts a server that speaks nothing but TLS, with a certificate for `localhost` and `127.0.0.1`.
    pub async fn start_with_tls() -> Option<Self> {
        Self::start_certified(&Certificates::new(&LOOPBACK), &[]).await
    }

    /// Starts a server that speaks nothing but TLS, with certificates that others may have, too.
    pub(super) async fn start_certified(
        certificates: &Certificates,
        arguments: &[&str],
    ) -> Option<Self> {
        let directory = TempDir::new().expect("a directory can be made");
        certificates.write(directory.path());
        let path = |name: &str| directory.path().join(name).display().to_string();
        let tls = [
            ("--tls-cert-file", path(tls::CERTIFICATE)),
            ("--tls-key-file", path(tls::KEY)),
            ("--tls-ca-cert-file", path(tls::AUTHORITY)),
            ("--tls-auth-clients", "no".to_owned()),
        ];
        let tls = tls
            .into_iter()
            .flat_map(|(name, value)| [name.to_owned(), value]);
        let arguments = arguments.iter().map(|argument| (*argument).to_owned());
        let all = tls.chain(arguments).collect();
        let entry = vec![
            "--tls".to_owned(),
            "--cacert".to_owned(),
            path(tls::AUTHORITY),
        ];
        let mut server = Self::launch(all, entry, Some(directory)).await?;
        server.authority = Some(certificates.authority().to_owned());
        Some(server)
    }

    async fn launch(
        arguments: Vec<String>,
        entry: Vec<String>,
        directory: Option<TempDir>,
    ) -> Option<Self> {
        if !is_installed() {
            return None;
        }
        let is_encrypted = directory.is_some();
        let directory =
            directory.unwrap_or_else(|| TempDir::new().expect("a directory can be made"));
        let port = free_port();
        let mut all = arguments_for(port, is_encrypted);
        all.extend(arguments);
        let mut server = Self {
            process: Process::start(&all, directory),
            port,
            arguments: all,
            entry,
            password: None,
            authority: None,
        };
        server.wait().await;
        Some(server)
    }

    /// Where it listens, on loopback.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its connection string: `127.0.0.1:port`, with the password if there is one.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.authority.is_some() {
            "rediss"
        } else {
            "redis"
        };
        match &self.password {
            Some(password) => format!("{scheme}://:{password}@127.0.0.1:{}", self.port),
            None => format!("{scheme}://127.0.0.1:{}", self.port),
        }
    }

    /// The certificate authority that a client must trust, in PEM; for a server with TLS.
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        self.authority.as_deref()
    }

    /// The process, for signals that are not here.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Where it keeps its files.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.process.directory()
    }

    /// Ends it as a crash would (SIGKILL); see [`Self::restart_empty`].
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Stops it where it is (SIGSTOP): connections stay, and nothing answers.
    pub fn pause(&self) {
        self.process.signal("STOP");
    }

    /// Lets it go on after [`Self::pause`].
    pub fn resume(&self) {
        self.process.signal("CONT");
    }

    /// Kills it, if it still runs, and starts it with nothing in it on the same port.
    pub async fn restart_empty(&mut self) {
        self.process.kill();
        let directory = TempDir::new().expect("a directory can be made");
        for name in [tls::CERTIFICATE, tls::KEY, tls::AUTHORITY] {
            let _ = std::fs::copy(self.directory().join(name), directory.path().join(name));
        }
        let (before, now) = (
            self.directory().display().to_string(),
            directory.path().display().to_string(),
        );
        for text in self.arguments.iter_mut().chain(&mut self.entry) {
            *text = text.replace(&before, &now);
        }
        self.process = Process::start(&self.arguments, directory);
        self.wait().await;
    }

    /// Kills it, if it still runs, and starts it with its files on the same port.
    pub async fn restart(&mut self) {
        self.process.restart(&self.arguments);
        self.wait().await;
    }

    /// What `redis-cli` prints for a command.
    pub async fn cli(&self, arguments: &[&str]) -> String {
        cli(self.port, &self.entry, arguments).await
    }

    /// Asks by `redis-cli` until the answer is as it must be, and gives it.
    ///
    /// # Panics
    /// When it does not become so in time.
    pub async fn cli_until(
        &self,
        what: &str,
        arguments: &[&str],
        is_good: impl Fn(&str) -> bool,
    ) -> String {
        until(what, self.port, &self.entry, arguments, is_good).await
    }

    /// Watches all commands from here on.
    ///
    /// # Panics
    /// With TLS, which it does not speak.
    pub async fn monitor(&self) -> Monitor {
        assert!(self.authority.is_none(), "a monitor speaks no TLS");
        Monitor::start(self.port, self.password.as_deref()).await
    }

    /// Waits until it answers; NOAUTH is an answer, too.
    async fn wait(&mut self) {
        within("redis-server", async {
            loop {
                assert!(
                    !self.process.has_ended(),
                    "redis-server ended: {:?}",
                    self.arguments
                );
                let answer = cli(self.port, &self.entry, &["PING"]).await;
                if answer.starts_with("PONG") || answer.contains("NOAUTH") {
                    return;
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        })
        .await;
    }
}

fn arguments_for(port: u16, is_encrypted: bool) -> Vec<String> {
    let (plain, encrypted) = if is_encrypted { (0, port) } else { (port, 0) };
    let (plain, encrypted) = (plain.to_string(), encrypted.to_string());
    let mut arguments = vec!["--port", &plain];
    if is_encrypted {
        arguments.extend(["--tls-port", &encrypted]);
    }
    arguments.extend(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    // Tests see what a command leads to, not when a fork is over.
    arguments.extend(["--repl-diskless-sync-delay", "0", "--daemonize", "no"]);
    arguments.into_iter().map(str::to_owned).collect()
}
