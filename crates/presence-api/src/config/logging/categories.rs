//! From .NET's log categories to the targets of `tracing`.

use std::collections::BTreeMap;
use std::fmt;

/// A level of .NET.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Trace,
    Debug,
    Information,
    Warning,
    Error,
    Critical,
    None,
}

impl Level {
    /// .NET's words.
    pub(super) const NAMES: &'static [(&'static str, Self)] = &[
        ("Trace", Self::Trace),
        ("Debug", Self::Debug),
        ("Information", Self::Information),
        ("Warning", Self::Warning),
        ("Error", Self::Error),
        ("Critical", Self::Critical),
        ("None", Self::None),
    ];

    /// The word of `tracing`. It has nothing above errors, so `Critical` lets errors through rather than nothing.
    fn directive(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Information => "info",
            Self::Warning => "warn",
            Self::Error | Self::Critical => "error",
            Self::None => "off",
        }
    }
}

/// The categories of the service it replaces, and what logs the same things here.
///
/// `Now listening on` is logged by `Microsoft.Hosting.Lifetime` in .NET, so that the customary
/// `"Microsoft.AspNetCore": "Warning"` does not hide it: scripts wait for that line.
const ROOMS: &[(&str, &[&str])] = &[
    ("MSChat.PresenceAPI", &["presence_api"]),
    (
        "MSChat.PresenceAPI.Hubs",
        &["presence_api::hub", "presence_api::notifier"],
    ),
    ("MSChat.PresenceAPI.Services", &["presence"]),
    ("Grpc.AspNetCore.Server", &["presence_api::grpc"]),
    (
        "Microsoft.Hosting.Lifetime",
        &[
            "presence_api::app",
            "presence_api::listen",
            "presence_api::shutdown",
        ],
    ),
    ("Microsoft.AspNetCore.Hosting", &["presence_api::http"]),
    ("Microsoft.AspNetCore.Cors", &["presence_api::http::cors"]),
    (
        "Microsoft.AspNetCore.HttpsPolicy",
        &["presence_api::http::redirect"],
    ),
    (
        "Microsoft.AspNetCore.Server.Kestrel",
        &["presence_api::listen::connection", "presence_api::tls"],
    ),
    (
        "Microsoft.AspNetCore.Authentication",
        &["identity", "presence_api::auth"],
    ),
    ("Microsoft.AspNetCore.SignalR", &["signalr"]),
    (
        "Microsoft.AspNetCore.Http.Connections",
        &["signalr::transport"],
    ),
    (
        "Microsoft.Extensions.Diagnostics.HealthChecks",
        &["presence_api::http::health"],
    ),
];

/// Level by category, collected and then written as one filter.
#[derive(Debug, Default)]
pub(super) struct Filter {
    /// By category, lower case; `default` among them.
    levels: BTreeMap<String, Level>,
    /// By target of `tracing`, for those who name it.
    targets: BTreeMap<String, Level>,
}

impl Filter {
    /// Takes a level for a category or a target, unless nothing here has that name.
    pub(super) fn set(&mut self, category: &str, level: Level) -> bool {
        let folded = category.to_lowercase();
        if folded == "default"
            || ROOMS
                .iter()
                .any(|(room, _)| is_within(&room.to_lowercase(), &folded))
        {
            self.levels.insert(folded, level);
            return true;
        }
        let known = is_target(category);
        if known {
            self.targets.insert(category.to_owned(), level);
        }
        known
    }

    fn default_level(&self) -> Level {
        self.levels
            .get("default")
            .copied()
            .unwrap_or(Level::Information)
    }

    /// The level of the longest category that the room lies in, .NET's rule.
    fn level_of(&self, room: &str) -> Option<Level> {
        let room = room.to_lowercase();
        let around = self
            .levels
            .iter()
            .filter(|(category, _)| is_within(&room, category));
        around
            .max_by_key(|(category, _)| category.len())
            .map(|(_, level)| *level)
    }

