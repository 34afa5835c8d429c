//! One public key as issuers publish it (RFC 7517), made ready for use.

use aws_lc_rs::signature::{
    self, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents, VerificationAlgorithm,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde_json::Value;

/// A key that can check signatures.
///
/// What can be computed of a key alone is computed once.
#[derive(Debug)]
pub(super) struct Key {
    id: Option<Box<str>>,
    /// The algorithms that it may be used with, and the key as each takes it.
    checks: Vec<(Algorithm, ParsedPublicKey)>,
}

/// Why a key of an issuer is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    #[error("a member is missing or has the wrong type")]
    Shape,
    #[error("it is not for signatures")]
    Use,
    #[error("its type or curve is not supported")]
    Kind,
    #[error("its numbers are not base64url or have the wrong size")]
    Numbers,
    #[error("it is shorter than 2,048 bits")]
    Short,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Key {
    pub(super) fn new(value: &Value) -> Result<Self, Unusable> {
        let jwk = Jwk::deserialize(value).map_err(|_| Unusable::Shape)?;
        // RSA-OAEP and its kin: a key for encryption whose issuer left `use` out. Beyond that .NET does not hold a key
        // to its `alg`, and issuers that sign with PS256 under a key of RS256 exist.
        let encrypts = jwk
            .alg
            .as_deref()
            .is_some_and(|name| name.starts_with("RSA-OAEP") || name == "RSA1_5");
        if encrypts
            || jwk
                .purpose
                .as_deref()
                .is_some_and(|purpose| purpose != "sig")
        {
            return Err(Unusable::Use);
        }
        let checks = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => rsa(&jwk)?,
            ("EC", Some("P-256")) => {
                let how = &signature::ECDSA_P256_SHA256_FIXED;
                elliptic(&jwk, 32, Algorithm::ES256, how)?
            }
            ("EC", Some("P-384")) => {
                let how = &signature::ECDSA_P384_SHA384_FIXED;
                elliptic(&jwk, 48, Algorithm::ES384, how)?
            }
            ("OKP", Some("Ed25519")) => edwards(&jwk)?,
            _ => return Err(Unusable::Kind),
        };
        Ok(Self {
            id: jwk.kid.filter(|id| !id.is_empty()).map(Into::into),
            checks,
        })
    }

    pub(super) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Whether this key made a signature (base64url) with this algorithm.
    pub(super) fn fits(&self, algorithm: Algorithm, message: &str, signature: &str) -> bool {
        let mut checks = self.checks.iter();
        let Some((_, key)) = checks.find(|(of, _)| *of == algorithm) else {
            return false;
        };
        let signature = URL_SAFE_NO_PAD.decode(signature);
        signature.is_ok_and(|signature| key.verify_sig(message.as_bytes(), &signature).is_ok())
    }
}

/// A name for the log.
pub(super) fn name(value: &Value) -> &str {
    value
        .get("kid")
        .and_then(Value::as_str)
        .unwrap_or("(no kid)")
}

type Checks = Result<Vec<(Algorithm, ParsedPublicKey)>, Unusable>;

fn rsa(jwk: &Jwk) -> Checks {
    let (modulus, exponent) = (bytes(jwk.n.as_deref())?, bytes(jwk.e.as_deref())?);
    let significant = modulus.iter().skip_while(|&&byte| byte == 0).count();
    // 2,048 bits is the least that RFC 7518 allows, 8,192 the most that the verifier takes.
    match significant {
        ..RSA_BYTES_MIN => Err(Unusable::Short),
        RSA_BYTES_MIN..=RSA_BYTES_MAX
            if !exponent.is_empty() && exponent.len() <= EXPONENT_BYTES_MAX =>
        {
            // Some issuers write the sign byte of the ASN.1 number as well; the verifier wants the bare number.
            let bare = modulus
                .get(modulus.len() - significant..)
                .ok_or(Unusable::Numbers)?;
            let components = RsaPublicKeyComponents {
                n: bare,
                e: &exponent[..],
            };
            let check = |(algorithm, parameters): (Algorithm, &'static RsaParameters)| {
                let key = components.to_parsed_public_key(parameters);
                key.map(|key| (algorithm, key))
                    .map_err(|_| Unusable::Numbers)
            };
            RSA_ALGORITHMS.into_iter().map(check).collect()
        }
        _ => Err(Unusable::Numbers),
    }
}

