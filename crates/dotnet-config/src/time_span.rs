//! Durations in the form of .NET's `TimeSpan`.

use std::time::Duration;

/// .NET's `TimeSpan.MaxValue` in whole days.
const DAYS_MAX: u64 = 10_675_199;

/// Digits behind the point: a tick of .NET is a tenth of a microsecond.
const FRACTION_DIGITS: usize = 7;

/// Nanoseconds of a tick.
const TICK: u32 = 100;

/// Why a text is no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTimeSpan {
    /// The text has another form altogether.
    #[error("it is not a duration")]
    Form,
    /// The duration is below zero.
    #[error("a duration cannot be negative")]
    Negative,
    /// Hours beyond 23; .NET reads them as days or refuses them, depending on the form.
    #[error("hours go to 23, write days as 1.00:00:00")]
    Hours,
    /// Minutes or seconds beyond 59.
    #[error("minutes and seconds go to 59")]
    Sixties,
    /// More digits behind the point than .NET keeps.
    #[error("a fraction has at most seven digits")]
    Fraction,
    /// Longer than .NET can say.
    #[error("it is longer than 10675199 days")]
    TooLong,
}

/// Reads `[d.]hh:mm[:ss[.fffffff]]`, `d:hh:mm:ss[.fffffff]`, or a plain number of seconds.
///
/// A plain number differs from .NET on purpose: `TimeSpan.Parse("15")` is fifteen days, which nobody means.
pub fn parse_time_span(text: &str) -> Result<Duration, InvalidTimeSpan> {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix('-') {
        return Err(parse_time_span(rest).map_or_else(|error| error, |_| InvalidTimeSpan::Negative));
    }
    let parts: Vec<&str> = text.split(':').collect();
    let (days, clock) = match parts.as_slice() {
        [seconds] => return assembled(0, 0, 0, seconds, u64::MAX),
        [days, clock @ ..] if clock.len() == 3 => (*days, clock.to_vec()),
        [first, rest @ ..] if rest.len() < 3 => {
            let (days, hours) = first.split_once('.').unwrap_or(("0", first));
            (days, [&[hours], rest].concat())
        }
        _ => return Err(InvalidTimeSpan::Form),
    };
    let hours = below(clock[0], 24, InvalidTimeSpan::Hours)?;
    let minutes = below(clock[1], 60, InvalidTimeSpan::Sixties)?;
    assembled(
        number(days)?,
        hours,
        minutes,
        clock.get(2).unwrap_or(&"0"),
        60,
    )
}

/// Writes the form that .NET's `TimeSpan.ToString()` has: `[d.]hh:mm:ss[.fffffff]`; less than a tick is dropped.
pub fn format_time_span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let clock = format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60
    );
    let days = match seconds / 86_400 {
        0 => String::new(),
        days => format!("{days}."),
    };
    match duration.subsec_nanos() / TICK {
        0 => format!("{days}{clock}"),
        ticks => format!("{days}{clock}.{ticks:07}"),
    }
}

fn assembled(
    days: u64,
    hours: u64,
    minutes: u64,
    seconds: &str,
    limit: u64,
) -> Result<Duration, InvalidTimeSpan> {
    let (whole, fraction) = match seconds.split_once('.') {
        Some((_, "")) => return Err(InvalidTimeSpan::Form),
        Some((whole, fraction)) => (whole, fraction),
        None => (seconds, ""),
    };
    if fraction.len() > FRACTION_DIGITS && fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(InvalidTimeSpan::Fraction);
    }
    let seconds = below(whole, limit, InvalidTimeSpan::Sixties)?;
    let ticks = if fraction.is_empty() {
        0
    } else {
        number(&format!("{fraction:0<FRACTION_DIGITS$}"))?
    };
    let nanoseconds = u32::try_from(ticks).map_err(|_| InvalidTimeSpan::Form)? * TICK;
    let all = days
        .checked_mul(86_400)
        .and_then(|all| all.checked_add(hours * 3600 + minutes * 60))
        .and_then(|all| all.checked_add(seconds))
        .filter(|all| *all <= DAYS_MAX * 86_400)
        .ok_or(InvalidTimeSpan::TooLong)?;
    Ok(Duration::new(all, nanoseconds))
}

