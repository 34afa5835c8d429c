//! Signed by the issuer, but for another time, service or person.

use std::fmt::Display;

use jiff::{SignedDuration, civil};
use serde_json::{Value, json};

use super::{Expect, NamedToken, all};
use crate::issuer::Issuer;

pub(super) fn lifetimes(issuer: &Issuer) -> Vec<NamedToken> {
    let base = issuer.draft("alice");
    let draft = || base.clone();
    let at = |seconds| DotnetTime(base.now() + seconds);
    let early = format!("The token is not valid before '{}'", at(3600));
    let expired = |seconds| Expect::because(format!("The token expired at '{}'", at(seconds)));
    let nonsense = |end: DotnetTime| {
        let begin = at(0);
        Expect::because(format!(
            "The token lifetime is invalid; NotBefore: '{begin}', Expires: '{end}'"
        ))
    };
    let over = [
        ("expired", draft().expired().sign()),
        ("expired, no nbf", draft().expired().without("nbf").sign()),
        (
            "expired, for others",
            draft().expired().claim("aud", "chatapi").sign(),
        ),
    ];
    let just_over = draft().lifetime(-7200, -330).sign();
    let endless = draft().without("exp").sign();
    [
        all(&expired(-3600), over),
        all(
            &expired(-330),
            [("expired just beyond the skew", just_over)],
        ),
        all(
            &Expect::because(early),
            [("not yet valid", draft().lifetime(3600, 7200).sign())],
        ),
        all(
            &nonsense(at(-3600)),
            [("exp before nbf", draft().lifetime(0, -3600).sign())],
        ),
        all(
            &nonsense(DotnetTime(0)),
            [("exp negative", draft().claim("exp", -5).sign())],
        ),
        all(
            &Expect::because("The token has no expiration"),
            [("no exp", endless)],
        ),
    ]
    .concat()
}

pub(super) fn issuers_or_audiences(issuer: &Issuer) -> Vec<NamedToken> {
    let draft = || issuer.draft("alice");
    let audience = |found: &str| Expect::because(format!("The audience '{found}' is invalid"));
    let from = |name: &dyn Display| Expect::because(format!("The issuer '{name}' is invalid"));
    let evil = "http://evil.example";
    let line_break = draft().claim("iss", "a\r\nb: \"é\\").sign();
    let others = [
        ("other audience", draft().claim("aud", "chatapi").sign()),
        (
            "audience in other case",
            draft().claim("aud", "PresenceAPI").sign(),
        ),
        (
            "other audience and issuer",
            draft().claim("aud", "x").claim("iss", evil).sign(),
        ),
    ];
    let none = [
        ("no audience", draft().without("aud").sign()),
        ("audience null", draft().claim("aud", Value::Null).sign()),
        (
            "audience is an empty array",
            draft().claim("aud", json!([])).sign(),
        ),
    ];
    [
        all(&audience("(null)"), others),
        all(&audience("empty"), none),
        all(
            &from(&evil),
            [("other issuer", draft().claim("iss", evil).sign())],
        ),
        all(&from(&""), [("no issuer", draft().without("iss").sign())]),
        all(
            &from(&"(null)"),
            [("issuer null", draft().claim("iss", Value::Null).sign())],
        ),
        all(
            &from(&"a??b: ???"),
            [("issuer with a line break (ours)", line_break)],
        ),
    ]
    .concat()
}

pub(super) fn subjects_or_scopes(issuer: &Issuer) -> Vec<NamedToken> {
    let draft = || issuer.draft("alice");
    let scope = |value: Value| draft().claim("scope", value).sign();
    let nobody = [
        ("no sub (ours)", draft().without("sub").sign()),
        ("empty sub (ours)", draft().claim("sub", "").sign()),
        (
            "no sub, no scope (ours)",
            draft().without("sub").without("scope").sign(),
        ),
    ];
    let not_granted = [
        ("no scope", draft().without("scope").sign()),
        ("other scope", scope(json!("openid"))),
        ("scope in other case", scope(json!("PresenceApi"))),
        (
            "scope as part of a word",
            scope(json!("presenceapi2 xpresenceapi")),
        ),
        ("scope as number", scope(json!(5))),
    ];
    [
        all(&Expect::because("The token has no subject"), nobody),
        all(&Expect::Forbidden, not_granted),
    ]
    .concat()
}

/// Seconds since 1970, shown as .NET's invariant culture writes them.
struct DotnetTime(i64);

impl Display for DotnetTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = civil::date(1970, 1, 1).at(0, 0, 0, 0) + SignedDuration::from_secs(self.0);
        write!(f, "{}", at.strftime("%m/%d/%Y %H:%M:%S"))
    }
}
