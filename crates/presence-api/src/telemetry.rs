//! Logs: one line an event, as text or JSON, to standard output.
//!
//! Tokens never get here. The service logs paths without their queries, and the libraries below it, which could log
//! headers when asked for everything, are held at `info` whatever the filter says.

use std::io::IsTerminal as _;

use thiserror::Error;
use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{Directive, ParseError},
    fmt::MakeWriter,
    layer::SubscriberExt as _,
    registry::Registry,
    util::{SubscriberInitExt as _, TryInitError},
};

/// How log lines look; `Logging:Console:FormatterName` of .NET.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people: `simple`.
    #[default]
    Text,
    /// For machines, one object a line: `json`.
    Json,
}

/// Why there are no logs.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// The filter is no filter.
    #[error("log filter {filter:?}: {source}")]
    Filter {
        /// As given.
        filter: String,
        /// What is wrong with it.
        source: ParseError,
    },
    /// Somebody else has set up logs in this process.
    #[error("logs are set up already: {0}")]
    Taken(#[from] TryInitError),
}

/// Starts logging to standard output, for the whole process, once.
///
/// `filter` is a list of `target=level`, such as `info,presence_api=debug`. Colours are used on terminals only.
pub fn init(filter: &str, format: Format) -> Result<(), TelemetryError> {
    let colours = std::io::stdout().is_terminal();
    subscriber(filter, format, colours, std::io::stdout)?.try_init()?;
    Ok(())
}

/// What [`init`] starts, writing elsewhere.
pub fn subscriber<W>(
    filter: &str,
    format: Format,
    colours: bool,
    writer: W,
) -> Result<impl Subscriber + Send + Sync + use<W>, TelemetryError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let mut checked = EnvFilter::try_new(filter).map_err(|source| TelemetryError::Filter {
        filter: filter.to_owned(),
        source,
    })?;
    for target in HELD_AT_INFO {
        checked = checked.add_directive(info(target));
    }
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match format {
        Format::Text => lines.with_ansi(colours).boxed(),
        Format::Json => lines.json().flatten_event(true).boxed(),
    };
    Ok(tracing_subscriber::registry().with(lines.with_filter(checked)))
}

fn info(target: &str) -> Directive {
    format!("{target}=info")
        .parse()
        .expect("a target of letters and digits makes a directive")
}

/// Libraries that see headers or plain text and log below `info`.
const HELD_AT_INFO: [&str; 5] = ["h2", "hyper", "hyper_util", "rustls", "tonic"];

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests {
    use std::io;

    use super::{testing::Page, *};

    fn logged(filter: &str, format: Format, events: impl FnOnce()) -> String {
        let page = Page::default();
        tracing::subscriber::with_default(page.subscriber(filter, format), events);
        page.text()
    }

    #[test]
    fn text_has_the_message_as_it_is() {
        let lines = logged("info", Format::Text, || {
            tracing::info!("Now listening on: {}", "http://127.0.0.1:5006");
            tracing::debug!("not this one");
        });
        assert!(
            lines.ends_with("Now listening on: http://127.0.0.1:5006\n"),
            "{lines}"
        );
        assert_eq!(lines.lines().count(), 1);
    }

    #[test]
    fn json_is_one_object_a_line_with_the_fields_beside_the_message() {
        let lines = logged("info", Format::Json, || {
            tracing::warn!(user_count = 3, "it is late")
        });
        let line: serde_json::Value = serde_json::from_str(lines.trim_end()).unwrap();
        assert_eq!(line["message"], "it is late");
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["user_count"], 3);
    }

    #[test]
    fn libraries_that_see_headers_stay_at_info() {
        let lines = logged("trace", Format::Text, || {
            tracing::debug!(target: "h2::codec", "authorization: Bearer abc");
            tracing::trace!(target: "hyper::proto", "authorization: Bearer abc");
            tracing::info!(target: "h2::codec", "fine");
        });
        assert!(
            !lines.contains("Bearer") && lines.contains("fine"),
            "{lines}"
        );
    }

    #[test]
    fn the_filter_goes_by_target() {
        let lines = logged("warn,presence_api::hub=debug", Format::Text, || {
            tracing::debug!(target: "presence_api::hub", "shown");
            tracing::info!(target: "presence_api::grpc", "hidden");
        });
        assert!(
            lines.contains("shown") && !lines.contains("hidden"),
            "{lines}"
        );
    }

    #[test]
    fn a_filter_that_is_none_is_refused_with_its_text() {
        let error = subscriber("presence_api=loud", Format::Text, false, io::sink)
            .err()
            .unwrap();
        assert!(
            error
                .to_string()
                .starts_with("log filter \"presence_api=loud\": "),
            "{error}"
        );
    }
}
