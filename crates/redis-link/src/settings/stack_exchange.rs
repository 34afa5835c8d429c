//! Connection strings of StackExchange.Redis: `host:6379,password=…,ssl=true`.

use std::time::Duration;

use super::{Endpoint, InvalidSettings, Parsed, Secret, Settings, Tls, Topology, print::MASK};

/// Reads a connection string. There is no escaping: a value ends at the next comma.
pub(super) fn parse(text: &str) -> Result<Parsed, InvalidSettings> {
    let mut options = Options::default();
    let mut servers = Vec::new();
    for part in text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        match part.split_once('=') {
            Some((key, value)) => options.set(key.trim(), value.trim())?,
            None => servers.push(part),
        }
    }
    options.finish(&servers)
}

/// What has been read so far.
#[derive(Default)]
pub(super) struct Options {
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) database: Option<u32>,
    pub(super) is_encrypted: bool,
    sentinel_user: Option<String>,
    sentinel_password: Option<Secret>,
    ssl_host: Option<String>,
    service: Option<String>,
    name: Option<String>,
    channel_prefix: Option<String>,
    connect_timeout: Option<Duration>,
    sync_timeout: Option<Duration>,
    async_timeout: Option<Duration>,
    keep_alive: Option<Duration>,
    warnings: Vec<String>,
}

impl Options {
    /// Takes one option; an empty value is as if it was not there, except for those that must be a number.
    pub(super) fn set(&mut self, key: &str, value: &str) -> Result<(), InvalidSettings> {
        if key.starts_with('$') {
            self.warn(key, "commands are not renamed");
            return Ok(());
        }
        let text = (!value.is_empty()).then(|| value.to_owned());
        match key.to_ascii_lowercase().as_str() {
            "password" => self.password = text.map(Secret::new),
            "user" => self.user = text,
            "sentinelpassword" => self.sentinel_password = text.map(Secret::new),
            "sentineluser" => self.sentinel_user = text,
            "ssl" => self.is_encrypted = flag(key, value)?,
            "sslhost" => self.ssl_host = text,
            "defaultdatabase" => self.database = Some(number(key, value, 0, i32::MAX as u32)?),
            "servicename" => self.service = text,
            "name" => self.name = text.map(|name| client_name(key, name)).transpose()?,
            "channelprefix" => self.channel_prefix = text,
            "connecttimeout" => self.connect_timeout = Some(milliseconds(key, value)?),
            "synctimeout" => self.sync_timeout = Some(milliseconds(key, value)?),
            "asynctimeout" => self.async_timeout = Some(milliseconds(key, value)?),
            "keepalive" => self.keep_alive = Some(keep_alive(key, value)?),
            "abortconnect" => {
                if flag(key, value)? {
                    self.warn(key, "the service starts without Redis and waits for it");
                }
            }
            "sslprotocols" => self.warn(key, "TLS 1.2 and 1.3 are spoken"),
            "connectretry" => self.warn(key, "it is tried without end"),
            "protocol" => self.warn(key, "RESP2 is spoken, which every server knows"),
            _ => return self.ignore(key),
        }
        Ok(())
    }

    /// Options of StackExchange.Redis that mean nothing here.
    fn ignore(&mut self, key: &str) -> Result<(), InvalidSettings> {
        if !IGNORED.contains(&key.to_ascii_lowercase().as_str()) {
            return Err(InvalidSettings::new(format!(
                "{key:?} is no option of a connection string; allowed are {}",
                ALLOWED.join(", ")
            )));
        }
        self.warn(key, "it means nothing here");
        Ok(())
    }

    fn warn(&mut self, key: &str, why: &str) {
        self.warnings.push(format!("{key} is ignored: {why}"));
    }

