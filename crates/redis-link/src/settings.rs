//! Where Redis is, and how it is spoken to.

mod endpoint;
mod print;
mod stack_exchange;
#[cfg(test)]
mod tests;
mod url;

use std::{fmt, str::FromStr, time::Duration};

use rustls_pki_types::{CertificateDer, pem::PemObject as _};

pub use self::endpoint::Endpoint;

/// Where Redis is, and how it is spoken to.
///
/// Printing it, in either way, masks the passwords.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// How the servers belong together.
    pub topology: Topology,
    /// The servers; with Sentinel, the sentinels; with a cluster, some of its nodes.
    pub endpoints: Vec<Endpoint>,
    /// The user of the access control list; none: the server's default user.
    pub user: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// The user at the sentinels, which have access control lists of their own.
    pub sentinel_user: Option<String>,
    /// The password at the sentinels.
    pub sentinel_password: Option<Secret>,
    /// TLS, to servers and sentinels alike.
    pub tls: Option<Tls>,
    /// The number of the database; a cluster has only 0.
    pub database: u32,
    /// The name that `CLIENT LIST` shows.
    pub client_name: Option<String>,
    /// How long connecting to one server may take, with TLS and logging in.
    pub connect_timeout: Duration,
    /// How long one command, or one batch, may take.
    pub command_timeout: Duration,
    /// How long a connection may be silent before the operating system probes it; zero: it never does.
    pub keep_alive: Duration,
    /// How messages are published and subscribed to. Default: as every Redis can.
    pub pub_sub: PubSub,
    /// What StackExchange.Redis puts in front of all channels; left to those who name channels.
    pub channel_prefix: Option<String>,
    /// How many commands may wait for their answers at once; twice as many may be unanswered, with those that took too long.
    pub in_flight_max: usize,
}

/// How servers belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Topology {
    /// Asks the first server that answers whether it belongs to a cluster.
    Auto,
    /// One server, or several of which the first that is a master is used.
    Standalone,
    /// The master of a service, as the sentinels name it.
    Sentinel {
        /// The name of the service.
        service: String,
    },
    /// A cluster.
    Cluster,
}

/// How messages are published and subscribed to; everybody who shares channels must do it in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PubSub {
    /// `PUBLISH` and `SUBSCRIBE`: in a cluster, each message goes to all of its servers.
    #[default]
    Classic,
    /// `SPUBLISH` and `SSUBSCRIBE`: in a cluster, a message goes to the master that has the slot of its channel, and to its
    /// replicas.
    ///
    /// It needs Redis 7; an older server counts as away. Without a cluster it makes no difference.
    Sharded,
}

/// How TLS is spoken: version 1.2 or 1.3, with the system's certificate authorities.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// The name in the certificates of all servers, if it is another than the one that is connected to.
    pub host_name: Option<String>,
    /// Certificate authorities that are trusted beside the system's, in PEM.
    pub authorities: Option<Vec<u8>>,
}

/// A password, which does not show itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Settings as they were read, with what is worth a warning.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parsed {
    /// The settings.
    pub settings: Settings,
    /// One sentence for each option that is understood and has no effect.
    pub warnings: Vec<String>,
}

/// Why a text is no connection string. Never contains a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidSettings(String);

impl Settings {
    /// Settings for one server, everything else by default.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            topology: Topology::Auto,
            endpoints: vec![endpoint],
            user: None,
            password: None,
            sentinel_user: None,
            sentinel_password: None,
            tls: None,
            database: 0,
            client_name: None,
            connect_timeout: CONNECT_TIMEOUT,
            command_timeout: COMMAND_TIMEOUT,
            keep_alive: KEEP_ALIVE,
            pub_sub: PubSub::default(),
            channel_prefix: None,
            in_flight_max: IN_FLIGHT_MAX,
        }
    }

    /// Reads `redis://` and `rediss://` URLs and StackExchange.Redis connection strings.
    ///
    /// The parameters of a URL's query are the options of StackExchange.Redis, too.
    ///
    /// # Errors
    /// Anything that is not understood; the text names the option and what is allowed, and masks passwords.
    pub fn parse(text: &str) -> Result<Parsed, InvalidSettings> {
        let text = text.trim();
        if text.is_empty() {
            return Err(InvalidSettings::new("the connection string is empty"));
        }
        // A server may be called `redis`, and a password may look like anything.
        let first = text.split(',').next().unwrap_or(text);
        if first.contains("://") && !first.split("://").next().unwrap_or(first).contains('=') {
            url::parse(text)
        } else {
            stack_exchange::parse(text)
        }
    }

    /// Checks what other code than the parser may have set.
    ///
    /// # Errors
    /// A setting that cannot work; the text names it.
    pub fn check(&self) -> Result<(), InvalidSettings> {
        if self.endpoints.is_empty() {
            return Err(InvalidSettings::new("no server is named"));
        }
        if self.endpoints.len() > ENDPOINTS_MAX {
            return Err(InvalidSettings::new(format!(
                "more than {ENDPOINTS_MAX} servers are named"
            )));
        }
        if self.database != 0 && matches!(self.topology, Topology::Cluster) {
            return Err(InvalidSettings::new("a cluster has no database but 0"));
        }
        if self.user.is_some() && self.password.is_none() {
            return Err(InvalidSettings::new("a user is named, but no password"));
        }
        if self.command_timeout.is_zero() || self.connect_timeout.is_zero() {
            return Err(InvalidSettings::new("a time-out must be longer than 0"));
        }
        if let Some(authorities) = self.tls.as_ref().and_then(|tls| tls.authorities.as_ref()) {
            let is_pem = CertificateDer::pem_slice_iter(authorities).all(|found| found.is_ok());
            if !is_pem || CertificateDer::pem_slice_iter(authorities).next().is_none() {
                return Err(InvalidSettings::new(
                    "the certificate authorities are no certificates in PEM",
                ));
            }
        }
        Ok(())
    }
}

impl PubSub {
    /// The command that publishes: channel, payload.
    #[must_use]
    pub fn publish(self) -> &'static str {
        match self {
            Self::Classic => "PUBLISH",
            Self::Sharded => "SPUBLISH",
        }
    }
}

impl FromStr for Settings {
    type Err = InvalidSettings;

    /// As [`Settings::parse`], without the warnings.
    fn from_str(text: &str) -> Result<Self, InvalidSettings> {
        Self::parse(text).map(|parsed| parsed.settings)
    }
}

impl Secret {
    /// Takes a password.
    #[must_use]
    pub fn new(password: impl Into<String>) -> Self {
        Self(password.into())
    }

    /// The password itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(print::MASK)
    }
}

impl InvalidSettings {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// Bears one lost SYN, which is sent again after 1 s. StackExchange.Redis waits for 5 s, which only delays the next try.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Leaves time for another try within the 5 s after which a status of 10 s is refreshed.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(2);

/// As StackExchange.Redis. It is the heartbeat that notices dead connections; this keeps the tables of firewalls warm.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// 20,000 users are refreshed in batches far smaller than this, and at 1 kB each this is 16 MB.
const IN_FLIGHT_MAX: usize = 16_384;

/// Each is tried in turn while none answers: more would take minutes.
const ENDPOINTS_MAX: usize = 64;
