//! Handshakes and the answers of ASP.NET Core 10 with detailed errors.

/// Request and answer, without their record separators.
pub(crate) const HANDSHAKES: &[(&str, &str)] = &[
    (r#"{"protocol":"json","version":1}"#, "{}"),
    (r#"{"protocol":"JSON","version":1}"#, "{}"),
    (r#"{"protocol":"MessagePack","version":1}"#, "{}"),
    (r#"{"protocol":"json","version":2}"#, "{}"),
    (r#"{"protocol":"json","version":0}"#, "{}"),
    (r#"{"protocol":"json","version":-1}"#, "{}"),
    (
        r#"{"protocol":"json","version":3}"#,
        r#"{"error":"The server does not support version 3 of the 'json' protocol."}"#,
    ),
    (
        r#"{"protocol":"JSON","version":9001}"#,
        r#"{"error":"The server does not support version 9001 of the 'JSON' protocol."}"#,
    ),
    (
        r#"{"protocol":"xml","version":1}"#,
        r#"{"error":"The protocol 'xml' is not supported."}"#,
    ),
    (
        r#"{"protocol":"xml","version":3}"#,
        r#"{"error":"The protocol 'xml' is not supported."}"#,
    ),
    (
        r#"{"protocol":"","version":1}"#,
        r#"{"error":"The protocol '' is not supported."}"#,
    ),
    (
        r#"{"protocol":"a\"b\u00e9<'","version":1}"#,
        "{\"error\":\"The protocol 'a\\\"b\u{e9}<'' is not supported.\"}",
    ),
    (
        r#"{"protocol":"json","version":1.0}"#,
        r#"{"error":"An unexpected error occurred during connection handshake. FormatException: Either the JSON value is not in a supported format, or is out of bounds for an Int32."}"#,
    ),
    (
        r#"{"protocol":"json","version":1e0}"#,
        r#"{"error":"An unexpected error occurred during connection handshake. FormatException: Either the JSON value is not in a supported format, or is out of bounds for an Int32."}"#,
    ),
    (
        r#"{"protocol":"json","version":2147483648}"#,
        r#"{"error":"An unexpected error occurred during connection handshake. FormatException: Either the JSON value is not in a supported format, or is out of bounds for an Int32."}"#,
    ),
    (
        r#"{"protocol":"json","version":"1"}"#,
        r#"{"error":"An unexpected error occurred during connection handshake. InvalidDataException: Expected 'version' to be of type Number."}"#,
    ),
    (
        r#"{"protocol":"json","version":null}"#,
        r#"{"error":"An unexpected error occurred during connection handshake. InvalidDataException: Missing required property 'version'. Message content: {\"protocol\":\"json\",\"version\":null}"}"#,
    ),
    (
        r#"{"protocol":null,"version":1}"#,
        r#"{"error":"An unexpected error occurred during connection handshake. InvalidDataException: Expected 'protocol' to be of type String."}"#,
    ),
    (
        r#"{"protocol":5,"version":1}"#,
        r#"{"error":"An unexpected error occurred during connection handshake. InvalidDataException: Expected 'protocol' to be of type String."}"#,
    ),
    (
        r#"{"protocol":"json"}"#,
        r#"{"error":"An unexpected error occurred during connection handshake. InvalidDataException: Missing required property 'version'. Message content: {\"protocol\":\"json\"}"}"#,
    ),
    (
        r#"{"version":1}"#,
        r#"{"error":"An unexpected error occurred during connection handshake. InvalidDataException: Missing required property 'protocol'. Message content: {\"version\":1}"}"#,
    ),
    (
        "{}",
        r#"{"error":"An unexpected error occurred during connection handshake. InvalidDataException: Missing required property 'protocol'. Message content: {}"}"#,
    ),
    (
        "[]",
        r#"{"error":"An unexpected error occurred during connection handshake. InvalidDataException: Unexpected JSON Token Type 'Array'. Expected a JSON Object."}"#,
    ),
    (
        "null",
        r#"{"error":"An unexpected error occurred during connection handshake. InvalidDataException: Unexpected JSON Token Type 'Null'. Expected a JSON Object."}"#,
    ),
    (
        "true",
        r#"{"error":"An unexpected error occurred during connection handshake. InvalidDataException: Unexpected JSON Token Type 'True'. Expected a JSON Object."}"#,
    ),
    (
        "false",
        r#"{"error":"An unexpected error occurred during connection handshake. InvalidDataException: Unexpected JSON Token Type 'False'. Expected a JSON Object."}"#,
    ),
    (
        "5",
        r#"{"error":"An unexpected error occurred during connection handshake. InvalidDataException: Unexpected JSON Token Type 'Number'. Expected a JSON Object."}"#,
    ),
    (
        r#""x""#,
        r#"{"error":"An unexpected error occurred during connection handshake. InvalidDataException: Unexpected JSON Token Type 'String'. Expected a JSON Object."}"#,
    ),
    (
        "",
        r#"{"error":"An unexpected error occurred during connection handshake. JsonReaderException: The input does not contain any JSON tokens. Expected the input to start with a valid JSON token, when isFinalBlock is true. LineNumber: 0 | BytePositionInLine: 0."}"#,
    ),
    (
        "hello",
        r#"{"error":"An unexpected error occurred during connection handshake. JsonReaderException: 'h' is an invalid start of a value. LineNumber: 0 | BytePositionInLine: 0."}"#,
    ),
    (r#" {"protocol":"json","version":1}"#, "{}"),
    (r#"{"protocol":"json","version":1}x"#, "{}"),
    (r#"{"protocol":"json","version":1}{"protocol":"xml"}"#, "{}"),
    (
        r#"{"protocol":"json","version":1,}"#,
        r#"{"error":"An unexpected error occurred during connection handshake. JsonReaderException: The JSON object contains a trailing comma at the end which is not supported in this mode. Change the reader options. LineNumber: 0 | BytePositionInLine: 31."}"#,
    ),
    (
        r#"{"protocol":"json","version":1"#,
        r#"{"error":"An unexpected error occurred during connection handshake. JsonReaderException: '1' is an invalid end of a number. Expected a delimiter. LineNumber: 0 | BytePositionInLine: 30."}"#,
    ),
    (r#"{"protocol":"xml","protocol":"json","version":1}"#, "{}"),
    (r#"{"\u0070rotocol":"json","version":1}"#, "{}"),
    (
        r#"{"Protocol":"json","version":1}"#,
        r#"{"error":"An unexpected error occurred during connection handshake. InvalidDataException: Missing required property 'protocol'. Message content: {\"Protocol\":\"json\",\"version\":1}"}"#,
    ),
    (
        r#"{"protocol":"json","version":1,"x":{"a":[1,{"b":null}]}}"#,
        "{}",
    ),
    (
        r#"{"version":"123"}"#,
        r#"{"error":"An unexpected error occurred during connection handshake. InvalidDataException: Expected 'version' to be of type Number."}"#,
    ),
    (
        r#"{"version":"123",oops"#,
        r#"{"error":"An unexpected error occurred during connection handshake. InvalidDataException: Expected 'version' to be of type Number."}"#,
    ),
    (
        r#"{"protocol":"\ud800","version":1}"#,
        r#"{"error":"An unexpected error occurred during connection handshake. InvalidOperationException: Cannot read incomplete UTF-16 JSON text as string with missing low surrogate."}"#,
    ),
    (
        r#"{"type":6}"#,
        r#"{"error":"An unexpected error occurred during connection handshake. InvalidDataException: Missing required property 'protocol'. Message content: {\"type\":6}"}"#,
    ),
    (
        "\u{feff}{\"protocol\":\"json\",\"version\":1}",
        r#"{"error":"An unexpected error occurred during connection handshake. JsonReaderException: '0xEF' is an invalid start of a value. LineNumber: 0 | BytePositionInLine: 0."}"#,
    ),
    (
        r#"{"protocol":"json","version":01}"#,
        r#"{"error":"An unexpected error occurred during connection handshake. JsonReaderException: Invalid leading zero before '1'. LineNumber: 0 | BytePositionInLine: 30."}"#,
    ),
];
