//! A server process, and the questions it is asked by `redis-cli`.

use std::{
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    sync::LazyLock,
    time::Duration,
};

use tempfile::TempDir;

use crate::process;
use crate::raw::within;

/// Whether `redis-server` and `redis-cli` are there; says so where they are not.
#[must_use]
#[expect(clippy::print_stderr, reason = "a test that is skipped says why")]
pub fn is_installed() -> bool {
    if !*INSTALLED {
        eprintln!("skipped: redis-server is not installed");
    }
    *INSTALLED
}

static INSTALLED: LazyLock<bool> =
    LazyLock::new(|| answers("redis-server", "--version") && answers("redis-cli", "--version"));

/// Where it is there, it ends a server whose test was ended from outside.
static HAS_SETPRIV: LazyLock<bool> = LazyLock::new(|| answers("setpriv", "--version"));

fn answers(program: &str, argument: &str) -> bool {
    Command::new(program)
        .arg(argument)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A process with a directory of its own; it is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    directory: TempDir,
}

fn spawn(arguments: &[String], directory: &Path) -> Child {
    let mut command = if *HAS_SETPRIV {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "redis-server"]);
        command
    } else {
        Command::new("redis-server")
    };
    command
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server can be started")
}

impl Process {
    /// Starts `redis-server` with arguments of its command line.
    pub(super) fn start(arguments: &[String], directory: TempDir) -> Self {
        let child = spawn(arguments, directory.path());
        Self { child, directory }
    }

    /// Ends it, and starts it again in the same directory.
    pub(super) fn restart(&mut self, arguments: &[String]) {
        self.kill();
        self.child = spawn(arguments, self.directory.path());
    }

    /// Ends it at once.
    pub(super) fn kill(&mut self) {
        process::kill(&mut self.child);
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Sends a signal by its name.
    pub(super) fn signal(&self, name: &str) {
        process::signal(&self.child, name);
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that is free now.
pub(super) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .expect("a port is free")
        .port()
}

/// What `redis-cli` prints for a command, without the last line break.
pub(super) async fn cli(port: u16, before: &[String], arguments: &[&str]) -> String {
    let mut command = Command::new("redis-cli");
    command
        .args([
            "-h",
            "127.0.0.1",
            "-p",
            &port.to_string(),
            "--no-auth-warning",
        ])
        .args(before)
        .args(arguments)
        .stdin(Stdio::null());
    let run = tokio::task::spawn_blocking(move || command.output());
    let output = within("redis-cli", run)
        .await
        .expect("redis-cli is waited for")
        .expect("redis-cli can be started");
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    text.trim_end_matches('\n').to_owned()
}

/// Asks until the answer is as it must be.
pub(super) async fn until(
    what: &str,
    port: u16,
    before: &[String],
    arguments: &[&str],
    is_good: impl Fn(&str) -> bool,
) -> String {
    within(what, async {
        loop {
            let answer = cli(port, before, arguments).await;
            if is_good(&answer) {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
}
