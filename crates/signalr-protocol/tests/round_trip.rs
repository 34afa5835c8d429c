//! What is written is read, in whatever pieces it comes; and no bytes do harm.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/exercise.rs"]
mod exercise;
#[path = "support/pack.rs"]
mod pack;
#[path = "support/said.rs"]
mod said;

use std::sync::Arc;
use std::time::Instant;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::Index;
use signalr_protocol::codec::Answer;
use signalr_protocol::negotiate::Transport;
use signalr_protocol::{Connection, HubProtocol, Options};

use pack::Pack;
use said::{Said, framed};

proptest! {
    /// Members in any order, with blanks and foreign ones between them.
    #[test]
    fn json_messages_of_clients_are_read(
        (said, members) in said().prop_flat_map(|said| {
            let mut members = said.json_members();
            members.extend(["\"x\":{\"type\":5,\"target\":[null]}".to_owned(), "\"Type\":1".to_owned()]);
            (Just(said), Just(members).prop_shuffle())
        }),
        blank in prop_oneof![Just(""), Just(" "), Just("\r\n\t")],
    ) {
        let text = format!("{blank}{{{blank}{}{blank}}}{blank}", members.join(&format!("{blank},{blank}")));
        let found = HubProtocol::Json.read(text.as_bytes()).unwrap().unwrap();
        prop_assert_eq!(plain(Said::from(&found)), plain(as_read(said)), "{}", text);
    }

    /// Numbers and lengths in longer forms than need be, with more items than are known.
    #[test]
    fn message_pack_messages_of_clients_are_read(
        said in said(),
        binary in binary(),
        width in prop_oneof![Just(0usize), Just(1), Just(2), Just(4), Just(8)],
        more in vec(item(), 0..3),
    ) {
        let said = with(said, binary);
        let mut body = Vec::new();
        Pack::List([said.items(), more].concat()).encode(&mut body, width);
        let found = HubProtocol::MessagePack.read(&body).unwrap().unwrap();
        prop_assert_eq!(Said::from(&found), as_read(said));
    }

    #[test]
    fn json_messages_of_the_server_are_read(said in said()) {
        if let Some(written) = write(HubProtocol::Json, &said) {
            let (separator, body) = written.split_last().unwrap();
            prop_assert_eq!(*separator, 0x1e);
            prop_assert!(!body.contains(separator));
            let read = Said::of_json(&serde_json::from_slice(body).unwrap());
            prop_assert_eq!(plain(read), plain(as_written(said)));
        }
    }

    #[test]
    fn message_pack_messages_of_the_server_are_read(said in said(), binary in binary()) {
        let said = with(said, binary);
        if let Some(written) = write(HubProtocol::MessagePack, &said) {
            let mut shortest = Vec::new();
            let said = as_written(said);
            Pack::List(said.items()).encode(&mut shortest, 0);
            prop_assert_eq!(Said::of_pack(&Pack::whole(&shortest).unwrap()), said);
            prop_assert_eq!(written, framed(&shortest));
        }
    }

    #[test]
    fn it_does_not_matter_where_the_bytes_are_cut(
        bytes in conversation(),
        cuts in vec(1usize..50, 0..60),
    ) {
        let mut pieces = Vec::new();
        let mut rest = bytes.as_slice();
        for cut in cuts {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        pieces.push(rest);
        prop_assert_eq!(talk(&pieces), talk(&[&bytes]));
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(talk(&single), talk(&[&bytes]));
    }

    #[test]
    fn no_bytes_do_harm(bytes in vec(any::<u8>(), 0..400), text in "[\\[\\]{}\":,a-z0-9\u{1e}]{0,200}") {
        for bytes in [bytes.as_slice(), text.as_bytes()] {
            exercise::json(bytes);
            exercise::messagepack(bytes);
            exercise::handshake(bytes);
            exercise::connection(bytes);
        }
    }

    /// Bytes that are nearly right reach further into the readers.
    #[test]
    fn no_mutation_does_harm(
        said in said(),
        bytes in conversation(),
        at in vec((any::<Index>(), any::<u8>()), 1..4),
    ) {
        let mutate = |mut bytes: Vec<u8>| {
            for (index, byte) in &at {
                let at = index.index(bytes.len());
                bytes[at] = *byte;
            }
            bytes
        };
        exercise::json(&mutate(format!("{{{}}}", said.json_members().join(",")).into_bytes()));
        let mut body = Vec::new();
        Pack::List(said.items()).encode(&mut body, 0);
        exercise::messagepack(&mutate(body));
        talk(&[&mutate(bytes)]);
    }
}

/// All events as text, and what was answered.
#[expect(clippy::disallowed_methods, reason = "any origin will do")]
fn talk(pieces: &[&[u8]]) -> (Vec<String>, Vec<u8>) {
    const LIMIT: usize = 2000;
    let options = Options {
        maximum_receive_message_size: Some(LIMIT),
        ..Options::default()
    };
    let now = Instant::now();
    let mut connection = Connection::new(Arc::new(options), Transport::WebSockets, now);
    let mut events = Vec::new();
    'all: for piece in pieces {
        connection.handle_bytes(piece, now);
        loop {
            match connection.poll_event() {
                Ok(Some(event)) => events.push(format!("{event:?}")),
                Ok(None) => break,
                Err(violation) => {
                    events.push(violation.to_string());
                    break 'all;
                }
            }
        }
        assert!(connection.buffered() < LIMIT || connection.protocol().is_none());
    }
    let mut sent = Vec::new();
    while let Some(transmit) = connection.poll_transmit() {
        sent.extend_from_slice(&transmit.payload);
    }
    (events, sent)
}

