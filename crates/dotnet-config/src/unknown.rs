//! Keys that nothing reads: most of them are misspelled.

use crate::key::{self, DELIMITER};
use crate::{Configuration, Entry, Source, Warning};

/// A warning for each key that is meant for this program as far as one can tell, and that it does not know.
///
/// Meant for it is: whatever stands below one of its sections; every argument of the command line; what lies below a
/// section with nearly the name of one of its own; and a variable that is one of its keys but for the punctuation. All
/// else, `PATH` and the sections of other libraries, is nobody's business, as in .NET.
pub(crate) fn warnings(configuration: &Configuration, known: &[&str]) -> Vec<Warning> {
    configuration
        .entries()
        .filter(|entry| entry.value.is_some())
        .filter(|entry| {
            !known
                .iter()
                .any(|pattern| key::matches(pattern, &entry.key))
        })
        .filter_map(|entry| warning(entry, known))
        .collect()
}

fn warning(entry: &Entry, known: &[&str]) -> Option<Warning> {
    let ours = is_below_a_known_section(&entry.key, known);
    let argument = matches!(entry.source, Source::Argument { .. });
    let text = match (mispunctuated(entry, known), nearest(&entry.key, known)) {
        (Some(pattern), _) => format!(
            "is not a key of this service, did you mean {}?",
            pattern.replace(DELIMITER, "__")
        ),
        (None, Some(key)) if ours || argument || is_near_a_known_section(&entry.key, known) => {
            format!("is not a key of this service, did you mean {key}?")
        }
        (None, None) if ours || argument => {
            "is not a key of this service and has no effect".to_owned()
        }
        _ => return None,
    };
    Some(Warning {
        subject: entry.key.clone(),
        source: Some(entry.source.clone()),
        text,
    })
}

fn is_below_a_known_section(key: &str, known: &[&str]) -> bool {
    let Some((section, _)) = key.split_once(DELIMITER) else {
        return false;
    };
    sections(known).any(|other| key::same(section, other))
}

fn is_near_a_known_section(key: &str, known: &[&str]) -> bool {
    let Some((section, _)) = key.split_once(DELIMITER) else {
        return false;
    };
    sections(known).any(|other| slips(&key::fold(section), &key::fold(other)).is_some())
}

fn sections<'a>(known: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
    known
        .iter()
        .filter_map(|pattern| pattern.split_once(DELIMITER))
        .map(|(section, _)| section)
}

/// A variable such as `REDIS_CONNECTIONSTRING`, which wants to be `Redis__ConnectionString`.
fn mispunctuated<'a>(entry: &Entry, known: &[&'a str]) -> Option<&'a str> {
    let letters = |text: &str| -> String {
        key::fold(text)
            .chars()
            .filter(|c| c.is_alphanumeric())
            .collect()
    };
    let variable =
        matches!(entry.source, Source::Variable { .. }) && !entry.key.contains(DELIMITER);
    let mut patterns = known
        .iter()
        .filter(|pattern| pattern.contains(DELIMITER) && !pattern.contains('*'));
    let found = patterns.find(|pattern| variable && letters(pattern) == letters(&entry.key));
    found.copied()
}

/// The known key that is nearly this one, with the names that `*` stands for filled in.
fn nearest(key: &str, known: &[&str]) -> Option<String> {
    let folded = key::fold(key);
    let candidates = known
        .iter()
        .filter(|pattern| !pattern.ends_with("**"))
        .map(|pattern| filled(pattern, key));
    let near = candidates
        .filter_map(|candidate| Some((slips(&folded, &key::fold(&candidate))?, candidate)));
    near.min_by_key(|(slips, _)| *slips)
        .map(|(_, candidate)| candidate)
}

/// The pattern with each `*` replaced by what the key has in its place.
fn filled(pattern: &str, key: &str) -> String {
    let names: Vec<&str> = key.split(DELIMITER).collect();
    let segments = pattern.split(DELIMITER).enumerate();
    let filled = segments.map(|(index, segment)| {
        if segment == "*" {
            names.get(index).copied().unwrap_or(segment)
        } else {
            segment
        }
    });
    filled.collect::<Vec<_>>().join(&DELIMITER.to_string())
}

