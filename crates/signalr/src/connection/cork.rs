//! Lets messages that arise together leave together.
//!
//! While a task works through what one read brought, the messages it causes only queue up. When it is done, each
//! connection that got any is written to once, with all of them. No lock is held while anything is written.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use super::link::Link;

thread_local! {
    /// Connections with something to write, while a cork is in place on this thread.
    static PENDING: RefCell<Option<Vec<Arc<Link>>>> = const { RefCell::new(None) };

    /// Whether so much was queued for somebody that whoever sends is to let others run.
    static HAS_BURST: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` and then writes what it queued; inside another cork, the outer one writes.
///
/// `work` must not block and must not await: a cork belongs to a thread, not to a task.
pub(crate) fn corked<R>(work: impl FnOnce() -> R) -> R {
    let is_outermost = PENDING.with_borrow_mut(|pending| {
        let is_outermost = pending.is_none();
        pending.get_or_insert_default();
        is_outermost
    });
    if !is_outermost {
        return work();
    }
    // Taken out also where `work` panics, so that what was queued does not stay behind.
    let _flush = FlushOnDrop;
    work()
}

/// Has the connection written to at the end of the cork, or at once where there is none.
pub(crate) fn schedule(link: &Arc<Link>) {
    let is_corked = PENDING.with_borrow_mut(|pending| match pending {
        Some(pending) => {
            pending.push(Arc::clone(link));
            true
        }
        None => false,
    });
    if !is_corked {
        link.flush();
    }
}

/// Much was queued for one connection, and nobody had time yet to write it.
pub(crate) fn note_burst() {
    HAS_BURST.set(true);
}

/// Lets others run, if much was queued; to be awaited by whoever sends and can wait.
///
/// A task that sends without ever waiting would otherwise queue up more than may wait for a client, and have clients
/// closed that read well: their connections' own tasks have to run to write it.
pub(crate) async fn breathe() {
    if HAS_BURST.take() {
        tokio::task::yield_now().await;
    } else {
        tokio::task::coop::consume_budget().await;
    }
}

/// For how many connections memory is fetched at once: as many as a processor waits for at a time.
const PREPARED: usize = 16;

struct FlushOnDrop;

impl Drop for FlushOnDrop {
    fn drop(&mut self) {
        let mut pending = PENDING.take().unwrap_or_default().into_iter();
        while pending.len() > 0 {
            let together = pending.as_slice().iter().take(PREPARED);
            together.for_each(Link::prepare_flush);
            pending
                .by_ref()
                .take(PREPARED)
                .for_each(|link| link.flush());
        }
    }
}
