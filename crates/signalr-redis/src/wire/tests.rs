use proptest::prelude::*;

use super::*;

#[test]
fn acks_have_the_bytes_of_dotnet() {
    for (id, bytes) in [
        (0, "91 00"),
        (42, "91 2a"),
        (180, "91 cc b4"),
        (300, "91 cd 01 2c"),
        (384, "91 cd 01 80"),
        (70000, "91 ce 00 01 11 70"),
    ] {
        assert_eq!(hex(&write_ack(id)), bytes.replace(' ', ""));
        assert_eq!(read_ack(&write_ack(id)), Ok(id));
    }
}

#[test]
fn group_commands_have_the_bytes_of_dotnet() {
    let add = GroupCommand {
        id: 42,
        server: "S",
        action: GroupAction::Add,
        group: "G",
        connection_id: "C",
    };
    check_command(add, "952aa15301a147a143");
    let action = GroupAction::Remove;
    check_command(GroupCommand { action, ..add }, "952aa15302a147a143");
    let full = GroupCommand {
        id: 1,
        server: "host_0123456789abcdef0123456789abcdef",
        group: "room",
        connection_id: "AAAAAAAAAAAAAAAAAAAAAA",
        ..add
    };
    let rest = "a4726f6f6db641414141414141414141414141414141414141414141";
    let server = "d925686f73745f3031323334353637383961626364656630313233343536373839616263646566";
    check_command(full, &format!("9501{server}01{rest}"));
    let remove = GroupCommand {
        id: 300,
        action,
        ..full
    };
    check_command(remove, &format!("95cd012c{server}02{rest}"));
}

#[test]
fn invocations_have_the_bytes_of_dotnet() {
    let messages: [(&str, &[u8]); 2] = [("p1", &[0x2a]), ("p2", &[0x2a])];
    let map = "82a27031c4012aa27032c4012a";
    check_invocation(&[], &messages, None, &format!("9290{map}"));
    check_invocation(&["a"], &messages, None, &format!("9291a161{map}"));
    let six = ["a", "b", "c", "d", "e", "f"];
    check_invocation(
        &six,
        &messages,
        None,
        &format!("9296a161a162a163a164a165a166{map}"),
    );
}

#[test]
fn real_messages_have_the_bytes_of_dotnet() {
    let json = b"{\"type\":1,\"target\":\"Target\",\"arguments\":[\"hi\"]}\x1e";
    let packed = bytes("10960180c0a654617267657491a2686990");
    let json_entry = "a46a736f6ec4307b2274797065223a312c22746172676574223a22546172676574222c22617267756d656e7473223a5b226869225d7d1e";
    check_invocation(
        &[],
        &[("json", json), ("messagepack", &packed)],
        None,
        &format!(
            "929082{json_entry}ab6d6573736167657061636bc41110960180c0a654617267657491a2686990"
        ),
    );
    check_invocation(
        &["AAAAAAAAAAAAAAAAAAAAAA"],
        &[("json", json)],
        None,
        &format!("9291b64141414141414141414141414141414141414141414181{json_entry}"),
    );
    let id = "aaaaaaaaaaaaaaaaaaaaaa";
    let question = format!(
        "{{\"type\":1,\"invocationId\":\"{id}\",\"target\":\"GetNum\",\"arguments\":[]}}\u{1e}"
    );
    check_invocation(
        &[],
        &[("json", question.as_bytes())],
        Some(Question {
            invocation_id: id,
            return_channel: "Ns.ChatHub:internal:return:host_0123456789abcdef0123456789abcdef",
        }),
        "949081a46a736f6ec4547b2274797065223a312c22696e766f636174696f6e4964223a2261616161616161616161616161616161616161616161222c22746172676574223a224765744e756d222c22617267756d656e7473223a5b5d7d1eb661616161616161616161616161616161616161616161d9404e732e436861744875623a696e7465726e616c3a72657475726e3a686f73745f3031323334353637383961626364656630313233343536373839616263646566",
    );
}

#[test]
fn completions_have_the_bytes_of_dotnet() {
    let json = "{\"type\":3,\"invocationId\":\"1\",\"result\":1}";
    check_completion(
        "json",
        json.as_bytes(),
        &format!("92a46a736f6ec428{}", hex(json.as_bytes())),
    );
    let packed = bytes("950380a378797a032a");
    check_completion(
        "messagepack",
        &packed,
        "92ab6d6573736167657061636bc409950380a378797a032a",
    );
    check_completion(
        "json",
        b"{\"type\":3,\"invocationId\":\"aaaaaaaaaaaaaaaaaaaaaa\",\"result\":42}\x1e",
        "92a46a736f6ec43f7b2274797065223a332c22696e766f636174696f6e4964223a2261616161616161616161616161616161616161616161222c22726573756c74223a34327d1e",
    );
    check_completion(
        "messagepack",
        &bytes("1c950380b661616161616161616161616161616161616161616161032a"),
        "92ab6d6573736167657061636bc41d1c950380b661616161616161616161616161616161616161616161032a",
    );
}

#[test]
fn too_few_items_are_told_in_the_words_of_dotnet() {
    let text = |error: WireError| error.to_string();
    let invocation = Invocation::read(&[0x91, 0x90]).unwrap_err();
    assert_eq!(text(invocation), "Insufficient items in Invocation array.");
    let command = GroupCommand::read(&[0x94, 1, 0xa0, 1, 0xa0]).unwrap_err();
    assert_eq!(text(command), "Insufficient items in GroupCommand array.");
    let ack = read_ack(&[0x90]).unwrap_err();
    assert_eq!(text(ack), "Insufficient items in Ack array.");
    let completion = Completion::read(&[0x91, 0xa0]).unwrap_err();
    assert_eq!(
        text(completion),
        "Insufficient items in CompletionMessage array."
    );
}

