//! What is said before the first hub message.
//!
//! The client names its hub protocol in a JSON object that ends in a record separator, whatever the protocol; the
//! server answers `{}` or an error, in the same form.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::Deserializer;
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::codec::json::{self, envelope};
use crate::codec::{HubProtocol, TransferFormat, VERSION};
use crate::error::ProtocolError;
use crate::framing::RECORD_SEPARATOR;

/// A handshake request that the server understands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// The hub protocol that the client wants.
    pub protocol: Cow<'a, str>,
    /// The version of it.
    pub version: i32,
}

/// Why a handshake failed; the texts are ASP.NET Core's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HandshakeError {
    /// No protocol of that name.
    #[error("The protocol '{0}' is not supported.")]
    UnknownProtocol(String),
    /// A version of the future.
    #[error("The server does not support version {version} of the '{protocol}' protocol.")]
    UnsupportedVersion {
        /// The version that was asked for.
        version: i32,
        /// The protocol, spelled as the client spells it.
        protocol: String,
    },
    /// The transport cannot carry the protocol.
    #[error(
        "Cannot use the '{0}' protocol on the current transport. The transport does not support 'Binary' transfer format."
    )]
    TransferFormat(&'static str),
    /// Nothing came in time, or more than a handshake may have.
    #[error("Handshake was canceled.")]
    Canceled,
    /// Not a handshake request.
    #[error("An unexpected error occurred during connection handshake.")]
    Unreadable(ProtocolError),
}

impl HandshakeError {
    /// The text for the client; with `detailed`, what exactly could not be read stands behind it.
    #[must_use]
    pub fn message(&self, detailed: bool) -> String {
        match self {
            Self::Unreadable(error) if detailed => {
                format!("{self} {}: {error}", error.exception())
            }
            _ => self.to_string(),
        }
    }
}

impl Request<'_> {
    /// Decides on the hub protocol.
    ///
    /// # Errors
    /// A protocol that is not among `supported`, a version above [`VERSION`], a binary protocol where the transport
    /// carries text only.
    pub fn accept(
        &self,
        supported: &[HubProtocol],
        transport: TransferFormat,
    ) -> Result<HubProtocol, HandshakeError> {
        let protocol = HubProtocol::from_name(&self.protocol)
            .filter(|protocol| supported.contains(protocol))
            .ok_or_else(|| HandshakeError::UnknownProtocol(self.protocol.clone().into_owned()))?;
        if self.version > VERSION {
            return Err(HandshakeError::UnsupportedVersion {
                version: self.version,
                protocol: self.protocol.clone().into_owned(),
            });
        }
        if protocol.transfer_format() == TransferFormat::Binary && transport == TransferFormat::Text
        {
            return Err(HandshakeError::TransferFormat(protocol.name()));
        }
        Ok(protocol)
    }
}

/// Reads a request without its record separator.
///
/// What stands behind the first object is ignored. Type errors are reported before missing members, as ASP.NET Core
/// does.
///
/// # Errors
/// Anything but an object with a text `protocol` and a whole number `version`.
pub fn read(body: &[u8]) -> Result<Request<'_>, ProtocolError> {
    envelope::expect_object(body)?;
    let mut violation = None;
    let members = Members {
        violation: &mut violation,
    };
    let (protocol, version) = serde_json::Deserializer::from_slice(body)
        .deserialize_map(members)
        .map_err(|_| violation.unwrap_or_else(envelope::unreadable))?;
    let missing = |name: &str| {
        ProtocolError::invalid(format!(
            "Missing required property '{name}'. Message content: {}",
            String::from_utf8_lossy(body)
        ))
    };
    Ok(Request {
        protocol: protocol.ok_or_else(|| missing("protocol"))?,
        version: version.ok_or_else(|| missing("version"))?,
    })
}

/// The answer to a handshake that succeeds. Small clients compare it to the letter.
#[must_use]
pub fn accepted() -> Bytes {
    Bytes::from_static(b"{}\x1e")
}

/// The answer to a handshake that fails.
#[must_use]
pub fn refused(error: &str) -> Bytes {
    let mut out = b"{\"error\":".to_vec();
    json::write_text(&mut out, error);
    out.extend_from_slice(&[b'}', RECORD_SEPARATOR]);
    out.into()
}

struct Members<'s> {
    violation: &'s mut Option<ProtocolError>,
}

impl<'a> Visitor<'a> for Members<'_> {
    type Value = (Option<Cow<'a, str>>, Option<i32>);

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a handshake request")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut protocol, mut version) = (None, None);
        while let Some(name) = map.next_key::<Cow<'a, str>>()? {
            let read = match &*name {
                "protocol" => text(map.next_value()?).map(|text| protocol = Some(text)),
                "version" => whole_number(map.next_value()?).map(|number| version = number),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    Ok(())
                }
            };
            if let Err(violation) = read {
                *self.violation = Some(violation);
                return Err(A::Error::custom("protocol violation"));
            }
        }
        Ok((protocol, version))
    }
}

fn text(raw: &RawValue) -> Result<Cow<'_, str>, ProtocolError> {
    serde_json::from_str::<String>(raw.get())
        .map(Cow::Owned)
        .map_err(|_| envelope::wrong_type("protocol", "String"))
}

/// A version of null counts as none, as in ASP.NET Core.
fn whole_number(raw: &RawValue) -> Result<Option<i32>, ProtocolError> {
    match raw.get() {
        "null" => Ok(None),
        text => envelope::integer("version", text, envelope::NOT_INT32).map(Some),
    }
}
