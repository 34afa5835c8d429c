//! The issuer's public keys, and the question whether one of them made a signature.

pub(crate) mod http_source;
pub(crate) mod source;
pub(crate) mod store;

use aws_lc_rs::digest::{Context, SHA256};
use jsonwebtoken::Algorithm;

use self::{jwk::Key, source::IssuerDocuments};
use crate::token::Token;

mod jwk;

/// The usable keys of an issuer, as they were fetched together.
#[derive(Debug)]
pub(crate) struct KeySet {
    /// The issuer's name in its discovery document.
    pub(crate) issuer: Option<Box<str>>,
    keys: Vec<Key>,
    fingerprint: [u8; 32],
}

/// What a key set says about a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signature {
    /// A key of the set made it.
    Fits,
    /// There is no signature, or the key that the header names did not make it.
    Wrong,
    /// The header names no key of the set, and none made it.
    NoKey,
}

impl KeySet {
    /// Takes the usable keys out of the issuer's documents; none if there are none.
    pub(crate) fn new(documents: &IssuerDocuments) -> Option<Self> {
        let mut fingerprint = Context::new(&SHA256);
        fingerprint.update(documents.issuer.as_deref().unwrap_or_default().as_bytes());
        let mut keys = Vec::new();
        for value in &documents.keys {
            fingerprint.update(value.to_string().as_bytes());
            match Key::new(value) {
                _ if keys.len() == KEYS_MAX => {
                    tracing::warn!(
                        limit = KEYS_MAX,
                        "the issuer has too many keys, the rest is not used"
                    );
                    break;
                }
                Ok(key) => keys.push(key),
                Err(unusable) => {
                    tracing::warn!(key = %jwk::name(value), reason = %unusable, "issuer key skipped")
                }
            }
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(fingerprint.finish().as_ref());
        let issuer = documents.issuer.as_deref().map(Into::into);
        (!keys.is_empty()).then_some(Self {
            issuer,
            keys,
            fingerprint: digest,
        })
    }

    /// Whether two sets came from the same documents.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Judges a token's signature as .NET does: by the key that is named, else by all.
    pub(crate) fn judge(&self, token: &Token<'_>) -> Signature {
        if token.signature.is_empty() {
            return Signature::Wrong;
        }
        let is_named =
            |key: &&Key| key.id().is_some() && key.id() == token.header.key_id.as_deref();
        let mut named = self.keys.iter().filter(is_named).peekable();
        if named.peek().is_some() {
            return if fits_any(named, token) {
                Signature::Fits
            } else {
                Signature::Wrong
            };
        }
        if fits_any(self.keys.iter(), token) {
            Signature::Fits
        } else {
            Signature::NoKey
        }
    }
}

fn fits_any<'a>(mut keys: impl Iterator<Item = &'a Key>, token: &Token<'_>) -> bool {
    let algorithm: Option<Algorithm> = token.header.algorithm;
    algorithm.is_some_and(|algorithm| {
        keys.any(|key| key.fits(algorithm, token.signing_input, token.signature))
    })
}

/// Keys of one issuer that are used. Issuers publish two or three; a token without a key name is tried with each, at
/// some 50 µs, so that 32 bound what a stranger's token can cost to below 2 ms.
const KEYS_MAX: usize = 32;
