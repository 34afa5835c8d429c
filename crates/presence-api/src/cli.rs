//! The command line: which of the service's jobs is to be done.

mod health;

use std::process::ExitCode;

use anyhow::Context as _;
use dotnet_config::{Mistakes, Sources, Warning};

use crate::app::App;
use crate::config::{LogFormat, Mode, Settings};
use crate::shutdown::Signals;
use crate::telemetry::{self, Format};

/// What `presence-api --help` prints.
const HELP: &str = "\
The presence service: SignalR to browsers and apps, gRPC to back ends.

Usage: presence-api [COMMAND] [SETTING...]

Commands:
  serve   Serve real users (the default)
  dev     Try it on this machine: tokens for made-up users, in memory, on loopback, with a page at /
  config  Print the effective configuration, secrets masked
  health  Ask the service that runs here with the same settings, or at --url http://host:port, whether it is ready:
          exit code 0 if it is, else 1
  help    Print this text
  version Print the version

Settings come, the later before the earlier, from appsettings.json, appsettings.{Environment}.json, the environment
(Redis__ConnectionString=...) and the command line (--Redis:ConnectionString=...). docs/configuration.md lists them.
";

/// A job of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Serve real users.
    Serve,
    /// Serve a developer.
    Dev,
    /// Print the configuration.
    Config,
    /// Ask a running service whether it is ready.
    Health,
    /// Print how to use the program.
    Help,
    /// Print the version.
    Version,
}

impl Command {
    /// Takes the command off the front of the arguments; without one it is `serve`.
    ///
    /// # Errors
    /// A first argument that is neither a command nor a setting.
    pub fn take(arguments: &mut Vec<String>) -> Result<Self, String> {
        let Some(first) = arguments.first() else {
            return Ok(Self::Serve);
        };
        let command = match first.as_str() {
            "serve" => Self::Serve,
            "dev" => Self::Dev,
            "config" => Self::Config,
            "health" => Self::Health,
            "help" | "--help" | "-h" => Self::Help,
            "version" | "--version" | "-V" => Self::Version,
            // Settings, in any of .NET's forms.
            setting if setting.starts_with(['-', '/']) || setting.contains('=') => {
                return Ok(Self::Serve);
            }
            other => {
                return Err(format!(
                    "'{other}' is no command: serve, dev, config, health, help and version are"
                ));
            }
        };
        arguments.remove(0);
        Ok(command)
    }
}

/// Does what the arguments say, which begin behind the program's name.
///
/// `extend` adds what an embedding program has of its own.
#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the answers of a command-line program"
)]
pub fn run(mut arguments: Vec<String>, extend: impl FnOnce(App) -> App) -> ExitCode {
    let command = match Command::take(&mut arguments) {
        Ok(command) => command,
        Err(mistake) => {
            eprintln!("{mistake}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    let mode = match command {
        Command::Help => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Command::Version => {
            println!("presence-api {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        Command::Health => return health_told(arguments),
        Command::Dev => Mode::Dev,
        Command::Serve | Command::Config => Mode::Serve,
    };
    match Settings::load(&Sources::of_process(arguments), mode) {
        Err(mistakes) => {
            eprintln!("{}", explained(&mistakes));
            ExitCode::from(2)
        }
        Ok((settings, warnings)) if command == Command::Config => {
            print!("{}", settings.effective());
            for warning in warnings {
                eprintln!("warning: {warning}");
            }
            ExitCode::SUCCESS
        }
        Ok((settings, warnings)) => match serve(settings, &warnings, extend) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                tracing::error!("{error:#}");
                eprintln!("presence-api: {error:#}");
                ExitCode::FAILURE
            }
        },
    }
}

/// Exit code 1 is the only bad one that a container's probe may have.
#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the answer of a command-line program"
)]
fn health_told(arguments: Vec<String>) -> ExitCode {
    match health::run(arguments) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(line) => {
            eprintln!("{line}");
            ExitCode::FAILURE
        }
    }
}

fn explained(mistakes: &Mistakes) -> String {
    format!("the configuration has mistakes, nothing was started\n\n{mistakes}")
}

fn serve(
    settings: Settings,
    warnings: &[Warning],
    extend: impl FnOnce(App) -> App,
) -> anyhow::Result<()> {
    let format = match settings.logging.format {
        LogFormat::Text => Format::Text,
        LogFormat::Json => Format::Json,
    };
    telemetry::init(&settings.logging.filter, format)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    runtime.block_on(async {
        let signals = Signals::catch().context("signals cannot be caught")?;
        extend(App::new(settings)).run(signals).await?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(arguments: &[&str], command: Result<Command, ()>, rest: &[&str]) {
        let mut arguments: Vec<String> = arguments.iter().map(|&a| a.to_owned()).collect();
        assert_eq!(Command::take(&mut arguments).map_err(drop), command);
        assert_eq!(arguments, rest);
    }

    #[test]
    fn a_command_comes_first_and_settings_need_none() {
        check(&[], Ok(Command::Serve), &[]);
        check(&["dev", "--urls", "x"], Ok(Command::Dev), &["--urls", "x"]);
        check(&["health", "--url=x"], Ok(Command::Health), &["--url=x"]);
        check(&["--A:B=1"], Ok(Command::Serve), &["--A:B=1"]);
        check(&["A:B=1"], Ok(Command::Serve), &["A:B=1"]);
        check(&["/A:B=1"], Ok(Command::Serve), &["/A:B=1"]);
        check(&["--help"], Ok(Command::Help), &[]);
        check(&["sevre"], Err(()), &["sevre"]);
    }
}
