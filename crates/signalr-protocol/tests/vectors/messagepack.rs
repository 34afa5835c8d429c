//! `MessagePack` as in Microsoft's test suites and the protocol's specification.

mod tables;

use signalr_protocol::codec::Answer;
use signalr_protocol::message::{HubMessage, Outcome};
use signalr_protocol::payload::{ByteArray, EncodeArguments, EncodeError, EncodeValue, Value};

use self::tables::{
    FRAMED, HEADERS, HEADERS_MEANING, INVALID, MESSAGES, OBJECT, OBJECT_MEANING, READ_ONLY,
    UNBINDABLE,
};
use super::pack::Pack;
use super::said::{Said, framed};
use super::{MESSAGE_PACK, bytes, read};

fn full(hex: &str) -> Vec<u8> {
    bytes(&hex.replace("CO", OBJECT).replace('H', HEADERS))
}

/// What is read of a message says the same as an independent reader finds; `meaning` is a third opinion.
fn check_read(name: &str, meaning: &str, body: &[u8]) {
    let pack = Pack::whole(body).unwrap();
    let meaning = meaning
        .replace("CO", OBJECT_MEANING)
        .replace(", H,", &format!(", {HEADERS_MEANING},"));
    assert_eq!(pack.to_string(), meaning, "{name}");
    let mut expected = Said::of_pack(&pack);
    if !matches!(expected.kind, 1 | 4) {
        expected.headers.clear();
    }
    if expected.kind == 1 {
        expected.id = expected.id.filter(|id| !id.is_empty());
    }
    assert_eq!(Said::from(&read(MESSAGE_PACK, body)), expected, "{name}");
}

/// Writes what a message says, if it is one that servers write.
fn write(said: &Said) -> Option<Result<Vec<u8>, EncodeError>> {
    let mut out = Vec::new();
    let id = said.id.as_deref();
    let written = match said {
        Said {
            headers, streams, ..
        } if !headers.is_empty() || !streams.is_empty() => return None,
        Said {
            kind: 1,
            target: Some(target),
            arguments: Some(arguments),
            ..
        } => MESSAGE_PACK.write_invocation(&mut out, id, target, &arguments.as_slice()),
        Said {
            kind: 2,
            value: Some(item),
            ..
        } => MESSAGE_PACK.write_stream_item(&mut out, id?, item),
        Said {
            kind: 3,
            value,
            error,
            ..
        } => {
            let answer = match (value, error) {
                (_, Some(error)) => Answer::Error(error),
                (Some(value), None) => Answer::Result(value),
                (None, None) => Answer::Void,
            };
            MESSAGE_PACK.write_completion(&mut out, id?, answer)
        }
        Said { kind: 6, .. } => return Some(Ok(MESSAGE_PACK.ping().to_vec())),
        Said {
            kind: 8,
            sequence_id,
            ..
        } => return Some(Ok(MESSAGE_PACK.ack((*sequence_id)?).to_vec())),
        Said {
            kind: 9,
            sequence_id,
            ..
        } => return Some(Ok(MESSAGE_PACK.sequence((*sequence_id)?).to_vec())),
        _ => return None,
    };
    Some(written.map(|()| out))
}

#[test]
fn messages_are_read() {
    for (name, meaning, hex) in MESSAGES {
        check_read(name, meaning, &full(hex));
    }
    for (meaning, hex) in READ_ONLY {
        check_read(hex, meaning, &bytes(hex));
    }
    for (meaning, hex) in FRAMED {
        let message = bytes(hex);
        assert_eq!(framed(&message[1..]), message, "{hex}");
        check_read(hex, meaning, &message[1..]);
    }
}

#[test]
fn messages_of_a_server_are_written() {
    let mut count = 0;
    let all = MESSAGES.iter().map(|(_, _, hex)| framed(&full(hex)));
    for message in all.chain(FRAMED.iter().map(|(_, hex)| bytes(hex))) {
        let body = &message[if message[0] < 0x80 { 1 } else { 2 }..];
        let said = Said::of_pack(&Pack::whole(body).unwrap());
        if let Some(written) = write(&said) {
            assert_eq!(written.unwrap(), message, "{said:?}");
            count += 1;
        }
    }
    assert_eq!(
        count, 40,
        "headers, upload streams, streams and their cancellation come from clients only"
    );
}

