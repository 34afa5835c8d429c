//! `MessagePack` messages and what ASP.NET Core 10 made of them.

use super::Verdict::{self, Answer, Closed, Failure, Fatal, Quiet, Stuck};

/// Name and bytes, without the length prefix. The hub's methods are in [`super::call`].
pub(crate) const MESSAGE_PACK: &[(&str, &str, Verdict)] = &[
    (
        "empty body",
        "",
        Fatal("EndOfStreamException: Attempted to read past the end of the stream."),
    ),
    (
        "nil",
        "c0",
        Fatal("MessagePackSerializationException: Unexpected msgpack code 192 (nil) encountered."),
    ),
    (
        "int",
        "05",
        Fatal(
            "MessagePackSerializationException: Unexpected msgpack code 5 (positive fixint) encountered.",
        ),
    ),
    (
        "empty array",
        "90",
        Fatal("InvalidDataException: Reading 'messageType' as Int32 failed."),
    ),
    (
        "two headers in three bytes",
        "920182a161a0",
        Fatal("InvalidDataException: Reading map length for 'headers' failed."),
    ),
    (
        "two headers in four bytes",
        "920182a161a162",
        Fatal("InvalidDataException: Reading 'headers[1].Key' as String failed."),
    ),
    ("array16 ping", "dc000106", Quiet),
    ("array32 ping", "dd0000000106", Quiet),
    (
        "map ping",
        "8106",
        Fatal(
            "MessagePackSerializationException: Unexpected msgpack code 129 (fixmap) encountered.",
        ),
    ),
    (
        "float type",
        "91cb4018000000000000",
        Fatal("InvalidDataException: Reading 'messageType' as Int32 failed."),
    ),
    ("type u64", "91cf0000000000000006", Quiet),
    ("type i8", "91d006", Quiet),
    (
        "type nil",
        "91c0",
        Fatal("InvalidDataException: Reading 'messageType' as Int32 failed."),
    ),
    ("type neg", "91ff", Stuck),
    (
        "type over int32",
        "91ce80000000",
        Fatal("InvalidDataException: Reading 'messageType' as Int32 failed."),
    ),
    (
        "type missing",
        "91",
        Fatal("EndOfStreamException: Attempted to read past the end of the stream."),
    ),
    (
        "str type",
        "91a136",
        Fatal("InvalidDataException: Reading 'messageType' as Int32 failed."),
    ),
    ("ping extra", "9206c0", Quiet),
    ("ping trailing", "9106c0c0c0", Quiet),
    (
        "ping count lies",
        "9f06",
        Fatal("EndOfStreamException: Attempted to read past the end of the stream."),
    ),
    (
        "headers nil",
        "9601c0a131a341646492030490",
        Fatal("InvalidDataException: Reading map length for 'headers' failed."),
    ),
    (
        "headers map16",
        "9601de0000a131a341646492030490",
        Answer("950380a1310307"),
    ),
    (
        "headers array",
        "960190a131a341646492030490",
        Fatal("InvalidDataException: Reading map length for 'headers' failed."),
    ),
    (
        "headers truncated",
        "960182a161a162",
        Fatal("InvalidDataException: Reading map length for 'headers' failed."),
    ),
    (
        "header value nil",
        "960181a161c0a131a341646492030490",
        Fatal("InvalidDataException: Null or empty value in header."),
    ),
    (
        "header key nil",
        "960181c0a161a131a341646492030490",
        Fatal("InvalidDataException: Null or empty key in header."),
    ),
    (
        "header dup",
        "960182a161a162a161a163a131a341646492030490",
        Fatal("ArgumentException: An item with the same key has already been added. Key: a"),
    ),
    (
        "header huge count",
        "9601dfffffffffa161a162",
        Fatal("InvalidDataException: Reading map length for 'headers' failed."),
    ),
    ("id nil", "960180c0a341646492030490", Quiet),
    ("id empty", "960180a0a341646492030490", Quiet),
    (
        "id int",
        "96018001a341646492030490",
        Fatal("InvalidDataException: Reading 'invocationId' as String failed."),
    ),
    (
        "id bin",
        "960180c40131a341646492030490",
        Fatal("InvalidDataException: Reading 'invocationId' as String failed."),
    ),
    (
        "id str8",
        "960180d90131a341646492030490",
        Answer("950380a1310307"),
    ),
    (
        "id str32",
        "960180db0000000131a341646492030490",
        Answer("950380a1310307"),
    ),
    (
        "id bad utf8",
        "960180a1ffa341646492030490",
        Answer("950380a3efbfbd0307"),
    ),
    (
        "id truncated",
        "960180a53131",
        Fatal("EndOfStreamException: Attempted to read past the end of the stream."),
    ),
    (
        "target nil",
        "960180a131c092030490",
        Fatal("InvalidDataException: Null or empty target for Invocation message."),
    ),
    (
        "target str8",
        "960180a131d90341646492030490",
        Answer("950380a1310307"),
    ),
    (
        "target bin",
        "960180a131c40341646492030490",
        Fatal("InvalidDataException: Reading 'target' as String failed."),
    ),
    (
        "target bad utf8",
        "960180a131a1ff9090",
        Failure(
            "Failed to invoke '\u{fffd}' due to an error on the server. HubException: Method does not exist.",
        ),
    ),
    (
        "args nil",
        "960180a131a74e6f7468696e67c090",
        Failure(
            "Failed to invoke 'Nothing' due to an error on the server. InvalidDataException: Reading array length for 'arguments' failed.",
        ),
    ),
    (
        "args map",
        "960180a131a74e6f7468696e678090",
        Failure(
            "Failed to invoke 'Nothing' due to an error on the server. InvalidDataException: Reading array length for 'arguments' failed.",
        ),
    ),
    (
        "args str",
        "960180a131a74e6f7468696e67a090",
        Failure(
            "Failed to invoke 'Nothing' due to an error on the server. InvalidDataException: Reading array length for 'arguments' failed.",
        ),
    ),
    (
        "args array16",
        "960180a131a3416464dc0002030490",
        Answer("950380a1310307"),
    ),
    (
        "args array32",
        "960180a131a3416464dd00000002030490",
        Answer("950380a1310307"),
    ),
    (
        "args count lies",
        "960180a131a34164649203",
        Failure(
            "Failed to invoke 'Add' due to an error on the server. InvalidDataException: Reading array length for 'arguments' failed.",
        ),
    ),
    (
        "args count huge",
        "960180a131a3416464ddffffffff0304",
        Failure(
            "Failed to invoke 'Add' due to an error on the server. InvalidDataException: Reading array length for 'arguments' failed.",
        ),
    ),
    (
        "args 5 items",
        "950180a131a3416464920304",
        Answer("950380a1310307"),
    ),
    (
        "args 4 items",
        "940180a131a74e6f7468696e67",
        Failure(
            "Failed to invoke 'Nothing' due to an error on the server. InvalidDataException: Reading array length for 'arguments' failed.",
        ),
    ),
    (
        "7 items",
        "970180a131a341646492030490c0",
        Answer("950380a1310307"),
    ),
    (
        "6 without streams",
        "960180a131a3416464920304",
        Fatal("InvalidDataException: Reading array length for 'streamIds' failed."),
    ),
    (
        "streams nil",
        "960180a131a74e6f7468696e6790c0",
        Fatal("InvalidDataException: Reading array length for 'streamIds' failed."),
    ),
    (
        "streams int",
        "960180a131a74e6f7468696e679005",
        Fatal("InvalidDataException: Reading array length for 'streamIds' failed."),
    ),
    (
        "streams with int",
        "960180a131a74e6f7468696e67909105",
        Fatal(
            "MessagePackSerializationException: Unexpected msgpack code 5 (positive fixint) encountered.",
        ),
    ),
    (
        "streams with nil",
        "960180a131a74e6f7468696e679091c0",
        Fatal("InvalidDataException: Null or empty value in streamIds received."),
    ),
    (
        "streams empty id",
        "960180a131a74e6f7468696e679091a0",
        Fatal("InvalidDataException: Null or empty value in streamIds received."),
    ),
    (
        "bad args and bad streams",
        "960180a131a3416464910391a0",
        Failure(
            "Failed to invoke 'Add' due to an error on the server. InvalidDataException: Invocation provides 1 argument(s) but target expects 2.",
        ),
    ),
    (
        "int as u8",
        "960180a131a341646492cc03d00490",
        Answer("950380a1310307"),
    ),
    (
        "int as i64",
        "960180a131a341646492d30000000000000003cf000000000000000490",
        Answer("950380a1310307"),
    ),
    (
        "int over",
        "960180a131a341646492ce800000000490",
        Failure(
            "Failed to invoke 'Add' due to an error on the server. InvalidDataException: Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked.",
        ),
    ),
    (
        "int float",
        "960180a131a341646492ca404000000490",
        Failure(
            "Failed to invoke 'Add' due to an error on the server. InvalidDataException: Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked.",
        ),
    ),
    (
        "int nil",
        "960180a131a341646492c00490",
        Failure(
            "Failed to invoke 'Add' due to an error on the server. InvalidDataException: Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked.",
        ),
    ),
    (
        "int str",
        "960180a131a341646492a1330490",
        Failure(
            "Failed to invoke 'Add' due to an error on the server. InvalidDataException: Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked.",
        ),
    ),
    (
        "int bool",
        "960180a131a341646492c30490",
        Failure(
            "Failed to invoke 'Add' due to an error on the server. InvalidDataException: Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked.",
        ),
    ),
    (
        "double from int",
        "960180a131a448616c66910390",
        Answer("950380a13103cb3ff8000000000000"),
    ),
    (
        "double from f32",
        "960180a131a448616c6691ca4040000090",
        Answer("950380a13103cb3ff8000000000000"),
    ),
    (
        "double nan",
        "960180a131a448616c6691cb7ff800000000000090",
        Answer("950380a13103cb7ff8000000000000"),
    ),
    (
        "double neg int",
        "960180a131a448616c6691fd90",
        Answer("950380a13103cbbff8000000000000"),
    ),
    (
        "double from u64",
        "960180a131a448616c6691cfffffffffffffffff90",
        Answer("950380a13103cb43e0000000000000"),
    ),
    (
        "double from str",
        "960180a131a448616c6691a13390",
        Failure(
            "Failed to invoke 'Half' due to an error on the server. InvalidDataException: Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked.",
        ),
    ),
    (
        "bool from int",
        "960180a131a34e6f74910190",
        Failure(
            "Failed to invoke 'Not' due to an error on the server. InvalidDataException: Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked.",
        ),
    ),
    ("bool", "960180a131a34e6f7491c290", Answer("950380a13103c3")),
    (
        "string nil",
        "960180a131aa4563686f537472696e6791c090",
        Answer("950380a13103c0"),
    ),
    (
        "string int",
        "960180a131aa4563686f537472696e67910590",
        Failure(
            "Failed to invoke 'EchoString' due to an error on the server. InvalidDataException: Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked.",
        ),
    ),
    (
        "string bin",
        "960180a131aa4563686f537472696e6791c4017890",
        Failure(
            "Failed to invoke 'EchoString' due to an error on the server. InvalidDataException: Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked.",
        ),
    ),
    (
        "string bad utf8",
        "960180a131aa4563686f537472696e6791a2c32890",
        Answer("950380a13103a4efbfbd28"),
    ),
    (
        "bytes nil",
        "960180a131a94563686f427974657391c090",
        Answer("950380a13103c0"),
    ),
    (
        "bytes bin8",
        "960180a131a94563686f427974657391c40301020390",
        Answer("950380a13103c403010203"),
    ),
    (
        "bytes bin16",
        "960180a131a94563686f427974657391c5000301020390",
        Answer("950380a13103c403010203"),
    ),
    (
        "bytes str",
        "960180a131a94563686f427974657391a361626390",
        Answer("950380a13103c403616263"),
    ),
    (
        "bytes array",
        "960180a131a94563686f4279746573919301020390",
        Answer("950380a13103c403010203"),
    ),
    (
        "bytes str8",
        "960180a131a94563686f427974657391d90361626390",
        Failure(
            "Failed to invoke 'EchoBytes' due to an error on the server. InvalidDataException: Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked.",
        ),
    ),
    (
        "echo ext",
        "960180a131a44563686f91d6ff5a4a1a5090",
        Answer("950380a13103d6ff5a4a1a50"),
    ),
    (
        "echo reserved c1",
        "960180a131a44563686f91c190",
        Failure(
            "Failed to invoke 'Echo' due to an error on the server. InvalidDataException: Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked.",
        ),
    ),
    ("item missing", "930280a178", Quiet),
    ("item", "940280a17805", Quiet),
    (
        "item id nil",
        "940280c005",
        Fatal("InvalidDataException: Null or empty invocation ID for StreamItem message."),
    ),
    (
        "item id empty",
        "940280a005",
        Fatal("InvalidDataException: Null or empty invocation ID for StreamItem message."),
    ),
    ("item count lies", "920280a17805", Quiet),
    (
        "completion kind 0",
        "940380a17800",
        Fatal("InvalidDataException: Invalid invocation result kind."),
    ),
    (
        "completion kind 4",
        "940380a17804",
        Fatal("InvalidDataException: Invalid invocation result kind."),
    ),
    (
        "completion kind neg",
        "940380a178ff",
        Fatal("InvalidDataException: Invalid invocation result kind."),
    ),
    (
        "completion kind nil",
        "940380a178c0",
        Fatal("InvalidDataException: Reading 'resultKind' as Int32 failed."),
    ),
    ("completion void", "940380a17802", Quiet),
    ("completion void extra", "950380a17802c0", Quiet),
    ("completion error nil", "950380a17801c0", Quiet),
    ("completion error empty", "950380a17801a0", Quiet),
    ("completion error", "950380a17801a165", Quiet),
    (
        "completion result missing",
        "940380a17803",
        Fatal("EndOfStreamException: Attempted to read past the end of the stream."),
    ),
    ("completion result", "950380a1780305", Quiet),
    (
        "completion id nil",
        "940380c002",
        Fatal("InvalidDataException: Null or empty invocation ID for Completion message."),
    ),
    ("cancel", "930580a178", Quiet),
    ("cancel extra", "940580a178c0", Quiet),
    (
        "cancel id nil",
        "930580c0",
        Fatal("InvalidDataException: Null or empty invocation ID for CancelInvocation message."),
    ),
    (
        "cancel id int",
        "93058005",
        Fatal("InvalidDataException: Reading 'invocationId' as String failed."),
    ),
    (
        "stream id nil",
        "960480c0a5436f756e7492010090",
        Fatal("InvalidDataException: Null or empty invocation ID for StreamInvocation message."),
    ),
    (
        "stream id empty",
        "960480a0a5436f756e7492010090",
        Fatal("InvalidDataException: Null or empty invocation ID for StreamInvocation message."),
    ),
    (
        "close 1",
        "9107",
        Fatal("InvalidDataException: Reading 'error' as String failed."),
    ),
    ("close nil", "9207c0", Closed),
    (
        "close error int",
        "920705",
        Fatal("InvalidDataException: Reading 'error' as String failed."),
    ),
    ("close error", "9207a162", Closed),
    (
        "close reconnect int",
        "9307c005",
        Fatal("InvalidDataException: Reading 'allowReconnect' as Boolean failed."),
    ),
    (
        "close reconnect nil",
        "9307c0c0",
        Fatal("InvalidDataException: Reading 'allowReconnect' as Boolean failed."),
    ),
    ("close reconnect", "9307c0c3", Closed),
    (
        "close reconnect missing",
        "9307c0",
        Fatal("EndOfStreamException: Attempted to read past the end of the stream."),
    ),
    ("close extra", "9407c0c3c0", Closed),
    ("ack", "920805", Quiet),
    (
        "ack u64 over",
        "9208cfffffffffffffffff",
        Fatal("InvalidDataException: Reading 'sequenceId' as Int64 failed."),
    ),
    ("ack neg", "9208ff", Quiet),
    (
        "ack float",
        "9208ca40400000",
        Fatal("InvalidDataException: Reading 'sequenceId' as Int64 failed."),
    ),
    (
        "ack nil",
        "9208c0",
        Fatal("InvalidDataException: Reading 'sequenceId' as Int64 failed."),
    ),
    ("ack extra", "930805c0", Quiet),
    ("sequence", "920901", Quiet),
    ("type 0", "9100", Stuck),
    ("type 10", "910a", Stuck),
    ("type 99 with junk", "9163c1c1", Stuck),
];
