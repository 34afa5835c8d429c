//! Settings as text: the connection string that means the same, with masked passwords.

use std::fmt;

use super::{Settings, Topology};

/// Instead of a password.
pub(super) const MASK: &str = "***";

impl fmt::Display for Settings {
    /// Writes a StackExchange.Redis connection string.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, endpoint) in self.endpoints.iter().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            write!(f, "{endpoint}")?;
        }
        let mut option = |key: &str, value: Option<&dyn fmt::Display>| match value {
            Some(value) => write!(f, ",{key}={value}"),
            None => Ok(()),
        };
        if let Topology::Sentinel { service } = &self.topology {
            option("serviceName", Some(service))?;
        }
        option("user", display(self.user.as_ref()))?;
        option("password", self.password.as_ref().map(|_| &MASK as _))?;
        option("sentinelUser", display(self.sentinel_user.as_ref()))?;
        let is_secret = self.sentinel_password.is_some();
        option("sentinelPassword", is_secret.then_some(&MASK as _))?;
        option("ssl", self.tls.as_ref().map(|_| &true as _))?;
        let host_name = self.tls.as_ref().and_then(|tls| tls.host_name.as_ref());
        option("sslHost", display(host_name))?;
        option("defaultDatabase", Some(&self.database))?;
        option("name", display(self.client_name.as_ref()))?;
        option("channelPrefix", display(self.channel_prefix.as_ref()))?;
        option("connectTimeout", Some(&self.connect_timeout.as_millis()))?;
        option("asyncTimeout", Some(&self.command_timeout.as_millis()))?;
        option("keepAlive", Some(&self.keep_alive.as_secs()))
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("topology", &self.topology)
            .field("string", &format_args!("{self}"))
            .field("pub_sub", &self.pub_sub)
            .field("in_flight_max", &self.in_flight_max)
            .finish_non_exhaustive()
    }
}

fn display(text: Option<&String>) -> Option<&dyn fmt::Display> {
    text.map(|text| text as _)
}