#[test]
fn values_of_rust_are_written_as_those_of_dotnet() {
    let check = |value: &dyn EncodeValue, name: &str| {
        let mut out = Vec::new();
        MESSAGE_PACK
            .write_completion(&mut out, "xyz", Answer::Result(value))
            .unwrap();
        let (_, _, hex) = MESSAGES.iter().find(|(found, ..)| *found == name).unwrap();
        assert_eq!(out, framed(&full(hex)), "{name}");
    };
    #[derive(serde::Serialize)]
    enum Number {
        One,
    }
    check(&42, "CompletionWithNoHeadersAndIntResult");
    check(&42u64, "CompletionWithNoHeadersAndIntResult");
    check(&42.0f32, "CompletionWithNoHeadersAndFloatResult");
    check(&"string", "CompletionWithNoHeadersAndStringResult");
    check(&true, "CompletionWithNoHeadersAndBooleanResult");
    check(&(), "CompletionWithNoHeadersAndNullResult");
    check(&None::<i32>, "CompletionWithNoHeadersAndNullResult");
    check(&Number::One, "CompletionWithNoHeadersAndEnumResult");
    let mut out = Vec::new();
    ByteArray(vec![1, 2, 3])
        .encode(MESSAGE_PACK, &mut out)
        .unwrap();
    assert_eq!(out, bytes("c403010203"));
}

#[test]
fn close_messages_are_written() {
    let long = "25 93 07 d9 20 43 6f 6e 6e 65 63 74 69 6f 6e 20 63 6c 6f 73 65 64 20 77 69 74 68 20 61 6e 20 65 72 72 6f 72 2e";
    for (error, allow_reconnect, hex) in [
        (None, false, "04 93 07 c0 c2"),
        (None, true, "04 93 07 c0 c3"),
        (Some("Error!"), false, "0a 93 07 a6 45 72 72 6f 72 21 c2"),
        (Some("Error!"), true, "0a 93 07 a6 45 72 72 6f 72 21 c3"),
        (
            Some("Connection closed with an error."),
            true,
            &format!("{long} c3"),
        ),
        (
            Some("Connection closed with an error."),
            false,
            &format!("{long} c2"),
        ),
    ] {
        assert_eq!(
            MESSAGE_PACK.close(error, allow_reconnect),
            bytes(hex),
            "{hex}"
        );
    }
}

#[test]
fn the_error_of_an_unknown_method_is_written() {
    let text =
        "Failed to invoke 'X' due to an error on the server. HubException: Method does not exist.";
    let mut out = Vec::new();
    MESSAGE_PACK
        .write_completion(&mut out, "0", Answer::Error(text))
        .unwrap();
    assert_eq!(out[..10], bytes("60 95 03 80 a1 30 01 d9 58 46"));
    assert_eq!(out[9..], *text.as_bytes());
}

#[test]
fn broken_messages_are_told_in_the_words_of_dotnet() {
    for (name, hex, text) in INVALID {
        let body = bytes(hex);
        let error = MESSAGE_PACK.read(&body).unwrap_err();
        assert_eq!(error.to_string(), *text, "{name}");
        assert_eq!(error.exception(), "InvalidDataException", "{name}");
    }
}

#[test]
fn what_the_type_script_reader_refuses_is_refused() {
    for hex in ["", "90", "c2", "920105"] {
        MESSAGE_PACK.read(&bytes(hex)).unwrap_err();
    }
}

/// Each item has a byte at least, each entry two.
#[test]
fn lengths_that_cannot_be_are_none() {
    for (hex, text) in [
        ("9206", "Reading array length for 'itemCount' failed."),
        (
            "9201df0000000380c0a0",
            "Reading map length for 'headers' failed.",
        ),
        (
            "dd7fffffff06",
            "Reading array length for 'itemCount' failed.",
        ),
    ] {
        let error = MESSAGE_PACK.read(&bytes(hex)).unwrap_err().to_string();
        assert_eq!(error, text, "{hex}");
    }
}