    /// Puts all together, with the ports that StackExchange.Redis fills in.
    pub(super) fn finish(self, servers: &[&str]) -> Result<Parsed, InvalidSettings> {
        let port = match (&self.service, self.is_encrypted) {
            (Some(_), _) => 26379,
            (None, true) => 6380,
            (None, false) => 6379,
        };
        let endpoints = servers
            .iter()
            .map(|server| {
                // What looks like a server may be the rest of a password with a comma in it.
                let is_secret = self.password.is_some() || self.sentinel_password.is_some();
                let shown = if is_secret { MASK } else { server };
                Endpoint::parse(server, port)
                    .map_err(|what| InvalidSettings::new(format!("{shown:?} is no server: {what}")))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let Some(first) = endpoints.first() else {
            return Err(InvalidSettings::new("no server is named"));
        };
        let mut settings = Settings::new(first.clone());
        settings.endpoints = endpoints;
        if let Some(service) = self.service {
            settings.topology = Topology::Sentinel { service };
        }
        settings.user = self.user;
        settings.password = self.password;
        settings.sentinel_user = self.sentinel_user;
        settings.sentinel_password = self.sentinel_password;
        settings.tls = self.is_encrypted.then_some(Tls {
            host_name: self.ssl_host,
            authorities: None,
        });
        settings.database = self.database.unwrap_or(0);
        settings.client_name = self.name;
        settings.channel_prefix = self.channel_prefix;
        if let Some(timeout) = self.connect_timeout {
            settings.connect_timeout = timeout;
        }
        if let Some(timeout) = self.async_timeout.or(self.sync_timeout) {
            settings.command_timeout = timeout;
        }
        if let Some(time) = self.keep_alive {
            settings.keep_alive = time;
        }
        settings.check()?;
        Ok(Parsed {
            settings,
            warnings: self.warnings,
        })
    }
}

fn flag(key: &str, value: &str) -> Result<bool, InvalidSettings> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err(wanted(key, value, "true or false")),
    }
}

fn number(key: &str, value: &str, min: u32, max: u32) -> Result<u32, InvalidSettings> {
    value
        .parse()
        .ok()
        .filter(|number| (min..=max).contains(number) && !value.starts_with('+'))
        .ok_or_else(|| wanted(key, value, &format!("a number between {min} and {max}")))
}

fn milliseconds(key: &str, value: &str) -> Result<Duration, InvalidSettings> {
    number(key, value, 1, TIMEOUT_MS_MAX).map(|ms| Duration::from_millis(ms.into()))
}

/// In seconds; 0 and -1 switch it off, as they do in StackExchange.Redis.
fn keep_alive(key: &str, value: &str) -> Result<Duration, InvalidSettings> {
    if value == "-1" {
        return Ok(Duration::ZERO);
    }
    number(key, value, 0, KEEP_ALIVE_MAX).map(|seconds| Duration::from_secs(seconds.into()))
}

/// Redis takes no other names.
fn client_name(key: &str, name: String) -> Result<String, InvalidSettings> {
    if name.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(name)
    } else {
        Err(wanted(key, &name, "a name of visible ASCII without spaces"))
    }
}

fn wanted(key: &str, value: &str, wanted: &str) -> InvalidSettings {
    InvalidSettings::new(format!("{key} is {value:?}, wanted is {wanted}"))
}

/// A day; what is longer is a mistake in the unit.
const TIMEOUT_MS_MAX: u32 = 24 * 60 * 60 * 1000;

/// The most that Linux takes, in seconds.
const KEEP_ALIVE_MAX: u32 = 32_767;

const ALLOWED: [&str; 20] = [
    "password",
    "user",
    "ssl",
    "sslHost",
    "sslProtocols",
    "defaultDatabase",
    "serviceName",
    "sentinelUser",
    "sentinelPassword",
    "name",
    "channelPrefix",
    "connectTimeout",
    "syncTimeout",
    "asyncTimeout",
    "keepAlive",
    "abortConnect",
    "connectRetry",
    "protocol",
    "allowAdmin",
    "$COMMAND",
];

const IGNORED: [&str; 21] = [
    "allowadmin",
    "checkcertificaterevocation",
    "configchannel",
    "configcheckseconds",
    "heartbeatconsistencychecks",
    "heartbeatinterval",
    "highintegrity",
    "highprioritythreads",
    "preserveasyncorder",
    "proxy",
    "resolvedns",
    "responsetimeout",
    "setlib",
    "tiebreaker",
    "tunnel",
    "version",
    "writebuffer",
    "libname",
    "libver",
    "defaultversion",
    "certificate",
];
