//! The names of keys.

use std::borrow::Cow;

use redis_link::slot;

use crate::ids::{NodeId, UserId};

/// Leases of nodes: a sorted set, by when each ends.
pub(super) const NODES: &str = "presence:nodes";

/// When everything that is known began to be known; in the slot of [`NODES`].
pub(super) const EPOCH: &str = "{presence:nodes}:epoch";

/// The users of a node, for whoever has to clean up after it.
pub(super) fn users_of(node: NodeId) -> String {
    format!("presence:node:{node}:users")
}

/// Who cleans up after a node.
pub(super) fn sweeper_of(node: NodeId) -> String {
    format!("presence:node:{node}:sweeper")
}

/// The status word of a user, which other programs read: `user:{id}:status`.
pub(super) fn status(user: &str) -> String {
    ["user:", user, ":status"].concat()
}

/// The companion of a status word, in the slot of that word.
pub(super) fn presence(status: &str) -> String {
    match tag_of(status) {
        Tag::Whole => ["{", status, "}:presence"].concat(),
        Tag::Part(tag) => ["{", &tag, "}", status, ":presence"].concat(),
    }
}

/// What puts a key or a channel into the slot of a user's status word when it stands in braces in front of its name.
///
/// The scripts that announce a change can do so only on channels of that slot, where pub/sub is sharded.
#[must_use]
pub fn hash_tag(user: &UserId) -> String {
    let status = status(user.as_str());
    match tag_of(&status) {
        Tag::Whole => status,
        Tag::Part(tag) => tag.into_owned(),
    }
}

enum Tag<'a> {
    /// All of the key.
    Whole,
    Part(Cow<'a, str>),
}

/// A cluster places a key by what is in its first pair of braces, if there is anything, and else by the whole of it.
fn tag_of(status: &str) -> Tag<'_> {
    let in_braces = redis_link::hash_tag(status.as_bytes());
    match in_braces.and_then(|tag| std::str::from_utf8(tag).ok()) {
        Some(tag) => Tag::Part(tag.into()),
        None if !status.contains('}') => Tag::Whole,
        // The braces of the tag would close too early: some number that has the same slot takes the place of the name.
        None => Tag::Part(number_in(slot(status.as_bytes())).to_string().into()),
    }
}

/// The smallest number whose digits have this slot; there is one below 300,000 for each.
fn number_in(wanted: u16) -> u32 {
    (0..)
        .find(|number: &u32| slot(number.to_string().as_bytes()) == wanted)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slot_of(key: &str) -> u16 {
        slot(key.as_bytes())
    }

    fn companion(id: &str) -> (String, String) {
        let status = status(id);
        (status.clone(), presence(&status))
    }

    #[test]
    fn plain_users_have_plain_keys() {
        let expected = (
            "user:42:status".to_owned(),
            "{user:42:status}:presence".to_owned(),
        );
        assert_eq!(companion("42"), expected);
    }

    #[test]
    fn braces_in_a_user_id_do_not_part_the_keys() {
        for id in [
            "{a}", "{a}{b}", "a{b}c", "{}", "{}a", "a}b", "}{", "{", "}", "{a", "a}{b}", "{{a}}",
            "{}{a}",
        ] {
            let (status, presence) = companion(id);
            assert_eq!(
                slot_of(&status),
                slot_of(&presence),
                "{id}: {status} and {presence}"
            );
        }
    }

    #[test]
    fn channels_can_be_put_into_the_slot_of_a_user() {
        for id in ["42", "{a}", "a{b}c", "{}a", "a}b", "}{", "{"] {
            let tag = hash_tag(&UserId::new(id).unwrap());
            let channel = format!("{{{tag}}}some:{{channel}}");
            assert_eq!(slot_of(&channel), slot_of(&status(id)), "{id}: {channel}");
        }
    }

    #[test]
    fn every_slot_has_a_number() {
        assert!(
            (0..16_384)
                .step_by(511)
                .all(|wanted| number_in(wanted) < 300_000)
        );
    }

    proptest! {
        #[test]
        fn keys_of_a_user_share_a_slot_and_users_share_no_key(ids in proptest::collection::hash_set("[{}a:]{1,6}", 2..4)) {
            let mut keys = Vec::new();
            for id in &ids {
                let (status, presence) = companion(id);
                prop_assert_eq!(slot_of(&status), slot_of(&presence));
                keys.extend([status, presence]);
            }
            keys.sort_unstable();
            keys.dedup();
            prop_assert_eq!(keys.len(), 2 * ids.len());
        }
    }
}
