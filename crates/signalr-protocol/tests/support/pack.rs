//! `MessagePack` values, written and read by means of their own, to judge the library by.

use std::fmt;

use serde::Serializer;
use serde::ser::{SerializeMap as _, SerializeSeq as _};

/// How deep a value may nest before this reader gives up; the library's limit is far lower.
const DEPTH_MAX: usize = 300;

/// Any `MessagePack` value, and so any JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Pack {
    Nil,
    Bool(bool),
    Int(i128),
    Float32(f32),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Self>),
    Map(Vec<(Self, Self)>),
    Ext(i8, Vec<u8>),
}

impl Pack {
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    /// The first value of `bytes` and what follows it.
    pub(crate) fn decode(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let mut rest = bytes;
        let value = decode(&mut rest, DEPTH_MAX)?;
        Some((value, rest))
    }

    /// The one value that `bytes` are.
    pub(crate) fn whole(bytes: &[u8]) -> Option<Self> {
        Self::decode(bytes)
            .filter(|(_, rest)| rest.is_empty())
            .map(|(value, _)| value)
    }

    /// Appends the value; numbers and lengths take `width` bytes at least, where there is such a form.
    pub(crate) fn encode(&self, out: &mut Vec<u8>, width: usize) {
        match self {
            Self::Nil => out.push(0xc0),
            Self::Bool(value) => out.push(0xc2 + u8::from(*value)),
            Self::Int(value @ -32..0) if width == 0 => out.push(*value as u8),
            Self::Int(value @ ..0) => {
                let forms = [(1, 0xd0), (2, 0xd1), (4, 0xd2), (8, 0xd3)];
                let (width, marker) = forms
                    .into_iter()
                    .find(|&(bytes, _)| bytes >= width && *value >= -(1i128 << (8 * bytes - 1)))
                    .unwrap();
                out.push(marker);
                out.extend_from_slice(&value.to_be_bytes()[16 - width..]);
            }
            Self::Int(value) => {
                let forms = [(1, 0xcc), (2, 0xcd), (4, 0xce), (8, 0xcf)];
                head(out, *value as u64, width, Some((0x7f, 0)), &forms);
            }
            Self::Float32(value) => {
                out.push(0xca);
                out.extend_from_slice(&value.to_be_bytes());
            }
            Self::Float(value) => {
                out.push(0xcb);
                out.extend_from_slice(&value.to_be_bytes());
            }
            Self::Text(text) => {
                let forms = [(1, 0xd9), (2, 0xda), (4, 0xdb)];
                head(out, text.len() as u64, width, Some((0x1f, 0xa0)), &forms);
                out.extend_from_slice(text.as_bytes());
            }
            Self::Bytes(bytes) => {
                let forms = [(1, 0xc4), (2, 0xc5), (4, 0xc6)];
                head(out, bytes.len() as u64, width, None, &forms);
                out.extend_from_slice(bytes);
            }
            Self::List(items) => {
                let forms = [(2, 0xdc), (4, 0xdd)];
                head(out, items.len() as u64, width, Some((0x0f, 0x90)), &forms);
                items.iter().for_each(|item| item.encode(out, width));
            }
            Self::Map(entries) => {
                let forms = [(2, 0xde), (4, 0xdf)];
                head(out, entries.len() as u64, width, Some((0x0f, 0x80)), &forms);
                for (key, value) in entries {
                    key.encode(out, width);
                    value.encode(out, width);
                }
            }
            Self::Ext(kind, bytes) => {
                match bytes.len() {
                    len @ (1 | 2 | 4 | 8 | 16) => out.push(0xd4 + len.ilog2() as u8),
                    len => head(out, len as u64, 1, None, &[(1, 0xc7), (2, 0xc8), (4, 0xc9)]),
                }
                out.push(*kind as u8);
                out.extend_from_slice(bytes);
            }
        }
    }
}

/// Writes a number in its shortest form of at least `width` bytes (or the widest there is).
fn head(
    out: &mut Vec<u8>,
    number: u64,
    width: usize,
    fixed: Option<(u64, u8)>,
    forms: &[(usize, u8)],
) {
    if let Some((max, base)) = fixed
        && width == 0
        && number <= max
    {
        out.push(base | number as u8);
        return;
    }
    let widest = forms.last().unwrap().0;
    let &(width, marker) = forms
        .iter()
        .find(|(bytes, _)| {
            *bytes >= width.min(widest) && number.checked_shr(8 * *bytes as u32).unwrap_or(0) == 0
        })
        .unwrap();
    out.push(marker);
    out.extend_from_slice(&number.to_be_bytes()[8 - width..]);
}

