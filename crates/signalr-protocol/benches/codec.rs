//! What one message costs: finding its end, reading a call, writing an answer and an event, in both hub protocols.

#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot go on has failed"
)]
#![allow(missing_docs, reason = "criterion's macros make functions without any")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use signalr_protocol::codec::Answer;
use signalr_protocol::framing::Frame;
use signalr_protocol::{HubMessage, HubProtocol};

/// The call that presence gets most: one short text.
const CALLS: [(HubProtocol, &[u8]); 2] = [
    (
        HubProtocol::Json,
        b"{\"arguments\":[\"4f1c2d8e-user\"],\"invocationId\":\"17\",\"target\":\"GetUserStatus\",\"type\":1}\x1e",
    ),
    (
        HubProtocol::MessagePack,
        b"\x24\x96\x01\x80\xa217\xadGetUserStatus\x91\xad4f1c2d8e-user\x90",
    ),
];

fn read_invocation(c: &mut Criterion) {
    let mut group = c.benchmark_group("read_invocation");
    for (protocol, message) in CALLS {
        group.throughput(Throughput::Bytes(message.len() as u64));
        group.bench_function(protocol.name(), |b| {
            b.iter(|| {
                let frame = protocol.split(black_box(message), 0, Some(32_768)).unwrap();
                let Frame::Complete { body, .. } = frame else {
                    panic!("not a whole message");
                };
                let Some(HubMessage::Invocation(call)) = protocol.read(body).unwrap() else {
                    panic!("not a call");
                };
                let values = call.arguments.split(1).unwrap();
                values.first().unwrap().read::<String>().unwrap()
            });
        });
    }
    group.finish();
}

/// What one read brings of a busy client: where each message ends, and nothing else.
fn split(c: &mut Criterion) {
    const MESSAGES: usize = 100;
    let mut group = c.benchmark_group("split");
    for (protocol, message) in CALLS {
        let read = message.repeat(MESSAGES);
        group.throughput(Throughput::Elements(MESSAGES as u64));
        group.bench_function(protocol.name(), |b| {
            b.iter(|| {
                let mut rest = black_box(&read[..]);
                while let Frame::Complete { len, .. } =
                    protocol.split(rest, 0, Some(32_768)).unwrap()
                {
                    rest = &rest[len..];
                }
                assert!(rest.is_empty());
            });
        });
    }
    group.finish();
}

fn write(c: &mut Criterion, name: &str, write: impl Fn(HubProtocol, &mut Vec<u8>)) {
    let mut group = c.benchmark_group(name);
    for protocol in HubProtocol::ALL {
        let mut out = Vec::with_capacity(256);
        group.bench_function(protocol.name(), |b| {
            b.iter(|| {
                out.clear();
                write(protocol, &mut out);
                black_box(out.len())
            });
        });
    }
    group.finish();
}

fn write_completion(c: &mut Criterion) {
    write(c, "write_completion", |protocol, out| {
        let status = black_box("online");
        protocol
            .write_completion(out, "17", Answer::Result(&status))
            .unwrap();
    });
}

fn write_invocation(c: &mut Criterion) {
    write(c, "write_invocation", |protocol, out| {
        let arguments = (black_box("4f1c2d8e-user"), black_box("online"));
        protocol
            .write_invocation(out, None, "PresenceStatusChanged", &arguments)
            .unwrap();
    });
}

criterion_group!(
    codec,
    split,
    read_invocation,
    write_completion,
    write_invocation
);
criterion_main!(codec);
