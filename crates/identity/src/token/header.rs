//! The header of a token: which key, which algorithm.

use jsonwebtoken::Algorithm;

use super::members::Members;

/// What a token's header is asked for.
///
/// `jku`, `jwk`, `x5u` and `x5c` would let the token bring its own key. They are not even read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// The algorithm, if it is one of those that are allowed.
    pub(crate) algorithm: Option<Algorithm>,
    /// The name of the key.
    pub(crate) key_id: Option<String>,
}

impl Header {
    pub(super) fn parse(json: &str) -> Result<Self, &'static str> {
        let members = Members::parse(json)?;
        if members.contains("crit") {
            return Err("a critical header is not understood");
        }
        members.text("typ")?;
        Ok(Self {
            algorithm: members.text("alg")?.as_deref().and_then(allowed_algorithm),
            key_id: members.text("kid")?.filter(|id| !id.is_empty()),
        })
    }
}

/// Only algorithms with a public and a private half: with a shared secret (`HS256`) whoever can check could also sign,
/// and with the public key taken for a secret, anybody could.
fn allowed_algorithm(name: &str) -> Option<Algorithm> {
    Some(match name {
        "RS256" => Algorithm::RS256,
        "RS384" => Algorithm::RS384,
        "RS512" => Algorithm::RS512,
        "PS256" => Algorithm::PS256,
        "PS384" => Algorithm::PS384,
        "PS512" => Algorithm::PS512,
        "ES256" => Algorithm::ES256,
        "ES384" => Algorithm::ES384,
        "EdDSA" => Algorithm::EdDSA,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn algorithm(json: &str) -> Option<Algorithm> {
        Header::parse(json).unwrap().algorithm
    }

    #[test]
    fn only_algorithms_with_two_halves_are_known() {
        for name in [
            "none", "None", "HS256", "HS384", "HS512", "rs256", "ES256K", "ES512", "", "RSA-OAEP",
        ] {
            assert_eq!(algorithm(&format!(r#"{{"alg":"{name}"}}"#)), None, "{name}");
        }
        assert_eq!(algorithm("{}"), None);
        assert_eq!(algorithm(r#"{"alg":"PS384"}"#), Some(Algorithm::PS384));
    }

    #[test]
    fn an_empty_key_name_is_none() {
        assert_eq!(Header::parse(r#"{"kid":""}"#).unwrap().key_id, None);
        assert_eq!(Header::parse(r#"{"kid":null}"#).unwrap().key_id, None);
        assert_eq!(
            Header::parse(r#"{"kid":"k1"}"#).unwrap().key_id.as_deref(),
            Some("k1")
        );
    }

    #[test]
    fn wrong_types_and_critical_headers_are_refused() {
        for json in [
            r#"{"alg":5}"#,
            r#"{"kid":5}"#,
            r#"{"typ":5}"#,
            r#"{"crit":["exp"]}"#,
            r#"{"kid":"a","kid":"b"}"#,
        ] {
            assert!(Header::parse(json).is_err(), "{json}");
        }
    }
}
