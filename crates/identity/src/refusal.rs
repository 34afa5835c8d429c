//! Why a caller is turned away, and how it is told.

use std::fmt;

use http::{HeaderValue, StatusCode};

use crate::clock::UnixTime;

/// Why a caller is turned away. A closed set: each member has a status, a header and a label.
///
/// `Display` is the text for logs; it never contains any part of the token but the issuer's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No token was presented.
    #[error("no token")]
    NoToken,
    /// Not a token: wrong parts, no JSON, a claim of the wrong type, twice, or a critical header not understood.
    #[error("malformed token: {0}")]
    Malformed(&'static str),
    /// Longer than [`TOKEN_LENGTH_MAX`](crate::TOKEN_LENGTH_MAX).
    #[error("token of {0} bytes is too long")]
    TooLong(usize),
    /// No key of the issuer made this signature, and none has the name that the header gives.
    #[error("no key for the signature")]
    KeyNotFound,
    /// Not signed, signed with an algorithm that is not allowed, or not by the key that the header names.
    #[error("wrong signature")]
    Signature,
    /// There is no claim `exp`.
    #[error("no expiration")]
    NoExpiration,
    /// The token ends before it begins.
    #[error("lifetime ends ({expires}) before it begins ({not_before})")]
    Lifetime {
        /// Claim `nbf`.
        not_before: UnixTime,
        /// Claim `exp`.
        expires: UnixTime,
    },
    /// The token is for later.
    #[error("not valid before {0}")]
    NotYetValid(UnixTime),
    /// The token's time is over.
    #[error("expired at {0}")]
    Expired(UnixTime),
    /// The token is for another service.
    #[error("wrong audience")]
    Audience(Audiences),
    /// The token is from another issuer; its name, if it has one.
    #[error("wrong issuer {0:?}")]
    Issuer(Option<Box<str>>),
    /// The token names nobody.
    #[error("no subject")]
    NoSubject,
    /// The token is good but does not grant the scope that this service asks for.
    #[error("the scope is not granted")]
    MissingScope,
}

/// What was found instead of the wanted audience.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audiences {
    /// Nothing: no claim `aud`, `null` or an empty array.
    None,
    /// Other services.
    Others,
}

impl Refusal {
    /// 403 if only the scope is missing, else 401.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::MissingScope => StatusCode::FORBIDDEN,
            _ => StatusCode::UNAUTHORIZED,
        }
    }

    /// The `WWW-Authenticate` header, character by character as .NET writes it; none with 403.
    #[must_use]
    pub fn www_authenticate(&self) -> Option<HeaderValue> {
        let text = match self {
            Self::MissingScope => return None,
            Self::NoToken => return Some(HeaderValue::from_static("Bearer")),
            other => match other.description() {
                None => return Some(HeaderValue::from_static(INVALID_TOKEN)),
                Some(description) => {
                    format!(r#"{INVALID_TOKEN}, error_description="{description}""#)
                }
            },
        };
        // The only text from outside is the issuer's name, and `quoted` leaves printable ASCII of it.
        Some(HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(INVALID_TOKEN)))
    }

    /// A short fixed word for metrics and logs.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoToken => "no_token",
            Self::Malformed(_) => "malformed",
            Self::TooLong(_) => "too_long",
            Self::KeyNotFound => "key_not_found",
            Self::Signature => "signature",
            Self::NoExpiration => "no_expiration",
            Self::Lifetime { .. } => "lifetime",
            Self::NotYetValid(_) => "not_yet_valid",
            Self::Expired(_) => "expired",
            Self::Audience(_) => "audience",
            Self::Issuer(_) => "issuer",
            Self::NoSubject => "no_subject",
            Self::MissingScope => "missing_scope",
        }
    }

    /// Every label that [`reason`](Self::reason) can give, for metrics that are to begin at zero.
    pub const REASONS: [&'static str; 13] = [
        "no_token",
        "malformed",
        "too_long",
        "key_not_found",
        "signature",
        "no_expiration",
        "lifetime",
        "not_yet_valid",
        "expired",
        "audience",
        "issuer",
        "no_subject",
        "missing_scope",
    ];

    /// The words for the caller: .NET's, where .NET has any.
    #[must_use]
    pub fn description(&self) -> Option<String> {
        Some(match self {
            Self::NoToken | Self::Malformed(_) | Self::TooLong(_) | Self::MissingScope => {
                return None;
            }
            Self::KeyNotFound => "The signature key was not found".into(),
            Self::Signature => "The signature is invalid".into(),
            Self::NoExpiration => "The token has no expiration".into(),
            Self::Lifetime {
                not_before,
                expires,
            } => {
                format!(
                    "The token lifetime is invalid; NotBefore: '{not_before}', Expires: '{expires}'"
                )
            }
            Self::NotYetValid(at) => format!("The token is not valid before '{at}'"),
            Self::Expired(at) => format!("The token expired at '{at}'"),
            // .NET 10 shows 'empty' for no audience and, since it keeps the names to itself, '(null)' for others.
            Self::Audience(Audiences::None) => "The audience 'empty' is invalid".into(),
            Self::Audience(Audiences::Others) => "The audience '(null)' is invalid".into(),
            Self::Issuer(None) => "The issuer '(null)' is invalid".into(),
            Self::Issuer(Some(name)) => format!("The issuer '{}' is invalid", Quoted(name)),
            Self::NoSubject => "The token has no subject".into(),
        })
    }
}

