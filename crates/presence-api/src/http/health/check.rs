//! What checks answer.

use std::{sync::Arc, time::Duration};

use serde::Serialize;

use crate::shutdown::Phase;

/// How well the service or a part of it is; the worst part decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Status {
    /// All is well.
    Healthy,
    /// It serves, but not as it should.
    Degraded,
    /// It cannot serve.
    Unhealthy,
}

impl Status {
    /// The word that ASP.NET Core answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "Healthy",
            Self::Degraded => "Degraded",
            Self::Unhealthy => "Unhealthy",
        }
    }
}

/// The answer of a part, with the reason when it is not well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All is well.
    Healthy,
    /// It serves, but not as it should.
    Degraded(String),
    /// It cannot serve.
    Unhealthy(String),
}

/// The answer of a part, as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckReport {
    /// Which part.
    pub name: &'static str,
    /// How it is.
    pub status: Status,
    /// Why, when it is not well. Shown to anybody: no addresses, no secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How long it took to answer, in milliseconds, to the microsecond.
    pub duration_ms: f64,
}

impl CheckReport {
    pub(super) fn new(name: &'static str, verdict: Verdict, took: Duration) -> Self {
        let (status, description) = match verdict {
            Verdict::Healthy => (Status::Healthy, None),
            Verdict::Degraded(why) => (Status::Degraded, Some(why)),
            Verdict::Unhealthy(why) => (Status::Unhealthy, Some(why)),
        };
        Self {
            name,
            status,
            description,
            duration_ms: took.as_micros() as f64 / 1000.0,
        }
    }
}

/// The answers of all parts.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The worst of all; unhealthy too while the node starts or drains.
    pub status: Status,
    /// `Starting`, `Ready` or `Draining`.
    pub phase: &'static str,
    /// Every part, in the order in which they were named at the start.
    pub checks: Arc<[CheckReport]>,
}

impl Report {
    pub(super) fn new(phase: Phase, checks: Arc<[CheckReport]>) -> Self {
        let own = if phase == Phase::Ready {
            Status::Healthy
        } else {
            Status::Unhealthy
        };
        Self {
            status: checks.iter().map(|check| check.status).fold(own, Ord::max),
            phase: match phase {
                Phase::Starting => "Starting",
                Phase::Ready => "Ready",
                Phase::Draining => "Draining",
            },
            checks,
        }
    }
}
