//! JSON messages of Microsoft's test suites.

use std::fmt::Debug;

use serde::de::DeserializeOwned;
use signalr_protocol::codec::Answer;
use signalr_protocol::message::{HubMessage, Outcome};
use signalr_protocol::payload::{ByteArray, EncodeError, EncodeValue, Value};

use super::said::Said;
use super::{JSON, read};

/// What is read of a message says the same as an independent reader finds.
fn check_read(text: &str) {
    let mut expected = Said::of_json(&serde_json::from_str(text).unwrap());
    if !matches!(expected.kind, 1 | 4) {
        expected.headers.clear();
    }
    // Members of other kinds of message are foreign ones.
    if !matches!(expected.kind, 1 | 4) {
        expected.target = None;
        expected.arguments = None;
    }
    let found = read(JSON, text.as_bytes());
    let mut found = Said::from(&found);
    found.headers.sort();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn messages_are_read() {
    for text in MESSAGES.iter().chain(READ_ONLY) {
        check_read(text);
    }
}

fn check_write(text: &str, write: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>) {
    assert!(MESSAGES.contains(&text), "not a vector: {text}");
    let mut out = Vec::new();
    write(&mut out).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), format!("{text}\u{1e}"));
}

#[test]
fn invocations_are_written() {
    check_write(
        r#"{"type":1,"invocationId":"123","target":"Target","arguments":[1,"Foo"]}"#,
        |out| JSON.write_invocation(out, Some("123"), "Target", &(1, "Foo")),
    );
    check_write(
        r#"{"type":1,"target":"Target","arguments":[true]}"#,
        |out| JSON.write_invocation(out, None, "Target", &(true,)),
    );
    check_write(
        r#"{"type":1,"target":"Target","arguments":[null]}"#,
        |out| JSON.write_invocation(out, None, "Target", &((),)),
    );
    check_write(
        r#"{"type":1,"target":"Target","arguments":[1,"Foo",2]}"#,
        |out| JSON.write_invocation(out, None, "Target", &(1, "Foo", 2.0f32)),
    );
    for text in ["2016-05-10T13:51:20+12:34", "מחרוזת כלשהי"] {
        let expected = format!(r#"{{"type":1,"target":"Method","arguments":["{text}"]}}"#);
        check_write(&expected, |out| {
            JSON.write_invocation(out, None, "Method", &(text,))
        });
    }
}

#[test]
fn items_and_completions_are_written() {
    let values: [(&dyn EncodeValue, &str); 5] = [
        (&1, "1"),
        (&"Foo", "\"Foo\""),
        (&2.0f32, "2"),
        (&true, "true"),
        (&None::<i32>, "null"),
    ];
    for (value, text) in values {
        check_write(
            &format!(r#"{{"type":2,"invocationId":"123","item":{text}}}"#),
            |out| JSON.write_stream_item(out, "123", value),
        );
        check_write(
            &format!(r#"{{"type":3,"invocationId":"123","result":{text}}}"#),
            |out| JSON.write_completion(out, "123", Answer::Result(value)),
        );
    }
    for answer in [Answer::Void, Answer::Error("")] {
        check_write(r#"{"type":3,"invocationId":"123"}"#, |out| {
            JSON.write_completion(out, "123", answer)
        });
    }
    check_write(
        r#"{"type":3,"invocationId":"123","error":"Whoops!"}"#,
        |out| JSON.write_completion(out, "123", Answer::Error("Whoops!")),
    );
}

#[test]
fn messages_without_values_are_written() {
    for (written, text) in [
        (JSON.ping(), r#"{"type":6}"#),
        (JSON.close(None, false), r#"{"type":7}"#),
        (
            JSON.close(Some("Error!"), false),
            r#"{"type":7,"error":"Error!"}"#,
        ),
        (JSON.close(Some(""), false), r#"{"type":7,"error":""}"#),
        (
            JSON.close(None, true),
            r#"{"type":7,"allowReconnect":true}"#,
        ),
        (
            JSON.close(Some("Error!"), true),
            r#"{"type":7,"error":"Error!","allowReconnect":true}"#,
        ),
        (JSON.ack(1394), r#"{"type":8,"sequenceId":1394}"#),
        (JSON.sequence(1234), r#"{"type":9,"sequenceId":1234}"#),
    ] {
        check_write(text, |out| {
            out.extend_from_slice(&written);
            Ok(())
        });
    }
}

#[test]
#[expect(clippy::approx_constant, reason = "the vector has these digits")]
fn objects_are_written_with_the_names_they_are_declared_with() {
    #[derive(serde::Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Object {
        string_prop: &'static str,
        double_prop: f64,
        int_prop: i32,
        date_time_prop: &'static str,
        null_prop: Option<i32>,
        byte_arr_prop: ByteArray,
    }
    let object = Object {
        string_prop: "SignalR!",
        double_prop: 6.283_185_307_1,
        int_prop: 42,
        date_time_prop: "2017-04-11T00:00:00Z",
        null_prop: None,
        byte_arr_prop: ByteArray(vec![1, 2, 3]),
    };
    let mut out = Vec::new();
    JSON.write_stream_item(&mut out, "123", &object).unwrap();
    let item = r#"{"stringProp":"SignalR!","doubleProp":6.2831853071,"intProp":42,"dateTimeProp":"2017-04-11T00:00:00Z","nullProp":null,"byteArrProp":"AQID"}"#;
    assert!(
        MESSAGES
            .iter()
            .any(|text| text.ends_with(&format!("\"item\":{item}}}")))
    );
    let expected = format!("{{\"type\":2,\"invocationId\":\"123\",\"item\":{item}}}\u{1e}");
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn broken_messages_are_told_in_the_words_of_dotnet() {
    for (input, text) in INVALID {
        let error = JSON.read(input.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), *text, "{input}");
        assert_eq!(error.exception(), "InvalidDataException", "{input}");
    }
}

/// Calls of a method that takes a number and a text.
#[test]
fn arguments_that_do_not_fit_are_no_violation() {
    const WRONG_TYPE: &str = "Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked.";
    for (arguments, text) in [
        (
            "[]",
            "Invocation provides 0 argument(s) but target expects 2.",
        ),
        (r#"["abc", "xyz"]"#, WRONG_TYPE),
        (
            r#"[1,"",{"1":1,"2":2}]"#,
            "Invocation provides 3 argument(s) but target expects 2.",
        ),
        ("[1,[1]]", WRONG_TYPE),
        ("[1,[]]", WRONG_TYPE),
    ] {
        for kind in [1, 4] {
            for message in [
                format!(
                    r#"{{"type":{kind},"invocationId":"42","target":"foo","arguments":{arguments}}}"#
                ),
                format!(
                    r#"{{"type":{kind},"arguments":{arguments},"invocationId":"42","target":"foo"}}"#
                ),
            ] {
                let (HubMessage::Invocation(call) | HubMessage::StreamInvocation(call)) =
                    read(JSON, message.as_bytes())
                else {
                    panic!("not a call: {message}");
                };
                assert_eq!(call.target, "foo");
                let error = super::bind_two::<i32, String>(&call.arguments).unwrap_err();
                assert_eq!(error.to_string(), text, "{message}");
            }
        }
    }
}

#[test]
fn what_stands_inside_the_arguments_is_no_member() {
    let message = br#"{"type":1,"target":"foo","arguments":[[],{"target":"foo2"}]}"#;
    let HubMessage::Invocation(call) = read(JSON, message) else {
        panic!("not a call");
    };
    assert_eq!(call.target, "foo");
    super::bind::<String>(&call.arguments, 1).unwrap_err();
    JSON.read(br#"{"type":1,"target":"foo","arguments":[[}]}"#)
        .unwrap_err();
}

#[test]
fn values_are_read_as_dotnet_does() {
    fn check<T: DeserializeOwned + PartialEq + Debug>(text: &str, expected: Option<&T>) {
        assert_eq!(Value::Json(text).read().ok().as_ref(), expected, "{text}");
    }
    check("1", Some(&1));
    check::<i32>("1.0", None);
    check::<i32>("\"1\"", None);
    check::<i32>("null", None);
    check("null", Some(&None::<i32>));
    check("3", Some(&3.0));
    check(
        "-1.1575998761760787e135",
        Some(&-1.157_599_876_176_078_7e135),
    );
    check("\"AgQG\"", Some(&ByteArray(vec![2, 4, 6])));
    check::<ByteArray>("\"AgQ\"", None);
    check::<ByteArray>("[2,4,6]", None);
}

/// Recorded from ASP.NET Core 10, for every character of the basic plane and some beyond.
#[test]
fn text_is_escaped_as_dotnet_does() {
    let written = |text: &str| {
        let mut out = Vec::new();
        text.encode(JSON, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    assert_eq!(
        written("é😀<>&+'\"\\/\n\r\t\u{8}\u{c}\0\u{1e}"),
        r#""é\uD83D\uDE00<>&+'\"\\/\n\r\t\b\f\u0000\u001E""#
    );
    let escaped = "\u{7f}\u{80}\u{9f}\u{a0}\u{1680}\u{2000}\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}\u{e000}\u{f8ff}\u{fdd0}\u{fdef}\u{feff}\u{fffe}\u{ffff}";
    for c in escaped.chars() {
        assert_eq!(
            written(&c.to_string()),
            format!("\"\\u{:04X}\"", u32::from(c))
        );
    }
    for c in "~\u{a1}\u{ad}\u{180e}\u{1fef}\u{200b}\u{200d}\u{2027}\u{202a}\u{2060}\u{3001}\u{d7a3}\u{f900}\u{fdf0}\u{fffc}\u{fffd}".chars() {
        assert_eq!(written(&c.to_string()), format!("\"{c}\""), "{:04X}", u32::from(c));
    }
}

/// Nesting counts from the message's own object, and ends the connection beyond 64, as in .NET.
#[test]
fn messages_may_nest_64_deep() {
    let nested = |depth: usize, name: &str| {
        let value = "[".repeat(depth) + &"]".repeat(depth);
        let text = format!(
            r#"{{"a":"[[\"{{","type":1,"target":"Echo","arguments":[],"{name}":{value}}}]"#
        );
        JSON.read(text.as_bytes())
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    for name in ["arguments", "unknown"] {
        assert_eq!(nested(63, name), Ok(()), "{name}");
        assert_eq!(
            nested(64, name),
            Err("Error reading JSON.".to_owned()),
            "{name}"
        );
        assert_eq!(
            nested(10_000, name),
            Err("Error reading JSON.".to_owned()),
            "{name}"
        );
    }
    // No bracket more than it takes.
    let text = format!(r#"{{"type":6,"x":{}{}}}"#, "[".repeat(64), "]".repeat(64));
    assert!(JSON.read(text.as_bytes()).is_err());
    // Nor does it matter what stands behind the message.
    let text = format!(r#"{{"type":6}}{}"#, "[".repeat(100));
    assert!(JSON.read(text.as_bytes()).is_ok());
    // Many brackets side by side are not deep.
    let wide = format!(
        r#"{{"type":1,"target":"Echo","arguments":[{}[]]}}"#,
        "[],{},".repeat(500)
    );
    assert!(JSON.read(wide.as_bytes()).is_ok());
}

#[test]
fn results_keep_their_text_until_they_are_read() {
    let HubMessage::Completion {
        id,
        outcome: Outcome::Result(value),
    } = read(
        JSON,
        br#"{ "type":3, "result": 10.50, "invocationId": "15" }"#,
    )
    else {
        panic!("not a result");
    };
    assert_eq!((&*id, value), ("15", Value::Json("10.50")));
    assert_eq!(value.detach().borrow(), value);
}

/// Messages that are written so, and read.
const MESSAGES: &[&str] = &[
    r#"{"type":1,"invocationId":"123","target":"Target","arguments":[1,"Foo"]}"#,
    r#"{"type":1,"target":"Target","arguments":[true]}"#,
    r#"{"type":1,"target":"Target","arguments":[null]}"#,
    r#"{"type":1,"target":"Target","arguments":[1,"Foo",2]}"#,
    r#"{"type":1,"target":"Target","arguments":[],"streamIds":["__test_id__"]}"#,
    r#"{"type":1,"target":"Target","arguments":[42],"streamIds":["__test_id__"]}"#,
    r#"{"type":1,"target":"Target","arguments":[],"streamIds":["__test_id__","__test_id2__"]}"#,
    r#"{"type":1,"target":"Method","arguments":["2016-05-10T13:51:20+12:34"]}"#,
    r#"{"type":1,"target":"Method","arguments":["מחרוזת כלשהי"]}"#,
    r#"{"type":1,"headers":{"Foo":"Bar","KeyWith\nNew\r\nLines":"Still Works","ValueWithNewLines":"Also\nWorks\r\nFine"},"invocationId":"123","target":"Target","arguments":[1,"Foo",2]}"#,
    r#"{"type":2,"invocationId":"123","item":1}"#,
    r#"{"type":2,"invocationId":"123","item":"Foo"}"#,
    r#"{"type":2,"invocationId":"123","item":2}"#,
    r#"{"type":2,"invocationId":"123","item":true}"#,
    r#"{"type":2,"invocationId":"123","item":null}"#,
    r#"{"type":2,"headers":{"Foo":"Bar","KeyWith\nNew\r\nLines":"Still Works","ValueWithNewLines":"Also\nWorks\r\nFine"},"invocationId":"123","item":{"stringProp":"SignalR!","doubleProp":6.2831853071,"intProp":42,"dateTimeProp":"2017-04-11T00:00:00Z","nullProp":null,"byteArrProp":"AQID"}}"#,
    r#"{"type":3,"invocationId":"123"}"#,
    r#"{"type":3,"invocationId":"123","result":1}"#,
    r#"{"type":3,"invocationId":"123","result":"Foo"}"#,
    r#"{"type":3,"invocationId":"123","result":2}"#,
    r#"{"type":3,"invocationId":"123","result":true}"#,
    r#"{"type":3,"invocationId":"123","result":null}"#,
    r#"{"type":3,"invocationId":"123","error":"Whoops!"}"#,
    r#"{"type":3,"headers":{"Foo":"Bar","KeyWith\nNew\r\nLines":"Still Works","ValueWithNewLines":"Also\nWorks\r\nFine"},"invocationId":"123","error":"Whoops!"}"#,
    r#"{"type":4,"invocationId":"123","target":"Target","arguments":[1,"Foo"]}"#,
    r#"{"type":4,"invocationId":"123","target":"Target","arguments":[1,"Foo",2]}"#,
    r#"{"type":4,"invocationId":"123","target":"Target","arguments":[true]}"#,
    r#"{"type":4,"invocationId":"123","target":"Target","arguments":[null]}"#,
    r#"{"type":4,"invocationId":"123","target":"Target","arguments":[],"streamIds":["__test_id__"]}"#,
    r#"{"type":5,"invocationId":"123"}"#,
    r#"{"type":5,"headers":{"Foo":"Bar","KeyWith\nNew\r\nLines":"Still Works","ValueWithNewLines":"Also\nWorks\r\nFine"},"invocationId":"123"}"#,
    r#"{"type":6}"#,
    r#"{"type":7}"#,
    r#"{"type":7,"error":"Error!"}"#,
    r#"{"type":7,"error":""}"#,
    r#"{"type":7,"allowReconnect":true}"#,
    r#"{"type":7,"error":"Error!","allowReconnect":true}"#,
    r#"{"type":8,"sequenceId":1394}"#,
    r#"{"type":9,"sequenceId":1234}"#,
];

/// Messages that are only read: other orders, foreign members.
const READ_ONLY: &[&str] = &[
    r#"{ "arguments": ["2016-05-10T13:51:20+12:34"], "type":1, "target": "Method" }"#,
    r#"{ "arguments": [1,2], "type":1, "target": "Method" }"#,
    r#"{ "type":4, "arguments": [1,2], "target": "Method", "invocationId": "3" }"#,
    r#"{ "type":3, "result": 10, "invocationId": "15" }"#,
    r#"{ "item": "foo", "invocationId": "1a", "type":2 }"#,
    r#"{"type":1,"invocationId":"42","target":"foo","arguments":[],"extraParameter":"1"}"#,
    r#"{"type":1,"invocationId":"42","target":"foo","arguments":["2007-03-01T13:00:00Z"]}"#,
    r#"{"type":1,"invocationId":"42","arguments":["2007-03-01T13:00:00Z"],"target":"foo"}"#,
    r#"{"type":3,"invocationId":"42","target":"foo","arguments":[],"result":"2007-03-01T13:00:00Z"}"#,
    r#"{"type":3,"target":"foo","arguments":[],"result":"2007-03-01T13:00:00Z","invocationId":"42"}"#,
    r#"{"type":2,"invocationId":"123","item":{"StrIngProp":"test","DoublePrOp":3.14159,"IntProp":43,"DateTimeProp":"2019-06-03T22:00:00","NuLLProp":null,"ByteARRProp":"AgQG"}}"#,
];

/// Input and error text of messages that are fatal.
const INVALID: &[(&str, &str)] = &[
    (r#""#, "Error reading JSON."),
    (
        r#"null"#,
        "Unexpected JSON Token Type 'Null'. Expected a JSON Object.",
    ),
    (
        r#""foo""#,
        "Unexpected JSON Token Type 'String'. Expected a JSON Object.",
    ),
    (
        r#"[42]"#,
        "Unexpected JSON Token Type 'Array'. Expected a JSON Object.",
    ),
    (
        r#"42"#,
        "Unexpected JSON Token Type 'Number'. Expected a JSON Object.",
    ),
    (r#"{}"#, "Missing required property 'type'."),
    (r#"{"type":"foo"}"#, "Expected 'type' to be of type Number."),
    (
        r#"{"type":1,"headers":{"Foo": 42},"target":"test",arguments:[]}"#,
        "Expected header 'Foo' to be of type String.",
    ),
    (
        r#"{"type":1,"headers":{"Foo": true},"target":"test",arguments:[]}"#,
        "Expected header 'Foo' to be of type String.",
    ),
    (
        r#"{"type":1,"headers":{"Foo": null},"target":"test",arguments:[]}"#,
        "Expected header 'Foo' to be of type String.",
    ),
    (
        r#"{"type":1,"headers":{"Foo": []},"target":"test",arguments:[]}"#,
        "Expected header 'Foo' to be of type String.",
    ),
    (r#"{"type":1}"#, "Missing required property 'target'."),
    (
        r#"{"type":1,"invocationId":42}"#,
        "Expected 'invocationId' to be of type String.",
    ),
    (
        r#"{"type":1,"invocationId":"42"}"#,
        "Missing required property 'target'.",
    ),
    (
        r#"{"type":1,"invocationId":"42","target":42}"#,
        "Expected 'target' to be of type String.",
    ),
    (
        r#"{"type":1,"invocationId":"42","target":"foo"}"#,
        "Missing required property 'arguments'.",
    ),
    (
        r#"{"type":1,"invocationId":"42","target":"foo","arguments":{}}"#,
        "Expected 'arguments' to be of type Array.",
    ),
    (r#"{"type":2}"#, "Missing required property 'invocationId'."),
    (
        r#"{"type":2,"invocationId":42}"#,
        "Expected 'invocationId' to be of type String.",
    ),
    (
        r#"{"type":2,"invocationId":"42"}"#,
        "Missing required property 'item'.",
    ),
    (r#"{"type":3}"#, "Missing required property 'invocationId'."),
    (
        r#"{"type":3,"invocationId":42}"#,
        "Expected 'invocationId' to be of type String.",
    ),
    (
        r#"{"type":3,"invocationId":"42","error":[]}"#,
        "Expected 'error' to be of type String.",
    ),
    (
        r#"{"type":3,"invocationId":"42","error":"foo","result":true}"#,
        "The 'error' and 'result' properties are mutually exclusive.",
    ),
    (
        r#"{"type":3,"invocationId":"42","result":true"#,
        "Error reading JSON.",
    ),
    (r#"{"type":4}"#, "Missing required property 'invocationId'."),
    (
        r#"{"type":4,"invocationId":42}"#,
        "Expected 'invocationId' to be of type String.",
    ),
    (
        r#"{"type":4,"invocationId":"42","target":42}"#,
        "Expected 'target' to be of type String.",
    ),
    (
        r#"{"type":4,"invocationId":"42","target":"foo"}"#,
        "Missing required property 'arguments'.",
    ),
    (
        r#"{"type":4,"invocationId":"42","target":"foo","arguments":{}}"#,
        "Expected 'arguments' to be of type Array.",
    ),
    (r#"{"type":8}"#, "Missing required property 'sequenceId'."),
    (r#"{"type":9}"#, "Missing required property 'sequenceId'."),
    (
        r#"{"type":8,"sequenceId":true}"#,
        "Expected 'sequenceId' to be of type Number.",
    ),
    (
        r#"{"type":9,"sequenceId":"value"}"#,
        "Expected 'sequenceId' to be of type Number.",
    ),
];
