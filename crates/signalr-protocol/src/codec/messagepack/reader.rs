//! Reads MessagePack front to back, without copying and without recursion.

use std::fmt::Display;

use rmp::Marker;

use crate::error::ProtocolError;

/// What is left of a message.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The length of an array; where there is none, nothing is consumed.
    ///
    /// One of more items than there are bytes is none, as in .NET: each item has a byte at least.
    pub(super) fn array_len(&mut self) -> Option<usize> {
        let mut rest = self.rest;
        let len = usize::try_from(rmp::decode::read_array_len(&mut rest).ok()?).ok()?;
        self.rest = (len <= rest.len()).then_some(rest)?;
        Some(len)
    }

    pub(super) fn map_len(&mut self) -> Option<usize> {
        let mut rest = self.rest;
        let len = usize::try_from(rmp::decode::read_map_len(&mut rest).ok()?).ok()?;
        self.rest = (len <= rest.len() / 2).then_some(rest)?;
        Some(len)
    }

    pub(super) fn int32(&mut self, name: &str) -> Result<i32, ProtocolError> {
        rmp::decode::read_int(&mut self.rest).map_err(|_| unreadable(name, "Int32"))
    }

    pub(super) fn int64(&mut self, name: &str) -> Result<i64, ProtocolError> {
        rmp::decode::read_int(&mut self.rest).map_err(|_| unreadable(name, "Int64"))
    }

    pub(super) fn boolean(&mut self, name: &str) -> Result<bool, ProtocolError> {
        rmp::decode::read_bool(&mut self.rest).map_err(|_| unreadable(name, "Boolean"))
    }

    /// A text; nil counts as none and reads as the empty text, as in .NET.
    pub(super) fn string(&mut self, name: impl Display) -> Result<&'a str, ProtocolError> {
        self.nil_or_string(name).map(Option::unwrap_or_default)
    }

    pub(super) fn nil_or_string(
        &mut self,
        name: impl Display,
    ) -> Result<Option<&'a str>, ProtocolError> {
        if let Some((0xc0, rest)) = self.rest.split_first() {
            self.rest = rest;
            return Ok(None);
        }
        match rmp::decode::read_str_from_slice(self.rest) {
            Ok((text, rest)) => {
                self.rest = rest;
                Ok(Some(text))
            }
            Err(_) => Err(unreadable(name, "String")),
        }
    }

    /// The bytes of the next value, whatever it is.
    pub(super) fn value(&mut self) -> Option<&'a [u8]> {
        self.values(1)
    }

    /// The bytes of the next `count` values.
    pub(super) fn values(&mut self, count: usize) -> Option<&'a [u8]> {
        let mut rest = self.rest;
        let mut open = count as u64;
        while open > 0 {
            let (children, after) = skip_one(rest)?;
            open = open - 1 + children;
            rest = after;
        }
        let (values, rest) = self.rest.split_at(self.rest.len() - rest.len());
        self.rest = rest;
        Some(values)
    }
}

/// Steps over one marker with its own bytes: how many values it opens, and what follows.
fn skip_one(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (&marker, rest) = bytes.split_first()?;
    let (len, children, rest) = match Marker::from_u8(marker) {
        Marker::FixPos(_) | Marker::FixNeg(_) | Marker::Null | Marker::True | Marker::False => {
            (0, 0, rest)
        }
        Marker::U8 | Marker::I8 => (1, 0, rest),
        Marker::U16 | Marker::I16 | Marker::FixExt1 => (2, 0, rest),
        Marker::FixExt2 => (3, 0, rest),
        Marker::U32 | Marker::I32 | Marker::F32 => (4, 0, rest),
        Marker::FixExt4 => (5, 0, rest),
        Marker::U64 | Marker::I64 | Marker::F64 => (8, 0, rest),
        Marker::FixExt8 => (9, 0, rest),
        Marker::FixExt16 => (17, 0, rest),
        Marker::FixStr(len) => (u64::from(len), 0, rest),
        Marker::FixArray(len) => (0, u64::from(len), rest),
        Marker::FixMap(len) => (0, 2 * u64::from(len), rest),
        Marker::Str8 | Marker::Bin8 => sized(rest, 1, |len| (len, 0))?,
        Marker::Str16 | Marker::Bin16 => sized(rest, 2, |len| (len, 0))?,
        Marker::Str32 | Marker::Bin32 => sized(rest, 4, |len| (len, 0))?,
        Marker::Ext8 => sized(rest, 1, |len| (len + 1, 0))?,
        Marker::Ext16 => sized(rest, 2, |len| (len + 1, 0))?,
        Marker::Ext32 => sized(rest, 4, |len| (len + 1, 0))?,
        Marker::Array16 => sized(rest, 2, |len| (0, len))?,
        Marker::Array32 => sized(rest, 4, |len| (0, len))?,
        Marker::Map16 => sized(rest, 2, |len| (0, 2 * len))?,
        Marker::Map32 => sized(rest, 4, |len| (0, 2 * len))?,
        Marker::Reserved => return None,
    };
    Some((children, rest.get(usize::try_from(len).ok()?..)?))
}

/// Reads a big-endian length of `width` bytes and turns it into (own bytes, values that follow).
fn sized(
    bytes: &[u8],
    width: usize,
    meaning: impl FnOnce(u64) -> (u64, u64),
) -> Option<(u64, u64, &[u8])> {
    let (digits, rest) = bytes.split_at_checked(width)?;
    let len = digits
        .iter()
        .fold(0, |len, &byte| (len << 8) | u64::from(byte));
    let (own, children) = meaning(len);
    Some((own, children, rest))
}

fn unreadable(name: impl Display, wanted: &str) -> ProtocolError {
    ProtocolError::invalid(format!("Reading '{name}' as {wanted} failed."))
}
