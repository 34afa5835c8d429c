//! One address.

use std::{fmt, net::Ipv6Addr};

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    /// A name or an address; IPv6 without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Endpoint {
    /// An endpoint of its parts.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
        }
    }

    /// Reads `host`, `host:port`, `[::1]` and `[::1]:port`.
    ///
    /// The error is what is wrong; the text itself is not part of it.
    pub(super) fn parse(text: &str, default_port: u16) -> Result<Self, String> {
        let wrong = str::to_owned;
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, rest) = rest
                .split_once(']')
                .ok_or_else(|| wrong("the bracket is not closed"))?;
            if host.parse::<Ipv6Addr>().is_err() {
                return Err(wrong("an IPv6 address is wanted within brackets"));
            }
            let port = match rest {
                "" => None,
                _ => Some(
                    rest.strip_prefix(':')
                        .ok_or_else(|| wrong("a colon is wanted behind the bracket"))?,
                ),
            };
            (host, port)
        } else if text.parse::<Ipv6Addr>().is_ok() {
            (text, None)
        } else {
            match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            }
        };
        if host.is_empty() {
            return Err(wrong("the host is missing"));
        }
        let is_odd = |byte: u8| !(byte.is_ascii_alphanumeric() || b"-._:%".contains(&byte));
        if host.bytes().any(|byte| byte.is_ascii() && is_odd(byte))
            || host.chars().any(char::is_whitespace)
        {
            return Err(wrong(
                "a host of letters, digits, dots and dashes is wanted",
            ));
        }
        let port = match port {
            None => default_port,
            Some(port) => match port.parse() {
                Ok(port) if port != 0 && !port_has_sign(text) => port,
                _ => return Err(wrong("a port between 1 and 65535 is wanted")),
            },
        };
        Ok(Self::new(host, port))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Rust reads `+1` as a number.
fn port_has_sign(text: &str) -> bool {
    text.rsplit(':')
        .next()
        .is_some_and(|port| port.starts_with('+'))
}
