//! `MessagePack` messages of Microsoft's test suites and of the protocol's specification.

/// Foreign, longer or shorter forms: what they mean and their bytes, without the length prefix.
pub(crate) const READ_ONLY: &[(&str, &str)] = &[
    (
        r#"[1, {"x": "y", "z": "z"}, "xyz", "method", [42], []]"#,
        "960182a178a179a17aa17aa378797aa66d6574686f64912a90",
    ),
    (
        r#"[1, {}, "xyz", "method", [42], []]"#,
        "960180a378797aa66d6574686f64912a90",
    ),
    (
        r#"[1, {}, nil, "method", [42]]"#,
        "950180c0a66d6574686f64912a",
    ),
    (
        r#"[1, {}, "", "method", [42], []]"#,
        "960180a0a66d6574686f64912a90",
    ),
    (
        r#"[1, {}, "xyz", "method", [], [], true, "ex"]"#,
        "980180a378797aa66d6574686f649090c3a26578",
    ),
    (r#"[2, {"t": "u"}, "abc", 8]"#, "940281a174a175a361626308"),
    (r#"[3, {}, "abc", 2, 0]"#, "950380a36162630200"),
    (r#"[7, "xyz"]"#, "9207a378797a"),
    (r#"[7, "xyz", true]"#, "9307a378797ac3"),
    (r#"[7, nil]"#, "9207c0"),
    (
        r#"[3, {}, "abc", 3, ext(-1, 010203)]"#,
        "950380a361626303c900000003ff010203",
    ),
    ("[8, 36]", "9208cc24"),
    ("[9, 19]", "9209cc13"),
    ("[8, 36]", "9208d30000000000000024"),
];

/// Messages with their length prefix, as servers and clients send them.
pub(crate) const FRAMED: &[(&str, &str)] = &[
    (r#"[3, {}, "abc", 1, "Err"]"#, "0c950380a361626301a3457272"),
    (r#"[3, {}, "abc", 3, "OK"]"#, "0b950380a361626303a24f4b"),
    (r#"[3, {}, "abc", 2]"#, "08940380a361626302"),
    (
        r#"[3, {}, "abc", 3, ext(-1, 5a4a1a50)]"#,
        "0e950380a361626303d6ff5a4a1a50",
    ),
    (r#"[3, {}, "abc", 3, false]"#, "09950380a361626303c2"),
    (r#"[3, {}, "abc", 3, nil]"#, "09950380a361626303c0"),
    (r#"[3, {}, "0", 3, [42]]"#, "08950380a13003912a"),
    (
        r#"[3, {}, "xyz", 1, "Error"]"#,
        "0e950380a378797a01a54572726f72",
    ),
    (r#"[2, {}, "abc", 8]"#, "08940280a361626308"),
    (
        r#"[3, {}, "0", 3, [ext(-1, 5acaad00), 600]]"#,
        "10950380a1300392d6ff5acaad00cd0258",
    ),
    (r#"[6]"#, "029106"),
    (r#"[5, {}, "abc"]"#, "07930580a3616263"),
];

/// The map of headers of the tables, and what it means.
pub(crate) const HEADERS: &str = "83a3466f6fa3426172b24b6579576974680a4e65770d0a4c696e6573ab5374696c6c20576f726b73b156616c7565576974684e65774c696e6573b0416c736f0a576f726b730d0a46696e65";
pub(crate) const HEADERS_MEANING: &str = r#"{"Foo": "Bar", "KeyWith\nNew\r\nLines": "Still Works", "ValueWithNewLines": "Also\nWorks\r\nFine"}"#;

/// The object of the tables, and what it means.
pub(crate) const OBJECT: &str = "86aa537472696e6750726f70a85369676e616c5221aa446f75626c6550726f70cb401921fb5442cf12a7496e7450726f702aac4461746554696d6550726f70d6ff58ec1c80a84e756c6c50726f70c0ab4279746541727250726f70c403010203";
pub(crate) const OBJECT_MEANING: &str = r#"{"StringProp": "SignalR!", "DoubleProp": 6.2831853071, "IntProp": 42, "DateTimeProp": ext(-1, 58ec1c80), "NullProp": nil, "ByteArrProp": bin(010203)}"#;

/// Name, meaning and bytes of messages, without the length prefix; `H` and `CO` are the map and the object above.
pub(crate) const MESSAGES: &[(&str, &str, &str)] = &[
    (
        "InvocationWithNoHeadersAndNoArgs",
        r#"[1, {}, "xyz", "method", [], []]"#,
        "960180a378797aa66d6574686f649090",
    ),
    (
        "InvocationWithNoHeadersNoIdAndNoArgs",
        r#"[1, {}, nil, "method", [], []]"#,
        "960180c0a66d6574686f649090",
    ),
    (
        "InvocationWithNoHeadersNoIdAndSingleIntArg",
        r#"[1, {}, nil, "method", [42], []]"#,
        "960180c0a66d6574686f64912a90",
    ),
    (
        "InvocationWithNoHeadersNoIdIntAndStringArgs",
        r#"[1, {}, nil, "method", [42, "string"], []]"#,
        "960180c0a66d6574686f64922aa6737472696e6790",
    ),
    (
        "InvocationWithStreamArgument",
        r#"[1, {}, nil, "Target", [], ["__test_id__"]]"#,
        "960180c0a65461726765749091ab5f5f746573745f69645f5f",
    ),
    (
        "InvocationWithStreamAndNormalArgument",
        r#"[1, {}, nil, "Target", [42], ["__test_id__"]]"#,
        "960180c0a6546172676574912a91ab5f5f746573745f69645f5f",
    ),
    (
        "InvocationWithMultipleStreams",
        r#"[1, {}, nil, "Target", [], ["__test_id__", "__test_id2__"]]"#,
        "960180c0a65461726765749092ab5f5f746573745f69645f5fac5f5f746573745f6964325f5f",
    ),
    (
        "InvocationWithNoHeadersNoIdAndSingleNullArg",
        r#"[1, {}, nil, "method", [nil], []]"#,
        "960180c0a66d6574686f6491c090",
    ),
    (
        "InvocationWithNoHeadersNoIdIntAndEnumArgs",
        r#"[1, {}, nil, "method", [42, "One"], []]"#,
        "960180c0a66d6574686f64922aa34f6e6590",
    ),
    (
        "StreamItemWithNoHeadersAndIntItem",
        r#"[2, {}, "xyz", 42]"#,
        "940280a378797a2a",
    ),
    (
        "StreamItemWithNoHeadersAndFloatItem",
        r#"[2, {}, "xyz", 42.0]"#,
        "940280a378797aca42280000",
    ),
    (
        "StreamItemWithNoHeadersAndStringItem",
        r#"[2, {}, "xyz", "string"]"#,
        "940280a378797aa6737472696e67",
    ),
    (
        "StreamItemWithNoHeadersAndBoolItem",
        r#"[2, {}, "xyz", true]"#,
        "940280a378797ac3",
    ),
    (
        "StreamItemWithNoHeadersAndNullItem",
        r#"[2, {}, "xyz", nil]"#,
        "940280a378797ac0",
    ),
    (
        "StreamItemWithNoHeadersAndEnumItem",
        r#"[2, {}, "xyz", "One"]"#,
        "940280a378797aa34f6e65",
    ),
    (
        "CompletionWithNoHeadersAndError",
        r#"[3, {}, "xyz", 1, "Error not found!"]"#,
        "950380a378797a01b04572726f72206e6f7420666f756e6421",
    ),
    (
        "CompletionWithHeadersAndError",
        r#"[3, H, "xyz", 1, "Error not found!"]"#,
        "9503 H a378797a01b04572726f72206e6f7420666f756e6421",
    ),
    (
        "CompletionWithNoHeadersAndNoResult",
        r#"[3, {}, "xyz", 2]"#,
        "940380a378797a02",
    ),
    (
        "CompletionWithHeadersAndNoResult",
        r#"[3, H, "xyz", 2]"#,
        "9403 H a378797a02",
    ),
    (
        "CompletionWithNoHeadersAndIntResult",
        r#"[3, {}, "xyz", 3, 42]"#,
        "950380a378797a032a",
    ),
    (
        "CompletionWithNoHeadersAndFloatResult",
        r#"[3, {}, "xyz", 3, 42.0]"#,
        "950380a378797a03ca42280000",
    ),
    (
        "CompletionWithNoHeadersAndStringResult",
        r#"[3, {}, "xyz", 3, "string"]"#,
        "950380a378797a03a6737472696e67",
    ),
    (
        "CompletionWithNoHeadersAndBooleanResult",
        r#"[3, {}, "xyz", 3, true]"#,
        "950380a378797a03c3",
    ),
    (
        "CompletionWithNoHeadersAndNullResult",
        r#"[3, {}, "xyz", 3, nil]"#,
        "950380a378797a03c0",
    ),
    (
        "CompletionWithNoHeadersAndEnumResult",
        r#"[3, {}, "xyz", 3, "One"]"#,
        "950380a378797a03a34f6e65",
    ),
    (
        "CompletionWithNoHeadersAndCustomObjectResult",
        r#"[3, {}, "xyz", 3, CO]"#,
        "950380a378797a03 CO",
    ),
    (
        "StreamInvocationWithNoHeadersAndNoArgs",
        r#"[4, {}, "xyz", "method", [], []]"#,
        "960480a378797aa66d6574686f649090",
    ),
    (
        "StreamInvocationWithNoHeadersAndIntArg",
        r#"[4, {}, "xyz", "method", [42], []]"#,
        "960480a378797aa66d6574686f64912a90",
    ),
    (
        "StreamInvocationWithNoHeadersAndNullArg",
        r#"[4, {}, "xyz", "method", [nil], []]"#,
        "960480a378797aa66d6574686f6491c090",
    ),
    (
        "StreamInvocationWithNoHeadersAndEnumArg",
        r#"[4, {}, "xyz", "method", ["One"], []]"#,
        "960480a378797aa66d6574686f6491a34f6e6590",
    ),
    (
        "StreamInvocationWithStreamArgument",
        r#"[4, {}, "xyz", "method", [], ["__test_id__"]]"#,
        "960480a378797aa66d6574686f649091ab5f5f746573745f69645f5f",
    ),
    (
        "StreamInvocationWithStreamAndNormalArgument",
        r#"[4, {}, "xyz", "method", [42], ["__test_id__"]]"#,
        "960480a378797aa66d6574686f64912a91ab5f5f746573745f69645f5f",
    ),
    (
        "StreamInvocationWithNoHeadersAndIntAndStringArgs",
        r#"[4, {}, "xyz", "method", [42, "string"], []]"#,
        "960480a378797aa66d6574686f64922aa6737472696e6790",
    ),
    (
        "CancelInvocationWithNoHeaders",
        r#"[5, {}, "xyz"]"#,
        "930580a378797a",
    ),
    (
        "CancelInvocationWithHeaders",
        r#"[5, H, "xyz"]"#,
        "9305 H a378797a",
    ),
    ("Ping", r#"[6]"#, "9106"),
    ("CloseMessage", r#"[7, nil, false]"#, "9307c0c2"),
    (
        "CloseMessage_HasError",
        r#"[7, "Error!", false]"#,
        "9307a64572726f7221c2",
    ),
    (
        "CloseMessage_HasAllowReconnect",
        r#"[7, nil, true]"#,
        "9307c0c3",
    ),
    (
        "CloseMessage_HasErrorAndAllowReconnect",
        r#"[7, "Error!", true]"#,
        "9307a64572726f7221c3",
    ),
    ("AckMessage", r#"[8, 42]"#, "92082a"),
    ("SequenceMessage", r#"[9, 146]"#, "9209cc92"),
    (
        "InvocationWithNoHeadersNoIdAndCustomObjectArg",
        r#"[1, {}, nil, "method", [42, "string", CO], []]"#,
        "960180c0a66d6574686f64932aa6737472696e67 CO 90",
    ),
    (
        "CompletionWithNoHeadersAndCustomObjectArrayResult",
        r#"[3, {}, "xyz", 3, [CO, CO]]"#,
        "950380a378797a0392 CO  CO",
    ),
    (
        "CompletionWithHeadersAndCustomObjectArrayResult",
        r#"[3, H, "xyz", 3, [CO, CO]]"#,
        "9503 H a378797a0392 CO  CO",
    ),
    (
        "InvocationWithNoHeadersNoIdAndArrayOfCustomObjectArgs",
        r#"[1, {}, nil, "method", [CO, CO], []]"#,
        "960180c0a66d6574686f6492 CO  CO 90",
    ),
    (
        "InvocationWithHeadersNoIdAndArrayOfCustomObjectArgs",
        r#"[1, H, nil, "method", [CO, CO], []]"#,
        "9601 H c0a66d6574686f6492 CO  CO 90",
    ),
    (
        "StreamItemWithNoHeadersAndCustomObjectItem",
        r#"[2, {}, "xyz", CO]"#,
        "940280a378797a CO",
    ),
    (
        "StreamItemWithNoHeadersAndCustomObjectArrayItem",
        r#"[2, {}, "xyz", [CO, CO]]"#,
        "940280a378797a92 CO  CO",
    ),
    (
        "StreamItemWithHeadersAndCustomObjectArrayItem",
        r#"[2, H, "xyz", [CO, CO]]"#,
        "9402 H a378797a92 CO  CO",
    ),
    (
        "StreamInvocationWithNoHeadersAndIntStringAndCustomObjectArgs",
        r#"[4, {}, "xyz", "method", [42, "string", CO], []]"#,
        "960480a378797aa66d6574686f64932aa6737472696e67 CO 90",
    ),
    (
        "StreamInvocationWithNoHeadersAndCustomObjectArrayArg",
        r#"[4, {}, "xyz", "method", [CO, CO], []]"#,
        "960480a378797aa66d6574686f6492 CO  CO 90",
    ),
    (
        "StreamInvocationWithHeadersAndCustomObjectArrayArg",
        r#"[4, H, "xyz", "method", [CO, CO], []]"#,
        "9604 H a378797aa66d6574686f6492 CO  CO 90",
    ),
];

/// Name, bytes and error text of bodies that are fatal. The item counts of some are wrong on purpose.
pub(crate) const INVALID: &[(&str, &str, &str)] = &[
    (
        "MessageTypeString",
        "91a3666f6f",
        "Reading 'messageType' as Int32 failed.",
    ),
    (
        "HeadersNotAMap",
        "9201a3666f6f",
        "Reading map length for 'headers' failed.",
    ),
    (
        "HeaderKeyInt",
        "9201822aa3666f6f",
        "Reading 'headers[0].Key' as String failed.",
    ),
    (
        "HeaderValueInt",
        "920182a3666f6f2a",
        "Reading 'headers[0].Value' as String failed.",
    ),
    (
        "HeaderKeyArray",
        "920184a3666f6fa3666f6f90a3666f6f",
        "Reading 'headers[1].Key' as String failed.",
    ),
    (
        "HeaderValueArray",
        "920184a3666f6fa3666f6fa3666f6f90",
        "Reading 'headers[1].Value' as String failed.",
    ),
    (
        "HeaderKeyEmptyString",
        "920182a0a3666f6f",
        "Null or empty key in header.",
    ),
    (
        "HeaderValueEmptyString",
        "920182a3666f6fa0",
        "Null or empty value in header.",
    ),
    (
        "InvocationMissingId",
        "920180",
        "Reading 'invocationId' as String failed.",
    ),
    (
        "InvocationIdBoolean",
        "910180c2",
        "Reading 'invocationId' as String failed.",
    ),
    (
        "InvocationTargetMissing",
        "930180a3616263",
        "Reading 'target' as String failed.",
    ),
    (
        "InvocationTargetInt",
        "940180a36162632a",
        "Reading 'target' as String failed.",
    ),
    (
        "InvocationTargetEmptyString",
        "940180a3616263a0",
        "Null or empty target for Invocation message.",
    ),
    (
        "InvocationEmptyStringStreamId",
        "960180a3616263a15491a091a0",
        "Null or empty value in streamIds received.",
    ),
    (
        "StreamInvocationMissingId",
        "920480",
        "Reading 'invocationId' as String failed.",
    ),
    (
        "StreamInvocationEmptyStringId",
        "930480a0",
        "Null or empty invocation ID for StreamInvocation message.",
    ),
    (
        "StreamInvocationIdBoolean",
        "930480c2",
        "Reading 'invocationId' as String failed.",
    ),
    (
        "StreamInvocationTargetMissing",
        "930480a3616263",
        "Reading 'target' as String failed.",
    ),
    (
        "StreamInvocationTargetInt",
        "940480a36162632a",
        "Reading 'target' as String failed.",
    ),
    (
        "StreamInvocationTargetEmptyString",
        "940480a3616263a0",
        "Null or empty target for StreamInvocation message.",
    ),
    (
        "StreamItemMissingId",
        "920280",
        "Reading 'invocationId' as String failed.",
    ),
    (
        "StreamItemEmptyStringId",
        "930280a0",
        "Null or empty invocation ID for StreamItem message.",
    ),
    (
        "StreamItemInvocationIdBoolean",
        "930280c2",
        "Reading 'invocationId' as String failed.",
    ),
    (
        "CompletionMissingId",
        "920380",
        "Reading 'invocationId' as String failed.",
    ),
    (
        "CompletionEmptyStringId",
        "930380a0",
        "Null or empty invocation ID for Completion message.",
    ),
    (
        "CompletionIdBoolean",
        "930380c2",
        "Reading 'invocationId' as String failed.",
    ),
    (
        "CompletionResultKindString",
        "940380a378797aa378797a",
        "Reading 'resultKind' as Int32 failed.",
    ),
    (
        "CompletionResultKindOutOfRange",
        "940380a378797a2a",
        "Invalid invocation result kind.",
    ),
    (
        "CompletionErrorMissing",
        "940380a378797a01",
        "Reading 'error' as String failed.",
    ),
    (
        "CompletionErrorInt",
        "950380a378797a012a",
        "Reading 'error' as String failed.",
    ),
    (
        "CancelInvocationMissingId",
        "920580",
        "Reading 'invocationId' as String failed.",
    ),
    (
        "CancelInvocationEmptyStringId",
        "930580a0",
        "Null or empty invocation ID for CancelInvocation message.",
    ),
    (
        "AckSequenceIdMissing",
        "9108",
        "Reading 'sequenceId' as Int64 failed.",
    ),
    (
        "AckSequenceIdNull",
        "9108c0",
        "Reading 'sequenceId' as Int64 failed.",
    ),
    (
        "SequenceMessageSequenceIdMissing",
        "9109",
        "Reading 'sequenceId' as Int64 failed.",
    ),
    (
        "SequenceMessageSequenceIdNull",
        "9109c0",
        "Reading 'sequenceId' as Int64 failed.",
    ),
];

/// Bytes and error text of calls whose arguments do not fit a method with one text parameter.
pub(crate) const UNBINDABLE: &[(&str, &str)] = &[
    (
        "940180a3616263a378797a",
        "Reading array length for 'arguments' failed.",
    ),
    (
        "950180a3616263a378797a2a",
        "Reading array length for 'arguments' failed.",
    ),
    (
        "950180a3616263a378797a90",
        "Invocation provides 0 argument(s) but target expects 1.",
    ),
    (
        "950180a3616263a378797a92a161a162",
        "Invocation provides 2 argument(s) but target expects 1.",
    ),
    (
        "950180a3616263a378797a912a",
        "Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked.",
    ),
    (
        "940480a3616263a378797a",
        "Reading array length for 'arguments' failed.",
    ),
    (
        "950480a3616263a378797a2a",
        "Reading array length for 'arguments' failed.",
    ),
    (
        "950480a3616263a378797a90",
        "Invocation provides 0 argument(s) but target expects 1.",
    ),
    (
        "950480a3616263a378797a92a161a162",
        "Invocation provides 2 argument(s) but target expects 1.",
    ),
    (
        "950480a3616263a378797a912a",
        "Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked.",
    ),
];
