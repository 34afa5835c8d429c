//! MessagePack messages of Microsoft's test suite, without their length prefix.

/// Name and bytes of messages that a server has to read.
pub(crate) const MESSAGES: &[(&str, &str)] = &[
    (
        "InvocationWithNoHeadersAndNoArgs",
        "960180a378797aa66d6574686f649090",
    ),
    (
        "InvocationWithNoHeadersNoIdAndNoArgs",
        "960180c0a66d6574686f649090",
    ),
    (
        "InvocationWithNoHeadersNoIdAndSingleIntArg",
        "960180c0a66d6574686f64912a90",
    ),
    (
        "InvocationWithNoHeadersNoIdIntAndStringArgs",
        "960180c0a66d6574686f64922aa6737472696e6790",
    ),
    (
        "InvocationWithStreamArgument",
        "960180c0a65461726765749091ab5f5f746573745f69645f5f",
    ),
    (
        "InvocationWithStreamAndNormalArgument",
        "960180c0a6546172676574912a91ab5f5f746573745f69645f5f",
    ),
    (
        "InvocationWithMultipleStreams",
        "960180c0a65461726765749092ab5f5f746573745f69645f5fac5f5f746573745f6964325f5f",
    ),
    (
        "InvocationWithNoHeadersNoIdAndSingleNullArg",
        "960180c0a66d6574686f6491c090",
    ),
    (
        "InvocationWithNoHeadersNoIdIntAndEnumArgs",
        "960180c0a66d6574686f64922aa34f6e6590",
    ),
    ("StreamItemWithNoHeadersAndIntItem", "940280a378797a2a"),
    (
        "StreamItemWithNoHeadersAndFloatItem",
        "940280a378797aca42280000",
    ),
    (
        "StreamItemWithNoHeadersAndStringItem",
        "940280a378797aa6737472696e67",
    ),
    ("StreamItemWithNoHeadersAndBoolItem", "940280a378797ac3"),
    ("StreamItemWithNoHeadersAndNullItem", "940280a378797ac0"),
    (
        "StreamItemWithNoHeadersAndEnumItem",
        "940280a378797aa34f6e65",
    ),
    (
        "CompletionWithNoHeadersAndError",
        "950380a378797a01b04572726f72206e6f7420666f756e6421",
    ),
    (
        "CompletionWithHeadersAndError",
        "950383a3466f6fa3426172b24b6579576974680a4e65770d0a4c696e6573ab5374696c6c20576f726b73b156616c7565576974684e65774c696e6573b0416c736f0a576f726b730d0a46696e65a378797a01b04572726f72206e6f7420666f756e6421",
    ),
    ("CompletionWithNoHeadersAndNoResult", "940380a378797a02"),
    (
        "CompletionWithHeadersAndNoResult",
        "940383a3466f6fa3426172b24b6579576974680a4e65770d0a4c696e6573ab5374696c6c20576f726b73b156616c7565576974684e65774c696e6573b0416c736f0a576f726b730d0a46696e65a378797a02",
    ),
    ("CompletionWithNoHeadersAndIntResult", "950380a378797a032a"),
    (
        "CompletionWithNoHeadersAndFloatResult",
        "950380a378797a03ca42280000",
    ),
    (
        "CompletionWithNoHeadersAndStringResult",
        "950380a378797a03a6737472696e67",
    ),
    (
        "CompletionWithNoHeadersAndBooleanResult",
        "950380a378797a03c3",
    ),
    ("CompletionWithNoHeadersAndNullResult", "950380a378797a03c0"),
    (
        "CompletionWithNoHeadersAndEnumResult",
        "950380a378797a03a34f6e65",
    ),
    (
        "CompletionWithNoHeadersAndCustomObjectResult",
        "950380a378797a0386aa537472696e6750726f70a85369676e616c5221aa446f75626c6550726f70cb401921fb5442cf12a7496e7450726f702aac4461746554696d6550726f70d6ff58ec1c80a84e756c6c50726f70c0ab4279746541727250726f70c403010203",
    ),
    (
        "StreamInvocationWithNoHeadersAndNoArgs",
        "960480a378797aa66d6574686f649090",
    ),
    (
        "StreamInvocationWithNoHeadersAndIntArg",
        "960480a378797aa66d6574686f64912a90",
    ),
    (
        "StreamInvocationWithNoHeadersAndNullArg",
        "960480a378797aa66d6574686f6491c090",
    ),
    (
        "StreamInvocationWithNoHeadersAndEnumArg",
        "960480a378797aa66d6574686f6491a34f6e6590",
    ),
    (
        "StreamInvocationWithStreamArgument",
        "960480a378797aa66d6574686f649091ab5f5f746573745f69645f5f",
    ),
    (
        "StreamInvocationWithStreamAndNormalArgument",
        "960480a378797aa66d6574686f64912a91ab5f5f746573745f69645f5f",
    ),
    (
        "StreamInvocationWithNoHeadersAndIntAndStringArgs",
        "960480a378797aa66d6574686f64922aa6737472696e6790",
    ),
    ("CancelInvocationWithNoHeaders", "930580a378797a"),
    (
        "CancelInvocationWithHeaders",
        "930583a3466f6fa3426172b24b6579576974680a4e65770d0a4c696e6573ab5374696c6c20576f726b73b156616c7565576974684e65774c696e6573b0416c736f0a576f726b730d0a46696e65a378797a",
    ),
    ("Ping", "9106"),
    ("CloseMessage", "9307c0c2"),
    ("CloseMessage_HasError", "9307a64572726f7221c2"),
    ("CloseMessage_HasAllowReconnect", "9307c0c3"),
    (
        "CloseMessage_HasErrorAndAllowReconnect",
        "9307a64572726f7221c3",
    ),
    ("AckMessage", "92082a"),
    ("SequenceMessage", "9209cc92"),
    (
        "InvocationWithNoHeadersNoIdAndCustomObjectArg",
        "960180c0a66d6574686f64932aa6737472696e6786aa537472696e6750726f70a85369676e616c5221aa446f75626c6550726f70cb401921fb5442cf12a7496e7450726f702aac4461746554696d6550726f70d6ff58ec1c80a84e756c6c50726f70c0ab4279746541727250726f70c40301020390",
    ),
    (
        "CompletionWithNoHeadersAndCustomObjectArrayResult",
        "950380a378797a039286aa537472696e6750726f70a85369676e616c5221aa446f75626c6550726f70cb401921fb5442cf12a7496e7450726f702aac4461746554696d6550726f70d6ff58ec1c80a84e756c6c50726f70c0ab4279746541727250726f70c40301020386aa537472696e6750726f70a85369676e616c5221aa446f75626c6550726f70cb401921fb5442cf12a7496e7450726f702aac4461746554696d6550726f70d6ff58ec1c80a84e756c6c50726f70c0ab4279746541727250726f70c403010203",
    ),
    (
        "CompletionWithHeadersAndCustomObjectArrayResult",
        "950383a3466f6fa3426172b24b6579576974680a4e65770d0a4c696e6573ab5374696c6c20576f726b73b156616c7565576974684e65774c696e6573b0416c736f0a576f726b730d0a46696e65a378797a039286aa537472696e6750726f70a85369676e616c5221aa446f75626c6550726f70cb401921fb5442cf12a7496e7450726f702aac4461746554696d6550726f70d6ff58ec1c80a84e756c6c50726f70c0ab4279746541727250726f70c40301020386aa537472696e6750726f70a85369676e616c5221aa446f75626c6550726f70cb401921fb5442cf12a7496e7450726f702aac4461746554696d6550726f70d6ff58ec1c80a84e756c6c50726f70c0ab4279746541727250726f70c403010203",
    ),
    (
        "InvocationWithNoHeadersNoIdAndArrayOfCustomObjectArgs",
        "960180c0a66d6574686f649286aa537472696e6750726f70a85369676e616c5221aa446f75626c6550726f70cb401921fb5442cf12a7496e7450726f702aac4461746554696d6550726f70d6ff58ec1c80a84e756c6c50726f70c0ab4279746541727250726f70c40301020386aa537472696e6750726f70a85369676e616c5221aa446f75626c6550726f70cb401921fb5442cf12a7496e7450726f702aac4461746554696d6550726f70d6ff58ec1c80a84e756c6c50726f70c0ab4279746541727250726f70c40301020390",
    ),
    (
        "InvocationWithHeadersNoIdAndArrayOfCustomObjectArgs",
        "960183a3466f6fa3426172b24b6579576974680a4e65770d0a4c696e6573ab5374696c6c20576f726b73b156616c7565576974684e65774c696e6573b0416c736f0a576f726b730d0a46696e65c0a66d6574686f649286aa537472696e6750726f70a85369676e616c5221aa446f75626c6550726f70cb401921fb5442cf12a7496e7450726f702aac4461746554696d6550726f70d6ff58ec1c80a84e756c6c50726f70c0ab4279746541727250726f70c40301020386aa537472696e6750726f70a85369676e616c5221aa446f75626c6550726f70cb401921fb5442cf12a7496e7450726f702aac4461746554696d6550726f70d6ff58ec1c80a84e756c6c50726f70c0ab4279746541727250726f70c40301020390",
    ),
    (
        "StreamItemWithNoHeadersAndCustomObjectItem",
        "940280a378797a86aa537472696e6750726f70a85369676e616c5221aa446f75626c6550726f70cb401921fb5442cf12a7496e7450726f702aac4461746554696d6550726f70d6ff58ec1c80a84e756c6c50726f70c0ab4279746541727250726f70c403010203",
    ),
    (
        "StreamItemWithNoHeadersAndCustomObjectArrayItem",
        "940280a378797a9286aa537472696e6750726f70a85369676e616c5221aa446f75626c6550726f70cb401921fb5442cf12a7496e7450726f702aac4461746554696d6550726f70d6ff58ec1c80a84e756c6c50726f70c0ab4279746541727250726f70c40301020386aa537472696e6750726f70a85369676e616c5221aa446f75626c6550726f70cb401921fb5442cf12a7496e7450726f702aac4461746554696d6550726f70d6ff58ec1c80a84e756c6c50726f70c0ab4279746541727250726f70c403010203",
    ),
    (
        "StreamItemWithHeadersAndCustomObjectArrayItem",
        "940283a3466f6fa3426172b24b6579576974680a4e65770d0a4c696e6573ab5374696c6c20576f726b73b156616c7565576974684e65774c696e6573b0416c736f0a576f726b730d0a46696e65a378797a9286aa537472696e6750726f70a85369676e616c5221aa446f75626c6550726f70cb401921fb5442cf12a7496e7450726f702aac4461746554696d6550726f70d6ff58ec1c80a84e756c6c50726f70c0ab4279746541727250726f70c40301020386aa537472696e6750726f70a85369676e616c5221aa446f75626c6550726f70cb401921fb5442cf12a7496e7450726f702aac4461746554696d6550726f70d6ff58ec1c80a84e756c6c50726f70c0ab4279746541727250726f70c403010203",
    ),
    (
        "StreamInvocationWithNoHeadersAndIntStringAndCustomObjectArgs",
        "960480a378797aa66d6574686f64932aa6737472696e6786aa537472696e6750726f70a85369676e616c5221aa446f75626c6550726f70cb401921fb5442cf12a7496e7450726f702aac4461746554696d6550726f70d6ff58ec1c80a84e756c6c50726f70c0ab4279746541727250726f70c40301020390",
    ),
    (
        "StreamInvocationWithNoHeadersAndCustomObjectArrayArg",
        "960480a378797aa66d6574686f649286aa537472696e6750726f70a85369676e616c5221aa446f75626c6550726f70cb401921fb5442cf12a7496e7450726f702aac4461746554696d6550726f70d6ff58ec1c80a84e756c6c50726f70c0ab4279746541727250726f70c40301020386aa537472696e6750726f70a85369676e616c5221aa446f75626c6550726f70cb401921fb5442cf12a7496e7450726f702aac4461746554696d6550726f70d6ff58ec1c80a84e756c6c50726f70c0ab4279746541727250726f70c40301020390",
    ),
    (
        "StreamInvocationWithHeadersAndCustomObjectArrayArg",
        "960483a3466f6fa3426172b24b6579576974680a4e65770d0a4c696e6573ab5374696c6c20576f726b73b156616c7565576974684e65774c696e6573b0416c736f0a576f726b730d0a46696e65a378797aa66d6574686f649286aa537472696e6750726f70a85369676e616c5221aa446f75626c6550726f70cb401921fb5442cf12a7496e7450726f702aac4461746554696d6550726f70d6ff58ec1c80a84e756c6c50726f70c0ab4279746541727250726f70c40301020386aa537472696e6750726f70a85369676e616c5221aa446f75626c6550726f70cb401921fb5442cf12a7496e7450726f702aac4461746554696d6550726f70d6ff58ec1c80a84e756c6c50726f70c0ab4279746541727250726f70c40301020390",
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
