//! What a value can be: how it is read, how it is shown, what is wanted of it.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use crate::{HttpUrl, MASK, Secret, format_time_span, parse_time_span};

/// A kind of value. Implement it for types of your own.
pub trait Kind {
    /// What the text becomes.
    type Value;

    /// Reads a text that is not blank; the error says what is wrong with it, or is empty where that is plain to see.
    fn parse(&self, text: &str) -> Result<Self::Value, String>;

    /// Writes a value as one would write it into a settings file.
    fn show(&self, value: &Self::Value) -> String;

    /// What may stand there: a noun with its article, and the limits.
    fn wanted(&self) -> String;
}

/// Any text, as it is.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    wanted: &'static str,
}

impl Text {
    /// A text, described for whoever left it out: `the name of the scope`.
    pub const fn called(wanted: &'static str) -> Self {
        Self { wanted }
    }
}

impl Kind for Text {
    type Value = String;

    fn parse(&self, text: &str) -> Result<String, String> {
        Ok(text.to_owned())
    }

    fn show(&self, value: &String) -> String {
        value.clone()
    }

    fn wanted(&self) -> String {
        self.wanted.to_owned()
    }
}

/// A text that is never shown.
#[derive(Clone, Copy, Debug)]
pub struct SecretText;

impl Kind for SecretText {
    type Value = Secret;

    fn parse(&self, text: &str) -> Result<Secret, String> {
        Ok(Secret::new(text))
    }

    fn show(&self, _: &Secret) -> String {
        MASK.to_owned()
    }

    fn wanted(&self) -> String {
        "a secret".to_owned()
    }
}

/// `true` or `false`, in any case; as in .NET neither `1` nor `yes`.
#[derive(Clone, Copy, Debug)]
pub struct Flag;

impl Kind for Flag {
    type Value = bool;

    fn parse(&self, text: &str) -> Result<bool, String> {
        let text = text.trim();
        [true, false]
            .into_iter()
            .find(|value| text.eq_ignore_ascii_case(&value.to_string()))
            .ok_or_else(String::new)
    }

    fn show(&self, value: &bool) -> String {
        value.to_string()
    }

    fn wanted(&self) -> String {
        "true or false".to_owned()
    }
}

/// A whole number between two limits.
#[derive(Clone, Debug)]
pub struct Whole<T> {
    range: RangeInclusive<T>,
}

impl<T> Whole<T> {
    /// From `min` to `max`, both allowed.
    pub const fn between(min: T, max: T) -> Self {
        Self { range: min..=max }
    }
}

impl<T: FromStr + PartialOrd + Display> Kind for Whole<T> {
    type Value = T;

    fn parse(&self, text: &str) -> Result<T, String> {
        in_range(text.trim().parse().map_err(|_| String::new())?, &self.range)
    }

    fn show(&self, value: &T) -> String {
        value.to_string()
    }

    fn wanted(&self) -> String {
        format!(
            "a whole number from {} to {}",
            self.range.start(),
            self.range.end()
        )
    }
}

/// A number of bytes: plain, or with `KiB`, `MiB` or `GiB`.
#[derive(Clone, Debug)]
pub struct ByteSize {
    range: RangeInclusive<u64>,
}

impl ByteSize {
    /// From `min` to `max` bytes, both allowed.
    pub const fn between(min: u64, max: u64) -> Self {
        Self { range: min..=max }
    }
}

impl Kind for ByteSize {
    type Value = u64;

    fn parse(&self, text: &str) -> Result<u64, String> {
        let text = text.trim();
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let factor = match unit.trim_start().to_ascii_lowercase().as_str() {
            "" => 1,
            "kib" => 1 << 10,
            "mib" => 1 << 20,
            "gib" => 1 << 30,
            _ => return Err("the units are KiB, MiB and GiB".to_owned()),
        };
        let number: u64 = number.parse().map_err(|_| String::new())?;
        in_range(
            number.checked_mul(factor).ok_or_else(String::new)?,
            &self.range,
        )
    }

    fn show(&self, value: &u64) -> String {
        value.to_string()
    }

    fn wanted(&self) -> String {
        format!(
            "a number of bytes from {} to {}, such as 65536 or 64 KiB",
            self.range.start(),
            self.range.end()
        )
    }
}

/// A duration, read by [`parse_time_span`](crate::parse_time_span).
#[derive(Clone, Debug)]
pub struct TimeSpan {
    range: RangeInclusive<Duration>,
}

impl TimeSpan {
    /// From `min` to `max`, both allowed.
    pub const fn between(min: Duration, max: Duration) -> Self {
        Self { range: min..=max }
    }

    /// Of any length.
    pub const fn any() -> Self {
        Self::between(Duration::ZERO, Duration::MAX)
    }
}

impl Kind for TimeSpan {
    type Value = Duration;

    fn parse(&self, text: &str) -> Result<Duration, String> {
        let value = parse_time_span(text).map_err(|error| error.to_string())?;
        if self.range.contains(&value) {
            Ok(value)
        } else {
            Err(outside())
        }
    }

    fn show(&self, value: &Duration) -> String {
        format_time_span(*value)
    }

    fn wanted(&self) -> String {
        let example = "a duration such as 00:00:15 or 15 (seconds)";
        if *self.range.end() == Duration::MAX {
            return example.to_owned();
        }
        format!(
            "{example}, from {} to {}",
            format_time_span(*self.range.start()),
            format_time_span(*self.range.end())
        )
    }
}

