//! HTTP addresses: where to listen, whom to ask.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Longest address, in bytes: what the common HTTP servers accept as a request line.
const LENGTH_MAX: usize = 8192;

/// An `http` or `https` address without user information, query and fragment.
///
/// It writes itself as it was read, except that the scheme and a name are lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpUrl {
    /// The scheme.
    pub scheme: UrlScheme,
    /// The host.
    pub host: Host,
    /// The port, if it is written.
    pub explicit_port: Option<u16>,
    /// The path as written: empty, or beginning with a slash.
    pub path: String,
}

/// The scheme of an [`HttpUrl`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UrlScheme {
    /// `http`
    Http,
    /// `https`
    Https,
}

/// The host of an [`HttpUrl`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// `*` or `+`: every address of the machine. Only of use for listening.
    Any,
    /// A name, lower case.
    Name(String),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address.
    V6(Ipv6Addr),
}

/// Why a text is no [`HttpUrl`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// Neither `http://` nor `https://` at the beginning.
    #[error("it does not begin with http:// or https://")]
    Scheme,
    /// A name or a password before an `@`.
    #[error("it contains user information")]
    UserInfo,
    /// No host, or one with a character that no host has.
    #[error("its host is not a name, an IPv4 address or an IPv6 address in brackets")]
    Host,
    /// Behind the last colon stands no number up to 65535.
    #[error("its port is not a number from 0 to 65535")]
    Port,
    /// A query or a fragment.
    #[error("it contains a query or a fragment")]
    Query,
    /// White space or a control character.
    #[error("it contains white space")]
    Blank,
    /// Longer than 8192 bytes.
    #[error("it is longer than {LENGTH_MAX} bytes")]
    TooLong,
}

impl HttpUrl {
    /// The port, the scheme's own if none is written.
    pub fn port(&self) -> u16 {
        self.explicit_port.unwrap_or(match self.scheme {
            UrlScheme::Http => 80,
            UrlScheme::Https => 443,
        })
    }

    /// Whether the path says nothing: empty or `/`.
    pub fn is_root(&self) -> bool {
        matches!(self.path.as_str(), "" | "/")
    }
}

impl UrlScheme {
    /// `http` or `https`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl FromStr for HttpUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let text = text.trim();
        if text.len() > LENGTH_MAX {
            return Err(InvalidUrl::TooLong);
        }
        let (scheme, rest) = text.split_once("://").ok_or(InvalidUrl::Scheme)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => UrlScheme::Http,
            "https" => UrlScheme::Https,
            _ => return Err(InvalidUrl::Scheme),
        };
        if rest.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(InvalidUrl::Blank);
        }
        if rest.contains(['?', '#']) {
            return Err(InvalidUrl::Query);
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(InvalidUrl::UserInfo);
        }
        let (host, port) = match authority.rfind(':') {
            Some(colon) if !authority[colon..].contains(']') => authority.split_at(colon),
            _ => (authority, ""),
        };
        let explicit_port = match port {
            "" => None,
            port => Some(parse_port(&port[1..]).ok_or(InvalidUrl::Port)?),
        };
        Ok(Self {
            scheme,
            host: host.parse()?,
            explicit_port,
            path: path.to_owned(),
        })
    }
}

impl FromStr for Host {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        if matches!(text, "*" | "+") {
            return Ok(Self::Any);
        }
        if let Some(inner) = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            return inner.parse().map(Self::V6).map_err(|_| InvalidUrl::Host);
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::V4(address));
        }
        let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        if text.is_empty() || !text.chars().all(name) {
            return Err(InvalidUrl::Host);
        }
        Ok(Self::Name(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.host)?;
        if let Some(port) = self.explicit_port {
            write!(f, ":{port}")?;
        }
        f.write_str(&self.path)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Name(name) => f.write_str(name),
            Self::V4(address) => write!(f, "{address}"),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}

/// A port of digits only: `u16` would also read `+80`.
fn parse_port(text: &str) -> Option<u16> {
    text.bytes()
        .all(|digit| digit.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn good_ones_are_taken_apart() {
        use UrlScheme::{Http, Https};
        let name = |name: &str| Host::Name(name.to_owned());
        for (text, scheme, host, port, path) in [
            ("http://localhost:5006", Http, name("localhost"), 5006, ""),
            (
                "HTTPS://Login.Example.com",
                Https,
                name("login.example.com"),
                443,
                "",
            ),
            ("http://localhost:5000/", Http, name("localhost"), 5000, "/"),
            (
                "https://login/realms/Chat",
                Https,
                name("login"),
                443,
                "/realms/Chat",
            ),
            ("http://+:8080", Http, Host::Any, 8080, ""),
            ("http://*", Http, Host::Any, 80, ""),
            (
                "http://0.0.0.0:0",
                Http,
                Host::V4(Ipv4Addr::UNSPECIFIED),
                0,
                "",
            ),
            (
                "http://[::]:8082",
                Http,
                Host::V6(Ipv6Addr::UNSPECIFIED),
                8082,
                "",
            ),
            ("http://[::1]", Http, Host::V6(Ipv6Addr::LOCALHOST), 80, ""),
        ] {
            let url: HttpUrl = text.parse().unwrap();
            assert_eq!(
                (url.scheme, &url.host, url.port(), url.path.as_str()),
                (scheme, &host, port, path),
                "{text}"
            );
        }
    }

    #[test]
    fn bad_ones_are_refused() {
        use InvalidUrl as E;
        let long = format!("http://h/{}", "a".repeat(LENGTH_MAX));
        for (text, error) in [
            ("", E::Scheme),
            ("localhost:5000", E::Scheme),
            ("tcp://localhost", E::Scheme),
            ("http:/localhost", E::Scheme),
            ("http://", E::Host),
            ("http://:80", E::Host),
            ("http://ho st", E::Blank),
            ("http://höst", E::Host),
            ("http://*.example.com", E::Host),
            ("http://[::1", E::Host),
            ("http://[localhost]", E::Host),
            ("http://::1", E::Host),
            ("http://host:", E::Port),
            ("http://host:65536", E::Port),
            ("http://host:+80", E::Port),
            ("http://host:x", E::Port),
            ("http://user:pw@host", E::UserInfo),
            ("http://host/?a=b", E::Query),
            ("http://host#x", E::Query),
            (long.as_str(), E::TooLong),
        ] {
            assert_eq!(text.parse::<HttpUrl>(), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn round_trip(url in "https?://([a-z0-9-]{1,10}x|127\\.0\\.0\\.1|\\[::1\\]|\\*)(:[1-9][0-9]{0,3})?(/[a-z/]{0,10})?") {
            prop_assert_eq!(url.parse::<HttpUrl>().unwrap().to_string(), url);
        }

        #[test]
        fn no_text_panics(text in "(http://)?[\\[\\]:@/?#a0.é*+ ]{0,20}") {
            let _ = text.parse::<HttpUrl>();
        }
    }
}
