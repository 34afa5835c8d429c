//! The names of keys.

use crate::ids::NodeId;

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
    format!("user:{user}:status")
}

/// The companion of a status word, in the slot of that word.
///
/// A cluster places a key by what is in its first pair of braces, if there is anything, and else by the whole of it.
pub(super) fn presence(status: &str) -> String {
    match hash_tag(status) {
        Some(tag) => format!("{{{tag}}}{status}:presence"),
        None if !status.contains('}') => format!("{{{status}}}:presence"),
        // The braces of the tag would close too early: some number that has the same slot takes the place of the name.
        None => format!(
            "{{{}}}{status}:presence",
            number_in(slot(status.as_bytes()))
        ),
    }
}

/// What is in the first pair of braces, unless that is nothing.
fn hash_tag(key: &str) -> Option<&str> {
    let (_, behind) = key.split_once('{')?;
    let (tag, _) = behind.split_once('}')?;
    (!tag.is_empty()).then_some(tag)
}

/// The smallest number whose digits have this slot; there is one below 300,000 for each.
fn number_in(wanted: u16) -> u32 {
    (0..)
        .find(|number: &u32| slot(number.to_string().as_bytes()) == wanted)
        .unwrap_or_default()
}

/// The slot of a key without a hash tag: CRC-16/XMODEM of it, modulo 16,384.
fn slot(key: &[u8]) -> u16 {
    let crc = key.iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 {
                crc << 1
            } else {
                (crc << 1) ^ 0x1021
            }
        })
    });
    crc % 16_384
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As a cluster sees it.
    fn slot_of(key: &str) -> u16 {
        slot(hash_tag(key).unwrap_or(key).as_bytes())
    }

    fn companion(id: &str) -> (String, String) {
        let status = status(id);
        (status.clone(), presence(&status))
    }

    #[test]
    fn slots_are_those_of_the_cluster_specification() {
        assert_eq!(slot(b"123456789"), 0x31c3);
        assert_eq!(slot(b"foo"), 12_182);
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
