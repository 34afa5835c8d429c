//! Not signed, or not by the issuer.

use serde_json::json;

use super::{Expect, NamedToken, all};
use crate::issuer::{Issuer, Kind, SigningKey, base64url};

pub(super) fn unsigned_or_wrongly(issuer: &Issuer) -> Vec<NamedToken> {
    let draft = || issuer.draft("alice");
    let no_kid = || draft().without_header("kid");
    let unsigned = [
        ("alg none", draft().unsigned()),
        ("alg none, no kid", no_kid().unsigned()),
        ("alg none, signed", draft().header("alg", "none").sign()),
        ("HS256 with the public key", draft().sign_with_public_key()),
        (
            "alg HS256 in the header",
            draft().header("alg", "HS256").sign(),
        ),
        (
            "alg in small letters",
            draft().header("alg", "rs256").sign(),
        ),
        (
            "alg of another family",
            draft().header("alg", "ES256").sign(),
        ),
        ("no alg", draft().without_header("alg").sign()),
    ];
    let secret = [(
        "HS256 with the public key, no kid",
        no_kid().sign_with_public_key(),
    )];
    let critical = [(
        "critical header (ours)",
        draft().header("crit", json!(["exp"])).sign(),
    )];
    [
        all(&wrong(), unsigned),
        all(&wrong(), tampered(issuer)),
        all(&no_key(), secret),
        all(&Expect::invalid(), critical),
    ]
    .concat()
}

fn tampered(issuer: &Issuer) -> Vec<(&'static str, String)> {
    let draft = || issuer.draft("alice");
    let good = draft().sign();
    let (input, signature) = good.rsplit_once('.').unwrap_or_default();
    let (header, _) = input.split_once('.').unwrap_or_default();
    let mallory = base64url(draft().claim("sub", "mallory").payload_text());
    let kept = &good[..good.len() - 8];
    let expired = draft().expired().sign();
    vec![
        ("signature cut off", format!("{input}.")),
        ("tampered signature", format!("{kept}AAAAAAAA")),
        ("signature too short", kept.to_owned()),
        ("signature with other letters", format!("{kept}!!!!!!!!")),
        (
            "tampered payload",
            format!("{header}.{mallory}.{signature}"),
        ),
        (
            "tampered and expired",
            format!("{}AAAAAAAA", &expired[..expired.len() - 8]),
        ),
    ]
}

/// By a key that is not the issuer's, with more and more said about it.
pub(super) fn foreign(issuer: &Issuer) -> Vec<NamedToken> {
    let key = SigningKey::generate(Kind::Rs256, "foreign");
    let draft = || issuer.draft("alice").key(&key);
    let evil = || format!("{}/evil", issuer.url());
    let under_a_known_name = [
        ("foreign key, known kid", draft().sign()),
        (
            "foreign key in jwk, known kid",
            draft().header("jwk", key.public()).sign(),
        ),
        (
            "foreign key by jku, known kid",
            draft().header("jku", evil()).sign(),
        ),
        (
            "foreign key by x5u, known kid",
            draft().header("x5u", evil()).sign(),
        ),
    ];
    let own = || draft().header("kid", key.id());
    let under_its_own = [
        ("foreign key, no kid", draft().without_header("kid").sign()),
        ("foreign key, unknown kid", own().sign()),
        (
            "foreign key in jwk, unknown kid",
            own().header("jwk", key.public()).sign(),
        ),
        (
            "foreign key by jku, unknown kid",
            own().header("jku", evil()).sign(),
        ),
        (
            "foreign key by x5u, unknown kid",
            own().header("x5u", evil()).sign(),
        ),
    ];
    [
        all(&wrong(), under_a_known_name),
        all(&no_key(), under_its_own),
    ]
    .concat()
}

fn wrong() -> Expect {
    Expect::because("The signature is invalid")
}

fn no_key() -> Expect {
    Expect::because("The signature key was not found")
}
