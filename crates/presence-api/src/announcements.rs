//! How nodes tell each other's watchers: by the hub's own messages, in the backplane's form.

use std::sync::Arc;

use presence::{Changes, Publication, Status, StatusChange, UserId, Version};
use serde::Deserialize;
use signalr::Broadcast;
use signalr::lifetime::Target;
use signalr::protocol::framing::Frame;
use signalr::protocol::{HubMessage, HubProtocol};
use signalr_redis::wire::Messages;
use signalr_redis::{Observer, RedisLifetime};

use crate::notifier::{EVENT, user_watched_by, watchers_of};
use crate::watch::Watched;

/// Writes announcements so that every node of the cluster, .NET's included, hands them to its watchers.
#[derive(Debug)]
pub struct Announcements {
    lifetime: Arc<RedisLifetime>,
    watched: Arc<Watched>,
}

impl Announcements {
    /// Announcements on the channels of a backplane.
    pub fn new(lifetime: Arc<RedisLifetime>, watched: Arc<Watched>) -> Self {
        Self { lifetime, watched }
    }

    /// Tells the watchers on this node, whatever they know.
    pub(crate) fn send_here(&self, user: &UserId, status: Status) {
        let group = watchers_of(user);
        let target = Target::Group {
            name: &group,
            except: &[],
        };
        let arguments = (user.as_str(), status.as_str());
        let sent = self
            .lifetime
            .send_here(&target, &Broadcast::new(EVENT, &arguments));
        if let Err(error) = sent {
            tracing::warn!(%error, "watchers on this node were not told");
        }
    }

    /// Tells the watchers on this node of a status that they were noted to know, and of what came meanwhile.
    ///
    /// What came from the channel is newer, and may have been overtaken by this. If it says the same, the last that the
    /// watchers hear is right in any order.
    pub(crate) fn send_latest_here(&self, user: &UserId, mut status: Status) {
        loop {
            self.send_here(user, status);
            match self.watched.latest(user) {
                Some((Some(newer), _)) if newer != status => status = newer,
                _ => return,
            }
        }
    }
}

impl Publication for Announcements {
    fn channel(&self, user: &UserId) -> Vec<u8> {
        self.lifetime.group_channel(&watchers_of(user))
    }

    fn message(&self, user: &UserId, status: Status) -> Vec<u8> {
        let arguments = (user.as_str(), status.as_str());
        let encoded = RedisLifetime::encode(&Broadcast::new(EVENT, &arguments));
        // Two texts have a form in every hub protocol.
        encoded.unwrap_or_default()
    }

    fn may_repeat(&self) {
        self.watched.expect_repeats();
    }

    fn was_compared(&self) {
        self.watched.doubt();
    }

    fn confirm_here(&self, user: &UserId) {
        self.watched.tell_here(user, Status::Online);
        self.send_here(user, Status::Online);
    }

    fn tell_here(&self, user: &UserId, status: Status) {
        if self.watched.tell_here(user, status) {
            self.send_latest_here(user, status);
        }
    }
}

/// Keeps [`Watched`] up to date with what the backplane brings.
#[derive(Debug)]
pub struct Watching(pub Arc<Watched>);

impl Observer for Watching {
    fn delivers(&self, group: &str, messages: Messages<'_>) -> bool {
        match (user_watched_by(group), status_in(messages)) {
            (Some(user), Some(status)) => self.0.tell(&user, status),
            _ => true,
        }
    }

    fn joined_first(&self, group: &str) {
        if let Some(user) = user_watched_by(group) {
            self.0.begin(&user);
        }
    }

    fn left_last(&self, group: &str) {
        if let Some(user) = user_watched_by(group) {
            self.0.end(&user);
        }
    }

    fn resumed(&self, _groups: Vec<String>) {
        self.0.doubt();
    }
}

/// A listener for a store that announces by itself.
#[derive(Debug, Clone, Copy)]
pub struct Announced;

impl Changes for Announced {
    fn changed(&self, change: &StatusChange) {
        tracing::debug!(user = %change.user, to = %change.to, cause = %change.cause, "presence changed");
    }

