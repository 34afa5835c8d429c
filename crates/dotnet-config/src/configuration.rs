//! The merged map of paths to texts.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;

use crate::Source;
use crate::key::{self, DELIMITER};

/// All values of all layers, each with the layer that won.
#[derive(Clone, Debug, Default)]
pub struct Configuration {
    /// By folded path.
    entries: BTreeMap<String, Entry>,
}

/// One value with its path and its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The path, spelled as its source spells it.
    pub key: String,
    /// The text, `None` for a JSON `null`, an empty object or an empty array.
    pub value: Option<String>,
    /// Where it came from.
    pub source: Source,
}

impl Configuration {
    /// Lays `entries` over what is there; among equal paths the last one wins.
    pub fn add(&mut self, entries: impl IntoIterator<Item = Entry>) {
        for entry in entries {
            match self.entries.entry(key::fold(&entry.key)) {
                Slot::Vacant(slot) => {
                    slot.insert(entry);
                }
                Slot::Occupied(mut slot) => {
                    slot.insert(entry);
                }
            }
        }
    }

    /// The entry at a path, also when its value is empty.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.get(&key::fold(key))
    }

    /// The entry at a path if it says something.
    ///
    /// Blank counts as not given: `Redis__ConnectionString=` in a compose file is how people leave a value out.
    pub fn given(&self, key: &str) -> Option<&Entry> {
        self.entry(key).filter(|entry| entry.text().is_some())
    }

    /// The text at a path if it says something.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.entry(key).and_then(Entry::text)
    }

    /// The next segments below a path, each once: numbers first and in their order, then names.
    pub fn children(&self, section: &str) -> Vec<String> {
        let mut prefix = key::fold(section);
        prefix.push(DELIMITER);
        let mut found: Vec<(Option<u64>, String, &str)> = Vec::new();
        for (folded, entry) in self.entries.range(prefix.clone()..) {
            if !folded.starts_with(&prefix) {
                break;
            }
            let Some(name) = entry
                .key
                .split(DELIMITER)
                .nth(section.split(DELIMITER).count())
            else {
                continue;
            };
            let folded = key::fold(name);
            if !found.iter().any(|(_, seen, _)| *seen == folded) {
                found.push((name.parse().ok(), folded, name));
            }
        }
        found.sort_by(|(left, left_name, _), (right, right_name, _)| {
            (left.is_none(), left, left_name).cmp(&(right.is_none(), right, right_name))
        });
        found
            .into_iter()
            .map(|(_, _, name)| name.to_owned())
            .collect()
    }

    /// All entries, ordered by path.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }
}

impl Entry {
    /// The text, if it is there and not blank.
    pub fn text(&self) -> Option<&str> {
        self.value.as_deref().filter(|text| !text.trim().is_empty())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(key: &str, value: &str) -> Entry {
        let source = Source::Variable {
            name: key.to_owned(),
        };
        Entry {
            key: key.to_owned(),
            value: Some(value.to_owned()),
            source,
        }
    }

    #[test]
    fn children_are_listed_once_numbers_first() {
        let mut configuration = Configuration::default();
        configuration
            .add(["L:10", "L:9:x", "l:b", "L:a", "L:B:c", "LL:z", "L"].map(|key| entry(key, "1")));
        assert_eq!(configuration.children("l"), ["9", "10", "a", "b"]);
        assert_eq!(configuration.children("L:9"), ["x"]);
        assert!(configuration.children("missing").is_empty());
    }

    #[test]
    fn blank_is_not_given() {
        let mut configuration = Configuration::default();
        configuration.add([entry("A", "base")]);
        configuration.add([entry("A", " ")]);
        assert!(configuration.given("A").is_none());
        assert_eq!(
            configuration.entry("A").unwrap().value.as_deref(),
            Some(" ")
        );
    }

    fn respelled(key: &str, upper: &[bool]) -> String {
        key.chars()
            .zip(upper.iter().cycle())
            .map(|(c, upper)| {
                if *upper {
                    c.to_ascii_uppercase()
                } else {
                    c.to_ascii_lowercase()
                }
            })
            .collect()
    }

    proptest! {
        #[test]
        fn case_does_not_matter(key in "[a-zA-Z0-9_.]{1,8}(:[a-zA-Z0-9]{1,8}){0,3}", upper in prop::collection::vec(any::<bool>(), 1..9)) {
            let mut configuration = Configuration::default();
            configuration.add([entry(&key, "v")]);
            prop_assert_eq!(configuration.text(&respelled(&key, &upper)), Some("v"));
        }

        #[test]
        fn the_last_layer_wins_for_each_path(layers in prop::collection::vec(prop::collection::vec(("[abAB]:[cdCD]", "[0-9]{1,3}"), 0..6), 1..6)) {
            let mut configuration = Configuration::default();
            for layer in &layers {
                configuration.add(layer.iter().map(|(key, value)| entry(key, value)));
            }
            for (key, _) in layers.iter().flatten() {
                let last = layers.iter().flatten().rfind(|(other, _)| other.eq_ignore_ascii_case(key)).unwrap();
                prop_assert_eq!(configuration.text(key), Some(last.1.as_str()));
            }
        }
    }
}