#[test]
fn further_items_are_ignored() {
    assert_eq!(read_ack(&[0x92, 7, 0xc0]), Ok(7));
    let command =
        GroupCommand::read(&[0x96, 1, 0xa1, b's', 2, 0xa1, b'g', 0xa1, b'c', 0xc1]).unwrap();
    assert_eq!((command.id, command.action), (1, GroupAction::Remove));
    // Three items are an invocation with something new, not half a question.
    let invocation = Invocation::read(&[0x93, 0x90, 0x80, 0xa1, b'x']).unwrap();
    assert_eq!(invocation.question, None);
    let question = Invocation::read(&[0x95, 0x90, 0x80, 0xa1, b'i', 0xa1, b'r', 0xc0]).unwrap();
    let found = question
        .question
        .map(|q| (q.invocation_id, q.return_channel));
    assert_eq!(found, Some(("i", "r")));
    let completion = Completion::read(&[0x93, 0xa1, b'p', 0xc4, 1, 42, 0xc0]).unwrap();
    assert_eq!((completion.protocol, completion.message), ("p", &[42][..]));
}

#[test]
fn what_is_announced_and_not_there_is_refused() {
    for payload in [
        "",
        "92",
        "9290",
        "92dd7fffffff",
        "9290dfffffffff",
        "929081a161c6ffffffff00",
        "929081a161",
        "9291a5616263",
        "92a18180",
        "92908101c400",
        "94908001a0",
        "c1",
    ] {
        assert!(Invocation::read(&bytes(payload)).is_err(), "{payload}");
    }
    for payload in [
        "",
        "91",
        "91a0",
        "91c0",
        "91ce80000000",
        "91cb3ff0000000000000",
    ] {
        assert!(read_ack(&bytes(payload)).is_err(), "{payload}");
    }
    let third_action = bytes("9501a15303a147a143");
    assert_eq!(
        GroupCommand::read(&third_action),
        Err(WireError::UnknownAction(3))
    );
}

proptest! {
    #[test]
    fn whatever_is_written_can_be_read(
        excluded in proptest::collection::vec(".{0,40}", 0..20),
        messages in proptest::collection::vec((".{0,12}", proptest::collection::vec(any::<u8>(), 0..400)), 0..4),
        question in proptest::option::of((".{0,40}", ".{0,300}")),
        id in any::<i32>(),
    ) {
        let excluded: Vec<&str> = excluded.iter().map(String::as_str).collect();
        let messages: Vec<(&str, &[u8])> = messages.iter().map(|(n, m)| (n.as_str(), m.as_slice())).collect();
        let question = question.as_ref().map(|(id, channel)| Question { invocation_id: id, return_channel: channel });
        let payload = write_invocation(&excluded, &messages, question);
        let read = Invocation::read(&payload).unwrap();
        prop_assert_eq!(&read.excluded, &excluded);
        prop_assert_eq!(read.messages.iter().collect::<Vec<_>>(), messages);
        prop_assert_eq!(read.question, question);
        prop_assert_eq!(read_ack(&write_ack(id)), Ok(id));
        for server in &excluded {
            let command = GroupCommand { id, server, action: GroupAction::Add, group: server, connection_id: "c" };
            let payload = command.write();
            prop_assert_eq!(GroupCommand::read(&payload), Ok(command));
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = (Invocation::read(&payload), GroupCommand::read(&payload));
        let _ = (Completion::read(&payload), read_ack(&payload));
    }

    #[test]
    fn no_damage_makes_a_reader_panic(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let question = Some(Question { invocation_id: "id", return_channel: "channel" });
        let mut payload = write_invocation(&["a", "b"], &[("json", b"{}\x1e"), ("messagepack", &[1, 2])], question);
        let at = at.index(payload.len());
        payload[at] = byte;
        if let Ok(read) = Invocation::read(&payload) {
            prop_assert!(read.messages.iter().count() <= payload.len());
        }
        let _ = Invocation::read(&payload[..cut.index(payload.len())]);
    }
}

#[track_caller]
fn check_command(command: GroupCommand<'_>, expected: &str) {
    let payload = command.write();
    assert_eq!(hex(&payload), expected);
    assert_eq!(GroupCommand::read(&payload), Ok(command));
}

#[track_caller]
fn check_invocation(
    excluded: &[&str],
    messages: &[(&str, &[u8])],
    question: Option<Question<'_>>,
    expected: &str,
) {
    let payload = write_invocation(excluded, messages, question);
    assert_eq!(hex(&payload), expected);
    let read = Invocation::read(&payload).unwrap();
    assert_eq!(read.excluded, excluded);
    assert_eq!(read.messages.iter().collect::<Vec<_>>(), messages);
    assert_eq!(read.question, question);
    for (protocol, message) in messages {
        assert_eq!(read.messages.get(protocol), Some(*message));
    }
    assert_eq!(read.messages.get("other"), None);
}

#[track_caller]
fn check_completion(protocol: &str, message: &[u8], expected: &str) {
    let completion = Completion { protocol, message };
    let payload = completion.write();
    assert_eq!(hex(&payload), expected);
    assert_eq!(Completion::read(&payload), Ok(completion));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex
        .bytes()
        .map(|digit| (digit as char).to_digit(16).unwrap() as u8)
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}
