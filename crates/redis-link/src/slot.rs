//! Where a cluster keeps what.

/// How many slots a cluster has.
pub(crate) const SLOTS: u16 = 16_384;

/// The slot of a key, or of a channel of sharded pub/sub: CRC-16/XMODEM of its [`hash_tag`] or else of all of it, modulo
/// 16,384.
#[must_use]
pub fn slot(key: &[u8]) -> u16 {
    let hashed = hash_tag(key).unwrap_or(key);
    let crc = hashed.iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 {
                crc << 1
            } else {
                (crc << 1) ^ 0x1021
            }
        })
    });
    crc % SLOTS
}

/// What is in the first pair of braces, unless that is nothing.
#[must_use]
pub fn hash_tag(key: &[u8]) -> Option<&[u8]> {
    let open = key.iter().position(|byte| *byte == b'{')?;
    let behind = key.get(open + 1..)?;
    let close = behind.iter().position(|byte| *byte == b'}')?;
    behind.get(..close).filter(|tag| !tag.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_cluster_specification() {
        assert_eq!(slot(b"123456789"), 0x31c3);
        assert_eq!(slot(b"foo"), 12_182);
        assert_eq!(slot(b"{foo}bar"), 12_182);
        assert_eq!(slot(b"bar{foo}{zap}"), 12_182);
    }

    #[test]
    fn the_first_pair_of_braces_counts_unless_it_is_empty() {
        let check = |key: &str, tag: Option<&str>| {
            assert_eq!(hash_tag(key.as_bytes()), tag.map(str::as_bytes), "{key}");
        };
        check("a", None);
        check("{a}b", Some("a"));
        check("}{a}b", Some("a"));
        check("{{a}}", Some("{a"));
        check("{}{a}", None);
        check("a{", None);
        check("{a", None);
    }

    #[test]
    fn the_client_library_finds_the_same() {
        for key in ["a", "{a}b", "}{a}b", "{{a}}", "{}{a}", "a{", "", "\u{e9}{x"] {
            let theirs = redis::cluster_routing::Slot::for_key(key);
            let ours = redis::cluster_routing::Slot::new(slot(key.as_bytes()));
            assert_eq!(ours, Some(theirs), "{key}");
        }
    }
}