/// An `http` or `https` address.
#[derive(Clone, Copy, Debug)]
pub struct Url {
    wanted: &'static str,
}

impl Url {
    /// An address, described for whoever left it out: `the address of the token issuer, such as https://login`.
    pub const fn called(wanted: &'static str) -> Self {
        Self { wanted }
    }
}

impl Kind for Url {
    type Value = HttpUrl;

    fn parse(&self, text: &str) -> Result<HttpUrl, String> {
        text.parse()
            .map_err(|error: crate::InvalidUrl| error.to_string())
    }

    fn show(&self, value: &HttpUrl) -> String {
        value.to_string()
    }

    fn wanted(&self) -> String {
        self.wanted.to_owned()
    }
}

/// One of a few words, in any case.
#[derive(Clone, Copy, Debug)]
pub struct Choice<T: 'static> {
    options: &'static [(&'static str, T)],
}

impl<T> Choice<T> {
    /// One of `options`, each with the word for it.
    pub const fn of(options: &'static [(&'static str, T)]) -> Self {
        Self { options }
    }
}

impl<T: Copy + PartialEq> Kind for Choice<T> {
    type Value = T;

    fn parse(&self, text: &str) -> Result<T, String> {
        let text = text.trim();
        let option = self
            .options
            .iter()
            .find(|(word, _)| word.eq_ignore_ascii_case(text));
        option.map(|(_, value)| *value).ok_or_else(String::new)
    }

    fn show(&self, value: &T) -> String {
        let option = self.options.iter().find(|(_, other)| other == value);
        option
            .map(|(word, _)| (*word).to_owned())
            .unwrap_or_default()
    }

    fn wanted(&self) -> String {
        let words: Vec<&str> = self.options.iter().map(|(word, _)| *word).collect();
        match words.as_slice() {
            [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
            words => words.join(""),
        }
    }
}

fn in_range<T: PartialOrd>(value: T, range: &RangeInclusive<T>) -> Result<T, String> {
    if range.contains(&value) {
        Ok(value)
    } else {
        Err(outside())
    }
}

fn outside() -> String {
    "outside the limits".to_owned()
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;

    #[track_caller]
    fn check<K: Kind<Value: PartialEq + Debug>>(
        kind: &K,
        text: &str,
        expected: Result<K::Value, &str>,
    ) {
        assert_eq!(kind.parse(text), expected.map_err(str::to_owned), "{text}");
    }

    #[test]
    fn flags() {
        for (text, expected) in [
            ("true", Ok(true)),
            ("False", Ok(false)),
            (" TRUE ", Ok(true)),
            ("1", Err("")),
            ("yes", Err("")),
        ] {
            check(&Flag, text, expected);
        }
    }

    #[test]
    fn whole_numbers() {
        let kind = Whole::between(1u16, 100);
        check(&kind, "1", Ok(1));
        check(&kind, " 100 ", Ok(100));
        for text in ["0", "101"] {
            check(&kind, text, Err("outside the limits"));
        }
        for text in ["-1", "70000", "1.0", "1e1", "0x1", "one"] {
            check(&kind, text, Err(""));
        }
        assert_eq!(kind.wanted(), "a whole number from 1 to 100");
        check(&Whole::between(-5i8, 5), "-5", Ok(-5));
    }

    #[test]
    fn bytes() {
        let kind = ByteSize::between(0, 1 << 40);
        for (text, expected) in [
            ("0", 0),
            ("32768", 32_768),
            ("32 KiB", 32_768),
            ("1mib", 1 << 20),
            (" 2GiB ", 2 << 30),
        ] {
            check(&kind, text, Ok(expected));
        }
        for text in ["32 KB", "32k", "1.5 MiB"] {
            check(&kind, text, Err("the units are KiB, MiB and GiB"));
        }
        for text in ["KiB", "18446744073709551615 KiB", "18446744073709551616"] {
            check(&kind, text, Err(""));
        }
        check(&kind, "1025 GiB", Err("outside the limits"));
    }

    #[test]
    fn durations_have_limits() {
        let kind = TimeSpan::between(Duration::from_secs(1), Duration::from_secs(60));
        check(&kind, "00:00:01", Ok(Duration::from_secs(1)));
        check(&kind, "60", Ok(Duration::from_secs(60)));
        check(&kind, "0.5", Err("outside the limits"));
        check(&kind, "00:01:01", Err("outside the limits"));
        check(&kind, "soon", Err("it is not a duration"));
        assert_eq!(
            kind.wanted(),
            "a duration such as 00:00:15 or 15 (seconds), from 00:00:01 to 00:01:00"
        );
        assert_eq!(
            TimeSpan::any().wanted(),
            "a duration such as 00:00:15 or 15 (seconds)"
        );
    }

    #[test]
    fn choices() {
        let kind = Choice::of(&[("Memory", 1), ("Redis", 2), ("Both", 3)]);
        check(&kind, "REDIS", Ok(2));
        check(&kind, "disk", Err(""));
        assert_eq!(kind.wanted(), "Memory, Redis or Both");
        assert_eq!(kind.show(&1), "Memory");
        assert_eq!(Choice::of(&[("only", 1)]).wanted(), "only");
    }

    #[test]
    fn urls() {
        let kind = Url::called("an address");
        assert_eq!(
            kind.show(&kind.parse("HTTP://Login:80/x").unwrap()),
            "http://login:80/x"
        );
        check(
            &kind,
            "login",
            Err("it does not begin with http:// or https://"),
        );
    }
}