/// How many slips lie between two texts, if few enough that one was probably meant for the other.
///
/// One for every four characters and at most three: with more, the guess is worth nothing.
fn slips(left: &str, right: &str) -> Option<usize> {
    let lengths = [left.chars().count(), right.chars().count()];
    let most = (lengths[0].min(lengths[1]) / 4).min(3);
    // Looked at first because counting takes time in proportion to the product of the lengths.
    if lengths[0].abs_diff(lengths[1]) > most {
        return None;
    }
    Some(distance(left, right)).filter(|slips| *slips <= most)
}

/// How many insertions, removals, replacements and swaps of neighbours make one text into the other.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=right.len()).collect()];
    for i in 1..=left.len() {
        let mut row = vec![i];
        for j in 1..=right.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(left[i - 1] != right[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Chain, Sources};

    const KNOWN: &[&str] = &[
        "Redis:ConnectionString",
        "Presence:Grace",
        "Kestrel:Endpoints:*:Url",
        "Logging:LogLevel:*",
        "Logging:Debug:**",
        "urls",
    ];

    fn told(chain: &Chain) -> Vec<String> {
        warnings(&chain.configuration, KNOWN)
            .into_iter()
            .map(|warning| format!("{}: {}", warning.subject, warning.text))
            .collect()
    }

    fn told_of_variable(name: &str) -> Vec<String> {
        told(&Sources::for_test().with_variable(name, "1").load("Test"))
    }

    #[test]
    fn known_keys_and_other_peoples_keys_are_silent() {
        for name in [
            "redis__connectionstring",
            "Kestrel__Endpoints__Web__Url",
            "Logging__LogLevel__Microsoft.AspNetCore",
            "Logging__Debug__LogLevel__Default",
            "ASPNETCORE_URLS",
            "PATH",
            "ASPNETCORE_FORWARDEDHEADERS_ENABLED",
            "Serilog__MinimumLevel",
            "REDIS_PORT",
            "ConnectionStrings__Chat",
            "RabbitMQ__Host",
        ] {
            assert!(
                told_of_variable(name).is_empty(),
                "{name}: {:?}",
                told_of_variable(name)
            );
        }
    }

    #[test]
    fn misspelled_keys_are_told() {
        for (name, expected) in [
            (
                "Redis__ConnectionStrng",
                "Redis:ConnectionStrng: is not a key of this service, did you mean Redis:ConnectionString?",
            ),
            (
                "Presense__Grace",
                "Presense:Grace: is not a key of this service, did you mean Presence:Grace?",
            ),
            (
                "Presence__Gracing",
                "Presence:Gracing: is not a key of this service, did you mean Presence:Grace?",
            ),
            (
                "Presence__Colour",
                "Presence:Colour: is not a key of this service and has no effect",
            ),
            (
                "Kestrel__Endpoints__Web__Ulr",
                "Kestrel:Endpoints:Web:Ulr: is not a key of this service, did you mean Kestrel:Endpoints:Web:Url?",
            ),
            (
                "REDIS_CONNECTIONSTRING",
                "REDIS_CONNECTIONSTRING: is not a key of this service, did you mean Redis__ConnectionString?",
            ),
            (
                "Redis.ConnectionString",
                "Redis.ConnectionString: is not a key of this service, did you mean Redis__ConnectionString?",
            ),
        ] {
            assert_eq!(told_of_variable(name), [expected]);
        }
    }

    #[test]
    fn every_unknown_argument_is_told() {
        let chain = Sources::for_test()
            .with_argument("--ulrs=x")
            .with_argument("--other=x")
            .load("Test");
        assert_eq!(
            told(&chain),
            [
                "other: is not a key of this service and has no effect",
                "ulrs: is not a key of this service, did you mean urls?"
            ]
        );
    }

    #[test]
    fn empty_sections_are_silent() {
        let chain = Sources::for_test()
            .with_file("appsettings.json", r#"{"Presence": {}, "Redis": null}"#)
            .load("Test");
        assert!(told(&chain).is_empty());
    }

    #[test]
    fn distances() {
        for (left, right, expected) in [
            ("", "", 0),
            ("", "ab", 2),
            ("abc", "abc", 0),
            ("abc", "acb", 1),
            ("kitten", "sitting", 3),
            ("ulr", "url", 1),
        ] {
            assert_eq!(distance(left, right), expected, "{left} {right}");
        }
    }
}
