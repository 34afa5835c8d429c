//! `Presence` and `Redis`: what presence means, and where it is kept.

use ::presence::{Liveness, Settings, ValidSettings};
use dotnet_config::{Choice, Flag, Reader, Text, TimeSpan, Whole};
use redis_link::PubSub;

use super::{Context, Mode, keys};

/// What presence means, and where it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// Where it is kept.
    pub store: Store,
    /// The times and the meaning of being there.
    pub settings: ValidSettings,
    /// Most users in one gRPC request. Default: 1,000.
    pub max_users_per_request: usize,
}

/// Where presence is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Store {
    /// In the memory of this process: for one node.
    Memory,
    /// In Redis, shared by all nodes that use it.
    Redis(Box<redis_link::Settings>),
}

pub(super) fn read(reader: &mut Reader<'_>, context: Context<'_>) -> Option<Presence> {
    let store = store(reader, context);
    let settings = settings(reader);
    let range = Whole::between(1, USERS_PER_REQUEST_MAX);
    let max_users_per_request = reader.or(keys::MAX_USERS_PER_REQUEST, &range, USERS_PER_REQUEST);
    Some(Presence {
        store: store?,
        settings: settings?,
        max_users_per_request,
    })
}

/// What the key may say.
#[derive(Clone, Copy, PartialEq)]
enum StoreName {
    Memory,
    Redis,
}

/// Without a word about the store, a Redis that is configured is meant to be used, as the original does.
fn store(reader: &mut Reader<'_>, context: Context<'_>) -> Option<Store> {
    let kind = Choice::of(&[("Memory", StoreName::Memory), ("Redis", StoreName::Redis)]);
    let name = reader.optional(keys::STORE, &kind);
    let text = Text::called("where Redis is, such as redis:6379 or rediss://user:password@redis");
    let redis = reader.optional(keys::REDIS, &text);
    let pub_sub = if reader.or(keys::SHARDED_PUB_SUB, &Flag, false) {
        PubSub::Sharded
    } else {
        PubSub::Classic
    };
    let is_memory = context.mode == Mode::Dev || name == Some(StoreName::Memory);
    match redis {
        Some(_) if is_memory => {
            let text = "has no effect: presence is kept in memory, on this node alone";
            reader.warn(keys::REDIS, text);
            Some(Store::Memory)
        }
        None if name == Some(StoreName::Redis) && !is_memory => {
            let text = "Redis is to be used, and Redis:ConnectionString does not say where it is";
            reader.refuse(keys::STORE, text);
            None
        }
        // A wrong word for the store was reported.
        None => Some(Store::Memory),
        Some(redis) => connection(reader, &redis, pub_sub),
    }
}

fn connection(reader: &mut Reader<'_>, text: &str, pub_sub: PubSub) -> Option<Store> {
    match redis_link::Settings::parse(text) {
        Ok(parsed) => {
            for warning in &parsed.warnings {
                reader.warn(keys::REDIS, warning.as_str());
            }
            let mut settings = parsed.settings;
            settings.pub_sub = pub_sub;
            Some(Store::Redis(Box::new(settings)))
        }
        Err(error) => {
            reader.refuse(keys::REDIS, format!("a Redis connection string: {error}"));
            None
        }
    }
}

fn settings(reader: &mut Reader<'_>) -> Option<ValidSettings> {
    let default = Settings::default();
    // The limits are the domain's, and it names all mistakes itself.
    let any = TimeSpan::any();
    let status_ttl = reader.or(keys::STATUS_TTL, &any, default.status_ttl);
    // Whoever shortens the TTL alone means the default to follow.
    let refresh_interval = default.refresh_interval.min(status_ttl / 2);
    let settings = Settings {
        status_ttl,
        refresh_interval: reader.or(keys::REFRESH_INTERVAL, &any, refresh_interval),
        grace: reader.or(keys::GRACE, &any, default.grace),
        node_ttl: reader.or(keys::NODE_TTL, &any, default.node_ttl),
        liveness: reader.or(keys::LIVENESS, &Choice::of(LIVENESS), default.liveness),
    };
    match settings.validate() {
        Ok(valid) => Some(valid),
        Err(invalid) => {
            for mistake in invalid.mistakes {
                let key = format!("Presence:{}", mistake.setting);
                // A default that follows from a wrong TTL is not the operator's mistake.
                if reader.is_given(&key) {
                    reader.refuse(&key, format!("a duration: {}", mistake.wanted));
                }
            }
            None
        }
    }
}

const LIVENESS: &[(&str, Liveness)] = &[
    (Liveness::Connection.as_str(), Liveness::Connection),
    (Liveness::Heartbeat.as_str(), Liveness::Heartbeat),
];

/// The contract's number.
const USERS_PER_REQUEST: usize = 1000;

/// With ids of the greatest length the answer has 5 MB, more than the 4 MB that gRPC clients take by default.
const USERS_PER_REQUEST_MAX: usize = 10_000;
