//! A settings file in JSON, as tolerant as .NET's reader and not more.

use std::collections::HashSet;
use std::sync::Arc;

use jsonc_parser::ast::Value;
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use crate::chain::Layer;
use crate::key::{self, DELIMITER};
use crate::{Entry, Mistake, Source};

/// Deepest nesting of a file: the default of .NET's reader.
const DEPTH_MAX: usize = 64;

/// Allowed are comments, commas before a closing bracket and a byte order mark; nothing else that JSON does not have.
const TOLERANCE: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_trailing_commas: true,
    allow_loose_object_property_names: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// The values of a file, and what is wrong with it.
pub(crate) fn layer(path: &str, text: &str) -> Layer {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reading = Flattening {
        path: path.into(),
        lines: Lines::of(text),
        seen: HashSet::new(),
        layer: Layer::default(),
    };
    match parse_to_ast(text, &CollectOptions::default(), &TOLERANCE) {
        Err(error) => {
            let place = format!(
                "{path} line {} column {}",
                error.line_display(),
                error.column_display()
            );
            let kind = error.kind().to_string().to_lowercase();
            reading
                .layer
                .mistakes
                .push(Mistake::new(place, format!("JSON: {kind}")));
        }
        Ok(parsed) => match &parsed.value {
            Some(object @ Value::Object(_)) => reading.value("", object, 0),
            _ => reading
                .layer
                .mistakes
                .push(Mistake::new(path, "a JSON object: { … }")),
        },
    }
    reading.layer
}

/// Turns a tree into paths.
struct Flattening {
    path: Arc<str>,
    lines: Lines,
    seen: HashSet<String>,
    layer: Layer,
}

impl Flattening {
    fn value(&mut self, key: &str, value: &Value<'_>, depth: usize) {
        if depth > DEPTH_MAX {
            let wanted = format!("JSON nested at most {DEPTH_MAX} deep");
            return self
                .layer
                .mistakes
                .push(Mistake::new(self.source(value).to_string(), wanted));
        }
        match value {
            Value::Object(object) if !object.properties.is_empty() => {
                for property in &object.properties {
                    self.value(
                        &joined(key, property.name.as_str()),
                        &property.value,
                        depth + 1,
                    );
                }
            }
            Value::Array(array) if !array.elements.is_empty() => {
                for (index, element) in array.elements.iter().enumerate() {
                    self.value(&joined(key, &index.to_string()), element, depth + 1);
                }
            }
            Value::Object(_) | Value::Array(_) if key.is_empty() => {}
            Value::Object(_) | Value::Array(_) | Value::NullKeyword(_) => {
                self.leaf(key, value, None)
            }
            Value::StringLit(text) => self.leaf(key, value, Some(text.value.clone().into_owned())),
            Value::NumberLit(number) => self.leaf(key, value, Some(number.value.to_owned())),
            Value::BooleanLit(flag) => self.leaf(key, value, Some(flag.value.to_string())),
        }
    }

    fn leaf(&mut self, key: &str, value: &Value<'_>, text: Option<String>) {
        let source = self.source(value);
        if self.seen.insert(key::fold(key)) {
            self.layer.entries.push(Entry {
                key: key.to_owned(),
                value: text,
                source,
            });
        } else {
            let entry = Entry {
                key: key.to_owned(),
                value: text,
                source,
            };
            self.layer.mistakes.push(Mistake::about(
                key,
                Some(&entry),
                "each key only once in one file",
            ));
        }
    }

    fn source(&self, value: &Value<'_>) -> Source {
        Source::File {
            path: Arc::clone(&self.path),
            line: self.lines.number(value.start()),
        }
    }
}

/// Where the lines of a text end.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    /// The line of a position, counted from 1.
    fn number(&self, position: usize) -> usize {
        self.0.partition_point(|end| *end < position) + 1
    }
}

fn joined(section: &str, name: &str) -> String {
    if section.is_empty() {
        name.to_owned()
    } else {
        format!("{section}{DELIMITER}{name}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn flat(text: &str) -> Vec<(String, Option<String>, usize)> {
        let layer = layer("f.json", text);
        assert!(layer.mistakes.is_empty(), "{:?}", layer.mistakes);
        let line = |source| match source {
            Source::File { line, .. } => line,
            other => panic!("{other:?}"),
        };
        layer
            .entries
            .into_iter()
            .map(|entry| (entry.key, entry.value, line(entry.source)))
            .collect()
    }

    fn refusal(text: &str) -> String {
        let layer = layer("f.json", text);
        layer.mistakes.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_tree_becomes_paths() {
        let text = "\u{feff}{\n  // a comment\n  \"A\": { \"B\": \"x\", \"C\": 1.50, },\n  \"L\": [true,\n    null, {\"D\": false}],\n  \"E\": {}, /* and */ \"F\": [],\n  \"G:H\": \"tab\\t\",\n}";
        let expected = [
            ("A:B", Some("x"), 3),
            ("A:C", Some("1.50"), 3),
            ("L:0", Some("true"), 4),
            ("L:1", None, 5),
            ("L:2:D", Some("false"), 5),
            ("E", None, 6),
            ("F", None, 6),
            ("G:H", Some("tab\t"), 7),
        ];
        let expected =
            expected.map(|(key, value, line)| (key.to_owned(), value.map(str::to_owned), line));
        assert_eq!(flat(text), expected);
        assert!(flat("{}").is_empty());
    }

    #[test]
    fn what_dotnet_refuses_is_refused() {
        for (text, expected) in [
            ("", "f.json\n  found:  nothing\n  wanted: a JSON object"),
            ("[1]", "a JSON object"),
            ("{\"A\": 1", "f.json line 1"),
            ("{\n\"A\" 1}", "f.json line 2 column 5"),
            ("{'A': 1}", "JSON: "),
            ("{A: 1}", "JSON: "),
            ("{\"A\": 0x10}", "JSON: "),
            ("{\"A\": +1}", "JSON: "),
            ("{\"A\": .5}", "JSON: "),
            ("{\"A\": NaN}", "JSON: "),
            ("{\"A\": 1 \"B\": 2}", "JSON: "),
            ("{\"A\": 1} {}", "JSON: "),
            (
                "{\"A\": {\"B\": 1}, \"a:b\": 2}",
                "a:b\n  from:   f.json line 1\n  found:  \"2\"\n  wanted: each key only once",
            ),
        ] {
            let found = refusal(text);
            assert!(found.contains(expected), "{text:?}: {found}");
        }
    }

    #[test]
    fn nesting_has_an_end() {
        let nested = |depth: usize| {
            format!(
                "{{\"A\":{}1{}}}",
                "[".repeat(depth - 1),
                "]".repeat(depth - 1)
            )
        };
        assert_eq!(refusal(&nested(DEPTH_MAX)), "");
        assert!(refusal(&nested(DEPTH_MAX + 1)).contains("at most 64 deep"));
        assert!(refusal(&nested(100_000)).contains("JSON: "));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[\\[\\]{}:,\"/*\\\\ntrue01 \n\u{feff}é]{0,60}") {
            layer("f.json", &text);
        }
    }
}