fn decode(rest: &mut &[u8], depth: usize) -> Option<Pack> {
    let depth = depth.checked_sub(1)?;
    let marker = number(rest, 1)? as u8;
    Some(match marker {
        0x00..=0x7f => Pack::Int(marker.into()),
        0x80..=0x8f => map(rest, u64::from(marker & 0x0f), depth)?,
        0x90..=0x9f => list(rest, u64::from(marker & 0x0f), depth)?,
        0xa0..=0xbf => text(rest, u64::from(marker & 0x1f))?,
        0xc0 => Pack::Nil,
        0xc1 => return None,
        0xc2 | 0xc3 => Pack::Bool(marker == 0xc3),
        0xc4..=0xc6 => {
            let len = number(rest, 1 << (marker - 0xc4))?;
            Pack::Bytes(take(rest, len)?.to_vec())
        }
        0xc7..=0xc9 => {
            let len = number(rest, 1 << (marker - 0xc7))?;
            ext(rest, len)?
        }
        0xca => Pack::Float32(f32::from_bits(number(rest, 4)? as u32)),
        0xcb => Pack::Float(f64::from_bits(number(rest, 8)?)),
        0xcc..=0xcf => Pack::Int(number(rest, 1 << (marker - 0xcc))?.into()),
        0xd0 => Pack::Int((number(rest, 1)? as i8).into()),
        0xd1 => Pack::Int((number(rest, 2)? as i16).into()),
        0xd2 => Pack::Int((number(rest, 4)? as i32).into()),
        0xd3 => Pack::Int((number(rest, 8)? as i64).into()),
        0xd4..=0xd8 => ext(rest, 1 << (marker - 0xd4))?,
        0xd9..=0xdb => {
            let len = number(rest, 1 << (marker - 0xd9))?;
            text(rest, len)?
        }
        0xdc | 0xdd => {
            let len = number(rest, 2 << (marker - 0xdc))?;
            list(rest, len, depth)?
        }
        0xde | 0xdf => {
            let len = number(rest, 2 << (marker - 0xde))?;
            map(rest, len, depth)?
        }
        0xe0..=0xff => Pack::Int((marker as i8).into()),
    })
}

fn take<'a>(rest: &mut &'a [u8], len: u64) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(usize::try_from(len).ok()?)?;
    *rest = after;
    Some(taken)
}

fn number(rest: &mut &[u8], width: u64) -> Option<u64> {
    let digits = take(rest, width)?;
    Some(
        digits
            .iter()
            .fold(0, |sum, &digit| (sum << 8) | u64::from(digit)),
    )
}

fn text(rest: &mut &[u8], len: u64) -> Option<Pack> {
    let bytes = take(rest, len)?;
    Some(Pack::Text(String::from_utf8_lossy(bytes).into_owned()))
}

fn ext(rest: &mut &[u8], len: u64) -> Option<Pack> {
    let kind = number(rest, 1)? as i8;
    Some(Pack::Ext(kind, take(rest, len)?.to_vec()))
}

fn list(rest: &mut &[u8], len: u64, depth: usize) -> Option<Pack> {
    (0..len)
        .map(|_| decode(rest, depth))
        .collect::<Option<_>>()
        .map(Pack::List)
}

fn map(rest: &mut &[u8], len: u64, depth: usize) -> Option<Pack> {
    (0..len)
        .map(|_| Some((decode(rest, depth)?, decode(rest, depth)?)))
        .collect::<Option<_>>()
        .map(Pack::Map)
}

impl From<serde_json::Value> for Pack {
    fn from(value: serde_json::Value) -> Self {
        use serde_json::Value;
        match value {
            Value::Null => Self::Nil,
            Value::Bool(value) => Self::Bool(value),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(value), _) => Self::Int(value.into()),
                (_, Some(value)) => Self::Int(value.into()),
                _ => Self::Float(number.as_f64().unwrap()),
            },
            Value::String(text) => Self::Text(text),
            Value::Array(items) => Self::List(items.into_iter().map(Self::from).collect()),
            Value::Object(entries) => Self::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| (Self::Text(key), value.into()))
                    .collect(),
            ),
        }
    }
}

/// As an application would write it.
impl serde::Serialize for Pack {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nil => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => match i64::try_from(*value) {
                Ok(value) => serializer.serialize_i64(value),
                Err(_) => serializer.serialize_u64(*value as u64),
            },
            Self::Float32(value) => serializer.serialize_f32(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Self::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                items
                    .iter()
                    .try_for_each(|item| list.serialize_element(item))?;
                list.end()
            }
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                entries
                    .iter()
                    .try_for_each(|(key, value)| map.serialize_entry(key, value))?;
                map.end()
            }
            Self::Ext(kind, bytes) => {
                let content = (*kind, Self::Bytes(bytes.clone()));
                serializer.serialize_newtype_struct(rmp_serde::MSGPACK_EXT_STRUCT_NAME, &content)
            }
        }
    }
}

/// Like JSON, with `nil`, `bin(01)` and `ext(-1, 01)`.
impl fmt::Display for Pack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |bytes: &[u8]| {
            bytes
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        };
        let join = |parts: Vec<String>| parts.join(", ");
        match self {
            Self::Nil => f.write_str("nil"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float32(value) => write!(f, "{value:?}"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Bytes(bytes) => write!(f, "bin({})", hex(bytes)),
            Self::Ext(kind, bytes) => write!(f, "ext({kind}, {})", hex(bytes)),
            Self::List(items) => {
                write!(
                    f,
                    "[{}]",
                    join(items.iter().map(ToString::to_string).collect())
                )
            }
            Self::Map(entries) => {
                let entries = entries.iter().map(|(key, value)| format!("{key}: {value}"));
                write!(f, "{{{}}}", join(entries.collect()))
            }
        }
    }
}
