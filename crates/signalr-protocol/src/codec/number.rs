//! Floating-point numbers as .NET writes them into JSON.

use std::io::{self, Write};

/// The shortest text that reads back as the same number.
///
/// .NET writes `5E+299`, `1E-05`, `-0` and `2` where Rust's `{:e}` and `serde_json` write `5e299`, `1e-5`, `-0.0` and
/// `2.0`. It changes to the form with an exponent below 10^-4, and where the integer part has more digits than any
/// number of its precision needs: from 10^17 up, in single precision from 10^9.
pub(super) fn write_f64<W: Write + ?Sized>(out: &mut W, value: f64) -> io::Result<()> {
    write_shortest(out, &format!("{value:e}"), 17)
}

/// [`write_f64`] for single precision, whose shortest text has fewer digits.
pub(super) fn write_f32<W: Write + ?Sized>(out: &mut W, value: f32) -> io::Result<()> {
    write_shortest(out, &format!("{value:e}"), 9)
}

/// Lays out Rust's `d.ddde±x` as .NET does, with up to `digits_max` digits before the point.
fn write_shortest<W: Write + ?Sized>(
    out: &mut W,
    scientific: &str,
    digits_max: i32,
) -> io::Result<()> {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().map_err(io::Error::other)?;
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => ("-", mantissa),
        None => ("", mantissa),
    };
    out.write_all(sign.as_bytes())?;
    let (first, rest) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    match exponent {
        -4..0 => {
            let zeros = usize::try_from(-exponent - 1).unwrap_or_default();
            write!(out, "0.{:0<zeros$}{first}{rest}", "")
        }
        0.. if exponent < digits_max => {
            let integer_len = usize::try_from(exponent).unwrap_or_default();
            match rest.split_at_checked(integer_len) {
                None => write!(out, "{first}{rest:0<integer_len$}"),
                Some((integer, "")) => write!(out, "{first}{integer}"),
                Some((integer, fraction)) => write!(out, "{first}{integer}.{fraction}"),
            }
        }
        _ => {
            let point = if rest.is_empty() { "" } else { "." };
            let sign = if exponent < 0 { '-' } else { '+' };
            write!(
                out,
                "{first}{point}{rest}E{sign}{:02}",
                exponent.unsigned_abs()
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: f64, expected: &str) {
        let mut out = Vec::new();
        write_f64(&mut out, value).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn numbers_look_as_in_dotnet() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (2.0, "2"),
            (0.5, "0.5"),
            (-1.5, "-1.5"),
            (6.183_185_307_1, "6.1831853071"),
            (100.0, "100"),
            (123_456.75, "123456.75"),
            (5e299, "5E+299"),
            (1e15, "1000000000000000"),
            (1e16, "10000000000000000"),
            (1e17, "1E+17"),
            (9_007_199_254_740_992.0, "9007199254740992"),
            (12_345_678_901_234_568.0, "12345678901234568"),
            (1_234_567_890_123_456.5, "1234567890123456.5"),
            (0.000_125, "0.000125"),
            (1.5e-5, "1.5E-05"),
            (5e-324, "5E-324"),
            (1.234_567_890_123_456_8e17, "1.2345678901234568E+17"),
            (0.0001, "0.0001"),
            (0.000_01, "1E-05"),
            (1.25e-7, "1.25E-07"),
            (f64::MAX, "1.7976931348623157E+308"),
            (f64::MIN_POSITIVE, "2.2250738585072014E-308"),
        ] {
            check(value, expected);
        }
    }

    #[test]
    fn single_precision_has_its_own_shortest_text() {
        for (value, expected) in [
            (0.1, "0.1"),
            (16_777_216.0, "16777216"),
            (1e8, "100000000"),
            (1e9, "1E+09"),
            (f32::MAX, "3.4028235E+38"),
        ] {
            let mut out = Vec::new();
            write_f32(&mut out, value).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn every_number_reads_back(value in proptest::num::f64::ANY.prop_filter("finite", |v| v.is_finite())) {
            let mut out = Vec::new();
            write_f64(&mut out, value).unwrap();
            let text = String::from_utf8(out).unwrap();
            proptest::prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits());
        }
    }

    use proptest::strategy::Strategy as _;
}
