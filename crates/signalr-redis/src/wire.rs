//! The payloads, byte for byte those of ASP.NET Core's backplane.
//!
//! Each is one MessagePack array. Readers take no notice of further items, which later versions may add, and never
//! allocate more than a small multiple of what they read.

use rmp::decode;
use rmp::encode;
use thiserror::Error;

/// A hub message on its way to clients, or a question to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation<'a> {
    /// Ids of connections that do not get it.
    pub excluded: Vec<&'a str>,
    /// The message in each protocol of the server that sent it.
    pub messages: Messages<'a>,
    /// Set where the client is to answer.
    pub question: Option<Question<'a>>,
}

/// Where the answer to a question goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question<'a> {
    /// The id that the answer bears.
    pub invocation_id: &'a str,
    /// The channel that the answer is published on, without the prefix of connection strings.
    pub return_channel: &'a str,
}

/// One hub message in several protocols, with its framing, ready for transports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Messages<'a> {
    count: u32,
    /// Names and messages in turn; read through once, so that they are known to be there.
    entries: &'a [u8],
}

/// A change of a group that another server is to carry out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupCommand<'a> {
    /// Names the command in its ack.
    pub id: i32,
    /// The server that waits for the ack.
    pub server: &'a str,
    /// What is to be done.
    pub action: GroupAction,
    /// The name of the group.
    pub group: &'a str,
    /// The connection that joins or leaves.
    pub connection_id: &'a str,
}

/// What a group command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupAction {
    /// The connection joins.
    Add = 1,
    /// The connection leaves.
    Remove = 2,
}

/// What a client of another server has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completion<'a> {
    /// The name of the hub protocol.
    pub protocol: &'a str,
    /// The Completion message, with its framing.
    pub message: &'a [u8],
}

/// A payload that is none. The texts of missing items are ASP.NET Core's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WireError {
    /// Fewer items than the payload must have.
    #[error("Insufficient items in {0} array.")]
    TooFew(&'static str),
    /// An item of another type, or none.
    #[error("no {item} in {payload}")]
    Missing {
        /// What was being read.
        payload: &'static str,
        /// What was expected there.
        item: &'static str,
    },
    /// A group command that is neither to add nor to remove.
    #[error("unknown action {0} in GroupCommand")]
    UnknownAction(i32),
}

impl<'a> Invocation<'a> {
    /// Reads the payload of a channel of clients.
    ///
    /// # Errors
    /// A payload that is none.
    pub fn read(payload: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(payload, "Invocation");
        let count = reader.array(2)?;
        let excluded = reader.texts()?;
        let messages = reader.messages()?;
        let question = if count > 3 {
            Some(Question {
                invocation_id: reader.text("invocation id")?,
                return_channel: reader.text("return channel")?,
            })
        } else {
            None
        };
        Ok(Self {
            excluded,
            messages,
            question,
        })
    }
}

impl<'a> Messages<'a> {
    /// The message in the protocol of a name.
    #[must_use]
    pub fn get(&self, protocol: &str) -> Option<&'a [u8]> {
        self.iter()
            .find(|(name, _)| *name == protocol)
            .map(|(_, message)| message)
    }

    /// Each protocol and the message in it.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        let mut reader = Reader::new(self.entries, "Invocation");
        (0..self.count).map_while(move |_| reader.entry().ok())
    }
}

impl<'a> GroupCommand<'a> {
    /// Reads the payload of the channel of commands.
    ///
    /// # Errors
    /// A payload that is none.
    pub fn read(payload: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(payload, "GroupCommand");
        reader.array(5)?;
        let id = reader.number("command id")?;
        let server = reader.text("server name")?;
        let action = match reader.number("action")? {
            1 => GroupAction::Add,
            2 => GroupAction::Remove,
            other => return Err(WireError::UnknownAction(other)),
        };
        Ok(Self {
            id,
            server,
            action,
            group: reader.text("group name")?,
            connection_id: reader.text("connection id")?,
        })
    }

    /// The payload.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(
            16 + self.server.len() + self.group.len() + self.connection_id.len(),
        );
        out.array(5);
        out.number(self.id);
        out.text(self.server);
        out.number(self.action as i32);
        out.text(self.group);
        out.text(self.connection_id);
        out
    }
}

impl<'a> Completion<'a> {
    /// Reads the payload of a return channel.
    ///
    /// # Errors
    /// A payload that is none.
    pub fn read(payload: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(payload, "CompletionMessage");
        reader.array(2)?;
        Ok(Self {
            protocol: reader.text("protocol")?,
            message: reader.binary("message")?,
        })
    }

    /// The payload.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 + self.protocol.len() + self.message.len());
        out.array(2);
        out.text(self.protocol);
        out.binary(self.message);
        out
    }
}

