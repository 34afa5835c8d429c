//! Good and bad tokens by name, with the answer that each deserves.
//!
//! The answers are ASP.NET Core 10's, recorded, but for those marked as ours.

mod accepted;
mod claims;
mod shapes;
mod signatures;
mod types;

use std::fmt;

use super::Issuer;

/// Tokens that are let in, all for `alice`. Adds an ES256 key to the issuer.
pub fn accepted_tokens(issuer: &Issuer) -> Vec<NamedToken> {
    accepted::tokens(issuer)
}

/// Tokens that are refused, and the want of one.
///
/// None of them may make a service fall over, be slow, or say 500.
pub fn hostile_tokens(issuer: &Issuer) -> Vec<NamedToken> {
    [
        shapes::tokens(issuer),
        claims::lifetimes(issuer),
        claims::issuers_or_audiences(issuer),
        claims::subjects_or_scopes(issuer),
        signatures::unsigned_or_wrongly(issuer),
        signatures::foreign(issuer),
        types::tokens(issuer),
    ]
    .concat()
}

/// A token with the answer that it deserves.
#[derive(Clone)]
pub struct NamedToken {
    /// What is special about it.
    pub name: &'static str,
    /// The token; none if nothing is to be presented.
    pub token: Option<String>,
    /// What the service must answer.
    pub expect: Expect,
}

impl NamedToken {
    /// Whether no HTTP server has to take it: Kestrel answers 431 to more than 32 KiB of headers, and so may we.
    pub fn is_oversized(&self) -> bool {
        self.token
            .as_ref()
            .is_some_and(|token| token.len() > 32 * 1024)
    }
}

/// What a service must answer to a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// Lets in.
    Accepted,
    /// 401 and gRPC `UNAUTHENTICATED`, with this `WWW-Authenticate`.
    Unauthenticated(String),
    /// 403 and gRPC `PERMISSION_DENIED`, without that header.
    Forbidden,
}

impl Expect {
    /// 401 with the bare scheme: nothing was presented.
    fn challenge() -> Self {
        Self::Unauthenticated("Bearer".to_owned())
    }

    /// 401 without a description.
    fn invalid() -> Self {
        Self::Unauthenticated(r#"Bearer error="invalid_token""#.to_owned())
    }

    /// 401 with a description.
    fn because(description: impl fmt::Display) -> Self {
        Self::Unauthenticated(format!(
            r#"Bearer error="invalid_token", error_description="{description}""#
        ))
    }

    /// The HTTP status, 200 standing for any success.
    pub fn status(&self) -> u16 {
        match self {
            Self::Accepted => 200,
            Self::Unauthenticated(_) => 401,
            Self::Forbidden => 403,
        }
    }

    /// The `WWW-Authenticate` header.
    pub fn www_authenticate(&self) -> Option<&str> {
        match self {
            Self::Unauthenticated(header) => Some(header),
            Self::Accepted | Self::Forbidden => None,
        }
    }

    /// The number of the gRPC status.
    pub fn grpc_code(&self) -> i32 {
        match self {
            Self::Accepted => 0,
            Self::Forbidden => 7,
            Self::Unauthenticated(_) => 16,
        }
    }
}

impl fmt::Debug for NamedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamedToken")
            .field("name", &self.name)
            .field("expect", &self.expect)
            .finish_non_exhaustive()
    }
}

/// Tokens that deserve the same answer.
fn all(
    expect: &Expect,
    tokens: impl IntoIterator<Item = (&'static str, String)>,
) -> Vec<NamedToken> {
    let named = |(name, token)| NamedToken {
        name,
        token: Some(token),
        expect: expect.clone(),
    };
    tokens.into_iter().map(named).collect()
}
