//! Typed values out of a configuration, with all mistakes at once.

use crate::key::{self, DELIMITER};
use crate::{
    Chain, Configuration, Entry, Kind, Mistake, Mistakes, Source, Warning, masked, unknown,
};

/// What is shown for a value that is neither given nor has a default.
const NOT_SET: &str = "(not set)";

/// Takes typed values out of a [`Configuration`], remembering what it gave and what was wrong.
///
/// Reading goes on after a mistake with the default, so that one start tells the operator everything.
#[derive(Debug)]
pub struct Reader<'a> {
    configuration: &'a Configuration,
    known: &'a [&'a str],
    mistakes: Vec<Mistake>,
    warnings: Vec<Warning>,
    effective: Vec<Effective>,
}

/// The outcome of reading without a mistake.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Every value that was read, in the order of reading.
    pub effective: Vec<Effective>,
    /// What is strange, unknown keys included.
    pub warnings: Vec<Warning>,
}

/// A value as it holds, to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The path.
    pub key: String,
    /// The value as one would write it, secrets masked.
    pub value: String,
    /// Where it came from, `None` for the default.
    pub source: Option<Source>,
}

impl<'a> Reader<'a> {
    /// A reader that knows the given paths and no others.
    ///
    /// `known` decides which keys are reported as unknown; `*` in it stands for one segment, a last `**` for everything
    /// below. Reading a path that is not in it is a mistake of the program and panics in debug builds.
    pub fn new(configuration: &'a Configuration, known: &'a [&'a str]) -> Self {
        Self {
            configuration,
            known,
            mistakes: Vec::new(),
            warnings: Vec::new(),
            effective: Vec::new(),
        }
    }

    /// A reader that also reports what was noticed while the sources were merged.
    pub fn of(chain: &'a Chain, known: &'a [&'a str]) -> Self {
        let (mistakes, warnings) = (chain.mistakes.clone(), chain.warnings.clone());
        Self {
            mistakes,
            warnings,
            ..Self::new(&chain.configuration, known)
        }
    }

    /// The value at a path; a mistake and `None` if it is not given or wrong.
    pub fn required<K: Kind>(&mut self, key: &str, kind: &K) -> Option<K::Value> {
        if !self.is_given(key) {
            self.refuse(key, kind.wanted());
        }
        self.optional(key, kind)
    }

    /// The value at a path, or `None`; a mistake if it is wrong.
    pub fn optional<K: Kind>(&mut self, key: &str, kind: &K) -> Option<K::Value> {
        let value = self.value(key, kind);
        let shown = value
            .as_ref()
            .map_or_else(|| NOT_SET.to_owned(), |value| kind.show(value));
        self.record(key, &shown);
        value
    }

    /// The value at a path, or the default; a mistake if it is wrong.
    pub fn or<K: Kind>(&mut self, key: &str, kind: &K, default: K::Value) -> K::Value {
        let value = self.value(key, kind).unwrap_or(default);
        self.record(key, &kind.show(&value));
        value
    }

    /// The values of a list: one text with commas, or the elements of an array; a mistake for each wrong one.
    ///
    /// Blank elements are left out. If both forms are given the text counts: it is the form that an environment variable
    /// has, and the array of a settings file cannot be taken away from outside.
    pub fn list<K: Kind>(&mut self, key: &str, kind: &K) -> Vec<K::Value> {
        self.list_or(key, kind, Vec::new())
    }

    /// As [`list`](Self::list), with values for the case that there are none.
    pub fn list_or<K: Kind>(
        &mut self,
        key: &str,
        kind: &K,
        default: Vec<K::Value>,
    ) -> Vec<K::Value> {
        let mut values = Vec::new();
        let configuration = self.configuration;
        let indexed: Vec<Entry> = configuration
            .children(key)
            .iter()
            .filter_map(|index| {
                configuration
                    .given(&format!("{key}{DELIMITER}{index}"))
                    .cloned()
            })
            .collect();
        let entries = match configuration.given(key) {
            None => indexed,
            Some(entry) => {
                if !indexed.is_empty() {
                    self.warn(key, "overrules the array that is given for it as well");
                }
                let pieces = entry.value.as_deref().unwrap_or_default().split(',');
                pieces
                    .map(|piece| Entry {
                        value: Some(piece.trim().to_owned()),
                        ..entry.clone()
                    })
                    .collect()
            }
        };
        let source = entries.first().map(|entry| entry.source.clone());
        for entry in entries {
            let Some(text) = entry.text() else { continue };
            match kind.parse(text) {
                Ok(value) => values.push(value),
                Err(reason) => self
                    .mistakes
                    .push(Mistake::about(&entry.key, Some(&entry), kind.wanted()).because(&reason)),
            }
        }
        let values = if values.is_empty() { default } else { values };
        let shown: Vec<String> = values.iter().map(|value| kind.show(value)).collect();
        let shown = if shown.is_empty() {
            NOT_SET.to_owned()
        } else {
            masked(key, &shown.join(","))
        };
        self.show(key, shown, source);
        values
    }

    /// Whether something that is not blank stands at a path.
    pub fn is_given(&self, key: &str) -> bool {
        self.configuration.given(key).is_some()
    }

    /// The names of the sections below a path.
    pub fn names(&self, section: &str) -> Vec<String> {
        self.configuration.children(section)
    }

    /// Notes a mistake about what stands at a path.
    pub fn refuse(&mut self, key: &str, wanted: impl Into<String>) {
        self.mistakes
            .push(Mistake::about(key, self.configuration.given(key), wanted));
    }

    /// Notes something strange about what stands at a path.
    pub fn warn(&mut self, key: &str, text: impl Into<String>) {
        let source = self
            .configuration
            .given(key)
            .map(|entry| entry.source.clone());
        self.warnings.push(Warning {
            subject: key.to_owned(),
            source,
            text: text.into(),
        });
    }

    /// Ends the reading, with a warning for each key that nothing knows, or with all mistakes.
    pub fn finish(mut self) -> Result<Reading, Mistakes> {
        self.warnings
            .extend(unknown::warnings(self.configuration, self.known));
        if self.mistakes.is_empty() {
            Ok(Reading {
                effective: self.effective,
                warnings: self.warnings,
            })
        } else {
            Err(self.mistakes.into())
        }
    }

    fn value<K: Kind>(&mut self, key: &str, kind: &K) -> Option<K::Value> {
        let entry = self.configuration.given(key)?;
        match kind.parse(entry.text()?) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.mistakes
                    .push(Mistake::about(key, Some(entry), kind.wanted()).because(&reason));
                None
            }
        }
    }

