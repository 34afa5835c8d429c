//! Where a value came from.

use std::fmt;
use std::sync::Arc;

/// Where a value came from, precise enough to go there and change it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A JSON file.
    File {
        /// Path of the file as it was opened.
        path: Arc<str>,
        /// Line of the value, counted from 1.
        line: usize,
    },
    /// An environment variable.
    Variable {
        /// Its name as it is spelled, prefix included.
        name: String,
    },
    /// An argument of the command line.
    Argument {
        /// The argument without its value, for the value may be a secret: `--Redis:ConnectionString`.
        text: String,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{path} line {line}"),
            Self::Variable { name } => write!(f, "environment variable {name}"),
            Self::Argument { text } => write!(f, "command line argument {text}"),
        }
    }
}
