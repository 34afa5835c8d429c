//! Environment variables as a layer.

use crate::chain::Layer;
use crate::key::{self, DELIMITER};
use crate::{Entry, Source, Warning};

/// The variables that begin with `prefix`, without it.
///
/// Two underscores stand for a colon, for few shells allow a colon in a name. The prefix is compared without regard to
/// case, as in .NET. Of two names that mean the same path the last in alphabetical order wins, and a warning says so:
/// .NET leaves it to chance.
pub(crate) fn layer(variables: &[(String, String)], prefix: &str) -> Layer {
    let mut layer = Layer::default();
    let mut sorted: Vec<&(String, String)> = variables.iter().collect();
    sorted.sort();
    for (name, value) in sorted {
        let Some(rest) = without_prefix(name, prefix) else {
            continue;
        };
        let key = rest.replace("__", &DELIMITER.to_string());
        if key.is_empty() {
            continue;
        }
        let entry = Entry {
            key,
            value: Some(value.clone()),
            source: Source::Variable { name: name.clone() },
        };
        let folded = key::fold(&entry.key);
        match layer
            .entries
            .iter_mut()
            .find(|other| key::fold(&other.key) == folded)
        {
            None => layer.entries.push(entry),
            Some(other) => {
                if other.value != entry.value {
                    let text = format!("overrules {}, which means the same key", other.source);
                    layer.warnings.push(Warning {
                        subject: entry.key.clone(),
                        source: Some(entry.source.clone()),
                        text,
                    });
                }
                *other = entry;
            }
        }
    }
    layer
}

fn without_prefix<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = name.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(prefix: &str) -> Vec<(String, String)> {
        let variables = [
            ("Redis__ConnectionString", "r"),
            ("ASPNETCORE_Kestrel__Grpc__Url", "k"),
            ("aspnetcore_urls", "u"),
            ("ASPNETCORE_", "nothing"),
            ("PATH", "/bin"),
            ("é", "short"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let layer = layer(&variables, prefix);
        assert!(layer.warnings.is_empty());
        layer
            .entries
            .into_iter()
            .map(|entry| (entry.key, entry.source.to_string()))
            .collect()
    }

    #[test]
    fn prefixes_are_taken_off() {
        let expected = [
            (
                "Kestrel:Grpc:Url",
                "environment variable ASPNETCORE_Kestrel__Grpc__Url",
            ),
            ("urls", "environment variable aspnetcore_urls"),
        ];
        assert_eq!(
            keys("ASPNETCORE_"),
            expected.map(|(key, source)| (key.to_owned(), source.to_owned()))
        );
        assert!(keys("DOTNET_").is_empty());
        assert_eq!(keys("").len(), 6);
    }

    #[test]
    fn two_names_for_one_key_are_told() {
        let variables = [
            ("redis__x", "1"),
            ("REDIS__X", "2"),
            ("A__B", "1"),
            ("a__b", "1"),
        ];
        let layer = layer(
            &variables.map(|(name, value)| (name.to_owned(), value.to_owned())),
            "",
        );
        assert_eq!(layer.entries.len(), 2);
        assert_eq!(layer.warnings.len(), 1, "{:?}", layer.warnings);
        let text = layer.warnings[0].to_string();
        assert_eq!(
            text,
            "redis:x (environment variable redis__x): overrules environment variable REDIS__X, which means the same key"
        );
    }
}
