//! `Logging`: what is logged, and how.

mod categories;

use dotnet_config::{Choice, Reader};

use super::keys;
use categories::{Filter, Level};

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logging {
    /// The levels as `tracing` wants them: `info,signalr=warn`.
    pub filter: String,
    /// How a line looks.
    pub format: LogFormat,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text for people; .NET's `simple`, the default.
    Text,
    /// One JSON object a line; .NET's `json`.
    Json,
}

pub(super) fn read(reader: &mut Reader<'_>) -> Logging {
    let mut filter = Filter::default();
    // Like .NET: what is said for the console goes before what is said for all.
    for section in [keys::LOG_LEVELS, keys::CONSOLE_LOG_LEVELS] {
        for category in reader.names(section) {
            let key = format!("{section}:{category}");
            let Some(level) = reader.optional(&key, &Choice::of(Level::NAMES)) else {
                continue;
            };
            if !filter.set(&category, level) {
                reader.warn(&key, "names a category that this service does not have");
            }
        }
    }
    let forms = Choice::of(&[("simple", LogFormat::Text), ("json", LogFormat::Json)]);
    Logging {
        filter: filter.to_string(),
        format: reader.or(keys::FORMATTER_NAME, &forms, LogFormat::Text),
    }
}
