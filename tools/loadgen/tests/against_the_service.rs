//! The program against the service itself, in small numbers: every case is carried out and says what it found.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The service in its developer's mode, which issues tokens.
struct Service {
    child: Child,
    web: String,
    grpc: String,
    _log: tempfile::NamedTempFile,
}

impl Service {
    /// None: it is not built.
    #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
    fn start() -> Option<Self> {
        let program = Path::new(env!("CARGO_BIN_EXE_loadgen")).with_file_name("presence-api");
        if !program.exists() {
            eprintln!("skipped: {} is not built", program.display());
            return None;
        }
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut child = Command::new(program)
            .args(["dev", "--urls", "http://127.0.0.1:0"])
            .args(["--Kestrel:Grpc:Url", "http://127.0.0.1:0"])
            .current_dir(std::env::temp_dir())
            .env_clear()
            .stdout(log.reopen().unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let text = || std::fs::read_to_string(log.path()).unwrap();
        eventually("the service starts", || {
            assert_eq!(child.try_wait().unwrap(), None, "{}", text());
            text().contains("Application started")
        });
        let addresses: Vec<String> = text()
            .lines()
            .filter_map(|line| line.split("Now listening on: ").nth(1))
            .map(|address| address.trim().to_owned())
            .collect();
        let [web, grpc] = &addresses[..] else {
            panic!("two addresses are wanted: {addresses:?}");
        };
        Some(Self {
            child,
            web: web.clone(),
            grpc: grpc.clone(),
            _log: log,
        })
    }

    /// Runs the program against it, and reads what it found.
    fn load(&self, arguments: &str) -> Vec<Value> {
        let json = tempfile::NamedTempFile::new().unwrap();
        let output = loadgen(
            &[
                arguments.split(' ').collect::<Vec<_>>().as_slice(),
                &["--url", &format!("{}/_hubs/presence", self.web)],
                &[
                    "--token-url",
                    &format!("{}/dev/token?user={{user}}", self.web),
                ],
                &["--warm-up", "0.1", "--seconds", "0.4"],
                &["--json", json.path().to_str().unwrap()],
            ]
            .concat(),
        );
        let (table, said) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "{arguments}: {said}");
        let rows: Vec<Value> =
            serde_json::from_slice(&std::fs::read(json.path()).unwrap()).unwrap();
        assert_eq!(table.lines().count(), rows.len() + 1, "{table}");
        for row in &rows {
            assert_eq!(row["errors"], 0, "{arguments}: {said}");
            assert!(row["count"].as_u64() > Some(0), "{row}");
            assert!(row["cpu_us"].as_f64() > Some(0.0), "{row}");
            assert!(row["rss_after"].as_u64() > Some(1 << 20), "{row}");
        }
        rows
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn loadgen(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[expect(clippy::disallowed_methods, reason = "a process is waited for")]
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{what}: not within 20 s"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn has_latencies(row: &Value) {
    let latency = |name: &str| row["latency_us"][name].as_f64().unwrap();
    assert!(latency("p50") > 0.0, "{row}");
    assert!(latency("p99") >= latency("p50"), "{row}");
    assert!(latency("max") * 1.01 >= latency("p999"), "{row}");
}

#[test]
fn every_case_is_carried_out() {
    let Some(service) = Service::start() else {
        return;
    };
    let grpc = format!(
        "grpc --connections 2 --in-flight 2 --ids 7 --grpc-url {}",
        service.grpc
    );
    for (arguments, case, unit) in [
        ("storm --connections 30", "storm", "connection"),
        (
            "storm --connections 20 --rate 100 --negotiate --first-event",
            "storm",
            "connection",
        ),
        ("fanout --watchers 20", "fanout-1", "delivery"),
        (
            "fanout --watchers 20 --in-flight 16 --protocol messagepack",
            "fanout-16",
            "delivery",
        ),
        ("fanout --watchers 5 --rate 50", "fanout-1", "delivery"),
        ("calls --connections 5", "calls", "call"),
        ("calls --connections 5 --rate 200", "calls-paced", "call"),
        (
            "announce --connections 3 --protocol messagepack",
            "announce",
            "call",
        ),
        ("churn --rate 50 --users 5", "churn", "connection"),
        (grpc.as_str(), "grpc-7", "call"),
    ] {
        let rows = service.load(arguments);
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert_eq!(rows[0]["case"], case);
        assert_eq!(rows[0]["unit"], unit);
        has_latencies(&rows[0]);
    }
}

#[test]
fn the_other_transports_carry_the_same_cases() {
    let Some(service) = Service::start() else {
        return;
    };
    for transport in ["sse", "longpolling"] {
        for case in [
            "storm --connections 5",
            "fanout --watchers 5",
            "calls --connections 3",
        ] {
            let rows = service.load(&format!("{case} --transport {transport}"));
            assert_eq!(rows[0]["transport"], transport);
        }
    }
    service.load("fanout --watchers 3 --transport longpolling --protocol messagepack");
}

#[test]
fn a_storm_tells_how_much_memory_each_takes() {
    let Some(service) = Service::start() else {
        return;
    };
    let rows = service.load("storm --connections 300");
    assert_eq!(rows[0]["count"], 300);
    // Loose on purpose: another build of the service, or another allocator, is no mistake of this program.
    let each = rows[0]["more"]["rss_bytes_each"].as_f64().unwrap();
    assert!((100.0..200_000.0).contains(&each), "{each}");
}

#[test]
fn those_who_never_read_are_compared_with_none() {
    let Some(service) = Service::start() else {
        return;
    };
    let rows = service.load("slow --watchers 10 --silent 3 --rate 100");
    let cases: Vec<&str> = rows
        .iter()
        .map(|row| row["case"].as_str().unwrap())
        .collect();
    assert_eq!(cases, ["slow-none", "slow"]);
    assert!(
        rows[1]["more"]["cost_ratio"].as_f64() > Some(0.0),
        "{}",
        rows[1]
    );
}

#[test]
fn a_server_that_refuses_is_told_with_its_answer() {
    let Some(service) = Service::start() else {
        return;
    };
    let hub = format!("{}/_hubs/presence", service.web);
    let nothing = format!("{}/no/hub", service.web);
    for (arguments, part) in [
        (["storm", "--connections", "3", "--url", &hub], "401"),
        (["calls", "--connections", "3", "--url", &nothing], "404"),
    ] {
        let output = loadgen(&arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn a_server_that_is_away_is_told() {
    let output = loadgen(&["calls", "--url", "http://127.0.0.1:1/hub"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("port 1"),
        "{}",
        text(&output.stderr)
    );

    let pid = std::process::id().to_string();
    let output = loadgen(&["calls", "--url", "http://127.0.0.1:1/hub", "--pid", &pid]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("cannot be connected to"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn arguments_that_make_no_sense_have_an_exit_code_of_their_own() {
    for arguments in [&["calls", "--connections", "0"][..], &["sing"], &[]] {
        assert_eq!(loadgen(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn an_issuer_leaves_a_file_with_tokens() {
    let dir = tempfile::tempdir().unwrap();
    let path: PathBuf = dir.path().join("tokens");
    let mut child = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(["issuer", "--port", "0", "--count", "3", "--out"])
        .arg(&path)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    eventually("the file is written", || path.exists());
    child.kill().unwrap();
    child.wait().unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let names: Vec<&str> = text
        .lines()
        .map(|line| line.split('\t').next().unwrap())
        .collect();
    assert_eq!(names, ["u0", "u1", "u2"]);
}