    fn record(&mut self, key: &str, shown: &str) {
        let source = self
            .configuration
            .given(key)
            .map(|entry| entry.source.clone());
        let shown = if shown == NOT_SET {
            NOT_SET.to_owned()
        } else {
            masked(key, shown)
        };
        self.show(key, shown, source);
    }

    fn show(&mut self, key: &str, value: String, source: Option<Source>) {
        debug_assert!(
            self.known.iter().any(|pattern| key::matches(pattern, key)),
            "{key} is read but not listed as known"
        );
        self.effective.push(Effective {
            key: key.to_owned(),
            value,
            source,
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Choice, Flag, SecretText, Sources, Text, TimeSpan, Url, Whole};

    const KNOWN: &[&str] = &[
        "A:Number",
        "A:Flag",
        "A:Url",
        "A:Wait",
        "A:Word",
        "A:Password",
        "A:List",
        "A:List:*",
    ];

    fn chain(values: &[(&str, &str)]) -> Chain {
        values
            .iter()
            .fold(Sources::for_test(), |sources, (name, value)| {
                sources.with_variable(name, value)
            })
            .load("Test")
    }

    #[test]
    fn all_mistakes_at_once() {
        let chain = chain(&[
            ("A__Number", "many"),
            ("A__Flag", "1"),
            ("A__Wait", "00:00:99"),
            ("A__Word", "green"),
            ("A__List", "1,x,3,y"),
        ]);
        let mut reader = Reader::of(&chain, KNOWN);
        assert_eq!(reader.or("A:Number", &Whole::between(1, 9), 5), 5);
        assert!(reader.or("A:Flag", &Flag, true));
        assert!(
            reader
                .required("A:Url", &Url::called("the address"))
                .is_none()
        );
        assert_eq!(
            reader.or("A:Wait", &TimeSpan::any(), Duration::ZERO),
            Duration::ZERO
        );
        assert_eq!(reader.optional("A:Word", &Choice::of(&[("red", 1)])), None);
        assert_eq!(reader.list("A:List", &Whole::between(1, 9)), [1, 3]);

        let mistakes = reader.finish().unwrap_err();
        let subjects: Vec<&str> = mistakes
            .iter()
            .map(|mistake| mistake.subject.as_str())
            .collect();
        assert_eq!(
            subjects,
            [
                "A:Number", "A:Flag", "A:Url", "A:Wait", "A:Word", "A:List", "A:List"
            ]
        );
        let text = mistakes.to_string();
        for part in [
            "7 mistakes",
            "environment variable A__Number",
            "\"many\"",
            "\"00:00:99\" (minutes and seconds go to 59)",
            "found:  \"y\"",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn values_and_where_they_are_from() {
        let chain = chain(&[
            ("A__Number", "7"),
            ("a__password", "hunter2"),
            ("A__Word", " "),
            ("A__List__1", "b"),
            ("A__List__0", "a"),
        ]);
        let mut reader = Reader::of(&chain, KNOWN);
        assert_eq!(reader.or("A:Number", &Whole::between(1, 9), 5), 7);
        assert_eq!(
            reader.or("A:Wait", &TimeSpan::any(), Duration::from_secs(3)),
            Duration::from_secs(3)
        );
        assert_eq!(
            reader.optional("A:Password", &SecretText).unwrap().expose(),
            "hunter2"
        );
        assert_eq!(reader.optional("A:Word", &Text::called("a word")), None);
        assert_eq!(reader.list("A:List", &Text::called("a letter")), ["a", "b"]);

        let reading = reader.finish().unwrap();
        assert!(reading.warnings.is_empty(), "{:?}", reading.warnings);
        let shown: Vec<String> = reading
            .effective
            .iter()
            .map(|e| {
                format!(
                    "{}={} {}",
                    e.key,
                    e.value,
                    e.source
                        .as_ref()
                        .map_or_else(|| "default".to_owned(), ToString::to_string)
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                "A:Number=7 environment variable A__Number",
                "A:Wait=00:00:03 default",
                "A:Password=****** environment variable a__password",
                "A:Word=(not set) default",
                "A:List=a,b environment variable A__List__0",
            ]
        );
    }

    #[test]
    fn a_text_overrules_an_array() {
        let chain = chain(&[("A__List", "x, ,y,"), ("A__List__0", "a")]);
        let mut reader = Reader::of(&chain, KNOWN);
        assert_eq!(reader.list("A:List", &Text::called("a letter")), ["x", "y"]);
        let warnings = reader.finish().unwrap().warnings;
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].to_string().contains("overrules the array"));
    }

    #[test]
    fn a_list_may_have_a_default() {
        for (given, expected) in [("", vec![1, 2]), (" , ", vec![1, 2]), ("3", vec![3])] {
            let chain = chain(&[("A__List", given)]);
            let mut reader = Reader::of(&chain, KNOWN);
            assert_eq!(
                reader.list_or("A:List", &Whole::between(1, 9), vec![1, 2]),
                expected
            );
            let shown = expected
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(",");
            assert_eq!(reader.finish().unwrap().effective[0].value, shown);
        }
    }

    #[test]
    fn what_the_sources_noticed_is_reported() {
        let chain = Sources::for_test()
            .with_file("appsettings.json", "{")
            .with_argument("word")
            .load("Test");
        assert_eq!(Reader::of(&chain, KNOWN).finish().unwrap_err().len(), 1);
        let chain = Sources::for_test().with_argument("word").load("Test");
        assert_eq!(
            Reader::of(&chain, KNOWN).finish().unwrap().warnings.len(),
            1
        );
    }

    #[test]
    fn mistakes_about_several_values() {
        let chain = chain(&[("A__Number", "7")]);
        let mut reader = Reader::of(&chain, KNOWN);
        reader.refuse("A:Number", "less than A:Wait");
        reader.warn("A:Wait", "is strange");
        let text = reader.finish().unwrap_err().to_string();
        assert!(
            text.contains("found:  \"7\"") && text.contains("wanted: less than A:Wait"),
            "{text}"
        );
    }
}
