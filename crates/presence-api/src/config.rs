//! Everything an operator can choose, as given and as checked.
//!
//! [`Settings::load`] reads ASP.NET's sources in ASP.NET's order (see [`dotnet_config`]) and gives checked values or all
//! mistakes at once. The rest of the service takes these values; nothing else reads the environment, the command line
//! or a settings file. Each section has a file of its own, with the default and the reason of every key; the reference
//! for operators is `docs/configuration.md`.

mod auth;
mod cors;
pub mod keys;
mod listeners;
mod logging;
mod presence;
mod shutdown;
mod signalr;

use std::fmt;

use dotnet_config::{Chain, Effective, Mistakes, Reader, Warning};

pub use auth::{ApiAuth, Issuer};
pub use cors::Cors;
pub use dotnet_config::Sources;
pub use listeners::{Certificate, Http, HttpLimits, Listener, Protocol, Scheme};
pub use logging::{LogFormat, Logging};
pub use presence::{Presence, Store};
pub use shutdown::Shutdown;
pub use signalr::{SignalR, TransportKind};

/// The checked configuration of one run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Development, Staging, Production or another.
    pub environment: Environment,
    /// Whose tokens are good, and for what.
    pub api_auth: ApiAuth,
    /// Whose pages may call.
    pub cors: Cors,
    /// Where to listen and what a peer may take.
    pub http: Http,
    /// What is logged, and how.
    pub logging: Logging,
    /// What presence means, and where it is kept.
    pub presence: Presence,
    /// How the service ends.
    pub shutdown: Shutdown,
    /// How the hub treats its connections.
    pub signalr: SignalR,
    effective: Vec<Effective>,
}

/// What the service is started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// To serve real users: `presence-api serve`.
    Serve,
    /// To try it on one machine: `presence-api dev`, with a token issuer of its own, in memory, on loopback only.
    Dev,
}

/// The name of the environment, .NET's `ASPNETCORE_ENVIRONMENT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment(String);

/// What the defaults of a section depend on.
#[derive(Clone, Copy, Debug)]
struct Context<'a> {
    mode: Mode,
    environment: &'a Environment,
}

impl Settings {
    /// Reads the sources; without a named environment it is Production, for [`Mode::Dev`] Development.
    pub fn load(sources: &Sources, mode: Mode) -> Result<(Self, Vec<Warning>), Mistakes> {
        let chain = sources.load(match mode {
            Mode::Serve => "Production",
            Mode::Dev => "Development",
        });
        let environment = Environment(chain.environment.clone());
        let context = Context {
            mode,
            environment: &environment,
        };

        let mut reader = Reader::of(&chain, keys::KNOWN);
        let api_auth = auth::read(&mut reader, context);
        let cors = cors::read(&mut reader);
        let http = listeners::read(&mut reader, context);
        let logging = logging::read(&mut reader);
        let presence = presence::read(&mut reader, context);
        let shutdown = shutdown::read(&mut reader);
        let signalr = signalr::read(&mut reader);

        let reading = reader.finish()?;
        // A section that could not be made has left a mistake, so the second half never happens; and if it did, the
        // service would not start.
        let (Some(api_auth), Some(presence)) = (api_auth, presence) else {
            return Err(Mistakes::default());
        };
        let effective = [host_keys(&chain), reading.effective].concat();
        let settings = Self {
            environment,
            api_auth,
            cors,
            http,
            logging,
            presence,
            shutdown,
            signalr,
            effective,
        };
        Ok((settings, reading.warnings))
    }

    /// Every key with its value and where that came from, secrets masked.
    ///
    /// Displayed one below the other it is what `presence-api config` prints.
    pub fn effective(&self) -> EffectiveKeys<'_> {
        EffectiveKeys(&self.effective)
    }
}

impl Environment {
    /// Whether this is a developer's machine, by .NET's convention.
    pub fn is_development(&self) -> bool {
        self.0.eq_ignore_ascii_case("Development")
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The effective configuration, to be printed.
#[derive(Clone, Copy, Debug)]
pub struct EffectiveKeys<'a>(&'a [Effective]);

impl<'a> EffectiveKeys<'a> {
    /// The keys one by one.
    pub fn iter(&self) -> impl Iterator<Item = &'a Effective> + use<'a> {
        self.0.iter()
    }
}

impl fmt::Display for EffectiveKeys<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self
            .0
            .iter()
            .map(|one| one.key.chars().count())
            .max()
            .unwrap_or(0);
        for one in self.0 {
            write!(f, "{:width$} = {}", one.key, one.value)?;
            match &one.source {
                Some(source) => writeln!(f, "  ({source})")?,
                None => writeln!(f, "  (default)")?,
            }
        }
        Ok(())
    }
}

/// The two keys that the chain itself obeys.
fn host_keys(chain: &Chain) -> Vec<Effective> {
    [
        ("Environment", chain.environment.as_str()),
        (
            "ContentRoot",
            chain.configuration.text("ContentRoot").unwrap_or("."),
        ),
    ]
    .into_iter()
    .map(|(key, value)| Effective {
        key: key.to_owned(),
        value: value.to_owned(),
        source: chain
            .configuration
            .given(key)
            .map(|entry| entry.source.clone()),
    })
    .collect()
}

#[cfg(test)]
mod tests;
