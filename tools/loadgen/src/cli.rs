//! The command line.

use std::path::PathBuf;

use anyhow::ensure;
use clap::{Args, Parser, Subcommand, ValueEnum};
use signalr_protocol::HubProtocol;

use crate::client::dialer::Transport;
use crate::meter;
use crate::tokens::Source;

/// Load for SignalR presence servers, and what it costs them.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) case: Case,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// What is the same for every case.
#[derive(Debug, Clone, Args)]
pub(crate) struct Common {
    /// The presence hub, without TLS
    #[arg(
        long,
        global = true,
        default_value = "http://127.0.0.1:5006/_hubs/presence"
    )]
    pub(crate) url: String,
    #[arg(long, global = true, value_enum, default_value = "websockets")]
    pub(crate) transport: Transport,
    #[arg(long, global = true, value_enum, default_value = "json")]
    pub(crate) protocol: Protocol,
    /// Negotiate before connecting; the transports other than WebSockets always do
    #[arg(long, global = true)]
    pub(crate) negotiate: bool,
    #[command(flatten)]
    pub(crate) tokens: Source,
    /// The server's process [default: the one that listens on the port of the URL]
    #[arg(long, global = true)]
    pub(crate) pid: Option<u32>,
    /// The process of Redis, if its time is to be measured too
    #[arg(long, global = true)]
    pub(crate) redis_pid: Option<u32>,
    /// Write what was found as JSON
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// How long each case is measured, in seconds
    #[arg(long, global = true, default_value = "3")]
    pub(crate) seconds: f64,
    /// How long each case runs before it is measured, in seconds
    #[arg(long, global = true, default_value = "0.5")]
    pub(crate) warm_up: f64,
    /// How many connections may be on their way at a time: below the server's backlog, lest packets be dropped
    #[arg(long, global = true, default_value = "500")]
    pub(crate) connecting: usize,
}

/// A hub protocol's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Protocol {
    Json,
    Messagepack,
}

impl From<Protocol> for HubProtocol {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Json => Self::Json,
            Protocol::Messagepack => Self::MessagePack,
        }
    }
}

