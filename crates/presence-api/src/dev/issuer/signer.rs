//! A key that is made at the start and never leaves the process.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// Signs with ES256: a key on a curve is made in no time, one for RSA would hold up every start.
pub(super) struct Signer {
    pair: EcdsaKeyPair,
    /// The key's name: a part of its public half, so that a restarted process is seen to have another key.
    id: String,
}

impl Signer {
    pub(super) fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .expect("the machine has random numbers");
        let id = URL_SAFE_NO_PAD.encode(coordinates(&pair).0.get(..NAME_BYTES).unwrap_or_default());
        Self { pair, id }
    }

    /// The public half as a JSON web key.
    pub(super) fn public(&self) -> Value {
        let (x, y) = coordinates(&self.pair);
        json!({
            "kty": "EC",
            "crv": "P-256",
            "x": URL_SAFE_NO_PAD.encode(x),
            "y": URL_SAFE_NO_PAD.encode(y),
            "kid": self.id,
            "use": "sig",
            "alg": "ES256",
        })
    }

    /// A token with these claims.
    pub(super) fn sign(&self, claims: &Value) -> String {
        let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": self.id });
        let input = format!("{}.{}", encoded(&header), encoded(claims));
        let signature = self
            .pair
            .sign(&SystemRandom::new(), input.as_bytes())
            .expect("ES256 signs anything");
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// Both coordinates of the public point, of 32 bytes each, after a byte that says "uncompressed".
fn coordinates(pair: &EcdsaKeyPair) -> (&[u8], &[u8]) {
    pair.public_key()
        .as_ref()
        .get(1..)
        .unwrap_or_default()
        .split_at_checked(32)
        .unwrap_or_default()
}

/// 72 bits: more than enough that two starts of one machine never agree.
const NAME_BYTES: usize = 9;
