//! What the channels are called.
//!
//! Each name begins with the .NET type name of the hub; the connection string may put something in front of it
//! (StackExchange.Redis' `ChannelPrefix`), which only Redis sees: names within payloads are without. With sharded pub/sub
//! a hash tag may stand in front of all that, for groups whose channels must have a certain slot of a cluster.

/// The names of one hub's channels.
#[derive(Debug, Clone)]
pub(crate) struct Channels {
    /// What Redis sees in front of every name.
    front: Box<str>,
    hub: Box<str>,
    server: Box<str>,
    tags: Option<GroupTags>,
}

/// The hash tag of a group's channel; none: the name itself decides on the slot.
pub(crate) type GroupTags = fn(&str) -> Option<String>;

/// A channel that a message came on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel<'a> {
    /// To everybody.
    All,
    /// To one connection.
    Connection(&'a str),
    /// To a group.
    Group(&'a str),
    /// To a user.
    User(&'a str),
    /// Changes of groups, for all servers.
    Commands,
    /// What other servers have confirmed to this one.
    Acks,
    /// What clients of other servers answer to this one.
    Answers,
}

impl Channels {
    pub(crate) fn new(front: &str, hub: &str, server: &str) -> Self {
        Self {
            front: front.into(),
            hub: hub.into(),
            server: server.into(),
            tags: None,
        }
    }

    /// Puts hash tags in front of the channels of groups.
    pub(crate) fn tagged(self, tags: Option<GroupTags>) -> Self {
        Self { tags, ..self }
    }

    /// The name of this server.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    pub(crate) fn all(&self) -> Vec<u8> {
        self.named(&["all"])
    }

    pub(crate) fn connection(&self, id: &str) -> Vec<u8> {
        self.named(&[CONNECTION, id])
    }

    pub(crate) fn group(&self, name: &str) -> Vec<u8> {
        let channel = self.named(&[GROUP, name]);
        let tag = self.tags.and_then(|tag_of| tag_of(name));
        // Others would not be read back, or would be none.
        match tag.filter(|tag| !tag.is_empty() && !tag.contains('}')) {
            Some(tag) => [b"{", tag.as_bytes(), b"}", &channel].concat(),
            None => channel,
        }
    }

    pub(crate) fn user(&self, id: &str) -> Vec<u8> {
        self.named(&[USER, id])
    }

    pub(crate) fn commands(&self) -> Vec<u8> {
        self.named(&[COMMANDS])
    }

    pub(crate) fn acks(&self, server: &str) -> Vec<u8> {
        self.named(&[ACKS, server])
    }

    pub(crate) fn answers(&self) -> Vec<u8> {
        self.literal(&self.answers_name())
    }

    /// Where answers to this server go, as it stands in payloads.
    pub(crate) fn answers_name(&self) -> String {
        format!("{}:{ANSWERS}{}", self.hub, self.server)
    }

    /// A channel by the name that stands in a payload.
    pub(crate) fn literal(&self, name: &str) -> Vec<u8> {
        [self.front.as_bytes(), name.as_bytes()].concat()
    }

    /// What a channel is for; none: it is not one of this server's.
    pub(crate) fn read<'a>(&self, channel: &'a [u8]) -> Option<Channel<'a>> {
        let name = std::str::from_utf8(channel).ok()?;
        self.read_plain(name).or_else(|| {
            self.tags?;
            let (_, plain) = name.strip_prefix('{')?.split_once('}')?;
            let read = self.read_plain(plain)?;
            matches!(read, Channel::Group(_)).then_some(read)
        })
    }

    fn read_plain<'a>(&self, name: &'a str) -> Option<Channel<'a>> {
        let name = name.strip_prefix(&*self.front)?.strip_prefix(&*self.hub)?;
        let name = name.strip_prefix(':')?;
        let is_mine = |server| server == &*self.server;
        if let Some(group) = name.strip_prefix(GROUP) {
            Some(Channel::Group(group))
        } else if let Some(id) = name.strip_prefix(USER) {
            Some(Channel::User(id))
        } else if let Some(id) = name.strip_prefix(CONNECTION) {
            Some(Channel::Connection(id))
        } else if name == "all" {
            Some(Channel::All)
        } else if name == COMMANDS {
            Some(Channel::Commands)
        } else if name.strip_prefix(ACKS).is_some_and(is_mine) {
            Some(Channel::Acks)
        } else if name.strip_prefix(ANSWERS).is_some_and(is_mine) {
            Some(Channel::Answers)
        } else {
            None
        }
    }

    fn named(&self, parts: &[&str]) -> Vec<u8> {
        let mut name = Vec::with_capacity(
            self.front.len()
                + self.hub.len()
                + 1
                + parts.iter().map(|part| part.len()).sum::<usize>(),
        );
        for part in [&*self.front, &*self.hub, ":"].iter().chain(parts) {
            name.extend_from_slice(part.as_bytes());
        }
        name
    }
}

