//! MessagePack for JSON's values, and no more.

use serde_json::{Map, Value, json};

/// Writes a value in its shortest form.
pub(super) fn write(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.push(0xc0),
        Value::Bool(false) => out.push(0xc2),
        Value::Bool(true) => out.push(0xc3),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => write_unsigned(out, number),
            (None, Some(number)) => write_signed(out, number),
            (None, None) => {
                out.push(0xcb);
                out.extend(number.as_f64().unwrap_or(f64::NAN).to_be_bytes());
            }
        },
        Value::String(text) => {
            write_len(out, text.len(), 0xa0, 31, &[0xd9, 0xda, 0xdb]);
            out.extend(text.as_bytes());
        }
        Value::Array(items) => {
            write_len(out, items.len(), 0x90, 15, &[0xdc, 0xdd]);
            items.iter().for_each(|item| write(out, item));
        }
        Value::Object(members) => {
            write_len(out, members.len(), 0x80, 15, &[0xde, 0xdf]);
            for (name, value) in members {
                write(out, &json!(name));
                write(out, value);
            }
        }
    }
}

fn write_unsigned(out: &mut Vec<u8>, number: u64) {
    let bytes = number.to_be_bytes();
    match number {
        0..=0x7f => out.push(bytes[7]),
        0x80..=0xff => out.extend([0xcc, bytes[7]]),
        0x100..=0xffff => out.extend([&[0xcd], &bytes[6..]].concat()),
        0x1_0000..=0xffff_ffff => out.extend([&[0xce], &bytes[4..]].concat()),
        _ => out.extend([&[0xcf], &bytes[..]].concat()),
    }
}

fn write_signed(out: &mut Vec<u8>, number: i64) {
    let bytes = number.to_be_bytes();
    match number {
        -32..=-1 => out.push(bytes[7]),
        -0x80..=-33 => out.extend([0xd0, bytes[7]]),
        -0x8000..=-0x81 => out.extend([&[0xd1], &bytes[6..]].concat()),
        -0x8000_0000..=-0x8001 => out.extend([&[0xd2], &bytes[4..]].concat()),
        _ => out.extend([&[0xd3], &bytes[..]].concat()),
    }
}

/// `wide`: the markers for lengths of two and four bytes, and of one byte before them where there is one.
fn write_len(out: &mut Vec<u8>, len: usize, fix: u8, fix_max: usize, wide: &[u8]) {
    let len32 = u32::try_from(len).expect("a short value").to_be_bytes();
    match (len, wide) {
        _ if len <= fix_max => out.push(fix | len32[3]),
        (0..=0xff, [one, _, _]) => out.extend([*one, len32[3]]),
        (0..=0xffff, [.., two, _]) => out.extend([*two, len32[2], len32[3]]),
        (_, [.., four]) => out.extend([&[*four], &len32[..]].concat()),
        (_, []) => unreachable!("every kind has a wide form"),
    }
}

/// Reads a value off the front of `bytes`; binary comes as `{"$bytes": [...]}`.
///
/// # Panics
/// If there is no whole value.
pub(super) fn read(bytes: &mut &[u8]) -> Value {
    let marker = take(bytes, 1)[0];
    match marker {
        0x00..=0x7f => json!(marker),
        0xe0..=0xff => json!(i16::from(marker) - 0x100),
        0x80..=0x8f => read_map(bytes, usize::from(marker & 0x0f)),
        0x90..=0x9f => read_array(bytes, usize::from(marker & 0x0f)),
        0xa0..=0xbf => read_text(bytes, usize::from(marker & 0x1f)),
        0xc0 => Value::Null,
        0xc2 => json!(false),
        0xc3 => json!(true),
        0xc4..=0xc6 => {
            let len = read_len(bytes, 1 << (marker - 0xc4));
            json!({"$bytes": take(bytes, len)})
        }
        0xca => {
            let bits = u32::try_from(unsigned(bytes, 4)).expect("four bytes");
            json!(f32::from_bits(bits))
        }
        0xcb => json!(f64::from_bits(unsigned(bytes, 8))),
        0xcc..=0xcf => json!(unsigned(bytes, 1 << (marker - 0xcc))),
        0xd0..=0xd3 => {
            let width = 1 << (marker - 0xd0);
            let shift = 64 - 8 * width;
            let number = (unsigned(bytes, width) << shift).cast_signed() >> shift;
            json!(number)
        }
        0xd9..=0xdb => {
            let len = read_len(bytes, 1 << (marker - 0xd9));
            read_text(bytes, len)
        }
        0xdc | 0xdd => {
            let len = read_len(bytes, 2 << (marker - 0xdc));
            read_array(bytes, len)
        }
        0xde | 0xdf => {
            let len = read_len(bytes, 2 << (marker - 0xde));
            read_map(bytes, len)
        }
        other => panic!("no value begins with {other:#x}"),
    }
}

fn read_text(bytes: &mut &[u8], len: usize) -> Value {
    json!(std::str::from_utf8(take(bytes, len)).expect("text is UTF-8"))
}

fn read_array(bytes: &mut &[u8], len: usize) -> Value {
    (0..len).map(|_| read(bytes)).collect()
}

fn read_map(bytes: &mut &[u8], len: usize) -> Value {
    let mut members = Map::new();
    for _ in 0..len {
        let name = read(bytes);
        members.insert(name.as_str().expect("a name").to_owned(), read(bytes));
    }
    Value::Object(members)
}

fn read_len(bytes: &mut &[u8], width: usize) -> usize {
    usize::try_from(unsigned(bytes, width)).expect("a length")
}

fn unsigned(bytes: &mut &[u8], width: usize) -> u64 {
    take(bytes, width)
        .iter()
        .fold(0, |number, &byte| (number << 8) | u64::from(byte))
}

fn take<'a>(bytes: &mut &'a [u8], len: usize) -> &'a [u8] {
    let (taken, rest) = bytes
        .split_at_checked(len)
        .unwrap_or_else(|| panic!("a value ends early: {bytes:x?}"));
    *bytes = rest;
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_as_they_were() {
        let long = "x".repeat(300);
        let values = json!([
            null, true, false, 0, 127, 128, 255, 256, 65_535, 65_536, u64::MAX, -1, -32, -33, -128,
            -129, -32_768, -32_769, i64::MIN, 1.5, "", "text", long, [[], {"a": {"b": 1}}],
            (0..20).collect::<Vec<_>>(),
        ]);
        let mut bytes = Vec::new();
        write(&mut bytes, &values);
        let mut rest = &bytes[..];
        assert_eq!(read(&mut rest), values);
        assert!(rest.is_empty());
    }

    #[test]
    fn numbers_take_the_shortest_form() {
        for (value, expected) in [
            (json!(42), &[0x2a][..]),
            (json!(146), &[0xcc, 0x92]),
            (json!(-1), &[0xff]),
            (json!(-33), &[0xd0, 0xdf]),
        ] {
            let mut bytes = Vec::new();
            write(&mut bytes, &value);
            assert_eq!(bytes, expected, "{value}");
        }
    }
}
