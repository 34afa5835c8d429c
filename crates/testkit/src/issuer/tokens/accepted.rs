//! Tokens that are let in.

use serde_json::json;

use super::{Expect, NamedToken, all};
use crate::issuer::{Draft, Issuer, Kind};

pub(super) fn tokens(issuer: &Issuer) -> Vec<NamedToken> {
    let base = issuer.draft("alice");
    let drafts = times(&base)
        .into_iter()
        .chain(names(&base, issuer))
        .chain(scopes(&base))
        .chain(keys(&base, issuer));
    all(
        &Expect::Accepted,
        drafts.map(|(name, draft)| (name, draft.sign())),
    )
}

type Named = (&'static str, Draft);

fn times(base: &Draft) -> Vec<Named> {
    let draft = || base.clone();
    vec![
        ("good", draft()),
        ("expired within the skew", draft().lifetime(-7200, -60)),
        ("not yet valid within the skew", draft().lifetime(60, 3600)),
        ("without nbf and iat", draft().without("nbf").without("iat")),
        ("exp with a fraction", draft().claim("exp", 4_000_000_000.5)),
    ]
}

fn names(base: &Draft, issuer: &Issuer) -> Vec<Named> {
    let draft = || base.clone();
    let with_slash = format!("{}/", issuer.url());
    let long = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier";
    vec![
        (
            "several audiences",
            draft().claim("aud", json!(["chatapi", "presenceapi"])),
        ),
        (
            "audience with a last slash",
            draft().claim("aud", "presenceapi/"),
        ),
        (
            "issuer with a last slash (ours)",
            draft().claim("iss", with_slash),
        ),
        ("nameid", draft().without("sub").claim("nameid", "alice")),
        (
            "long name identifier",
            draft().without("sub").claim(long, "alice"),
        ),
    ]
}

fn scopes(base: &Draft) -> Vec<Named> {
    let scope = |value| base.clone().claim("scope", value);
    vec![
        (
            "scope among others",
            scope(json!("openid presenceapi email")),
        ),
        (
            "scope as array, ours first",
            scope(json!(["presenceapi", "openid"])),
        ),
        (
            "scope as array, ours second (ours)",
            scope(json!(["openid", "presenceapi"])),
        ),
        (
            "scp (ours)",
            base.clone().without("scope").claim("scp", "presenceapi"),
        ),
    ]
}

fn keys(base: &Draft, issuer: &Issuer) -> Vec<Named> {
    let draft = || base.clone();
    let elliptic = issuer.add_key(Kind::Es256);
    let other = draft()
        .header("alg", "ES256")
        .header("kid", elliptic.id())
        .key(&elliptic);
    vec![
        ("no kid", draft().without_header("kid")),
        ("unknown kid, known key", draft().header("kid", "other")),
        ("another algorithm", other),
        ("other type", draft().header("typ", "JWT")),
        ("fat", draft().claim("roles", "x".repeat(6000))),
    ]
}
