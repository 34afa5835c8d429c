//! What can be measured.

mod calls;
mod churn;
mod fanout;
mod slow;
mod storm;

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;

use crate::cli::{All, Calls, Case, Fanout, Grpc, Idle, Issuer, Slow};
use crate::grpc;
use crate::lab::Lab;
use crate::tokens;

/// Carries one case out, or all.
pub(crate) async fn run(lab: &mut Lab, case: &Case) -> anyhow::Result<()> {
    match case {
        Case::Storm(case) => storm::storm(lab, case).await,
        Case::Idle(case) => storm::idle(lab, case).await,
        Case::Fanout(case) => fanout::fanout(lab, case).await,
        Case::Calls(case) => calls::calls(lab, case, calls::Method::GetUserStatus).await,
        Case::Announce(case) => calls::calls(lab, case, calls::Method::BroadcastOnlineStatus).await,
        Case::Watch(case) => calls::watch(lab, case).await,
        Case::Churn(case) => churn::churn(lab, case).await,
        Case::Slow(case) => slow::slow(lab, case).await,
        Case::Grpc(case) => grpc::grpc(lab, case).await,
        Case::All(case) => all(lab, case).await,
        Case::Issuer(case) => issuer(case).await,
    }
}

/// The table of docs/performance.md, the largest crowd first: memory is told of a process without a past.
async fn all(lab: &mut Lab, all: &All) -> anyhow::Result<()> {
    let connections = all.scaled(10_000);
    storm::idle(lab, &Idle { connections }).await?;
    for (watchers, in_flight) in [(1_000, 1), (9_000, 1), (1_000, 16)] {
        let watchers = all.scaled(watchers);
        let case = Fanout {
            watchers,
            watched: 1,
            in_flight,
            rate: None,
        };
        fanout::fanout(lab, &case).await?;
    }
    for connections in [All::CALLERS, 1] {
        let case = Calls {
            connections,
            rate: None,
        };
        calls::calls(lab, &case, calls::Method::GetUserStatus).await?;
    }
    let case = Calls {
        connections: All::CALLERS,
        rate: None,
    };
    calls::calls(lab, &case, calls::Method::BroadcastOnlineStatus).await?;
    let watchers = all.scaled(1_000).max(2);
    let case = Slow {
        watchers,
        silent: (watchers / 20).max(1),
        rate: 100.0,
    };
    slow::slow(lab, &case).await?;
    if let Some(url) = &all.grpc_url {
        let case = Grpc {
            grpc_url: url.clone(),
            ids: 100,
            connections: 10,
            in_flight: 1,
        };
        grpc::grpc(lab, &case).await?;
    }
    Ok(())
}

/// Issues tokens until it is stopped.
pub(crate) async fn issuer(case: &Issuer) -> anyhow::Result<()> {
    let issuer = tokens::start_issuer(case.port).await?;
    let mut text = String::new();
    for (name, token) in tokens::issue(&issuer, case.count) {
        let _ = writeln!(text, "{name}\t{token}");
    }
    write_at_once(&case.out, &text)?;
    say(&format!(
        "{} tokens of {} are in {}",
        case.count,
        issuer.url(),
        case.out.display()
    ));
    std::future::pending().await
}

/// Whoever waits for the file finds all of it.
fn write_at_once(path: &Path, text: &str) -> anyhow::Result<()> {
    let unfinished = path.with_extension("part");
    std::fs::write(&unfinished, text)
        .and_then(|()| std::fs::rename(&unfinished, path))
        .with_context(|| format!("{} cannot be written", path.display()))
}

#[expect(clippy::print_stdout, reason = "the answer of a command-line program")]
fn say(text: &str) {
    println!("{text}");
}
