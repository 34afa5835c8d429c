//! A token taken apart, before anything in it is believed.

mod claims;
mod header;
mod members;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::refusal::Refusal;

pub use self::claims::USER_LENGTH_MAX;
pub(crate) use self::{claims::Claims, header::Header};

/// The longest token that is looked at, in bytes: 16 KiB.
///
/// Tokens with some hundred roles reach 4 KiB, and half of the 32 KiB that Kestrel allows for all headers of a request
/// is more than any client could have sent to the service that this one replaces together with its cookies.
pub const TOKEN_LENGTH_MAX: usize = 16 * 1024;

/// The parts of a signed token (JWS, compact form).
#[derive(Debug)]
pub(crate) struct Token<'a> {
    pub(crate) header: Header,
    pub(crate) claims: Claims,
    /// What was signed: header and payload as they came.
    pub(crate) signing_input: &'a str,
    /// The signature in base64url, empty for a token that is not signed.
    pub(crate) signature: &'a str,
}

impl<'a> Token<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, Refusal> {
        if text.len() > TOKEN_LENGTH_MAX {
            return Err(Refusal::TooLong(text.len()));
        }
        // An encrypted token has five parts; no key for it was ever agreed on.
        let (signing_input, signature) = text
            .rsplit_once('.')
            .ok_or(Refusal::Malformed("not three parts"))?;
        let (header, payload) = signing_input
            .split_once('.')
            .ok_or(Refusal::Malformed("not three parts"))?;
        if payload.contains('.') {
            return Err(Refusal::Malformed("not three parts"));
        }
        let header = json_text(header, "header is not base64url")?;
        let payload = json_text(payload, "payload is not base64url")?;
        Ok(Self {
            header: Header::parse(&header).map_err(Refusal::Malformed)?,
            claims: Claims::parse(&payload).map_err(Refusal::Malformed)?,
            signing_input,
            signature,
        })
    }
}

fn json_text(part: &str, problem: &'static str) -> Result<String, Refusal> {
    let bytes = URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| Refusal::Malformed(problem))?;
    String::from_utf8(bytes).map_err(|_| Refusal::Malformed("not UTF-8"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(header: &str, payload: &str) -> String {
        format!(
            "{}.{}.c2ln",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(payload)
        )
    }

    #[test]
    fn the_parts_are_kept_as_they_came() {
        let text = token(r#"{"alg":"RS256"}"#, "{}");
        let token = Token::parse(&text).unwrap();
        assert_eq!(format!("{}.{}", token.signing_input, token.signature), text);
        assert_eq!(token.signature, "c2ln");
    }

    #[test]
    fn what_is_not_three_parts_is_malformed() {
        for text in ["", "a", "a.b", "..", "...", "a.b.c.d", "a.b.c.d.e"] {
            assert!(
                matches!(Token::parse(text), Err(Refusal::Malformed(_))),
                "{text:?}"
            );
        }
    }

    #[test]
    fn parts_must_be_base64url_of_utf8_without_padding() {
        let ok = URL_SAFE_NO_PAD.encode("{}");
        for part in ["!!!", "e30=", "e3", "e30+", "é", "_w"] {
            assert!(
                matches!(
                    Token::parse(&format!("{part}.{ok}.x")),
                    Err(Refusal::Malformed(_))
                ),
                "header {part:?}"
            );
            assert!(
                matches!(
                    Token::parse(&format!("{ok}.{part}.x")),
                    Err(Refusal::Malformed(_))
                ),
                "payload {part:?}"
            );
        }
        assert!(Token::parse(&format!("{ok}.{ok}.x")).is_ok());
    }

    #[test]
    fn a_long_token_is_not_looked_at() {
        let text = "a".repeat(TOKEN_LENGTH_MAX + 1);
        assert_eq!(
            Token::parse(&text).unwrap_err(),
            Refusal::TooLong(TOKEN_LENGTH_MAX + 1)
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _answer = Token::parse(&text);
        }

        #[test]
        fn no_json_makes_it_panic(header in json(), payload in json()) {
            let _answer = Token::parse(&token(&header, &payload));
        }
    }

    /// Objects with the names that matter and values that should not be there.
    fn json() -> impl Strategy<Value = String> {
        let name = prop_oneof![
            Just("alg"),
            Just("kid"),
            Just("crit"),
            Just("exp"),
            Just("nbf"),
            Just("iat"),
            Just("iss"),
            Just("aud"),
            Just("sub"),
            Just("scope"),
            Just("scp"),
            Just("x")
        ];
        let value = prop_oneof![
            any::<i64>().prop_map(|number| number.to_string()),
            any::<f64>().prop_map(|number| number.to_string()),
            Just("1e999".to_owned()),
            ".*".prop_map(|text| format!("{text:?}")),
            Just("null".to_owned()),
            Just("[[[[{}]]]]".to_owned()),
            Just(r#"["a",null,5]"#.to_owned()),
        ];
        proptest::collection::vec((name, value), 0..8).prop_map(|members| {
            let members: Vec<_> = members
                .iter()
                .map(|(name, value)| format!("\"{name}\":{value}"))
                .collect();
            format!("{{{}}}", members.join(","))
        })
    }
}