fn elliptic(
    jwk: &Jwk,
    size: usize,
    algorithm: Algorithm,
    how: &'static dyn VerificationAlgorithm,
) -> Checks {
    let (x, y) = (bytes(jwk.x.as_deref())?, bytes(jwk.y.as_deref())?);
    if x.len() != size || y.len() != size {
        return Err(Unusable::Numbers);
    }
    let point = [&[UNCOMPRESSED][..], &x, &y].concat();
    one(algorithm, how, &point)
}

fn edwards(jwk: &Jwk) -> Checks {
    let x = bytes(jwk.x.as_deref())?;
    if x.len() != 32 {
        return Err(Unusable::Numbers);
    }
    one(Algorithm::EdDSA, &signature::ED25519, &x)
}

fn one(algorithm: Algorithm, how: &'static dyn VerificationAlgorithm, key: &[u8]) -> Checks {
    let key = ParsedPublicKey::new(how, key).map_err(|_| Unusable::Numbers)?;
    Ok(vec![(algorithm, key)])
}

fn bytes(number: Option<&str>) -> Result<Vec<u8>, Unusable> {
    URL_SAFE_NO_PAD
        .decode(number.ok_or(Unusable::Shape)?)
        .map_err(|_| Unusable::Numbers)
}

const RSA_ALGORITHMS: [(Algorithm, &RsaParameters); 6] = [
    (Algorithm::RS256, &signature::RSA_PKCS1_2048_8192_SHA256),
    (Algorithm::RS384, &signature::RSA_PKCS1_2048_8192_SHA384),
    (Algorithm::RS512, &signature::RSA_PKCS1_2048_8192_SHA512),
    (Algorithm::PS256, &signature::RSA_PSS_2048_8192_SHA256),
    (Algorithm::PS384, &signature::RSA_PSS_2048_8192_SHA384),
    (Algorithm::PS512, &signature::RSA_PSS_2048_8192_SHA512),
];

/// The first byte of a point of which both coordinates follow (SEC 1, 2.3.3).
const UNCOMPRESSED: u8 = 4;

