//! Following the files of a certificate.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::time::{Instant, MissedTickBehavior};

use super::{CertificateError, Reload, ReloadingCertificate};

impl ReloadingCertificate {
    /// Looks at the files every 5 s and on SIGHUP, for ever. Spawn it, and abort it at the end.
    ///
    /// Polling instead of asking the system for notices: it works on every file system, and sees the symlink swaps by
    /// which Kubernetes replaces secrets.
    pub async fn follow(self: Arc<Self>) {
        self.follow_every(LOOK_EVERY).await;
    }

    pub(super) async fn follow_every(self: Arc<Self>, period: Duration) {
        let mut looks = tokio::time::interval_at(Instant::now() + period, period);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut hangup = Hangup::catch();
        let mut told = None;
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                () = hangup.next() => tracing::info!("SIGHUP, looking at the certificate's files"),
            }
            let certificate = Arc::clone(&self);
            // The files may be on a disk that is slow or gone.
            let looked =
                tokio::task::spawn_blocking(move || certificate.reload(Timestamp::now())).await;
            if let Ok(result) = looked {
                self.report(result, &mut told);
            }
        }
    }

    /// Logs what a look brought; the same trouble only once, though the files are looked at every few seconds.
    fn report(&self, result: Result<Reload, CertificateError>, told: &mut Option<String>) {
        match result {
            Ok(Reload::Unchanged) => {}
            Ok(Reload::Replaced) => {
                tracing::info!(path = %self.files.certificate.display(), expires = %self.expires(), "new certificate");
                *told = None;
            }
            Err(error) => {
                let trouble = error.to_string();
                if told.as_ref() != Some(&trouble) {
                    tracing::error!("the old certificate stays in use: {trouble}");
                    *told = Some(trouble);
                }
            }
        }
    }
}

/// SIGHUP; never, where there is none.
struct Hangup {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Hangup {
    fn catch() -> Self {
        use tokio::signal::unix::{SignalKind, signal};

        let signal = signal(SignalKind::hangup());
        if let Err(error) = &signal {
            tracing::warn!(%error, "cannot catch SIGHUP; the certificate's files are looked at all the same");
        }
        Self {
            signal: signal.ok(),
        }
    }

    async fn next(&mut self) {
        let caught = match &mut self.signal {
            Some(signal) => signal.recv().await,
            None => None,
        };
        if caught.is_none() {
            std::future::pending().await
        }
    }
}

#[cfg(not(unix))]
impl Hangup {
    fn catch() -> Self {
        Self {}
    }

    async fn next(&mut self) {
        std::future::pending().await
    }
}

/// Time between two looks: 5 s. Reading two small files that often is nothing, and a renewed certificate is in use
/// before anybody asks.
const LOOK_EVERY: Duration = Duration::from_secs(5);
