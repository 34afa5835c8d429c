//! Secrets are not shown, wherever a value is.

use std::fmt;

/// What stands in the place of a secret.
pub const MASK: &str = "******";

/// Parts of a name that make what it names a secret.
const SECRET_NAMES: &[&str] = &[
    "password",
    "passphrase",
    "passwd",
    "pwd",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "accountkey",
    "credential",
];

/// A text that no log, error or debug output shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the text in.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Gives the text out, to whoever needs the secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// The value as it may be shown.
///
/// Hidden are: the whole value if the last segment of the path names a secret (`…:Password`, `…:ClientSecret`); whatever
/// stands before the `@` of a URL; and `password=…` and its like inside a connection string or a query. Where it is
/// unclear how far a secret goes, more is hidden rather than less.
pub fn masked(key: &str, value: &str) -> String {
    let name = key.rsplit(':').next().unwrap_or(key);
    if names_secret(name) && !value.is_empty() {
        return MASK.to_owned();
    }
    without_pairs(&without_user_info(value))
}

fn names_secret(name: &str) -> bool {
    let name: String = name
        .chars()
        .filter(|c| !matches!(c, '_' | '-' | ' '))
        .flat_map(char::to_lowercase)
        .collect();
    name == "pass" || SECRET_NAMES.iter().any(|secret| name.contains(secret))
}

/// Hides what stands between the first `://` and the last `@`.
///
/// The last, for passwords that should have been percent-encoded contain `@`, `/` and even `://`; of several addresses
/// only the last host remains to be seen.
fn without_user_info(value: &str) -> String {
    let Some(start) = value.find("://").map(|at| at + "://".len()) else {
        return value.to_owned();
    };
    match value[start..].rfind('@') {
        Some(at) => format!("{}{MASK}{}", &value[..start], &value[start + at..]),
        None => value.to_owned(),
    }
}

/// Hides the values of pairs `name=value` whose name names a secret.
fn without_pairs(value: &str) -> String {
    let mut shown = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(equals) = rest.find('=') {
        let (before, after) = (&rest[..equals], &rest[equals + 1..]);
        shown.push_str(before);
        shown.push('=');
        let name = before.rsplit([',', ';', '&', '?']).next().unwrap_or(before);
        rest = after;
        if names_secret(name.trim()) {
            shown.push_str(MASK);
            rest = &after[end_of_secret(after)..];
        }
    }
    shown.push_str(rest);
    shown
}

/// A secret goes on until a separator that is followed by another `name=`.
fn end_of_secret(text: &str) -> usize {
    text.match_indices([',', ';', '&'])
        .find(|(at, separator)| {
            let next = &text[at + separator.len()..];
            next.find('=').is_some_and(|equals| {
                let name = next[..equals].trim();
                !name.is_empty()
                    && name
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ' '))
            })
        })
        .map_or(text.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_shown() {
        for (key, value, expected) in [
            ("Redis:ConnectionString", "redis:6379", "redis:6379"),
            (
                "Redis:ConnectionString",
                "a:1,password=s3cret,ssl=true",
                "a:1,password=******,ssl=true",
            ),
            (
                "Redis:ConnectionString",
                "a:1, Password = s3,cr=t",
                "a:1, Password =******,cr=t",
            ),
            (
                "Redis:ConnectionString",
                "a:1,password=s3,cret",
                "a:1,password=******",
            ),
            (
                "Redis:ConnectionString",
                "password=p=q==,ssl=true",
                "password=******,ssl=true",
            ),
            (
                "Redis:ConnectionString",
                "redis://me:s3cret@host:6379/0",
                "redis://******@host:6379/0",
            ),
            (
                "Redis:ConnectionString",
                "rediss://:s3@c/ret@host",
                "rediss://******@host",
            ),
            (
                "Redis:ConnectionString",
                "redis://a:b@c,redis://d:e@f",
                "redis://******@f",
            ),
            (
                "X",
                "Server=db;User Id=sa;Password=TopSec1!;Encrypt=True",
                "Server=db;User Id=sa;Password=******;Encrypt=True",
            ),
            (
                "X",
                "https://h/p?access_token=abc&b=1",
                "https://h/p?access_token=******&b=1",
            ),
            ("Kestrel:Certificates:Default:Password", "s3cret", MASK),
            (
                "Kestrel:Certificates:Default:KeyPath",
                "/tls/key.pem",
                "/tls/key.pem",
            ),
            ("ApiAuth:ClientSecret", "x", MASK),
            ("X:Password", "", ""),
        ] {
            assert_eq!(masked(key, value), expected, "{key}={value}");
        }
    }

    #[test]
    fn a_secret_does_not_show_itself() {
        assert_eq!(
            format!("{:?}", Some(Secret::new("hunter2"))),
            "Some(******)"
        );
        assert_eq!(Secret::new("hunter2").expose(), "hunter2");
    }

    proptest! {
        #[test]
        fn no_password_of_a_connection_string_is_shown(password in "[a-zA-Z0-9@:/!#%=?]{8,30}", tail in "(,ssl=true)?") {
            let shown = masked("Redis:ConnectionString", &format!("h:6379,password={password}{tail}"));
            prop_assert_eq!(shown, format!("h:6379,password={MASK}{tail}"));
        }

        #[test]
        fn no_password_of_a_url_is_shown(password in "[a-zA-Z0-9@:/!#%,;&=?]{8,30}") {
            let shown = masked("Redis:ConnectionString", &format!("redis://u:{password}@host:6379"));
            prop_assert_eq!(shown, format!("redis://{MASK}@host:6379"));
        }

        #[test]
        fn any_text_can_be_masked(key in ".*", value in ".*") {
            masked(&key, &value);
        }
    }
}