#[test]
fn arguments_that_do_not_fit_are_no_violation() {
    for (hex, text) in UNBINDABLE {
        let body = bytes(hex);
        let (HubMessage::Invocation(call) | HubMessage::StreamInvocation(call)) =
            read(MESSAGE_PACK, &body)
        else {
            panic!("not a call: {hex}");
        };
        let error = super::bind::<String>(&call.arguments, 1).unwrap_err();
        assert_eq!(error.to_string(), *text, "{hex}");
    }
    // Nor are items and results, also where there are none.
    for hex in [
        "930280a378797a",
        "940280a378797a2a",
        "940380a378797a03",
        "950380a378797a032a",
    ] {
        let body = bytes(hex);
        let (HubMessage::StreamItem { item: value, .. }
        | HubMessage::Completion {
            outcome: Outcome::Result(value),
            ..
        }) = read(MESSAGE_PACK, &body)
        else {
            panic!("no value: {hex}");
        };
        value.read::<String>().unwrap_err();
    }
}

/// Each with another value behind it, which is found only by who knows how long the first one is.
#[test]
fn values_of_every_form_are_told_apart() {
    let many = |head: &str, item: &str, count: usize| head.to_owned() + &item.repeat(count);
    for first in [
        "00",
        "7f",
        "e0",
        "ff",
        "c0",
        "c2",
        "c3",
        "ccff",
        "cdffff",
        "ceffffffff",
        "cfffffffffffffffff",
        "d080",
        "d18000",
        "d280000000",
        "d38000000000000000",
        "ca42280000",
        "cb4045000000000000",
        "a0",
        "a161",
        "d90161",
        "da000161",
        "db0000000161",
        "c40161",
        "c5000161",
        "c600000001c1",
        "90",
        "91c0",
        "dc0001c0",
        "dd00000001c0",
        "80",
        "81c0c0",
        "de0001c0c0",
        "df00000001c0c0",
        "d405c1",
        "d505c1c1",
        "c70105c1",
        "c8000105c1",
        "c90000000105c1",
        "939192c0c081a161c3c2",
        &many("d605", "c1", 4),
        &many("d705", "c1", 8),
        &many("d805", "c1", 16),
        &many("d9ff", "61", 255),
        &many("dc0010", "c0", 16),
        &many("de0010", "c0c0", 16),
    ] {
        let body = bytes(&format!("960180c0a15492{first}2a90"));
        let HubMessage::Invocation(call) = read(MESSAGE_PACK, &body) else {
            panic!("not a call: {first}");
        };
        let first = bytes(first);
        let values = call.arguments.split(2).unwrap();
        assert_eq!(
            values,
            [Value::MessagePack(&first), Value::MessagePack(&[42])]
        );
    }
}

/// .NET reads binary, old text and lists of numbers as bytes.
#[test]
fn bytes_are_read_from_all_that_ever_stood_for_them() {
    for hex in [
        "c403010203",
        "c50003010203",
        "c600000003010203",
        "a3010203",
        "93010203",
        "9301cc02cd0003",
    ] {
        let body = bytes(hex);
        let value = Value::MessagePack(&body);
        assert_eq!(value.read(), Ok(ByteArray(vec![1, 2, 3])), "{hex}");
    }
    let list = bytes("9201cd0100");
    Value::MessagePack(&list).read::<ByteArray>().unwrap_err();
}

/// .NET allows 500; what is deeper than JSON may be costs stack and means nothing.
#[test]
fn values_may_nest_as_deep_as_in_json() {
    let nested = |depth: usize| {
        let value = [vec![0x91; depth], vec![0xc0]].concat();
        Value::MessagePack(&value)
            .read::<serde::de::IgnoredAny>()
            .is_ok()
    };
    assert!(nested(60));
    assert!(!nested(70));
    assert!(!nested(30_000), "and no stack overflows");
}

#[test]
fn too_many_arguments_for_a_tuple_go_as_a_slice() {
    let many = [0u8; 300];
    let mut out = Vec::new();
    MESSAGE_PACK
        .write_invocation(&mut out, None, "t", &many.as_slice())
        .unwrap();
    let message = Pack::whole(&out[2..]).unwrap();
    assert_eq!(
        Said::of_pack(&message).arguments.unwrap().len(),
        many.as_slice().count()
    );
}
