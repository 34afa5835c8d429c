//! Scripts, sent by their hash.

use parking_lot::RwLock;

use crate::{Cmd, cmd};

/// A Lua script that is sent by its hash, and loaded where a server does not know it.
///
/// Scripts are part of the program and stay known to the process: every new connection loads all of them, so that a batch
/// of several finds all or none of them.
#[derive(Debug, Clone, Copy)]
pub struct Script {
    known: &'static Known,
}

#[derive(Debug)]
struct Known {
    hash: String,
    text: &'static str,
    /// What every command that runs it begins with.
    head: Cmd,
}

impl Script {
    /// Takes a script; best kept in a `LazyLock`.
    #[must_use]
    pub fn new(text: &'static str) -> Self {
        let mut scripts = SCRIPTS.write();
        let known = scripts.iter().find(|known| known.text == text);
        let known = match known {
            Some(known) => known,
            None => {
                // One for each text in the program, for as long as it runs.
                let hash = redis::Script::new(text).get_hash().to_owned();
                let mut head = cmd("EVALSHA");
                head.arg(&hash);
                let known: &'static Known = Box::leak(Box::new(Known { hash, text, head }));
                scripts.push(known);
                known
            }
        };
        Self { known }
    }

    /// The command that runs it on some keys. Its arguments are added to that, if there are any.
    #[must_use]
    pub fn command(&self, keys: &[&str]) -> Cmd {
        let mut command = self.known.head.with_capacity(BYTES);
        command.arg(keys.len()).args(keys);
        command
    }

    /// Its hash: SHA-1 in hexadecimal.
    #[must_use]
    pub fn hash(&self) -> &'static str {
        &self.known.hash
    }
}

/// The commands that load every script of the process.
pub(crate) fn load_all() -> Vec<Cmd> {
    let load = |known: &&Known| {
        let mut load = cmd("SCRIPT");
        load.arg("LOAD").arg(known.text);
        load
    };
    SCRIPTS.read().iter().map(load).collect()
}

/// Room for a script with its words: enough for most. It is kept until the answer comes.
const BYTES: usize = 512;

static SCRIPTS: RwLock<Vec<&'static Known>> = RwLock::new(Vec::new());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_sent_by_their_hash() {
        let script = Script::new("return 1");
        assert_eq!(script.hash(), "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
        let mut command = script.command(&["key"]);
        command.arg("argument").arg(b"\0");
        let packed = String::from_utf8(command.packed()).unwrap();
        assert_eq!(
            packed,
            "*6\r\n$7\r\nEVALSHA\r\n$40\r\ne0e1f9fabfc9d4800c877a703b823ac0578ff8db\r\n\
             $1\r\n1\r\n$3\r\nkey\r\n$8\r\nargument\r\n$1\r\n\0\r\n"
        );
    }

    #[test]
    fn one_text_is_known_once() {
        let before = Script::new("return 'twice'");
        let count = load_all().len();
        let again = Script::new("return 'twice'");
        assert!(std::ptr::eq(before.known, again.known));
        assert_eq!(load_all().len(), count);
    }
}