/// What is to be done.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Case {
    /// Many connect at once, or at a rate
    Storm(Storm),
    /// Many are connected and do nothing but ping every 10 s: their memory and what they cost
    Idle(Idle),
    /// Many watch one user, who says "online" again and again
    Fanout(Fanout),
    /// `GetUserStatus`, on many connections or one
    Calls(Calls),
    /// `BroadcastOnlineStatus` by users whom nobody watches
    Announce(Calls),
    /// `SubscribeToUserStatus` and `UnsubscribeFromUserStatus` in turns, by connections that watch many
    Watch(Watch),
    /// Connections come and go
    Churn(Churn),
    /// Many watch one user, and some of them never read
    Slow(Slow),
    /// `GetUsersStatus`, for services
    Grpc(Grpc),
    /// All of them, in the sizes of the comparison in docs/performance.md
    All(All),
    /// Serve as a token issuer until stopped, with a file of tokens
    Issuer(Issuer),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Storm {
    #[arg(long, default_value = "10000")]
    pub(crate) connections: usize,
    /// Connections a second [default: all at once]
    #[arg(long)]
    pub(crate) rate: Option<f64>,
    /// Each waits for its first event too: it watches its own user, who says "online"
    #[arg(long)]
    pub(crate) first_event: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Idle {
    #[arg(long, default_value = "10000")]
    pub(crate) connections: usize,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Fanout {
    #[arg(long, default_value = "1000")]
    pub(crate) watchers: usize,
    /// How many users each of them watches: the one who announces, and others who never do
    #[arg(long, default_value = "1")]
    pub(crate) watched: usize,
    /// How many events may be on their way at a time
    #[arg(long, default_value = "1")]
    pub(crate) in_flight: usize,
    /// Events a second, whatever is on its way [default: the next when the last has arrived]
    #[arg(long)]
    pub(crate) rate: Option<f64>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Calls {
    #[arg(long, default_value = "200")]
    pub(crate) connections: usize,
    /// Calls a second of all connections together [default: each its next when the last is answered]
    #[arg(long)]
    pub(crate) rate: Option<f64>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Watch {
    #[arg(long, default_value = "100")]
    pub(crate) connections: usize,
    /// How many users each connection watches when it begins
    #[arg(long, default_value = "100")]
    pub(crate) watched: usize,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Churn {
    /// Connections a second
    #[arg(long, default_value = "500")]
    pub(crate) rate: f64,
    /// How many users they belong to
    #[arg(long, default_value = "500")]
    pub(crate) users: usize,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Slow {
    #[arg(long, default_value = "1000")]
    pub(crate) watchers: usize,
    /// How many of them never read
    #[arg(long, default_value = "50")]
    pub(crate) silent: usize,
    /// Events a second
    #[arg(long, default_value = "100")]
    pub(crate) rate: f64,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Grpc {
    /// The gRPC service, HTTP/2 without TLS
    #[arg(long, default_value = "http://127.0.0.1:5016")]
    pub(crate) grpc_url: String,
    /// Users in each call
    #[arg(long, default_value = "100")]
    pub(crate) ids: usize,
    #[arg(long, default_value = "10")]
    pub(crate) connections: usize,
    /// Calls at a time on each connection
    #[arg(long, default_value = "1")]
    pub(crate) in_flight: usize,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct All {
    /// Multiplies the number of connections in each case
    #[arg(long, default_value = "1.0")]
    pub(crate) scale: f64,
    /// The gRPC service; without it, that case is left out
    #[arg(long)]
    pub(crate) grpc_url: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Issuer {
    #[arg(long)]
    pub(crate) port: u16,
    /// How many users get a token: `u0`, `u1`, …
    #[arg(long, default_value = "10001")]
    pub(crate) count: usize,
    /// The file for the tokens
    #[arg(long)]
    pub(crate) out: PathBuf,
}

impl Case {
    /// How many clients are connected at most.
    fn clients(&self) -> usize {
        match self {
            Self::Storm(case) => case.connections,
            Self::Idle(case) => case.connections,
            Self::Fanout(case) => case.watchers + 1,
            Self::Calls(case) | Self::Announce(case) => case.connections,
            Self::Watch(case) => case.connections,
            Self::Churn(case) => case.users,
            Self::Slow(case) => case.watchers + 1,
            Self::Grpc(case) => case.connections,
            Self::All(case) => case.scaled(10_000).max(case.scaled(9_000) + 1),
            Self::Issuer(_) => 0,
        }
    }

    /// How many users there are.
    pub(crate) fn users(&self) -> usize {
        match self {
            Self::Grpc(_) => 1,
            Self::All(_) => self.clients().max(All::CALLERS + 1),
            _ => self.clients(),
        }
    }

    fn rate(&self) -> Option<f64> {
        match self {
            Self::Storm(case) => case.rate,
            Self::Fanout(case) => case.rate,
            Self::Calls(case) | Self::Announce(case) => case.rate,
            Self::Churn(case) => Some(case.rate),
            Self::Slow(case) => Some(case.rate),
            Self::Idle(_) | Self::Watch(_) | Self::Grpc(_) | Self::All(_) | Self::Issuer(_) => None,
        }
    }
}

impl All {
    /// Connections that call.
    pub(crate) const CALLERS: usize = 200;

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a number of connections, checked to be sensible"
    )]
    pub(crate) fn scaled(&self, connections: usize) -> usize {
        ((connections as f64 * self.scale) as usize).max(1)
    }
}

impl Cli {
    /// Finds what clap cannot.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let positive = |name: &str, value: f64| {
            ensure!(
                value.is_finite() && value > 0.0 && value < 1e7,
                "{name} must be above 0 and below 10 million, not {value}"
            );
            Ok(())
        };
        positive("--seconds", self.common.seconds)?;
        ensure!(
            self.common.warm_up >= 0.0 && self.common.warm_up < 1e4,
            "--warm-up must not be below 0"
        );
        ensure!(self.common.connecting > 0, "--connecting must be above 0");
        if let Some(rate) = self.case.rate() {
            positive("--rate", rate)?;
        }
        if let Case::All(all) = &self.case {
            positive("--scale", all.scale)?;
        }
        if let Case::Slow(slow) = &self.case {
            ensure!(
                slow.silent > 0 && slow.silent < slow.watchers,
                "--silent must be above 0 and below --watchers"
            );
        }
        let sizes = match &self.case {
            Case::Fanout(case) => [case.watchers.min(case.watched), case.in_flight],
            Case::Watch(case) => [case.connections, case.watched],
            Case::Grpc(case) => [case.connections.min(case.ids), case.in_flight],
            Case::Issuer(case) => [case.count, 1],
            other => [other.clients(), 1],
        };
        ensure!(
            !sizes.contains(&0),
            "a number of connections, users or calls must not be 0"
        );
        let sources = &self.common.tokens;
        let given = [
            sources.tokens.is_some(),
            sources.token_url.is_some(),
            sources.issue.is_some(),
        ];
        ensure!(
            given.iter().filter(|is_given| **is_given).count() <= 1,
            "--tokens, --token-url and --issue exclude each other"
        );
        ensure!(
            self.common.transport != Transport::Sse || self.common.protocol == Protocol::Json,
            "server-sent events carry JSON only"
        );
        let files = self.case.clients() as u64 * self.common.transport.sockets() + FILES_BESIDE;
        let files_max = meter::open_files_max();
        ensure!(
            files <= files_max,
            "{files} files would be open, and this process may have {files_max} (ulimit -n); \
             run several of it, each with a part of the connections"
        );
        Ok(())
    }
}

/// Standard streams, the runtime's own, and what the meters open.
const FILES_BESIDE: u64 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(arguments: &str) -> Result<(), String> {
        let all = std::iter::once("loadgen").chain(arguments.split(' '));
        let cli = Cli::try_parse_from(all).map_err(|error| error.to_string())?;
        cli.check().map_err(|error| error.to_string())
    }

    #[test]
    fn sensible_arguments_are_taken() {
        for arguments in [
            "storm",
            "storm --connections 10 --rate 5 --negotiate --protocol messagepack",
            "idle --connections 5 --transport longpolling --seconds 1",
            "fanout --watchers 10 --in-flight 16 --issue 5000",
            "fanout --watched 100",
            "watch --connections 5 --watched 1",
            "calls --connections 1 --url http://127.0.0.1:80/hub",
            "announce --rate 100",
            "churn",
            "slow",
            "grpc --ids 1",
            "all --scale 0.01",
            "issuer --port 5000 --out /tmp/tokens",
        ] {
            assert_eq!(check(arguments), Ok(()), "{arguments}");
        }
    }

    #[test]
    fn others_are_refused_with_a_reason() {
        for (arguments, part) in [
            ("dance", "unrecognized subcommand"),
            ("storm --connections 0", "must not be 0"),
            ("storm --rate 0", "--rate must be above 0"),
            ("storm --rate NaN", "--rate must be above 0"),
            ("fanout --in-flight 0", "must not be 0"),
            ("fanout --watched 0", "must not be 0"),
            ("watch --watched 0", "must not be 0"),
            ("watch --rate 5", "unexpected argument"),
            ("calls --seconds -1", "unexpected argument"),
            ("calls --seconds 0", "--seconds must be above 0"),
            ("slow --watchers 50", "--silent"),
            ("storm --transport sse --protocol messagepack", "JSON only"),
            ("storm --connections 4000000000", "ulimit -n"),
            ("storm --issue 1 --tokens x", "exclude each other"),
            ("storm --transport telegraph", "telegraph"),
        ] {
            let mistake = check(arguments).unwrap_err();
            assert!(mistake.contains(part), "{arguments}: {mistake}");
        }
    }
}
