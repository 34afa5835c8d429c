//! Commands, as they are sent.

use std::fmt;

/// A command of Redis: words, the first of which is its name.
///
/// Words are written as they are sent when they are added. The client library keeps them, and goes through them twice when
/// they are sent; for a script with its 13 words that took as long as all that a hub method does.
#[derive(Clone, PartialEq, Eq)]
pub struct Cmd {
    /// The words, each behind its length: all that is sent but the number of words.
    words: Vec<u8>,
    count: usize,
}

/// Begins a command.
#[must_use]
pub fn cmd(name: &str) -> Cmd {
    let mut command = Cmd {
        words: Vec::with_capacity(BYTES),
        count: 0,
    };
    command.arg(name);
    command
}

impl Cmd {
    /// The same command, with so many bytes for all its words.
    pub(crate) fn with_capacity(&self, bytes: usize) -> Self {
        let mut words = Vec::with_capacity(bytes);
        words.extend_from_slice(&self.words);
        Self { words, ..*self }
    }

    /// Adds a word.
    pub fn arg(&mut self, word: impl Word) -> &mut Self {
        word.with_bytes(|word| {
            self.words.reserve(word.len() + FRAME);
            self.words.push(b'$');
            write_number(&mut self.words, word.len());
            self.words.extend_from_slice(b"\r\n");
            self.words.extend_from_slice(word);
            self.words.extend_from_slice(b"\r\n");
        });
        self.count += 1;
        self
    }

    /// Adds words.
    pub fn args<W: Word>(&mut self, words: impl IntoIterator<Item = W>) -> &mut Self {
        for word in words {
            self.arg(word);
        }
        self
    }

    /// Appends what is sent.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.reserve(self.words.len() + FRAME);
        out.push(b'*');
        write_number(out, self.count);
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.words);
    }

    /// What is sent.
    pub(crate) fn packed(&self) -> Vec<u8> {
        let mut packed = Vec::new();
        self.write(&mut packed);
        packed
    }

    /// The same for the client library, which speaks to clusters.
    pub(crate) fn to_library(&self) -> redis::Cmd {
        let mut command = redis::Cmd::with_capacity(self.count, self.words.len());
        self.words().for_each(|word| {
            command.arg(word);
        });
        command
    }

    fn words(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.words[..];
        std::iter::from_fn(move || {
            let digits = rest.iter().position(|byte| *byte == b'\r')?;
            let len = std::str::from_utf8(&rest[1..digits]).ok()?.parse().ok()?;
            let (word, others) = rest[digits + 2..].split_at(len);
            rest = &others[2..];
            Some(word)
        })
    }
}

fn write_number(out: &mut Vec<u8>, number: usize) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// The name alone: among the words may be a password.
impl fmt::Debug for Cmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.words().next().unwrap_or_default();
        f.debug_struct("Cmd")
            .field("name", &String::from_utf8_lossy(name))
            .field("words", &self.count)
            .finish()
    }
}

/// What can be a word of a command.
pub trait Word {
    /// Lends the bytes of the word.
    fn with_bytes<R>(&self, read: impl FnOnce(&[u8]) -> R) -> R;
}

impl<W: Word + ?Sized> Word for &W {
    fn with_bytes<R>(&self, read: impl FnOnce(&[u8]) -> R) -> R {
        (**self).with_bytes(read)
    }
}

macro_rules! texts {
    ($($type:ty),*) => {$(
        impl Word for $type {
            fn with_bytes<R>(&self, read: impl FnOnce(&[u8]) -> R) -> R {
                read(self.as_ref())
            }
        }
    )*};
}

texts!(str, String, [u8], Vec<u8>);

impl<const N: usize> Word for [u8; N] {
    fn with_bytes<R>(&self, read: impl FnOnce(&[u8]) -> R) -> R {
        read(self)
    }
}

macro_rules! numbers {
    ($($type:ty),*) => {$(
        /// In decimal digits.
        impl Word for $type {
            fn with_bytes<R>(&self, read: impl FnOnce(&[u8]) -> R) -> R {
                read(itoa::Buffer::new().format(*self).as_bytes())
            }
        }
    )*};
}

numbers!(i32, i64, u32, u64, usize);

/// `1` or `0`.
impl Word for bool {
    fn with_bytes<R>(&self, read: impl FnOnce(&[u8]) -> R) -> R {
        read(if *self { b"1" } else { b"0" })
    }
}

/// What a word, or the number of words, takes besides at most: a mark, 20 digits, two ends of lines.
const FRAME: usize = 1 + 20 + 4;

/// Room for a command that is no script: enough for most.
const BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn commands_are_those_of_the_library(
            name in "[A-Z]{1,10}",
            words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..12),
            number in any::<i64>(),
            is_so in any::<bool>(),
        ) {
            let (mut ours, mut theirs) = (cmd(&name), redis::cmd(&name));
            ours.args(&words);
            theirs.arg(&words);
            ours.arg(number).arg(is_so).arg("text");
            theirs.arg(number).arg(is_so).arg("text");
            let packed = theirs.get_packed_command();
            prop_assert_eq!(&ours.packed(), &packed);
            prop_assert_eq!(ours.to_library().get_packed_command(), packed);
        }
    }

    #[test]
    fn what_is_logged_of_a_command_holds_no_secret() {
        let logged = format!("{:?}", cmd("AUTH").arg("user").arg("secret"));
        assert_eq!(logged, r#"Cmd { name: "AUTH", words: 3 }"#);
    }
}
