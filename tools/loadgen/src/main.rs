//! Load for SignalR presence servers, and what it costs them.
//!
//! One thread makes the load, so that it can have a core of its own; what the server spends is read from the operating
//! system. `docs/performance.md` says how to use it and how to read what it prints.

mod cases;
mod cli;
mod client;
mod crowd;
mod grpc;
mod lab;
mod latency;
mod meter;
mod report;
mod schedule;
mod target;
mod tokens;

use std::process::ExitCode;

use clap::Parser as _;

/// Everything was carried out, without an error.
const OK: u8 = 0;
/// The server is away, refuses, or gave a wrong answer.
const FAILED: u8 = 1;
/// The arguments make no sense; clap's own number for it.
const MISTAKEN: u8 = 2;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    if let Err(mistake) = cli.check() {
        return say(&mistake, MISTAKEN);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(lab::run(cli)),
        Err(error) => Err(error.into()),
    };
    match done {
        Ok(()) => OK.into(),
        Err(error) => say(&error, FAILED),
    }
}

#[expect(clippy::print_stderr, reason = "a command-line program")]
fn say(error: &anyhow::Error, code: u8) -> ExitCode {
    eprintln!("loadgen: {error:#}");
    code.into()
}