const RSA_BYTES_MIN: usize = 2048 / 8;
const RSA_BYTES_MAX: usize = 8192 / 8;
/// 65,537 has three bytes; more than eight only make verification slow.
const EXPONENT_BYTES_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn number(bytes: usize) -> String {
        URL_SAFE_NO_PAD.encode(vec![0xA5; bytes])
    }

    #[track_caller]
    fn check(value: &Value, wanted: Result<Algorithm, Unusable>) {
        let first = Key::new(value).map(|key| key.checks[0].0);
        assert_eq!(first, wanted, "{value}");
    }

    /// The base points of the curves (FIPS 186, D.1.2).
    fn p256() -> Value {
        let x = "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY";
        let y = "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU";
        json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y })
    }

    fn p384() -> Value {
        let x = "qofKIr6LBTeOscce8yCtdG4dO2KLp5uYWfdB4IJUKjhVAvJdv1UpbDpUXjhydgq3";
        let y = "NhfeSpYmLG9dnpi_kpLcKfj0Hb0omhR86doxE7XwuMAKYLHOHX6BnXpDHXyQ6g5f";
        json!({ "kty": "EC", "crv": "P-384", "x": x, "y": y })
    }

    #[test]
    fn four_kinds_of_key_are_usable() {
        check(
            &json!({ "kty": "RSA", "n": number(256), "e": "AQAB", "use": "sig", "alg": "RS256" }),
            Ok(Algorithm::RS256),
        );
        check(&p256(), Ok(Algorithm::ES256));
        check(&p384(), Ok(Algorithm::ES384));
        check(
            &json!({ "kty": "OKP", "crv": "Ed25519", "x": number(32) }),
            Ok(Algorithm::EdDSA),
        );
    }

    #[test]
    fn keys_for_encryption_are_not_used() {
        check(
            &json!({ "kty": "RSA", "n": number(256), "e": "AQAB", "use": "enc" }),
            Err(Unusable::Use),
        );
        check(
            &json!({ "kty": "RSA", "n": number(256), "e": "AQAB", "use": "SIG" }),
            Err(Unusable::Use),
        );
        check(
            &json!({ "kty": "RSA", "n": number(256), "e": "AQAB", "alg": "RSA-OAEP-256" }),
            Err(Unusable::Use),
        );
    }

    #[test]
    fn unusable_keys_say_why() {
        check(
            &json!({ "kty": "oct", "k": "c2VjcmV0" }),
            Err(Unusable::Kind),
        );
        check(
            &json!({ "kty": "EC", "crv": "P-521", "x": number(66), "y": number(66) }),
            Err(Unusable::Kind),
        );
        check(&json!({ "kty": "AKP", "pub": "AA" }), Err(Unusable::Kind));
        check(
            &json!({ "kty": "RSA", "n": number(128), "e": "AQAB" }),
            Err(Unusable::Short),
        );
        check(
            &json!({ "kty": "RSA", "n": number(4096), "e": "AQAB" }),
            Err(Unusable::Numbers),
        );
        check(
            &json!({ "kty": "RSA", "n": number(256), "e": "" }),
            Err(Unusable::Numbers),
        );
        check(
            &json!({ "kty": "RSA", "n": number(256) }),
            Err(Unusable::Shape),
        );
        check(
            &json!({ "kty": "RSA", "n": "!", "e": "AQAB" }),
            Err(Unusable::Numbers),
        );
        check(
            &json!({ "kty": "EC", "crv": "P-256", "x": number(31), "y": number(32) }),
            Err(Unusable::Numbers),
        );
        // No point of the curve.
        check(
            &json!({ "kty": "EC", "crv": "P-256", "x": number(32), "y": number(32) }),
            Err(Unusable::Numbers),
        );
        check(
            &json!({ "kty": "RSA", "kid": 5, "n": number(256), "e": "AQAB" }),
            Err(Unusable::Shape),
        );
        check(&json!("x"), Err(Unusable::Shape));
    }

    #[test]
    fn a_leading_zero_of_the_modulus_does_not_count() {
        let padded = URL_SAFE_NO_PAD.encode([vec![0], vec![0xA5; 256]].concat());
        check(
            &json!({ "kty": "RSA", "n": padded, "e": "AQAB" }),
            Ok(Algorithm::RS256),
        );
        let short = URL_SAFE_NO_PAD.encode([vec![0; 200], vec![0xA5; 100]].concat());
        check(
            &json!({ "kty": "RSA", "n": short, "e": "AQAB" }),
            Err(Unusable::Short),
        );
    }

    proptest! {
        #[test]
        fn no_signature_makes_it_panic(signature in any::<String>(), bytes in any::<Vec<u8>>()) {
            let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
            let keys = [
                json!({ "kty": "RSA", "n": number(256), "e": "AQAB" }),
                p256(),
                p384(),
                json!({ "kty": "OKP", "crv": "Ed25519", "x": x }),
            ];
            for (key, algorithm) in keys.iter().flat_map(|key| ALGORITHMS.map(|algorithm| (key, algorithm))) {
                let key = Key::new(key).unwrap();
                for signature in [&signature, &URL_SAFE_NO_PAD.encode(&bytes)] {
                    prop_assert!(!key.fits(algorithm, "message", signature));
                }
            }
        }
    }

    const ALGORITHMS: [Algorithm; 5] = [
        Algorithm::RS256,
        Algorithm::PS512,
        Algorithm::ES256,
        Algorithm::ES384,
        Algorithm::EdDSA,
    ];
}
