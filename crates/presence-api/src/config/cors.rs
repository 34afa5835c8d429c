//! `Cors`: whose pages may call.

use dotnet_config::{HttpUrl, InvalidUrl, Kind, Reader, UrlScheme};

use super::keys;

/// Whose pages may call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors {
    /// Origins as browsers send them, lower case. Default: none, so that only the service's own pages may call.
    pub allowed_origins: Vec<String>,
}

pub(super) fn read(reader: &mut Reader<'_>) -> Cors {
    Cors {
        allowed_origins: reader.list(keys::ALLOWED_ORIGINS, &Origin),
    }
}

/// Scheme, host and port, as browsers write them.
///
/// .NET takes whatever stands there and compares it with what browsers send, so that a last slash or a default port
/// silently shuts everybody out. Here it is a mistake.
struct Origin;

impl Kind for Origin {
    type Value = String;

    fn parse(&self, text: &str) -> Result<String, String> {
        if text == "*" {
            return Err(
                "every origin at once is not possible with credentials, which SignalR clients send"
                    .to_owned(),
            );
        }
        let (scheme, rest) = text.split_once("://").ok_or("it is no origin")?;
        if rest.starts_with("*.") {
            return Err("a wildcard is not supported, name each origin".to_owned());
        }
        if let Some(bare) = text.strip_suffix('/') {
            return Err(format!(
                "a browser never sends the slash at the end, write {bare}"
            ));
        }
        // Apps in a web view have schemes of their own, such as capacitor://localhost; their form is that of http.
        let is_web = matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https");
        let as_web = if is_web {
            text.to_owned()
        } else {
            format!("http://{rest}")
        };
        let url: HttpUrl = as_web
            .parse()
            .map_err(|error: InvalidUrl| error.to_string())?;
        if !url.path.is_empty() {
            return Err("an origin has no path".to_owned());
        }
        if is_web && url.explicit_port == Some(default_port(url.scheme)) {
            return Err(format!(
                "a browser never sends the default port, write {}://{}",
                url.scheme.as_str(),
                url.host
            ));
        }
        if scheme.is_empty()
            || !scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
        {
            return Err("its scheme has a character that no scheme has".to_owned());
        }
        Ok(text.to_ascii_lowercase())
    }

    fn show(&self, value: &String) -> String {
        value.clone()
    }

    fn wanted(&self) -> String {
        "origins such as https://chat.example.com, separated by commas".to_owned()
    }
}

fn default_port(scheme: UrlScheme) -> u16 {
    match scheme {
        UrlScheme::Http => 80,
        UrlScheme::Https => 443,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins() {
        for (text, expected) in [
            ("http://localhost:5002", "http://localhost:5002"),
            ("HTTPS://Chat.Example.com", "https://chat.example.com"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("http://chat:443", "http://chat:443"),
            ("capacitor://localhost", "capacitor://localhost"),
        ] {
            assert_eq!(Origin.parse(text).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn what_no_browser_sends() {
        for (text, part) in [
            ("*", "not possible with credentials"),
            ("null", "no origin"),
            ("chat.example.com", "no origin"),
            (
                "https://chat.example.com/",
                "write https://chat.example.com",
            ),
            ("https://chat.example.com/app", "no path"),
            (
                "https://chat.example.com:443",
                "write https://chat.example.com",
            ),
            ("http://chat:80", "write http://chat"),
            ("https://*.example.com", "wildcard"),
            ("https://user:pw@chat", "user information"),
            ("https://chat:99999", "port"),
            ("https://", "no origin has"),
            ("://chat", "scheme"),
            ("ca pacitor://x", "scheme"),
        ] {
            let reason = Origin.parse(text).unwrap_err();
            let expected = if text == "https://" { "slash" } else { part };
            assert!(reason.contains(expected), "{text}: {reason}");
        }
    }
}