    /// The level of every target, of which many are implied by others.
    ///
    /// A room without a category of its own has the default, unless it lies in a target that was named.
    fn all_targets(&self) -> BTreeMap<&str, Level> {
        let mut all = BTreeMap::new();
        for (room, targets) in ROOMS {
            for target in *targets {
                let named = self.targets.keys().any(|named| lies_in(target, named));
                let fallback = (!named).then(|| self.default_level());
                all.extend(
                    self.level_of(room)
                        .or(fallback)
                        .map(|level| (*target, level)),
                );
            }
        }
        all.extend(
            self.targets
                .iter()
                .map(|(target, level)| (target.as_str(), *level)),
        );
        all
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.all_targets();
        f.write_str(self.default_level().directive())?;
        for (target, level) in &all {
            let parents = all.iter().filter(|(parent, _)| lies_in(target, parent));
            let implied = parents
                .max_by_key(|(parent, _)| parent.len())
                .map_or_else(|| self.default_level(), |(_, level)| *level);
            if implied != *level {
                write!(f, ",{target}={}", level.directive())?;
            }
        }
        Ok(())
    }
}

/// Whether a category is another one or lies in it: `Microsoft.AspNetCore.Cors` in `Microsoft.AspNetCore`.
fn is_within(room: &str, category: &str) -> bool {
    room.strip_prefix(category)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Whether a target lies in another one: `signalr::transport` in `signalr`.
fn lies_in(target: &str, parent: &str) -> bool {
    target
        .strip_prefix(parent)
        .is_some_and(|rest| rest.starts_with("::"))
}

/// Whether this is a target of one of our packages, such as `signalr::transport`.
fn is_target(text: &str) -> bool {
    let package = text.split("::").next().unwrap_or_default();
    let letters = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_')
    };
    ["identity", "presence", "presence_api", "signalr"].contains(&package)
        && text.split("::").all(letters)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(levels: &[(&str, Level)]) -> String {
        let mut filter = Filter::default();
        for (category, level) in levels {
            assert!(filter.set(category, *level), "{category}");
        }
        filter.to_string()
    }

    #[test]
    fn categories_become_targets() {
        use Level::{Critical, Debug, Error, Information, None, Trace, Warning};
        for (levels, expected) in [
            (&[][..], "info"),
            (&[("Default", Debug)], "debug"),
            (&[("default", None)], "off"),
            (&[("Default", Critical)], "error"),
            (
                &[("Microsoft.AspNetCore.SignalR", Trace)],
                "info,signalr=trace,signalr::transport=info",
            ),
            (&[("signalr", Trace)], "info,signalr=trace"),
            (
                &[("presence_api", Debug), ("Grpc", Error)],
                "info,presence_api=debug,presence_api::grpc=error",
            ),
            (
                &[
                    ("microsoft.aspnetcore", Warning),
                    ("Microsoft.AspNetCore.SignalR", Debug),
                ],
                "info,identity=warn,presence_api::auth=warn,presence_api::http=warn,presence_api::http::health=info,\
                 presence_api::listen::connection=warn,presence_api::tls=warn,signalr=debug,signalr::transport=warn",
            ),
            (
                &[
                    ("Default", Warning),
                    ("MSChat.PresenceAPI.Hubs", Information),
                ],
                "warn,presence_api::hub=info,presence_api::notifier=info",
            ),
            (
                &[("presence_api::grpc", Error), ("Grpc", Debug)],
                "info,presence_api::grpc=error",
            ),
            (
                &[("signalr::connection", Trace)],
                "info,signalr::connection=trace",
            ),
        ] {
            let filter = filter(levels);
            assert_eq!(filter, expected);
            tracing_subscriber::EnvFilter::try_new(filter).expect("a filter of tracing");
        }
    }

    #[test]
    fn the_line_that_scripts_wait_for_stays() {
        for categories in [
            &["Microsoft.AspNetCore"][..],
            &["MSChat.PresenceAPI"],
            &["MSChat"],
        ] {
            let levels: Vec<_> = categories
                .iter()
                .map(|category| (*category, Level::Warning))
                .collect();
            let mut filter = Filter::default();
            levels
                .iter()
                .for_each(|(category, level)| assert!(filter.set(category, *level)));
            assert_eq!(
                filter.all_targets()["presence_api::listen"],
                Level::Information,
                "{categories:?}"
            );
        }
    }

    #[test]
    fn what_is_not_here_is_told() {
        for category in [
            "System",
            "Microsoft.EntityFrameworkCore",
            "MicrosoftX",
            "Signalr.X",
            "signalr::",
            "signalr=trace,x",
            "hyper",
        ] {
            assert!(!Filter::default().set(category, Level::Debug), "{category}");
        }
    }

    #[test]
    fn every_room_has_the_form_of_a_target() {
        for target in ROOMS.iter().flat_map(|(_, targets)| *targets) {
            assert!(is_target(target), "{target}");
        }
    }
}
