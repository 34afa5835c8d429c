//! Where keys come from.

use std::{fmt, future::Future, pin::Pin, time::Duration};

use serde_json::Value;

/// A fetch under way.
pub type FetchFuture<'a> =
    Pin<Box<dyn Future<Output = Result<IssuerDocuments, FetchError>> + Send + 'a>>;

/// Where the issuer's documents come from: HTTP in service, something else in tests.
pub trait KeySource: fmt::Debug + Send + Sync {
    /// Gets the issuer's name and keys as they are now.
    fn fetch(&self) -> FetchFuture<'_>;
}

/// What an issuer says about itself.
#[derive(Debug, Clone, Default)]
pub struct IssuerDocuments {
    /// `issuer` of the discovery document.
    pub issuer: Option<String>,
    /// `keys` of the key set: JSON web keys, unchecked.
    pub keys: Vec<Value>,
}

/// Why an issuer's keys could not be had. Each text names the address that was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Nobody answered, or the connection broke.
    #[error("{url}: no answer: {problem}")]
    Unreachable {
        /// The address that was asked.
        url: String,
        /// What the network said.
        problem: String,
    },
    /// It took too long.
    #[error("no complete answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// The answer's status is not 200.
    #[error("{url}: answered {status}")]
    Status {
        /// The address that was asked.
        url: String,
        /// The status of the answer.
        status: u16,
    },
    /// The answer is too long or broke off.
    #[error("{url}: the answer is longer than {limit} bytes or broke off")]
    Body {
        /// The address that was asked.
        url: String,
        /// The greatest length in bytes.
        limit: usize,
    },
    /// The answer is not the document that was asked for.
    #[error("{url}: not the expected document: {problem}")]
    Document {
        /// The address that was asked.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The issuer names an address that must not be asked.
    #[error("{url}: the issuer's address for its keys is no absolute address or not https")]
    Address {
        /// The address that was named.
        url: String,
    },
    /// No key in the set can be used.
    #[error("the issuer has no usable key")]
    NoUsableKey,
}
