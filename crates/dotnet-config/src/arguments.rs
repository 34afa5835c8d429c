//! The command line as a layer.

use crate::chain::Layer;
use crate::key;
use crate::{Entry, Mistake, Source, Warning};

/// The values given as `--A:B=v`, `--A:B v`, `/A:B=v`, `/A:B v` and `A:B=v`; of several for one path the last counts.
///
/// What .NET ignores in silence is told: a word without `=` and without dashes, a switch at the end without a value, `-x`.
/// What .NET refuses, `-x=v`, is refused.
pub(crate) fn layer(arguments: &[String]) -> Layer {
    let mut layer = Layer::default();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match Form::of(argument) {
            Form::Pair { text, key, value } => layer.argument(text, key, value),
            Form::Short { text } => {
                let wanted = format!("two dashes: -{text}=…");
                layer.mistakes.push(Mistake::new(
                    format!("command line argument {text}"),
                    wanted,
                ));
            }
            Form::Ignored => {
                layer.strange(argument, "is ignored: a setting is written --Key=value")
            }
            Form::Switch { key } => match arguments.next() {
                None => layer.strange(argument, "is ignored: it has no value"),
                Some(value) => {
                    if value.starts_with("--") {
                        layer.strange(argument, "took the argument after it as its value");
                    }
                    layer.argument(argument, key, value);
                }
            },
        }
    }
    layer
}

impl Layer {
    fn argument(&mut self, text: &str, key: &str, value: &str) {
        if key.is_empty() {
            return self.strange(text, "is ignored: it has no key");
        }
        let source = Source::Argument {
            text: text.to_owned(),
        };
        self.entries.retain(|entry| !key::same(&entry.key, key));
        self.entries.push(Entry {
            key: key.to_owned(),
            value: Some(value.to_owned()),
            source,
        });
    }

    fn strange(&mut self, argument: &str, text: &str) {
        // Only the part before `=`: what follows may be a secret.
        let shown = argument.split('=').next().unwrap_or_default();
        self.warnings.push(Warning {
            subject: format!("command line argument {shown}"),
            source: None,
            text: text.to_owned(),
        });
    }
}

/// The forms of one argument.
enum Form<'a> {
    Pair {
        text: &'a str,
        key: &'a str,
        value: &'a str,
    },
    Switch {
        key: &'a str,
    },
    Short {
        text: &'a str,
    },
    Ignored,
}

impl<'a> Form<'a> {
    fn of(argument: &'a str) -> Self {
        let long = argument
            .strip_prefix("--")
            .or_else(|| argument.strip_prefix('/'));
        let short = long.is_none() && argument.starts_with('-');
        match argument.split_once('=') {
            Some((text, _)) if short => Self::Short { text },
            Some((text, value)) => {
                let key = text
                    .strip_prefix("--")
                    .or_else(|| text.strip_prefix('/'))
                    .unwrap_or(text);
                Self::Pair { text, key, value }
            }
            None => long
                .filter(|key| !key.is_empty())
                .map_or(Self::Ignored, |key| Self::Switch { key }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(arguments: &[&str]) -> Layer {
        layer(
            &arguments
                .iter()
                .map(|&argument| argument.to_owned())
                .collect::<Vec<_>>(),
        )
    }

    fn pairs(arguments: &[&str]) -> Vec<(String, String)> {
        read(arguments)
            .entries
            .into_iter()
            .map(|entry| (entry.key, entry.value.unwrap()))
            .collect()
    }

    #[test]
    fn every_form() {
        for arguments in [
            &["--A:B=v"][..],
            &["--A:B", "v"],
            &["/A:B=v"],
            &["/A:B", "v"],
            &["A:B=v"],
            &["a:b=x", "--A:B=v"],
        ] {
            assert_eq!(
                pairs(arguments),
                [("A:B".to_owned(), "v".to_owned())],
                "{arguments:?}"
            );
            assert!(read(arguments).warnings.is_empty());
        }
        assert_eq!(pairs(&["--A=x=y"]), [("A".to_owned(), "x=y".to_owned())]);
        assert_eq!(pairs(&["--A="]), [("A".to_owned(), String::new())]);
        assert_eq!(
            pairs(&["--A", "-1", "B=2"]),
            [
                ("A".to_owned(), "-1".to_owned()),
                ("B".to_owned(), "2".to_owned())
            ]
        );
    }

    #[test]
    fn what_is_ignored_is_told() {
        for (arguments, expected) in [
            (&["word"][..], "command line argument word: is ignored"),
            (&["-x"], "command line argument -x: is ignored"),
            (&["--"], "command line argument --: is ignored"),
            (
                &["--A"],
                "command line argument --A: is ignored: it has no value",
            ),
            (
                &["--=secret"],
                "command line argument --: is ignored: it has no key",
            ),
            (
                &["--A", "--B=secret"],
                "command line argument --A: took the argument after it",
            ),
        ] {
            let layer = read(arguments);
            assert_eq!(layer.warnings.len(), 1, "{arguments:?}");
            let text = layer.warnings[0].to_string();
            assert!(
                text.starts_with(expected) && !text.contains("secret"),
                "{text}"
            );
        }
    }

    #[test]
    fn one_dash_with_a_value_is_refused() {
        let layer = read(&["-x=secret"]);
        assert_eq!(layer.mistakes.len(), 1);
        let text = layer.mistakes[0].to_string();
        assert!(text.contains("--x=…") && !text.contains("secret"), "{text}");
    }

    #[test]
    fn the_source_shows_no_value() {
        let layer = read(&["--Redis:ConnectionString=h,password=p"]);
        assert_eq!(
            layer.entries[0].source.to_string(),
            "command line argument --Redis:ConnectionString"
        );
    }

    proptest! {
        #[test]
        fn all_forms_mean_the_same(key in "[a-z]{1,5}(:[a-z]{1,5}){0,2}", value in "[^-=][^=]{0,9}") {
            let expected = vec![(key.clone(), value.clone())];
            prop_assert_eq!(pairs(&[&format!("--{key}={value}")]), &expected[..]);
            prop_assert_eq!(pairs(&[&format!("--{key}"), &value]), &expected[..]);
            prop_assert_eq!(pairs(&[&format!("/{key}={value}")]), &expected[..]);
            prop_assert_eq!(pairs(&[&format!("{key}={value}")]), expected);
        }
    }
}