    fn confirmed(&self, _user: &UserId, _version: Version) {}
}

/// The status that a message tells, in whichever protocol its server speaks.
fn status_in(messages: Messages<'_>) -> Option<Status> {
    // Which of them is read makes no difference: all say the same.
    let (protocol, bytes) = HubProtocol::ALL
        .into_iter()
        .find_map(|protocol| Some((protocol, messages.get(protocol.name())?)))?;
    let Ok(Frame::Complete { body, .. }) = protocol.split(bytes, 0, None) else {
        return None;
    };
    let Ok(Some(HubMessage::Invocation(call))) = protocol.read(body) else {
        return None;
    };
    if call.target != EVENT {
        return None;
    }
    let [_user, word] = call.arguments.split(2).ok()?.try_into().ok()?;
    Some(match word.read().ok()? {
        Word::Online => Status::Online,
        Word::Offline => Status::Offline,
    })
}

/// The status as it is written, to be read without a copy.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Online,
    Offline,
}

#[cfg(test)]
mod tests {
    use signalr_redis::wire::{Invocation, write_invocation};

    use super::*;

    fn status_in_payload(payload: &[u8]) -> Option<Status> {
        status_in(Invocation::read(payload).unwrap().messages)
    }

    #[test]
    fn the_status_is_found_in_what_dotnet_publishes() {
        // As recorded from ASP.NET Core: alice is online, carol is offline.
        let online = b"\x92\x90\x82\xa4json\xc4K{\"type\":1,\"target\":\"PresenceStatusChanged\",\"arguments\":[\"alice\",\"online\"]}\x1e\xabmessagepack\xc4*)\x96\x01\x80\xc0\xb5PresenceStatusChanged\x92\xa5alice\xa6online\x90";
        let offline = b"\x92\x90\x81\xa4json\xc4L{\"type\":1,\"target\":\"PresenceStatusChanged\",\"arguments\":[\"carol\",\"offline\"]}\x1e";
        assert_eq!(status_in_payload(online), Some(Status::Online));
        assert_eq!(status_in_payload(offline), Some(Status::Offline));
        assert_eq!(status_in_payload(b"\x92\x90\x80"), None);
    }

    #[test]
    fn a_server_may_speak_messagepack_alone() {
        // A hub that is given no protocol but this one publishes in no other.
        let online = b"\x92\x90\x81\xabmessagepack\xc4*)\x96\x01\x80\xc0\xb5PresenceStatusChanged\x92\xa5alice\xa6online\x90";
        let offline = b"\x92\x90\x81\xabmessagepack\xc4+*\x96\x01\x80\xc0\xb5PresenceStatusChanged\x92\xa5alice\xa7offline\x90";
        assert_eq!(status_in_payload(online), Some(Status::Online));
        assert_eq!(status_in_payload(offline), Some(Status::Offline));
        let cut_off = b"\x92\x90\x81\xabmessagepack\xc4\x04)\x96\x01\x80";
        assert_eq!(status_in_payload(cut_off), None);
    }

    #[test]
    fn a_user_cannot_pretend_to_be_a_status() {
        check(
            r#"{"type":1,"target":"PresenceStatusChanged","arguments":["\u0022,\u0022online\u0022]}","offline"]}"#,
            Some(Status::Offline),
        );
    }

    #[test]
    fn what_is_no_announcement_tells_nothing() {
        for message in [
            r#"{"type":1,"target":"SomethingElse","arguments":["alice","online"]}"#,
            r#"{"type":1,"target":"PresenceStatusChanged","arguments":["alice","away"]}"#,
            r#"{"type":1,"target":"PresenceStatusChanged","arguments":["alice","online",1]}"#,
            r#"{"type":6}"#,
            r#"{"type":1"#,
        ] {
            check(message, None);
        }
    }

    #[track_caller]
    fn check(json: &str, expected: Option<Status>) {
        let framed = format!("{json}\x1e");
        let payload = write_invocation(&[], &[("json", framed.as_bytes())], None);
        assert_eq!(status_in_payload(&payload), expected, "{json}");
    }
}
