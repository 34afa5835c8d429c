//! Log output that tests can read.

use std::{io, sync::Arc};

use parking_lot::Mutex;
use tracing::{Subscriber, subscriber::DefaultGuard};

use super::{Format, subscriber};

/// What was logged so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page(Arc<Mutex<Vec<u8>>>);

impl Page {
    /// Catches what this thread logs, for as long as the guard lives.
    pub(crate) fn catch(filter: &str) -> (Self, DefaultGuard) {
        let page = Self::default();
        let guard = tracing::subscriber::set_default(page.subscriber(filter, Format::Text));
        (page, guard)
    }

    pub(crate) fn subscriber(
        &self,
        filter: &str,
        format: Format,
    ) -> impl Subscriber + Send + Sync + use<> {
        let page = self.clone();
        subscriber(filter, format, false, move || page.clone()).unwrap()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().clone()).unwrap()
    }
}

impl io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