/// Somebody else's text, made fit for a quoted string in a header.
///
/// RFC 6750 allows printable ASCII without `"` and `\` there. .NET copies everything and fails with 500 where the
/// header cannot carry it.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .chars()
            .take(ISSUER_SHOWN_MAX)
            .try_for_each(|letter| {
                let fit = matches!(letter, ' '..='~') && letter != '"' && letter != '\\';
                fmt::Write::write_char(f, if fit { letter } else { '?' })
            })
    }
}

const INVALID_TOKEN: &str = r#"Bearer error="invalid_token""#;

/// Letters of a foreign issuer that are shown. Issuers are URLs; 2,048 is the length that every browser and proxy
/// takes for one, and it leaves room in the 4 KiB that proxies allow for all headers of an answer.
const ISSUER_SHOWN_MAX: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(refusal: &Refusal, header: Option<&str>) {
        let found = refusal.www_authenticate();
        assert_eq!(found.as_ref().map(|value| value.to_str().unwrap()), header);
    }

    #[test]
    fn the_header_is_dotnets() {
        let at = UnixTime::from_seconds(1_623_820_561);
        check(&Refusal::NoToken, Some("Bearer"));
        check(
            &Refusal::Malformed("x"),
            Some(r#"Bearer error="invalid_token""#),
        );
        check(&Refusal::MissingScope, None);
        check(
            &Refusal::Expired(at),
            Some(
                r#"Bearer error="invalid_token", error_description="The token expired at '06/16/2021 05:16:01'""#,
            ),
        );
        check(
            &Refusal::Lifetime {
                not_before: at,
                expires: UnixTime::from_seconds(0),
            },
            Some(
                r#"Bearer error="invalid_token", error_description="The token lifetime is invalid; NotBefore: '06/16/2021 05:16:01', Expires: '01/01/1970 00:00:00'""#,
            ),
        );
        check(
            &Refusal::Issuer(Some("http://evil.example".into())),
            Some(
                r#"Bearer error="invalid_token", error_description="The issuer 'http://evil.example' is invalid""#,
            ),
        );
    }

    #[test]
    fn a_foreign_issuer_cannot_write_headers() {
        check(
            &Refusal::Issuer(Some("a\"b\\c\r\nx: é".into())),
            Some(
                r#"Bearer error="invalid_token", error_description="The issuer 'a?b?c??x: ?' is invalid""#,
            ),
        );
        let header = Refusal::Issuer(Some("x".repeat(100_000).into()))
            .www_authenticate()
            .unwrap();
        assert!(header.len() < 4096, "{} bytes", header.len());
    }

    #[test]
    fn every_reason_is_listed_once() {
        let at = UnixTime::from_seconds(0);
        let all = [
            Refusal::NoToken,
            Refusal::Malformed(""),
            Refusal::TooLong(0),
            Refusal::KeyNotFound,
            Refusal::Signature,
            Refusal::NoExpiration,
            Refusal::Lifetime {
                not_before: at,
                expires: at,
            },
            Refusal::NotYetValid(at),
            Refusal::Expired(at),
            Refusal::Audience(Audiences::None),
            Refusal::Issuer(None),
            Refusal::NoSubject,
            Refusal::MissingScope,
        ];
        assert_eq!(all.map(|refusal| refusal.reason()), Refusal::REASONS);
    }
}
