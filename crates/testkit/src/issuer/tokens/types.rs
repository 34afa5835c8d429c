//! Members of the wrong JSON type, or twice.

use serde_json::{Value, json};

use super::{Expect, NamedToken, all};
use crate::issuer::Issuer;

pub(super) fn tokens(issuer: &Issuer) -> Vec<NamedToken> {
    let header = |name: &str| issuer.draft("alice").header(name, 5).sign();
    let headers = [
        ("kid as number", header("kid")),
        ("alg as number", header("alg")),
    ];
    let invalid = Expect::invalid();
    [
        all(&invalid, twice(issuer)),
        all(&invalid, times(issuer)),
        all(&invalid, names(issuer)),
        all(&invalid, headers),
    ]
    .concat()
}

type Named = (&'static str, String);

fn twice(issuer: &Issuer) -> Vec<Named> {
    let draft = issuer.draft("alice");
    let claims = draft.payload_text();
    let with = |member: &str| {
        let claims = claims.replacen('{', &format!("{{{member},"), 1);
        draft.clone().payload(claims).sign()
    };
    vec![
        ("sub twice (ours)", with(r#""sub":"bob""#)),
        ("exp twice (ours)", with(r#""exp":9999999999"#)),
        ("aud twice (ours)", with(r#""aud":"x""#)),
        ("any claim twice (ours)", with(r#""x":1,"x":2"#)),
        (
            "sub twice, spelled differently (ours)",
            with(r#""s\u0075b":"bob""#),
        ),
    ]
}

fn times(issuer: &Issuer) -> Vec<Named> {
    let claim = |name: &str, value: Value| issuer.draft("alice").claim(name, value).sign();
    vec![
        ("exp as text", claim("exp", json!("soon"))),
        (
            "exp as number in quotes (ours)",
            claim("exp", json!("9999999999")),
        ),
        ("exp null", claim("exp", Value::Null)),
        ("exp beyond all bounds", claim("exp", json!(1e300))),
        ("nbf as array", claim("nbf", json!([1]))),
        ("nbf null", claim("nbf", Value::Null)),
        ("iat as text", claim("iat", json!("x"))),
    ]
}

fn names(issuer: &Issuer) -> Vec<Named> {
    let claim = |name: &str, value: Value| issuer.draft("alice").claim(name, value).sign();
    vec![
        ("iss as array", claim("iss", json!([issuer.url()]))),
        ("aud as number", claim("aud", json!(7))),
        (
            "aud array with a number",
            claim("aud", json!(["presenceapi", 5])),
        ),
        ("sub as array", claim("sub", json!(["alice"]))),
        ("sub as object", claim("sub", json!({ "id": "alice" }))),
        ("sub as number (ours)", claim("sub", json!(5))),
        ("sub of 4 kB (ours)", claim("sub", json!("x".repeat(4096)))),
    ]
}
