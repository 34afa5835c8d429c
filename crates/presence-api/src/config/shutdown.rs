//! `Shutdown`: how the service ends.

use std::time::Duration;

use dotnet_config::{Reader, TimeSpan};

use super::keys;

/// How the service ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// How long connections may take to end after SIGTERM. Default: 30 s, .NET's and Kubernetes's.
    pub timeout: Duration,
}

pub(super) fn read(reader: &mut Reader<'_>) -> Shutdown {
    let kind = TimeSpan::between(Duration::ZERO, TIMEOUT_MAX);
    let default = if reader.is_given(keys::SHUTDOWN_TIMEOUT_SECONDS) {
        reader.or(keys::SHUTDOWN_TIMEOUT_SECONDS, &kind, TIMEOUT)
    } else {
        TIMEOUT
    };
    Shutdown {
        timeout: reader.or(keys::SHUTDOWN_TIMEOUT, &kind, default),
    }
}

const TIMEOUT: Duration = Duration::from_secs(30);

/// An hour: whoever waits longer waits for nothing, for clients are told to go at the beginning.
const TIMEOUT_MAX: Duration = Duration::from_secs(60 * 60);
