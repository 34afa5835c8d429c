//! What is wrong, and what is only strange, in words for the operator.

use std::fmt;

use crate::{Entry, Source, masked};

/// So much of a wrong value is shown, in characters: enough to recognise it, not enough to flood a log.
const FOUND_MAX: usize = 200;

/// One thing that must be put right before the service can start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The path, or the file or argument that could not be read.
    pub subject: String,
    /// Where the value came from, if there is one.
    pub source: Option<Source>,
    /// What was found, quoted and without secrets, if anything was.
    pub found: Option<String>,
    /// What should stand there.
    pub wanted: String,
}

/// Everything that must be put right, in the order in which it was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mistakes(Vec<Mistake>);

/// Something that works and is probably not what was meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The path, or the argument.
    pub subject: String,
    /// Where it came from, if it was given at all.
    pub source: Option<Source>,
    /// What is strange about it.
    pub text: String,
}

impl Mistake {
    /// A mistake about something that is not a value of the configuration.
    pub fn new(subject: impl Into<String>, wanted: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            source: None,
            found: None,
            wanted: wanted.into(),
        }
    }

    /// A mistake about a value, told from what is there.
    pub(crate) fn about(key: &str, entry: Option<&Entry>, wanted: impl Into<String>) -> Self {
        let found = entry
            .and_then(|entry| entry.value.as_deref())
            .map(|value| quoted(&masked(key, value)));
        Self {
            subject: key.to_owned(),
            source: entry.map(|entry| entry.source.clone()),
            found,
            wanted: wanted.into(),
        }
    }

    /// Adds, in brackets behind what was found, what is wrong with it.
    pub(crate) fn because(mut self, reason: &str) -> Self {
        if let Some(found) = self.found.as_mut().filter(|_| !reason.is_empty()) {
            found.push_str(&format!(" ({reason})"));
        }
        self
    }
}

impl Mistakes {
    /// The mistakes one by one.
    pub fn iter(&self) -> impl Iterator<Item = &Mistake> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<Mistake>> for Mistakes {
    fn from(mistakes: Vec<Mistake>) -> Self {
        Self(mistakes)
    }
}

impl std::error::Error for Mistakes {}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.len() {
            1 => writeln!(f, "the configuration has one mistake")?,
            count => writeln!(f, "the configuration has {count} mistakes")?,
        }
        for mistake in &self.0 {
            write!(f, "\n{mistake}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.subject)?;
        if let Some(source) = &self.source {
            writeln!(f, "  from:   {source}")?;
        }
        writeln!(
            f,
            "  found:  {}",
            self.found.as_deref().unwrap_or("nothing")
        )?;
        writeln!(f, "  wanted: {}", self.wanted)
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Some(source) => write!(f, "{} ({source}): {}", self.subject, self.text),
            None => write!(f, "{}: {}", self.subject, self.text),
        }
    }
}

fn quoted(text: &str) -> String {
    match text.char_indices().nth(FOUND_MAX) {
        Some((end, _)) => format!("{:?}… ({} bytes)", &text[..end], text.len()),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str, value: &str) -> Entry {
        let source = Source::File {
            path: "appsettings.json".into(),
            line: 7,
        };
        Entry {
            key: key.to_owned(),
            value: Some(value.to_owned()),
            source,
        }
    }

    #[test]
    fn one_block_each() {
        let mistakes = Mistakes::from(vec![
            Mistake::about("A:B", Some(&entry("A:B", "x\ny")), "a number")
                .because("it is two lines"),
            Mistake::about("A:C", None, "a URL"),
        ]);
        let expected = "\
the configuration has 2 mistakes

A:B
  from:   appsettings.json line 7
  found:  \"x\\ny\" (it is two lines)
  wanted: a number

A:C
  found:  nothing
  wanted: a URL
";
        assert_eq!(mistakes.to_string(), expected);
    }

    #[test]
    fn secrets_and_floods_are_kept_out() {
        let mistake = Mistake::about(
            "X:Password",
            Some(&entry("X:Password", "hunter2")),
            "a longer one",
        );
        assert!(!mistake.to_string().contains("hunter2"));
        let mistake = Mistake::about("X", Some(&entry("X", &"é".repeat(10_000))), "less");
        assert!(mistake.to_string().len() < 600);
        assert!(mistake.to_string().contains("(20000 bytes)"));
    }
}
