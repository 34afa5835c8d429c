//! JSON text as .NET's relaxed encoder writes it.

use std::io::{self, Write};

use serde_json::ser::{CharEscape, Formatter};

use crate::codec::number;

/// Compact JSON with .NET's numbers and escapes.
///
/// .NET's `UnsafeRelaxedJsonEscaping` leaves most of the basic plane as it is and escapes, in upper-case
/// hexadecimal, control characters, blanks other than the space, separators, private use and everything beyond the
/// basic plane. It escapes also what Unicode has not assigned yet, which differs from version to version; here only
/// what never will be.
pub(super) struct DotNet;

impl Formatter for DotNet {
    fn write_f32<W: Write + ?Sized>(&mut self, out: &mut W, value: f32) -> io::Result<()> {
        number::write_f32(out, value)
    }

    fn write_f64<W: Write + ?Sized>(&mut self, out: &mut W, value: f64) -> io::Result<()> {
        number::write_f64(out, value)
    }

    fn write_string_fragment<W: Write + ?Sized>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if fragment.is_ascii() && !fragment.as_bytes().contains(&0x7f) {
            return out.write_all(fragment.as_bytes());
        }
        let mut rest = fragment;
        while let Some((at, c)) = rest.char_indices().find(|&(_, c)| is_escaped(c)) {
            let (plain, from_c) = rest.split_at(at);
            out.write_all(plain.as_bytes())?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04X}")?;
            }
            rest = from_c.get(c.len_utf8()..).unwrap_or_default();
        }
        out.write_all(rest.as_bytes())
    }

    fn write_char_escape<W: Write + ?Sized>(
        &mut self,
        out: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        let short = match escape {
            CharEscape::AsciiControl(byte) => return write!(out, "\\u{byte:04X}"),
            CharEscape::Quote => b"\\\"",
            CharEscape::ReverseSolidus => b"\\\\",
            CharEscape::Solidus => b"\\/",
            CharEscape::Backspace => b"\\b",
            CharEscape::FormFeed => b"\\f",
            CharEscape::LineFeed => b"\\n",
            CharEscape::CarriageReturn => b"\\r",
            CharEscape::Tab => b"\\t",
        };
        out.write_all(short)
    }
}

/// Whether .NET escapes a character that JSON itself does not make one escape.
fn is_escaped(c: char) -> bool {
    matches!(c,
        '\u{7f}'..='\u{a0}'
        | '\u{1680}'
        | '\u{2000}'..='\u{200a}'
        | '\u{2028}' | '\u{2029}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
        | '\u{e000}'..='\u{f8ff}'
        | '\u{fdd0}'..='\u{fdef}'
        | '\u{feff}'
        | '\u{fffe}'..)
}
