//! The names of users, of server processes and of connections.

use std::borrow::Borrow;
use std::fmt::{self, Write as _};
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

/// The name of a user, as the identity provider gives it.
///
/// Any text is a name, except an empty one and one of more than [`UserId::MAX_LEN`] bytes: spaces, colons, braces,
/// control characters and emoji are all somebody's name. Two names are the same only if their bytes are.
///
/// Cloning shares the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(Arc<str>);

impl UserId {
    /// The longest name, in bytes of UTF-8.
    ///
    /// OpenID Connect limits a subject to 255 ASCII characters. Twice that leaves room for providers that put other
    /// letters in it, and still keeps every key and message that carries a name well under a kilobyte.
    pub const MAX_LEN: usize = 512;

    /// Takes `name` for a user, if it can be one.
    pub fn new(name: &str) -> Result<Self, InvalidUserId> {
        Self::check(name).map(|()| Self(name.into()))
    }

    /// Whether a text is a name.
    pub const fn check(name: &str) -> Result<(), InvalidUserId> {
        match name.len() {
            0 => Err(InvalidUserId::Empty),
            1..=Self::MAX_LEN => Ok(()),
            found => Err(InvalidUserId::TooLong { found }),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<UserId> for Arc<str> {
    fn from(user: UserId) -> Self {
        user.0
    }
}

impl Borrow<str> for UserId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for UserId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for UserId {
    type Error = InvalidUserId;

    fn try_from(name: &str) -> Result<Self, InvalidUserId> {
        Self::new(name)
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A text that cannot be the name of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidUserId {
    /// There is nothing in it.
    #[error("the user id is empty")]
    Empty,
    /// It is longer than [`UserId::MAX_LEN`].
    #[error(
        "the user id has {found} bytes, at most {} are allowed",
        UserId::MAX_LEN
    )]
    TooLong {
        /// Its length in bytes.
        found: usize,
    },
}

/// One server process, from its start to its end.
///
/// A restarted process is another node: what its predecessor left behind must not be taken for its own. Kept as bytes,
/// which need no alignment, because every connection carries one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId([u8; 16]);

impl NodeId {
    /// The node with a known number.
    pub const fn new(number: u128) -> Self {
        Self(number.to_be_bytes())
    }

    /// A new node: 128 random bits, so that no two processes ever have the same.
    ///
    /// # Panics
    ///
    /// If the operating system has no randomness to give; the hash maps of the standard library do the same.
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
        Self(bytes)
    }

    /// The number of this node.
    pub const fn number(self) -> u128 {
        u128::from_be_bytes(self.0)
    }

    /// The number in 32 lower-case hexadecimal digits.
    pub fn digits(self) -> [u8; 32] {
        let mut digits = [0; 32];
        for (pair, byte) in digits.as_chunks_mut().0.iter_mut().zip(self.0) {
            let digit = |value: u8| b"0123456789abcdef"[usize::from(value)];
            *pair = [digit(byte >> 4), digit(byte & 0x0f)];
        }
        digits
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.digits()
            .iter()
            .try_for_each(|digit| f.write_char(char::from(*digit)))
    }
}

impl FromStr for NodeId {
    type Err = InvalidNodeId;

    /// Reads what [`Display`](fmt::Display) writes: 32 lower-case hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, InvalidNodeId> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != 32 || !text.bytes().all(is_digit) {
            return Err(InvalidNodeId);
        }
        let number = u128::from_str_radix(text, 16).map_err(|_| InvalidNodeId)?;
        Ok(Self::new(number))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({self})")
    }
}

/// A text that is not the name of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the text is no node, wanted 32 hexadecimal digits")]
pub struct InvalidNodeId;

/// One connection of one user, at one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    /// The process that keeps the connection.
    pub node: NodeId,
    /// Its number there, never given twice by one process.
    pub number: u64,
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.node, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_a_user_id() {
        for name in [
            "alice",
            " ",
            "a:b",
            "{user:1}:status",
            "}{",
            "\0",
            "😀",
            "\u{202e}",
            "a\r\nb",
        ] {
            let user = UserId::new(name).unwrap();
            assert_eq!(user.as_str(), name);
            assert_eq!(user.to_string(), name);
        }
    }

    #[test]
    fn empty_and_long_user_ids_are_refused_with_their_length() {
        assert_eq!(
            UserId::new("").unwrap_err().to_string(),
            "the user id is empty"
        );
        assert!(UserId::new(&"é".repeat(256)).is_ok(), "512 bytes");
        assert_eq!(
            UserId::new(&"x".repeat(4096)).unwrap_err().to_string(),
            "the user id has 4096 bytes, at most 512 are allowed",
        );
        assert_eq!(
            UserId::new(&"x".repeat(513)),
            Err(InvalidUserId::TooLong { found: 513 })
        );
    }

    #[test]
    fn names_that_only_look_alike_are_different_users() {
        assert_ne!(UserId::new("Alice"), UserId::new("alice"));
        assert_ne!(UserId::new("alice"), UserId::new("alice "));
        assert_ne!(UserId::new("\u{e9}"), UserId::new("e\u{301}"));
    }

    #[test]
    fn a_debug_print_shows_what_is_invisible() {
        assert_eq!(format!("{:?}", UserId::new("a\0\n").unwrap()), r#""a\0\n""#);
    }

    #[test]
    fn a_node_is_read_as_it_is_printed() {
        let node = NodeId::random();
        assert_eq!(node.to_string().parse(), Ok(node));
        assert_eq!(node.to_string(), format!("{:032x}", node.number()));
        for text in [
            "",
            "ab",
            "+0000000000000000000000000000000",
            "0000000000000000000000000000000A",
        ] {
            assert_eq!(text.parse::<NodeId>(), Err(InvalidNodeId), "{text}");
        }
    }

    #[test]
    fn random_nodes_differ() {
        assert_ne!(NodeId::random(), NodeId::random());
    }

    #[test]
    fn ids_print_as_node_slash_number() {
        let connection = ConnectionId {
            node: NodeId::new(0xab),
            number: 7,
        };
        assert_eq!(connection.to_string(), "000000000000000000000000000000ab/7");
        assert_eq!(connection.node.number(), 0xab);
    }

    #[test]
    fn a_connection_id_is_24_bytes() {
        assert_eq!(size_of::<ConnectionId>(), 24);
    }
}
