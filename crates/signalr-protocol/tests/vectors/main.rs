//! The wire as others have it: Microsoft's test suites, the specification, and ASP.NET Core at work.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod conversations;
mod framing;
mod handshake;
mod json;
mod messagepack;
mod negotiate;
#[path = "../support/pack.rs"]
mod pack;
mod recorded;
#[path = "../support/said.rs"]
mod said;
mod sizes;

use serde::de::DeserializeOwned;
use signalr_protocol::payload::{Arguments, BindError};
use signalr_protocol::{HubMessage, HubProtocol};

const JSON: HubProtocol = HubProtocol::Json;
const MESSAGE_PACK: HubProtocol = HubProtocol::MessagePack;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
    assert_eq!(digits.len() % 2, 0, "half a byte: {hex}");
    digits
        .chunks(2)
        .map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap())
        .collect()
}

fn read(protocol: HubProtocol, body: &[u8]) -> HubMessage<'_> {
    protocol
        .read(body)
        .unwrap_or_else(|e| panic!("{e}: {body:x?}"))
        .unwrap_or_else(|| panic!("skipped: {body:x?}"))
}

/// Reads the last of `count` arguments, as a hub method does.
fn bind<T: DeserializeOwned>(arguments: &Arguments<'_>, count: usize) -> Result<T, BindError> {
    let values = arguments.split(count)?;
    let last = values.last().unwrap();
    last.read().map_err(|_| BindError::WrongType)
}

fn bind_two<A: DeserializeOwned, B: DeserializeOwned>(
    arguments: &Arguments<'_>,
) -> Result<(A, B), BindError> {
    let values = arguments.split(2)?;
    match (values[0].read(), values[1].read()) {
        (Ok(first), Ok(second)) => Ok((first, second)),
        _ => Err(BindError::WrongType),
    }
}

/// An empty id is none: no client is asked for an answer that nobody could be given.
#[test]
fn an_empty_id_is_not_written() {
    for protocol in HubProtocol::ALL {
        let written = |id| {
            let mut out = Vec::new();
            protocol
                .write_invocation(&mut out, id, "Target", &(1,))
                .unwrap();
            out
        };
        assert_eq!(written(Some("")), written(None), "{protocol:?}");
        assert_ne!(written(Some("1")), written(None), "{protocol:?}");
    }
}

/// A type that this version does not know is skipped; ASP.NET Core up to version 10 waits for ever.
#[test]
fn an_unknown_type_is_skipped() {
    for kind in [-1, 0, 10, 99] {
        let text = format!(r#"{{"type":{kind}}}"#);
        assert_eq!(JSON.read(text.as_bytes()), Ok(None), "{text}");
    }
    for hex in ["91ff", "9100", "910a", "9163", "9363c1c1"] {
        assert_eq!(MESSAGE_PACK.read(&bytes(hex)), Ok(None), "{hex}");
    }
}

#[test]
fn what_cannot_be_written_leaves_nothing_behind() {
    struct Unwritable;
    impl serde::Serialize for Unwritable {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no form"))
        }
    }
    for protocol in HubProtocol::ALL {
        let mut out = b"before".to_vec();
        let arguments = (1, Unwritable);
        let error = protocol
            .write_invocation(&mut out, None, "t", &arguments)
            .unwrap_err();
        assert_eq!(error.protocol, protocol.name());
        assert!(error.reason.contains("no form"), "{error}");
        protocol
            .write_stream_item(&mut out, "1", &Unwritable)
            .unwrap_err();
        let answer = signalr_protocol::codec::Answer::Result(&Unwritable);
        protocol
            .write_completion(&mut out, "1", answer)
            .unwrap_err();
        assert_eq!(out, b"before");
    }
}
