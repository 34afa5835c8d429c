//! JSON messages and what ASP.NET Core 10 made of them.

use super::Verdict::{self, Answer, Closed, Fatal, Quiet, Stuck};

/// Without their record separators. The hub's methods are in [`super::call`].
pub(crate) const JSON: &[(&str, Verdict)] = &[
    ("", Fatal("InvalidDataException: Error reading JSON.")),
    (
        "null",
        Fatal("InvalidDataException: Unexpected JSON Token Type 'Null'. Expected a JSON Object."),
    ),
    (
        "true",
        Fatal("InvalidDataException: Unexpected JSON Token Type 'True'. Expected a JSON Object."),
    ),
    (
        "false",
        Fatal("InvalidDataException: Unexpected JSON Token Type 'False'. Expected a JSON Object."),
    ),
    (
        "42",
        Fatal("InvalidDataException: Unexpected JSON Token Type 'Number'. Expected a JSON Object."),
    ),
    (
        "-1",
        Fatal("InvalidDataException: Unexpected JSON Token Type 'Number'. Expected a JSON Object."),
    ),
    (
        r#""foo""#,
        Fatal("InvalidDataException: Unexpected JSON Token Type 'String'. Expected a JSON Object."),
    ),
    (
        "[42]",
        Fatal("InvalidDataException: Unexpected JSON Token Type 'Array'. Expected a JSON Object."),
    ),
    (
        "{}",
        Fatal("InvalidDataException: Missing required property 'type'."),
    ),
    (
        "nullx",
        Fatal("InvalidDataException: Unexpected JSON Token Type 'Null'. Expected a JSON Object."),
    ),
    (
        "null null",
        Fatal("InvalidDataException: Unexpected JSON Token Type 'Null'. Expected a JSON Object."),
    ),
    (r#"{"type":6}{"#, Quiet),
    (r#"{"type":6} x"#, Quiet),
    (r#" {"type":6}"#, Quiet),
    (
        "\u{feff}{\"type\":6}",
        Fatal("InvalidDataException: Error reading JSON."),
    ),
    (
        "\u{c}{\"type\":6}",
        Fatal("InvalidDataException: Error reading JSON."),
    ),
    (
        r#"{"type":6,}"#,
        Fatal("InvalidDataException: Error reading JSON."),
    ),
    (
        "{\"type\":6//x\n}",
        Fatal("InvalidDataException: Error reading JSON."),
    ),
    (
        r#"{"type":6/*x*/}"#,
        Fatal("InvalidDataException: Error reading JSON."),
    ),
    (
        r#"{"type":null}"#,
        Fatal("InvalidDataException: Expected 'type' to be of type Number."),
    ),
    (
        r#"{"type":6.0}"#,
        Fatal(
            "FormatException: Either the JSON value is not in a supported format, or is out of bounds for an Int32.",
        ),
    ),
    (
        r#"{"type":6e0}"#,
        Fatal(
            "FormatException: Either the JSON value is not in a supported format, or is out of bounds for an Int32.",
        ),
    ),
    (
        r#"{"type":2147483648}"#,
        Fatal(
            "FormatException: Either the JSON value is not in a supported format, or is out of bounds for an Int32.",
        ),
    ),
    (r#"{"type":-1}"#, Stuck),
    (
        r#"{"type":"6"}"#,
        Fatal("InvalidDataException: Expected 'type' to be of type Number."),
    ),
    (
        r#"{"Type":6}"#,
        Fatal("InvalidDataException: Missing required property 'type'."),
    ),
    (r#"{"type":99,"type":6}"#, Quiet),
    (r#"{"\u0074ype":6}"#, Quiet),
    (
        r#"{"type":06}"#,
        Fatal("InvalidDataException: Error reading JSON."),
    ),
    (
        r#"{"type":+6}"#,
        Fatal("InvalidDataException: Error reading JSON."),
    ),
    (r#"{"type":1,"target":"","arguments":[]}"#, Quiet),
    (
        r#"{"type":1,"target":null,"arguments":[]}"#,
        Fatal("InvalidDataException: Expected 'target' to be of type String."),
    ),
    (
        r#"{"type":1,"target":"Nothing","arguments":null}"#,
        Fatal("InvalidDataException: Expected 'arguments' to be of type Array."),
    ),
    (
        r#"{"type":1,"target":"Nothing","arguments":[}"#,
        Fatal("InvalidDataException: Error reading JSON."),
    ),
    (
        r#"{"type":1,"target":"Nothing","arguments":[[}]}"#,
        Fatal("InvalidDataException: Error reading JSON."),
    ),
    (
        r#"{"type":1,"invocationId":"a\u001eb","target":"Nothing","arguments":[]}"#,
        Answer(r#"{"type":3,"invocationId":"a\u001Eb","result":null}"#),
    ),
    (
        r#"{"type":1,"invocationId":"\ud800","target":"Nothing","arguments":[]}"#,
        Fatal(
            "InvalidOperationException: Cannot read incomplete UTF-16 JSON text as string with missing low surrogate.",
        ),
    ),
    (
        r#"{"type":1,"invocationId":"1","target":"No\u0074hing","arguments":[]}"#,
        Answer(r#"{"type":3,"invocationId":"1","result":null}"#),
    ),
    (
        r#"{"type":1,"invocationId":"1","target":"EchoString","arguments":["\ud800"]}"#,
        Answer(
            r#"{"type":3,"invocationId":"1","error":"Failed to invoke 'EchoString' due to an error on the server. InvalidDataException: Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked."}"#,
        ),
    ),
    (
        r#"{"type":1,"invocationId":"1","target":"Nothing","arguments":[],"streamIds":null}"#,
        Fatal("InvalidDataException: Expected 'streamIds' to be of type Array."),
    ),
    (
        r#"{"type":1,"invocationId":"1","target":"Nothing","arguments":[],"streamIds":"x"}"#,
        Fatal("InvalidDataException: Expected 'streamIds' to be of type Array."),
    ),
    (
        r#"{"type":1,"invocationId":"1","target":"Nothing","arguments":[],"streamIds":[1]}"#,
        Fatal(
            "InvalidOperationException: Cannot get the value of a token type 'Number' as a string.",
        ),
    ),
    (
        r#"{"type":1,"invocationId":"1","target":"Nothing","arguments":[],"streamIds":[null]}"#,
        Fatal("InvalidDataException: Null value for 'streamIds' is not valid."),
    ),
    (
        r#"{"type":1,"invocationId":"1","target":"Nothing","arguments":[],"streamIds":[]}"#,
        Answer(r#"{"type":3,"invocationId":"1","result":null}"#),
    ),
    (
        r#"{"type":1,"invocationId":"1","target":"Nothing","arguments":[],"headers":null}"#,
        Fatal("InvalidDataException: Expected 'headers' to be of type StartObject."),
    ),
    (
        r#"{"type":1,"invocationId":"1","target":"Nothing","arguments":[],"headers":[]}"#,
        Fatal("InvalidDataException: Expected 'headers' to be of type StartObject."),
    ),
    (
        r#"{"type":1,"invocationId":"1","target":"Nothing","arguments":[],"headers":{"":""}}"#,
        Answer(r#"{"type":3,"invocationId":"1","result":null}"#),
    ),
    (
        r#"{"type":1,"invocationId":"1","target":"Nothing","arguments":[],"headers":{"a":"1","a":"2"}}"#,
        Answer(r#"{"type":3,"invocationId":"1","result":null}"#),
    ),
    (
        r#"{"type":1,"invocationId":"1","target":"Nothing","arguments":[],"headers":{"a":{"b":1}}}"#,
        Fatal("InvalidDataException: Expected header 'a' to be of type String."),
    ),
    (
        r#"{"type":2,"invocationId":"","item":1}"#,
        Fatal("KeyNotFoundException: No stream with id '' could be found."),
    ),
    (
        r#"{"type":2,"invocationId":null,"item":1}"#,
        Fatal("InvalidDataException: Expected 'invocationId' to be of type String."),
    ),
    (
        r#"{"type":2,"item":1}"#,
        Fatal("InvalidDataException: Missing required property 'invocationId'."),
    ),
    (r#"{"type":2,"invocationId":"x","item":null}"#, Quiet),
    (
        r#"{"type":3,"invocationId":""}"#,
        Fatal("InvalidDataException: Missing required property 'invocationId'."),
    ),
    (
        r#"{"type":3,"invocationId":"x","error":null}"#,
        Fatal("InvalidDataException: Expected 'error' to be of type String."),
    ),
    (
        r#"{"type":3,"invocationId":"x","error":"","result":1}"#,
        Fatal("InvalidDataException: The 'error' and 'result' properties are mutually exclusive."),
    ),
    (
        r#"{"type":3,"invocationId":"x","result":null,"error":"e"}"#,
        Fatal("InvalidDataException: The 'error' and 'result' properties are mutually exclusive."),
    ),
    (
        r#"{"type":3,"error":"e","result":1}"#,
        Fatal("InvalidDataException: Missing required property 'invocationId'."),
    ),
    (
        r#"{"type":4,"invocationId":"","target":"Count","arguments":[1,0]}"#,
        Fatal("InvalidDataException: Missing required property 'invocationId'."),
    ),
    (
        r#"{"type":4,"target":"Count"}"#,
        Fatal("InvalidDataException: Missing required property 'invocationId'."),
    ),
    (
        r#"{"type":4,"invocationId":"s"}"#,
        Fatal("InvalidDataException: Missing required property 'target'."),
    ),
    (
        r#"{"type":5}"#,
        Fatal("InvalidDataException: Missing required property 'invocationId'."),
    ),
    (
        r#"{"type":5,"invocationId":""}"#,
        Fatal("InvalidDataException: Missing required property 'invocationId'."),
    ),
    (
        r#"{"type":5,"invocationId":7}"#,
        Fatal("InvalidDataException: Expected 'invocationId' to be of type String."),
    ),
    (
        r#"{"type":7,"error":null}"#,
        Fatal("InvalidDataException: Expected 'error' to be of type String."),
    ),
    (
        r#"{"type":7,"error":1}"#,
        Fatal("InvalidDataException: Expected 'error' to be of type String."),
    ),
    (
        r#"{"type":7,"allowReconnect":1}"#,
        Fatal("InvalidDataException: Expected 'allowReconnect' to be true or false."),
    ),
    (
        r#"{"type":7,"allowReconnect":null}"#,
        Fatal("InvalidDataException: Expected 'allowReconnect' to be true or false."),
    ),
    (
        r#"{"type":7,"allowReconnect":"true"}"#,
        Fatal("InvalidDataException: Expected 'allowReconnect' to be true or false."),
    ),
    (r#"{"type":7,"allowReconnect":true}"#, Closed),
    (
        r#"{"type":6,"allowReconnect":5}"#,
        Fatal("InvalidDataException: Expected 'allowReconnect' to be true or false."),
    ),
    (
        r#"{"type":8}"#,
        Fatal("InvalidDataException: Missing required property 'sequenceId'."),
    ),
    (
        r#"{"type":8,"sequenceId":null}"#,
        Fatal("InvalidDataException: Missing required property 'sequenceId'."),
    ),
    (
        r#"{"type":8,"sequenceId":"1"}"#,
        Fatal("InvalidDataException: Expected 'sequenceId' to be of type Number."),
    ),
    (
        r#"{"type":8,"sequenceId":1.5}"#,
        Fatal(
            "FormatException: Either the JSON value is not in a supported format, or is out of bounds for an Int64.",
        ),
    ),
    (
        r#"{"type":8,"sequenceId":9223372036854775808}"#,
        Fatal(
            "FormatException: Either the JSON value is not in a supported format, or is out of bounds for an Int64.",
        ),
    ),
    (r#"{"type":8,"sequenceId":-1}"#, Quiet),
    (r#"{"type":9,"sequenceId":1}"#, Quiet),
    (
        r#"{"type":6,"sequenceId":true}"#,
        Fatal("InvalidDataException: Expected 'sequenceId' to be of type Number."),
    ),
    (
        r#"{"type":6,"target":1}"#,
        Fatal("InvalidDataException: Expected 'target' to be of type String."),
    ),
    (
        r#"{"type":6,"error":1}"#,
        Fatal("InvalidDataException: Expected 'error' to be of type String."),
    ),
    (
        r#"{"type":6,"arguments":1}"#,
        Fatal("InvalidDataException: Expected 'arguments' to be of type Array."),
    ),
    (
        r#"{"type":6,"arguments":{}}"#,
        Fatal("InvalidDataException: Expected 'arguments' to be of type Array."),
    ),
    (
        r#"{"type":6,"headers":{"a":1}}"#,
        Fatal("InvalidDataException: Expected header 'a' to be of type String."),
    ),
    (
        r#"{"type":6,"item":}"#,
        Fatal("InvalidDataException: Error reading JSON."),
    ),
    (
        "{\"type\":6,\"x\":\u{1}}",
        Fatal("InvalidDataException: Error reading JSON."),
    ),
    (
        "{\"type\":6,\"x\":\"\u{1}\"}",
        Fatal("InvalidDataException: Error reading JSON."),
    ),
    (
        r#"{"type":6,"x":"\q"}"#,
        Fatal("InvalidDataException: Error reading JSON."),
    ),
    (
        r#"{"type":6,"x":01}"#,
        Fatal("InvalidDataException: Error reading JSON."),
    ),
    (
        r#"{"type":6,"x":1.}"#,
        Fatal("InvalidDataException: Error reading JSON."),
    ),
    (
        r#"{"type":6,"x":.5}"#,
        Fatal("InvalidDataException: Error reading JSON."),
    ),
    (
        r#"{"type":6,"x":NaN}"#,
        Fatal("InvalidDataException: Error reading JSON."),
    ),
    (r#"{"type":6,"x":1e999}"#, Quiet),
    (
        r#"{"type":6 "x":1}"#,
        Fatal("InvalidDataException: Error reading JSON."),
    ),
    (
        r#"{"type":6,"x":1"#,
        Fatal("InvalidDataException: Error reading JSON."),
    ),
    (
        r#"{"type":6,"x":tru}"#,
        Fatal("InvalidDataException: Error reading JSON."),
    ),
    (
        "{type:6}",
        Fatal("InvalidDataException: Error reading JSON."),
    ),
    (
        "{'type':6}",
        Fatal("InvalidDataException: Error reading JSON."),
    ),
    (r#"{"type":6,"x":"\ud800"}"#, Quiet),
    (
        r#"{"type":6,"\ud800":1}"#,
        Fatal(
            "InvalidOperationException: Cannot read incomplete UTF-16 JSON text as string with missing low surrogate.",
        ),
    ),
    (
        r#"{"type":99,"invocationId":5}"#,
        Fatal("InvalidDataException: Expected 'invocationId' to be of type String."),
    ),
    (
        r#"{"arguments":[1],"target":"Add","type":1,"invocationId":5}"#,
        Fatal("InvalidDataException: Expected 'invocationId' to be of type String."),
    ),
    (
        r#"{"type":1,"invocationId":"1","target":"Add","arguments":[1,2]}garbage"#,
        Answer(r#"{"type":3,"invocationId":"1","result":3}"#),
    ),
    (
        r#"{"type":1,"invocationId":"1","target":"Add","arguments":[1,2],"arguments":[3,4]}"#,
        Answer(r#"{"type":3,"invocationId":"1","result":7}"#),
    ),
    (
        r#"{"type":1,"invocationId":"1","target":"Add","target":"Nope","arguments":[1,2]}"#,
        Answer(
            r#"{"type":3,"invocationId":"1","error":"Failed to invoke 'Nope' due to an error on the server. HubException: Method does not exist."}"#,
        ),
    ),
    (
        r#"{"type":1,"invocationId":"1","arguments":[1,2],"target":"Add","invocationId":"2"}"#,
        Answer(r#"{"type":3,"invocationId":"2","result":3}"#),
    ),
    (
        r#"{"type":1,"invocationId":"1","target":"Add","arguments":[1.0,2]}"#,
        Answer(
            r#"{"type":3,"invocationId":"1","error":"Failed to invoke 'Add' due to an error on the server. InvalidDataException: Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked."}"#,
        ),
    ),
    (
        r#"{"type":1,"invocationId":"1","target":"Add","arguments":[1e0,2]}"#,
        Answer(
            r#"{"type":3,"invocationId":"1","error":"Failed to invoke 'Add' due to an error on the server. InvalidDataException: Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked."}"#,
        ),
    ),
    (
        r#"{"type":1,"invocationId":"1","target":"Add","arguments":[-0,2]}"#,
        Answer(r#"{"type":3,"invocationId":"1","result":2}"#),
    ),
    (
        r#"{"type":1,"invocationId":"1","target":"Half","arguments":["NaN"]}"#,
        Answer(
            r#"{"type":3,"invocationId":"1","error":"Failed to invoke 'Half' due to an error on the server. InvalidDataException: Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked."}"#,
        ),
    ),
    (
        r#"{"type":1,"invocationId":"1","target":"Not","arguments":[1]}"#,
        Answer(
            r#"{"type":3,"invocationId":"1","error":"Failed to invoke 'Not' due to an error on the server. InvalidDataException: Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked."}"#,
        ),
    ),
    (
        r#"{"type":1,"invocationId":"1","target":"Not","arguments":[true]}"#,
        Answer(r#"{"type":3,"invocationId":"1","result":false}"#),
    ),
    (
        r#"{"type":1,"invocationId":"1","target":"EchoBytes","arguments":["AQI"]}"#,
        Answer(
            r#"{"type":3,"invocationId":"1","error":"Failed to invoke 'EchoBytes' due to an error on the server. InvalidDataException: Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked."}"#,
        ),
    ),
    (
        r#"{"type":1,"invocationId":"1","target":"EchoBytes","arguments":["AQI="]}"#,
        Answer(r#"{"type":3,"invocationId":"1","result":"AQI="}"#),
    ),
    (
        r#"{"type":1,"invocationId":"1","target":"EchoBytes","arguments":["A-_="]}"#,
        Answer(
            r#"{"type":3,"invocationId":"1","error":"Failed to invoke 'EchoBytes' due to an error on the server. InvalidDataException: Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked."}"#,
        ),
    ),
    (
        r#"{"type":1,"invocationId":"1","target":"EchoBytes","arguments":[" AQID"]}"#,
        Answer(r#"{"type":3,"invocationId":"1","result":"AQID"}"#),
    ),
    (
        r#"{"type":1,"invocationId":"1","target":"EchoBytes","arguments":["AQJ="]}"#,
        Answer(
            r#"{"type":3,"invocationId":"1","error":"Failed to invoke 'EchoBytes' due to an error on the server. InvalidDataException: Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked."}"#,
        ),
    ),
    (
        r#"{"type":1,"invocationId":"1","target":"EchoBytes","arguments":[[1]]}"#,
        Answer(
            r#"{"type":3,"invocationId":"1","error":"Failed to invoke 'EchoBytes' due to an error on the server. InvalidDataException: Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked."}"#,
        ),
    ),
];
