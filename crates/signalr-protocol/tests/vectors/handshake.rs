//! Handshakes of Microsoft's test suite, without their record separator.

/// Input and detail of requests that are refused.
pub(crate) const INVALID: &[(&str, &str)] = &[
    (
        r#"42"#,
        r#"Unexpected JSON Token Type 'Number'. Expected a JSON Object."#,
    ),
    (
        r#""42""#,
        r#"Unexpected JSON Token Type 'String'. Expected a JSON Object."#,
    ),
    (
        r#"null"#,
        r#"Unexpected JSON Token Type 'Null'. Expected a JSON Object."#,
    ),
    (
        r#"[]"#,
        r#"Unexpected JSON Token Type 'Array'. Expected a JSON Object."#,
    ),
    (
        r#"{}"#,
        r#"Missing required property 'protocol'. Message content: {}"#,
    ),
    (
        r#"{"version":1}"#,
        r#"Missing required property 'protocol'. Message content: {"version":1}"#,
    ),
    (
        r#"{"protocol":"json"}"#,
        r#"Missing required property 'version'. Message content: {"protocol":"json"}"#,
    ),
    (
        r#"{"type":4,"invocationId":"42","target":"foo","arguments":{}}"#,
        r#"Missing required property 'protocol'. Message content: {"type":4,"invocationId":"42","target":"foo","arguments":{}}"#,
    ),
    (
        r#"{"version":"123"}"#,
        r#"Expected 'version' to be of type Number."#,
    ),
    (
        r#"{"protocol":null,"version":123}"#,
        r#"Expected 'protocol' to be of type String."#,
    ),
];
