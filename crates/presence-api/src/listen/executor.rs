//! Where the answers of HTTP/2 are made.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Waker};

use hyper::rt::Executor;

/// Makes answers at once that need not wait for anything, and others in tasks of their own.
///
/// A request of HTTP/2 is a task in hyper, for the sake of those that wait. Most calls here are answered from memory, and a
/// task for each costs as much as the answer. As many may be made in a row as one connection may have streams.
#[derive(Debug, Clone, Copy)]
pub(super) struct AtOnce;

impl<F> Executor<F> for AtOnce
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, future: F) {
        let mut future = Box::pin(future);
        // As in a task, a panic ends the request alone, not the others of the connection.
        let unfinished = catch_unwind(AssertUnwindSafe(|| {
            // Nobody needs to be woken yet: a task polls it again.
            let mut nobody = Context::from_waker(Waker::noop());
            let first = Pin::new(&mut future).poll(&mut nobody);
            first.is_pending().then_some(future)
        }));
        if let Ok(Some(future)) = unfinished {
            tokio::spawn(future);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn what_need_not_wait_is_done_before_the_call_returns() {
        let (sender, mut done) = oneshot::channel();
        AtOnce.execute(async move { sender.send(1).unwrap() });
        assert_eq!(done.try_recv(), Ok(1));
        assert_eq!(
            tokio::runtime::Handle::current()
                .metrics()
                .num_alive_tasks(),
            0
        );
    }

    #[tokio::test]
    async fn a_panic_is_no_other_requests() {
        let (sender, mut done) = oneshot::channel::<()>();
        AtOnce.execute(async move {
            let _sender = sender;
            panic!("in a handler");
        });
        done.try_recv().unwrap_err();
    }

    #[tokio::test]
    async fn what_waits_goes_on_in_a_task() {
        let (go, gone) = oneshot::channel();
        let (sender, done) = oneshot::channel();
        AtOnce.execute(async move {
            let number: u32 = gone.await.unwrap();
            sender.send(number + 1).unwrap();
        });
        assert_eq!(
            tokio::runtime::Handle::current()
                .metrics()
                .num_alive_tasks(),
            1
        );
        go.send(1).unwrap();
        assert_eq!(done.await, Ok(2));
    }
}
