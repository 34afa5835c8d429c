//! The program against the service itself, in small numbers: every case is carried out and says what it found.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use testkit::raw::eventually;
use testkit::service::{self, Service};

/// The service in its developer's mode, which issues tokens.
struct Target(Service);

impl Target {
    /// None: it is not built.
    #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
    async fn start() -> Option<Self> {
        let program = Path::new(env!("CARGO_BIN_EXE_loadgen")).with_file_name("presence-api");
        if !program.exists() {
            eprintln!("skipped: {} is not built", program.display());
            return None;
        }
        let mut command = service::command(program);
        command
            .args(["dev", "--urls", service::ANY_PORT])
            .args(["--Kestrel:Grpc:Url", service::ANY_PORT]);
        Some(Self(Service::start(&mut command).await))
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.0.web())
    }

    /// Runs the program against it, and reads what it found.
    fn load(&self, arguments: &str) -> Vec<Value> {
        let json = tempfile::NamedTempFile::new().unwrap();
        let output = loadgen(
            &[
                arguments.split(' ').collect::<Vec<_>>().as_slice(),
                &["--url", &self.url("/_hubs/presence")],
                &["--token-url", &self.url("/dev/token?user={user}")],
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

fn loadgen(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn has_latencies(row: &Value) {
    let latency = |name: &str| row["latency_us"][name].as_f64().unwrap();
    assert!(latency("p50") > 0.0, "{row}");
    assert!(latency("p99") >= latency("p50"), "{row}");
    assert!(latency("max") * 1.01 >= latency("p999"), "{row}");
}

#[tokio::test]
async fn every_case_is_carried_out() {
    let Some(target) = Target::start().await else {
        return;
    };
    let grpc = format!(
        "grpc --connections 2 --in-flight 2 --ids 7 --grpc-url http://{}",
        target.0.grpc()
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
        let rows = target.load(arguments);
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert_eq!(rows[0]["case"], case);
        assert_eq!(rows[0]["unit"], unit);
        has_latencies(&rows[0]);
    }
}

#[tokio::test]
async fn the_other_transports_carry_the_same_cases() {
    let Some(target) = Target::start().await else {
        return;
    };
    for transport in ["sse", "longpolling"] {
        for case in [
            "storm --connections 5",
            "fanout --watchers 5",
            "calls --connections 3",
        ] {
            let rows = target.load(&format!("{case} --transport {transport}"));
            assert_eq!(rows[0]["transport"], transport);
        }
    }
    target.load("fanout --watchers 3 --transport longpolling --protocol messagepack");
}

#[tokio::test]
async fn a_storm_tells_how_much_memory_each_takes() {
    let Some(target) = Target::start().await else {
        return;
    };
    let rows = target.load("storm --connections 300");
    assert_eq!(rows[0]["count"], 300);
    // Loose on purpose: another build of the service, or another allocator, is no mistake of this program.
    let each = rows[0]["more"]["rss_bytes_each"].as_f64().unwrap();
    assert!((100.0..200_000.0).contains(&each), "{each}");
}

#[tokio::test]
async fn those_who_never_read_are_compared_with_none() {
    let Some(target) = Target::start().await else {
        return;
    };
    let rows = target.load("slow --watchers 10 --silent 3 --rate 100");
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

#[tokio::test]
async fn a_server_that_refuses_is_told_with_its_answer() {
    let Some(target) = Target::start().await else {
        return;
    };
    let hub = target.url("/_hubs/presence");
    let nothing = target.url("/no/hub");
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

#[tokio::test]
async fn an_issuer_leaves_a_file_with_tokens() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokens");
    let mut child = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(["issuer", "--port", "0", "--count", "3", "--out"])
        .arg(&path)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut text = String::new();
    eventually("the file is written", || {
        text = std::fs::read_to_string(&path).unwrap_or_default();
        text.ends_with('\n') && text.lines().count() == 3
    })
    .await;
    child.kill().unwrap();
    child.wait().unwrap();
    let names: Vec<&str> = text
        .lines()
        .map(|line| line.split('\t').next().unwrap())
        .collect();
    assert_eq!(names, ["u0", "u1", "u2"]);
}
