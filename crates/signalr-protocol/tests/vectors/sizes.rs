//! Sizes in bytes, framing included; Microsoft's metrics tests count on them.

use signalr_protocol::codec::Answer;
use signalr_protocol::payload::EncodeError;

use super::pack::Pack;
use super::said::{Said, framed};
use super::{JSON, MESSAGE_PACK, read};

fn check(
    [json, message_pack]: [usize; 2],
    write: impl Fn(signalr_protocol::HubProtocol, &mut Vec<u8>) -> Result<(), EncodeError>,
) {
    for (protocol, expected) in [(JSON, json), (MESSAGE_PACK, message_pack)] {
        let mut out = Vec::new();
        write(protocol, &mut out).unwrap();
        assert_eq!(out.len(), expected, "{protocol:?}: {}", out.escape_ascii());
    }
}

#[test]
fn messages_of_the_server() {
    check([45, 15], |protocol, out| {
        protocol.write_invocation(out, None, "Target", &(1,))
    });
    check([64, 16], |protocol, out| {
        protocol.write_invocation(out, Some("1"), "Target", &(1,))
    });
    check([42, 7], |protocol, out| {
        protocol.write_stream_item(out, "1", &())
    });
    check([39, 7], |protocol, out| {
        protocol.write_stream_item(out, "1", &1)
    });
    check([30, 7], |protocol, out| {
        protocol.write_completion(out, "1", Answer::Void)
    });
    check([41, 8], |protocol, out| {
        protocol.write_completion(out, "1", Answer::Result(&1))
    });
    check([46, 13], |protocol, out| {
        protocol.write_completion(out, "1", Answer::Error("error"))
    });
    check([11, 3], |protocol, out| {
        out.extend_from_slice(&protocol.ping());
        Ok(())
    });
    check([11, 5], |protocol, out| {
        out.extend_from_slice(&protocol.close(None, false));
        Ok(())
    });
    check([27, 10], |protocol, out| {
        out.extend_from_slice(&protocol.close(Some("error"), false));
        Ok(())
    });
}

/// What only clients write is written by the tests' own writer, and read.
#[test]
fn messages_of_a_client() {
    let call = Said {
        kind: 4,
        id: Some("1".to_owned()),
        target: Some("Target".to_owned()),
        arguments: Some(Vec::new()),
        ..Said::default()
    };
    let stream = Said {
        streams: vec!["2".to_owned()],
        ..call.clone()
    };
    let invocation = Said {
        kind: 1,
        arguments: Some(vec![Pack::Int(1)]),
        ..stream.clone()
    };
    let cancel = Said {
        kind: 5,
        id: Some("1".to_owned()),
        ..Said::default()
    };
    for (said, json, message_pack) in [
        (call, 63, 15),
        (stream, 81, 17),
        (invocation, 82, 18),
        (cancel, 30, 6),
    ] {
        let text = format!("{{{}}}", said.json_members().join(","));
        assert_eq!(text.len() + 1, json);
        assert_eq!(Said::from(&read(JSON, text.as_bytes())), said);
        let mut body = Vec::new();
        Pack::List(said.items()).encode(&mut body, 0);
        assert_eq!(framed(&body).len(), message_pack, "{said:?}");
        assert_eq!(Said::from(&read(MESSAGE_PACK, &body)), said);
    }
}
