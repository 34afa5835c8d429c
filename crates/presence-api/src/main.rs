//! The presence service.

use std::process::ExitCode;

fn main() -> ExitCode {
    presence_api::cli::run(std::env::args().skip(1).collect(), |app| app)
}