const CONNECTION: &str = "connection:";
const GROUP: &str = "group:";
const USER: &str = "user:";
const COMMANDS: &str = "internal:groups";
const ACKS: &str = "internal:ack:";
const ANSWERS: &str = "internal:return:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_named_as_dotnet_names_them() {
        let channels = Channels::new("", "MyApp.Hubs.ChatHub", "host_0123");
        check(
            &channels,
            &channels.all(),
            "MyApp.Hubs.ChatHub:all",
            Channel::All,
        );
        let connection = Channel::Connection("AB-c_");
        let name = "MyApp.Hubs.ChatHub:connection:AB-c_";
        check(&channels, &channels.connection("AB-c_"), name, connection);
        let name = "MyApp.Hubs.ChatHub:group:a:b {c}";
        check(
            &channels,
            &channels.group("a:b {c}"),
            name,
            Channel::Group("a:b {c}"),
        );
        let name = "MyApp.Hubs.ChatHub:user:\u{e9}va";
        check(
            &channels,
            &channels.user("\u{e9}va"),
            name,
            Channel::User("\u{e9}va"),
        );
        let name = "MyApp.Hubs.ChatHub:internal:groups";
        check(&channels, &channels.commands(), name, Channel::Commands);
        let name = "MyApp.Hubs.ChatHub:internal:ack:host_0123";
        check(&channels, &channels.acks("host_0123"), name, Channel::Acks);
        let name = "MyApp.Hubs.ChatHub:internal:return:host_0123";
        check(&channels, &channels.answers(), name, Channel::Answers);
    }

    #[test]
    fn a_prefix_of_the_connection_string_is_seen_by_redis_alone() {
        let channels = Channels::new("prod-", "Hub", "s");
        check(
            &channels,
            &channels.group("g"),
            "prod-Hub:group:g",
            Channel::Group("g"),
        );
        check(
            &channels,
            &channels.answers(),
            "prod-Hub:internal:return:s",
            Channel::Answers,
        );
        assert_eq!(channels.answers_name(), "Hub:internal:return:s");
        assert_eq!(
            channels.literal("Hub:internal:return:other"),
            b"prod-Hub:internal:return:other"
        );
        assert_eq!(channels.read(b"Hub:group:g"), None);
    }

    #[test]
    fn groups_may_have_the_slot_that_the_application_wants() {
        fn tags(group: &str) -> Option<String> {
            group.strip_prefix("of ").map(str::to_owned)
        }
        for front in ["", "prod-", "{all}", "{"] {
            let plain = Channels::new(front, "Hub", "s");
            let channels = plain.clone().tagged(Some(tags));
            let name = format!("{{42}}{front}Hub:group:of 42");
            check(
                &channels,
                &channels.group("of 42"),
                &name,
                Channel::Group("of 42"),
            );
            for group in ["of ", "of }{", "else", "{x}"] {
                let name = format!("{front}Hub:group:{group}");
                check(
                    &channels,
                    &channels.group(group),
                    &name,
                    Channel::Group(group),
                );
            }
            let tagged = name.as_bytes();
            assert_eq!(plain.read(tagged), None, "nobody has named it so");
            let other = format!("{{42}}{front}Hub:all");
            assert_eq!(
                channels.read(other.as_bytes()),
                None,
                "only groups have tags"
            );
        }
    }

    #[test]
    fn what_is_for_others_is_not_read() {
        let channels = Channels::new("", "Hub", "s");
        for name in [
            "",
            "Hub",
            "Hub:",
            "Hub:All",
            "Hub:all ",
            "Hub2:all",
            "Hub:internal:ack:other",
            "Hub:internal:return:",
            "Hub:internal:groups:",
        ] {
            assert_eq!(channels.read(name.as_bytes()), None, "{name}");
        }
        assert_eq!(channels.read(b"Hub:group:\xff"), None);
    }

    #[track_caller]
    fn check(channels: &Channels, found: &[u8], name: &str, read: Channel<'_>) {
        assert_eq!(String::from_utf8_lossy(found), name);
        assert_eq!(channels.read(found), Some(read));
    }
}
