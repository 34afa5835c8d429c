//! What is no token at all.

use super::{Expect, NamedToken, all};
use crate::issuer::{Issuer, base64url};

pub(super) fn tokens(issuer: &Issuer) -> Vec<NamedToken> {
    let none = NamedToken {
        name: "none",
        token: None,
        expect: Expect::challenge(),
    };
    let empty = issuer.draft("alice").payload("{}").sign();
    [
        vec![none],
        all(&Expect::challenge(), [("empty", String::new())]),
        all(&Expect::invalid(), parts(issuer)),
        all(&Expect::invalid(), payloads(issuer)),
        all(
            &Expect::because("The token has no expiration"),
            [("payload is empty", empty)],
        ),
    ]
    .concat()
}

fn parts(issuer: &Issuer) -> Vec<(&'static str, String)> {
    let good = issuer.token("alice");
    let (input, signature) = good.rsplit_once('.').unwrap_or_default();
    let (header, payload) = input.split_once('.').unwrap_or_default();
    let with_header = |json: &str| format!("{}.{payload}.{signature}", base64url(json));
    let encrypted = base64url(r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#);
    vec![
        ("garbage", "abc.def.ghi".to_owned()),
        ("a word", "abc".to_owned()),
        ("dots", "..".to_owned()),
        ("two parts", input.to_owned()),
        ("four parts", format!("{good}.x")),
        ("encrypted", format!("{encrypted}.a.b.c.d")),
        ("header is no JSON", with_header("xx")),
        ("header is an array", with_header("[]")),
        ("payload is no base64", format!("{header}.!!!.{signature}")),
        ("1 MB of dots", ".".repeat(1 << 20)),
    ]
}

fn payloads(issuer: &Issuer) -> Vec<(&'static str, String)> {
    let draft = || issuer.draft("alice");
    let claims = draft().payload_text();
    // Nine thousand levels: a reader that calls itself for each would run out of stack.
    let deep = claims.replacen('{', &format!(r#"{{"exp":{}"#, "[".repeat(9000)), 1);
    vec![
        ("payload is an array", draft().payload("[1]").sign()),
        (
            "payload with a comment",
            draft().payload(format!("/*x*/{claims}")).sign(),
        ),
        ("deep", draft().payload(deep).sign()),
        ("1 MB", draft().claim("roles", "x".repeat(786_432)).sign()),
    ]
}