/// A message as the server writes it; none where it never does.
fn write(protocol: HubProtocol, said: &Said) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let id = said.id.as_deref();
    match said.kind {
        1 => {
            let arguments = said.arguments.as_deref()?;
            protocol.write_invocation(&mut out, id, said.target.as_deref()?, &arguments)
        }
        2 => protocol.write_stream_item(&mut out, id?, said.value.as_ref()?),
        3 => {
            let answer = match (&said.error, &said.value) {
                (Some(error), _) => Answer::Error(error),
                (None, Some(value)) => Answer::Result(value),
                (None, None) => Answer::Void,
            };
            protocol.write_completion(&mut out, id?, answer)
        }
        6 => return Some(protocol.ping().to_vec()),
        7 => return Some(protocol.close(said.error.as_deref(), false).to_vec()),
        8 => return Some(protocol.ack(said.sequence_id?).to_vec()),
        9 => return Some(protocol.sequence(said.sequence_id?).to_vec()),
        _ => return None,
    }
    .unwrap();
    Some(out)
}

/// What the server leaves out of its messages.
fn as_written(said: Said) -> Said {
    let error = match said.error {
        Some(text) if text.is_empty() && said.kind == 3 => None,
        error => error,
    };
    Said {
        headers: Vec::new(),
        streams: Vec::new(),
        error,
        ..said
    }
}

/// Headers are kept of calls only.
fn as_read(said: Said) -> Said {
    match said.kind {
        1 | 4 => said,
        _ => Said {
            headers: Vec::new(),
            ..said
        },
    }
}

/// JSON has finite numbers only; and large whole ones, written without an exponent, are read as integers, whose
/// last digits a floating-point number does not have.
fn is_plain(value: &f64) -> bool {
    value.is_finite() && !(2f64.powi(53)..1e17).contains(&value.abs())
}

/// JSON does not tell 2.0 from 2.
fn plain(said: Said) -> Said {
    fn plain(value: Pack) -> Pack {
        match value {
            Pack::Float(value) if value.fract() == 0.0 && value.abs() < 2f64.powi(53) => {
                Pack::Int(value as i128)
            }
            Pack::List(items) => Pack::List(items.into_iter().map(plain).collect()),
            Pack::Map(entries) => Pack::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| (key, plain(value)))
                    .collect(),
            ),
            value => value,
        }
    }
    Said {
        arguments: said
            .arguments
            .map(|arguments| arguments.into_iter().map(plain).collect()),
        value: said.value.map(plain),
        ..said
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-zA-Z0-9_ ]{1,12}",
        2 => vec(any::<char>(), 1..8).prop_map(String::from_iter),
        1 => "[\u{0}-\u{20}\"\\\\/\u{7f}-\u{a0}\u{1e}]{1,8}",
        1 => "x{30,40}|y{250,260}",
    ]
}

fn item() -> impl Strategy<Value = Pack> {
    let leaf = prop_oneof![
        Just(Pack::Nil),
        any::<bool>().prop_map(Pack::Bool),
        any::<i64>().prop_map(|value| Pack::Int(value.into())),
        any::<u64>().prop_map(|value| Pack::Int(value.into())),
        (-200i128..300).prop_map(Pack::Int),
        any::<f64>()
            .prop_filter("a number that JSON has", is_plain)
            .prop_map(Pack::Float),
        (-1000i32..1000).prop_map(|value| Pack::Float(f64::from(value) / 8.0)),
        text().prop_map(Pack::Text),
        Just(Pack::Text(String::new())),
    ];
    leaf.prop_recursive(4, 40, 20, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..20).prop_map(Pack::List),
            btree_map(text(), inner, 0..20).prop_map(|entries| {
                Pack::Map(
                    entries
                        .into_iter()
                        .map(|(key, value)| (Pack::Text(key), value))
                        .collect(),
                )
            }),
        ]
    })
}

