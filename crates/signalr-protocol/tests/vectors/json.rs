//! JSON messages of Microsoft's test suite, without their record separator.

/// Messages that are written so, and read.
pub(crate) const ROUND_TRIPS: &[&str] = &[
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
pub(crate) const READ_ONLY: &[&str] = &[
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
pub(crate) const INVALID: &[(&str, &str)] = &[
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
