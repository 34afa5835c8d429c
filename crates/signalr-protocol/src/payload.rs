//! Application values: written into messages and read out of them.
//!
//! Anything that serde can write or read is a value. Two conventions of .NET clients need care: JSON has no bytes
//! (use [`ByteArray`]), and JSON members are spelled `camelCase` where MessagePack ones are spelled as declared.
//!
//! Numbers that are not finite are null in JSON, which has none; .NET closes the connection that would get one.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::{DeserializeOwned, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::codec::{HubProtocol, json, messagepack};

/// A value that can be written in either hub protocol.
pub trait EncodeValue {
    /// Appends the value to `out`.
    ///
    /// # Errors
    /// What serde says of a value that has no form in the protocol (a map with keys that are not text, say).
    fn encode(&self, protocol: HubProtocol, out: &mut Vec<u8>) -> Result<(), EncodeError>;
}

impl<T: Serialize + ?Sized> EncodeValue for T {
    fn encode(&self, protocol: HubProtocol, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match protocol {
            HubProtocol::Json => json::write_value(out, self),
            HubProtocol::MessagePack => messagepack::write_value(out, self),
        }
    }
}

/// The arguments of a call to a client: a tuple of up to eight values, or a slice of them.
pub trait EncodeArguments {
    /// Each argument in turn.
    ///
    /// # Errors
    /// The first error that `each` returns.
    fn try_for_each(
        &self,
        each: &mut dyn FnMut(&dyn EncodeValue) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError>;

    /// How many there are.
    fn count(&self) -> usize;
}

impl EncodeArguments for () {
    fn try_for_each(
        &self,
        _each: &mut dyn FnMut(&dyn EncodeValue) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        Ok(())
    }

    fn count(&self) -> usize {
        0
    }
}

macro_rules! tuple_arguments {
    ($count:literal: $($name:ident),+) => {
        impl<$($name: EncodeValue),+> EncodeArguments for ($($name,)+) {
            fn try_for_each(
                &self,
                each: &mut dyn FnMut(&dyn EncodeValue) -> Result<(), EncodeError>,
            ) -> Result<(), EncodeError> {
                #[expect(non_snake_case, reason = "the type's name serves as the value's")]
                let ($($name,)+) = self;
                $(each($name)?;)+
                Ok(())
            }

            fn count(&self) -> usize {
                $count
            }
        }
    };
}

tuple_arguments!(1: A);
tuple_arguments!(2: A, B);
tuple_arguments!(3: A, B, C);
tuple_arguments!(4: A, B, C, D);
tuple_arguments!(5: A, B, C, D, E);
tuple_arguments!(6: A, B, C, D, E, F);
tuple_arguments!(7: A, B, C, D, E, F, G);
tuple_arguments!(8: A, B, C, D, E, F, G, H);

impl<T: EncodeValue> EncodeArguments for &[T] {
    fn try_for_each(
        &self,
        each: &mut dyn FnMut(&dyn EncodeValue) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        self.iter().try_for_each(|value| each(value))
    }

    fn count(&self) -> usize {
        self.len()
    }
}

/// A value that could not be written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("value cannot be written as {protocol}: {reason}")]
pub struct EncodeError {
    /// The name of the hub protocol.
    pub protocol: &'static str,
    /// What the serializer said.
    pub reason: String,
}

/// One value from a client, not yet read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// JSON text.
    Json(&'a str),
    /// MessagePack bytes; empty where the value is missing.
    MessagePack(&'a [u8]),
}

impl Value<'_> {
    /// Reads the value as a `T`.
    ///
    /// # Errors
    /// What the reader says where the bytes are no `T`.
    pub fn read<T: DeserializeOwned>(self) -> Result<T, String> {
        match self {
            Self::Json(text) => serde_json::from_str(text).map_err(|e| e.to_string()),
            Self::MessagePack(bytes) => messagepack::read_value(bytes),
        }
    }

    /// The same bytes, kept beyond the receive buffer.
    #[must_use]
    pub fn detach(self) -> OwnedValue {
        match self {
            Self::Json(text) => OwnedValue::Json(text.into()),
            Self::MessagePack(bytes) => OwnedValue::MessagePack(bytes.into()),
        }
    }
}

/// Written as it came, which is possible in its own protocol only.
impl EncodeValue for Value<'_> {
    fn encode(&self, protocol: HubProtocol, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match (protocol, self) {
            (HubProtocol::Json, Self::Json(text)) => out.extend_from_slice(text.as_bytes()),
            (HubProtocol::MessagePack, Self::MessagePack(bytes)) => out.extend_from_slice(bytes),
            (HubProtocol::Json | HubProtocol::MessagePack, _) => {
                return Err(EncodeError {
                    protocol: protocol.name(),
                    reason: "it was received in another protocol".to_owned(),
                });
            }
        }
        Ok(())
    }
}