/// A value that JSON has not.
fn binary() -> impl Strategy<Value = Pack> {
    prop_oneof![
        vec(any::<u8>(), 0..300).prop_map(Pack::Bytes),
        (any::<i8>(), vec(any::<u8>(), 0..20)).prop_map(|(kind, bytes)| Pack::Ext(kind, bytes)),
        (any::<i8>(), vec(any::<u8>(), 250..260)).prop_map(|(kind, bytes)| Pack::Ext(kind, bytes)),
        any::<f32>()
            .prop_filter("equal to itself", |value| !value.is_nan())
            .prop_map(Pack::Float32),
    ]
}

/// Adds a value where a message has values.
fn with(mut said: Said, binary: Pack) -> Said {
    if let Some(arguments) = &mut said.arguments {
        arguments.insert(0, binary.clone());
    }
    said.value = said.value.map(|value| Pack::List(vec![binary, value]));
    said
}

/// Any message that a client may send.
fn said() -> impl Strategy<Value = Said> {
    let headers = || btree_map(text(), text(), 0..3).prop_map(Vec::from_iter);
    let call = (
        prop_oneof![Just(1), Just(4)],
        prop::option::of(text()),
        text(),
        vec(item(), 0..5),
        vec(text(), 0..3),
        headers(),
    )
        .prop_map(|(kind, id, target, arguments, streams, headers)| Said {
            kind,
            id: id.or_else(|| (kind == 4).then(|| "s".to_owned())),
            target: Some(target),
            arguments: Some(arguments),
            streams,
            headers,
            ..Said::default()
        });
    let item_of_stream = (text(), item(), headers()).prop_map(|(id, item, headers)| Said {
        kind: 2,
        id: Some(id),
        value: Some(item),
        headers,
        ..Said::default()
    });
    let outcome = prop_oneof![
        Just((None, None)),
        item().prop_map(|value| (Some(value), None)),
        prop_oneof![text(), Just(String::new())].prop_map(|error| (None, Some(error))),
    ];
    let completion = (text(), outcome, headers()).prop_map(|(id, (value, error), headers)| Said {
        kind: 3,
        id: Some(id),
        value,
        error,
        headers,
        ..Said::default()
    });
    let cancel = (text(), headers()).prop_map(|(id, headers)| Said {
        kind: 5,
        id: Some(id),
        headers,
        ..Said::default()
    });
    let close = prop::option::of(text()).prop_map(|error| Said {
        kind: 7,
        error,
        ..Said::default()
    });
    let numbered = (prop_oneof![Just(8), Just(9)], any::<i64>()).prop_map(|(kind, id)| Said {
        kind,
        sequence_id: Some(id),
        ..Said::default()
    });
    let ping = Just(Said {
        kind: 6,
        ..Said::default()
    });
    prop_oneof![3 => call, 2 => item_of_stream, 2 => completion, 1 => cancel, 1 => ping, 1 => close, 1 => numbered]
}

/// The bytes of a handshake and some messages, also of unknown types and sometimes above the limit.
fn conversation() -> impl Strategy<Value = Vec<u8>> {
    let json = vec(
        prop_oneof![
            6 => said().prop_map(|said| format!("{{{}}}\u{1e}", said.json_members().join(","))),
            1 => Just("{\"type\":99}\u{1e}".to_owned()),
        ],
        0..12,
    )
    .prop_map(|messages| {
        [
            "{\"protocol\":\"json\",\"version\":1}\u{1e}",
            &messages.concat(),
        ]
        .concat()
        .into_bytes()
    });
    let binary = vec(
        prop_oneof![
            6 => said().prop_map(|said| {
                let mut body = Vec::new();
                Pack::List(said.items()).encode(&mut body, 0);
                framed(&body)
            }),
            1 => Just(vec![0x02, 0x91, 0x63]),
        ],
        0..12,
    )
    .prop_map(|messages| {
        [
            b"{\"protocol\":\"messagepack\",\"version\":1}\x1e".as_slice(),
            &messages.concat(),
        ]
        .concat()
    });
    prop_oneof![json, binary]
}
