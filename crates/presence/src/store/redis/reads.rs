//! Reading statuses: whoever asks while a question is under way joins the next one.

use redis_link::cmd;
use tokio::sync::{mpsc, oneshot};

use super::figures::Figures;
use super::keys;
use super::shared::away;
use crate::ids::UserId;
use crate::status::Status;
use crate::store::StoreError;

/// Somebody who wants to know one status.
pub(super) type Question = (UserId, oneshot::Sender<Result<Status, StoreError>>);

/// Where single questions are asked.
#[derive(Debug, Clone)]
pub(super) struct Reads(mpsc::Sender<Question>);

impl Reads {
    /// And the end at which [`answer`] takes them out.
    pub(super) fn new() -> (Self, mpsc::Receiver<Question>) {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        (Self(sender), receiver)
    }

    pub(super) async fn status(&self, user: &UserId) -> Result<Status, StoreError> {
        let (sender, receiver) = oneshot::channel();
        self.0
            .try_send((user.clone(), sender))
            .map_err(|_| StoreError::Away("too many questions wait".into()))?;
        receiver
            .await
            .map_err(|_| StoreError::Away("the store is closed".into()))?
    }
}

/// The task that asks, all who wait at once.
pub(super) async fn answer(
    link: redis_link::Link,
    figures: std::sync::Arc<Figures>,
    mut questions: mpsc::Receiver<Question>,
) {
    let mut asked: Vec<Question> = Vec::new();
    while questions.recv_many(&mut asked, AT_ONCE_MAX).await > 0 {
        let read = {
            let users: Vec<_> = asked.iter().map(|(user, _)| user.as_str()).collect();
            read(&link, &figures, &users).await
        };
        match read {
            Ok(statuses) => {
                for ((_, sender), status) in asked.drain(..).zip(statuses) {
                    let _ = sender.send(Ok(status));
                }
            }
            Err(error) => {
                let text = error.to_string();
                for (_, sender) in asked.drain(..) {
                    let _ = sender.send(Err(StoreError::Away(text.clone().into())));
                }
            }
        }
    }
}

/// What others see of `users`, in one command: whoever is not known is offline.
pub(super) async fn read(
    link: &redis_link::Link,
    figures: &Figures,
    users: &[&str],
) -> Result<Vec<Status>, StoreError> {
    let words = words(link, figures, users).await?;
    Ok(words.into_iter().map(Option::unwrap_or_default).collect())
}

/// The status words of `users`, in one command; `None`: there is none, or one that we do not know.
pub(super) async fn words(
    link: &redis_link::Link,
    figures: &Figures,
    users: &[&str],
) -> Result<Vec<Option<Status>>, StoreError> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let mut command = cmd("MGET");
    command.args(users.iter().map(|user| keys::status(user)));
    let words: Vec<Option<Vec<u8>>> = link.run(&command).await.map_err(away)?;
    figures.reads.add(1);
    figures.statuses_read.add(users.len());
    if words.len() != users.len() {
        let error = format!("{} answers to {} questions", words.len(), users.len());
        return Err(StoreError::Away(error.into()));
    }
    let word = |word: Option<Vec<u8>>| std::str::from_utf8(&word?).ok()?.parse().ok();
    Ok(words.into_iter().map(word).collect())
}

/// More questions than clients can ask within a time-out, if each may have one under way.
const WAITING_MAX: usize = 65_536;

/// As many as a back end may ask for at once.
const AT_ONCE_MAX: usize = 1_000;