/// One value from a client, kept beyond the receive buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnedValue {
    /// JSON text.
    Json(Box<str>),
    /// MessagePack bytes.
    MessagePack(Box<[u8]>),
}

impl OwnedValue {
    /// The value as it was received.
    #[must_use]
    pub fn borrow(&self) -> Value<'_> {
        match self {
            Self::Json(text) => Value::Json(text),
            Self::MessagePack(bytes) => Value::MessagePack(bytes),
        }
    }
}

/// The arguments of a call from a client, not yet read.
#[derive(Debug, Clone, PartialEq)]
pub enum Arguments<'a> {
    /// A JSON array.
    Json(&'a str),
    /// MessagePack values, one behind the other.
    MessagePack {
        /// How many the sender announced.
        count: usize,
        /// Their bytes.
        items: &'a [u8],
    },
    /// Something that is no array of arguments; the text is .NET's.
    Malformed(&'static str),
}

impl<'a> Arguments<'a> {
    /// Splits the arguments into single values, of which there must be `expected`.
    ///
    /// # Errors
    /// Another number of arguments, or bytes that are none.
    pub fn split(&self, expected: usize) -> Result<Vec<Value<'a>>, BindError> {
        let values = match self {
            Self::Json(text) => json::split_array(text).ok_or(BindError::WrongType)?,
            Self::MessagePack { count, .. } if *count != expected => {
                return Err(BindError::WrongCount {
                    found: *count,
                    expected,
                });
            }
            Self::MessagePack { count, items } => {
                messagepack::split_values(items, *count).ok_or(BindError::WrongType)?
            }
            Self::Malformed(text) => return Err(BindError::Malformed(text)),
        };
        if values.len() == expected {
            Ok(values)
        } else {
            Err(BindError::WrongCount {
                found: values.len(),
                expected,
            })
        }
    }
}

/// Arguments that do not fit the method that is called.
///
/// The texts are ASP.NET Core's; clients see them with detailed errors only.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BindError {
    /// Too few or too many.
    #[error("Invocation provides {found} argument(s) but target expects {expected}.")]
    WrongCount {
        /// How many came.
        found: usize,
        /// How many the method takes.
        expected: usize,
    },
    /// One of them cannot be read as the type of its parameter.
    #[error(
        "Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked."
    )]
    WrongType,
    /// The message holds no array of arguments.
    #[error("{0}")]
    Malformed(&'static str),
}

/// Bytes as .NET's `byte[]`: base64 text in JSON, binary in MessagePack.
///
/// In MessagePack, text and arrays of small numbers are read as well, as .NET does: old writers have no binary.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ByteArray(pub Vec<u8>);

impl Serialize for ByteArray {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&BASE64.encode(&self.0))
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for ByteArray {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = Cow::<'de, str>::deserialize(deserializer)?;
            BASE64
                .decode(text.as_bytes())
                .map(Self)
                .map_err(serde::de::Error::custom)
        } else {
            deserializer.deserialize_bytes(BytesVisitor).map(Self)
        }
    }
}

struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = Vec<u8>;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("bytes")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }

    fn visit_str<E>(self, text: &str) -> Result<Vec<u8>, E> {
        Ok(text.as_bytes().to_vec())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<u8>, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = items.next_element()? {
            bytes.push(byte);
        }
        Ok(bytes)
    }
}
