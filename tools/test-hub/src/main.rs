//! The presence service with one more hub, for transcripts and outside suites.
//!
//! It takes the service's own commands and settings, and serves [`TestHub`] at `/_hubs/test` beside all that the
//! service serves: a program that embeds both the library and the service looks like this.

use std::process::ExitCode;

use hub_fixture::TestHub;

fn main() -> ExitCode {
    presence_api::cli::run(std::env::args().skip(1).collect(), |app| {
        app.hub("/_hubs/test", "TestHub", TestHub)
    })
}