fn below(text: &str, limit: u64, beyond: InvalidTimeSpan) -> Result<u64, InvalidTimeSpan> {
    let number = number(text)?;
    if number < limit {
        Ok(number)
    } else {
        Err(beyond)
    }
}

fn number(text: &str) -> Result<u64, InvalidTimeSpan> {
    if text.is_empty() || !text.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(InvalidTimeSpan::Form);
    }
    text.parse().map_err(|_| InvalidTimeSpan::TooLong)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn forms() {
        let day = 86_400.0;
        for (text, seconds) in [
            ("00:00:15", 15.0),
            ("0:0:5", 5.0),
            ("15", 15.0),
            ("0.5", 0.5),
            (" 15 ", 15.0),
            ("0", 0.0),
            ("1:30", 5400.0),
            ("1.02:03", day + 7380.0),
            ("1.02:03:04.5", day + 7384.5),
            ("6:12:14:45", 6.0 * day + 44_085.0),
            ("6:12:14:45.25", 6.0 * day + 44_085.25),
            ("00:00:00.0000001", 0.000_000_1),
            ("10675199.00:00:00", 10_675_199.0 * day),
            ("90", 90.0),
        ] {
            assert_eq!(
                parse_time_span(text),
                Ok(Duration::from_secs_f64(seconds)),
                "{text}"
            );
        }
    }

    #[test]
    fn refusals() {
        use InvalidTimeSpan as E;
        for (text, error) in [
            ("", E::Form),
            ("ten", E::Form),
            ("15s", E::Form),
            ("1e3", E::Form),
            ("+5", E::Form),
            (".5", E::Form),
            ("5.", E::Form),
            ("1:", E::Form),
            (":1", E::Form),
            ("1:2:3:4:5", E::Form),
            ("1.2:3:4:5", E::Form),
            ("00:00.5", E::Form),
            ("1 :00", E::Form),
            ("٣:00", E::Form),
            ("-1", E::Negative),
            ("-00:00:00.001", E::Negative),
            ("-x", E::Form),
            ("24:00:00", E::Hours),
            ("00:60:00", E::Sixties),
            ("00:00:60", E::Sixties),
            ("0.12345678", E::Fraction),
            ("10675200.00:00:00", E::TooLong),
            ("99999999999999999999", E::TooLong),
            ("18446744073709551615.00:00:00", E::TooLong),
        ] {
            assert_eq!(parse_time_span(text), Err(error), "{text}");
        }
    }

    #[test]
    fn written_forms() {
        for (duration, text) in [
            (Duration::ZERO, "00:00:00"),
            (Duration::from_secs(15), "00:00:15"),
            (Duration::from_millis(1500), "00:00:01.5000000"),
            (Duration::from_secs(93_784), "1.02:03:04"),
            (Duration::from_nanos(199), "00:00:00.0000001"),
        ] {
            assert_eq!(format_time_span(duration), text);
        }
    }

    proptest! {
        #[test]
        fn round_trip(seconds in 0..=DAYS_MAX * 86_400, ticks in 0u32..10_000_000) {
            let duration = Duration::new(seconds, ticks * TICK);
            prop_assert_eq!(parse_time_span(&format_time_span(duration)), Ok(duration));
        }

        #[test]
        fn a_number_is_seconds(seconds in 0u64..1_000_000_000) {
            prop_assert_eq!(parse_time_span(&seconds.to_string()), Ok(Duration::from_secs(seconds)));
        }

        #[test]
        fn no_text_panics(text in "[-0-9.: x]{0,30}") {
            let _ = parse_time_span(&text);
        }
    }
}
