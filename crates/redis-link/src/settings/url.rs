//! `redis://` and `rediss://` URLs.

use super::{InvalidSettings, Parsed, Secret, stack_exchange::Options};

/// Reads `redis[s]://[[user]:password@]host[:port][,host[:port]…][/database][?option=value&…]`.
pub(super) fn parse(text: &str) -> Result<Parsed, InvalidSettings> {
    let (scheme, rest) = text
        .split_once("://")
        .ok_or_else(|| InvalidSettings::new("a URL is wanted as redis://host:port"))?;
    let mut options = Options::default();
    options.is_encrypted = match scheme {
        "redis" => false,
        "rediss" => true,
        _ => {
            return Err(InvalidSettings::new(format!(
                "{scheme:?} is no scheme for Redis; allowed are redis and rediss"
            )));
        }
    };
    if rest.contains('#') {
        return Err(InvalidSettings::new(
            "a URL for Redis has no part behind a #; in a password it is written %23",
        ));
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let servers = match authority.rsplit_once('@') {
        None => authority,
        Some((credentials, servers)) => {
            let (user, password) = match credentials.split_once(':') {
                Some((user, password)) => (user, Some(password)),
                None => (credentials, None),
            };
            let user = decode(user)?;
            options.user = (!user.is_empty()).then_some(user);
            options.password = match password {
                Some(password) if !password.is_empty() => Some(Secret::new(decode(password)?)),
                _ => None,
            };
            servers
        }
    };
    let path = path.strip_suffix('/').unwrap_or(path);
    if !path.is_empty() {
        options.set("defaultDatabase", path)?;
    }
    let is_encrypted = options.is_encrypted;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        options.set(&decode(key)?, &decode(value)?)?;
    }
    if options.is_encrypted != is_encrypted {
        return Err(InvalidSettings::new(
            "the scheme says whether TLS is spoken: redis or rediss, not ssl",
        ));
    }
    let servers: Vec<&str> = servers
        .split(',')
        .filter(|server| !server.is_empty())
        .collect();
    options.finish(&servers)
}

/// Undoes percent-encoding. The text is not part of the error: it may be a password.
fn decode(text: &str) -> Result<String, InvalidSettings> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(InvalidSettings::new(
                "two hexadecimal digits are wanted behind each % of a URL",
            ));
        };
        bytes.push((high * 16 + low) as u8);
    }
    String::from_utf8(bytes)
        .map_err(|_| InvalidSettings::new("a part of the URL is no UTF-8 when decoded"))
}