/// The payload of a hub message: `messages` in the order in which protocols are registered.
#[must_use]
pub fn write_invocation(
    excluded: &[&str],
    messages: &[(&str, &[u8])],
    question: Option<Question<'_>>,
) -> Vec<u8> {
    let texts: usize = excluded.iter().map(|id| 5 + id.len()).sum();
    let bodies: usize = messages
        .iter()
        .map(|(name, body)| 10 + name.len() + body.len())
        .sum();
    let mut out = Vec::with_capacity(16 + texts + bodies);
    out.array(if question.is_some() { 4 } else { 2 });
    out.array(excluded.len());
    excluded.iter().for_each(|id| out.text(id));
    out.map(messages.len());
    for (protocol, message) in messages {
        out.text(protocol);
        out.binary(message);
    }
    if let Some(question) = question {
        out.text(question.invocation_id);
        out.text(question.return_channel);
    }
    out
}

/// The payload that confirms a command.
#[must_use]
pub fn write_ack(id: i32) -> Vec<u8> {
    let mut out = Vec::with_capacity(8);
    out.array(1);
    out.number(id);
    out
}

/// Reads which command is confirmed.
///
/// # Errors
/// A payload that is none.
pub fn read_ack(payload: &[u8]) -> Result<i32, WireError> {
    let mut reader = Reader::new(payload, "Ack");
    reader.array(1)?;
    reader.number("command id")
}

/// Takes items from the front of a payload.
struct Reader<'a> {
    rest: &'a [u8],
    payload: &'static str,
}

impl<'a> Reader<'a> {
    fn new(rest: &'a [u8], payload: &'static str) -> Self {
        Self { rest, payload }
    }

    /// The number of items, of which there must be `at_least` as many.
    fn array(&mut self, at_least: u32) -> Result<u32, WireError> {
        let count =
            decode::read_array_len(&mut self.rest).map_err(|_| self.missing("array of items"))?;
        if count < at_least {
            return Err(WireError::TooFew(self.payload));
        }
        Ok(count)
    }

    fn number(&mut self, item: &'static str) -> Result<i32, WireError> {
        decode::read_int(&mut self.rest).map_err(|_| self.missing(item))
    }

    fn text(&mut self, item: &'static str) -> Result<&'a str, WireError> {
        let (text, rest) =
            decode::read_str_from_slice(self.rest).map_err(|_| self.missing(item))?;
        self.rest = rest;
        Ok(text)
    }

    /// Grows with what is there, not with what is announced.
    fn texts(&mut self) -> Result<Vec<&'a str>, WireError> {
        let item = "list of excluded connections";
        let count = decode::read_array_len(&mut self.rest).map_err(|_| self.missing(item))?;
        let mut texts = Vec::new();
        for _ in 0..count {
            texts.push(self.text(item)?);
        }
        Ok(texts)
    }

    fn binary(&mut self, item: &'static str) -> Result<&'a [u8], WireError> {
        let len = decode::read_bin_len(&mut self.rest).map_err(|_| self.missing(item))?;
        let len = usize::try_from(len).map_err(|_| self.missing(item))?;
        let (binary, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or_else(|| self.missing(item))?;
        self.rest = rest;
        Ok(binary)
    }

    fn messages(&mut self) -> Result<Messages<'a>, WireError> {
        let item = "map of messages";
        let count = decode::read_map_len(&mut self.rest).map_err(|_| self.missing(item))?;
        let entries = self.rest;
        for _ in 0..count {
            self.entry()?;
        }
        let len = entries.len() - self.rest.len();
        let entries = entries.get(..len).ok_or_else(|| self.missing(item))?;
        Ok(Messages { count, entries })
    }

    fn entry(&mut self) -> Result<(&'a str, &'a [u8]), WireError> {
        Ok((self.text("protocol")?, self.binary("message")?))
    }

    fn missing(&self, item: &'static str) -> WireError {
        WireError::Missing {
            payload: self.payload,
            item,
        }
    }
}

/// Appends items in the shortest form each, as .NET's writer does.
trait Write {
    fn array(&mut self, count: usize);
    fn map(&mut self, count: usize);
    fn number(&mut self, number: i32);
    fn text(&mut self, text: &str);
    fn binary(&mut self, bytes: &[u8]);
}

/// What does not fit a length of 32 bits does not fit into a Redis message (512 MB) either.
fn length(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

// Writing into a vector cannot fail.
impl Write for Vec<u8> {
    fn array(&mut self, count: usize) {
        let _ = encode::write_array_len(self, length(count));
    }

    fn map(&mut self, count: usize) {
        let _ = encode::write_map_len(self, length(count));
    }

    fn number(&mut self, number: i32) {
        let _ = encode::write_sint(self, number.into());
    }

    fn text(&mut self, text: &str) {
        let _ = encode::write_str(self, text);
    }

    fn binary(&mut self, bytes: &[u8]) {
        let _ = encode::write_bin(self, bytes);
    }
}

#[cfg(test)]
mod tests;
