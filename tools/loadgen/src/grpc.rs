//! `GetUsersStatus`, without code that was generated: the two messages are small, and the client is to be lean.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::cli::Grpc;
use crate::crowd::Troubles;
use crate::lab::{Lab, Work};
use crate::latency::Latencies;
use crate::target::Target;

/// Asks for many users at once, again and again.
pub(crate) async fn grpc(lab: &mut Lab, case: &Grpc) -> anyhow::Result<()> {
    let target = Target::parse(&case.grpc_url)?;
    let ids: Vec<String> = (0..case.ids).map(id).collect();
    let call = Arc::new(Call {
        uri: format!(
            "{}/presenceapi.PresenceAPI/GetUsersStatus",
            case.grpc_url.trim_end_matches('/')
        ),
        authorization: lab.tokens.of(0).map(|token| format!("Bearer {token}")),
        request: request(&ids),
        ids: ids.len(),
    });
    let stop = Arc::new(AtomicBool::new(false));
    let tally = Arc::new(Mutex::new((0u64, Latencies::default())));
    let troubles = Troubles::default();
    let mut callers = JoinSet::new();
    for _ in 0..case.connections {
        let sender = connect(&target).await?;
        // The first is awaited, so that a service that refuses is told at once.
        call.make(&mut sender.clone()).await?;
        for _ in 0..case.in_flight {
            let (call, stop) = (Arc::clone(&call), Arc::clone(&stop));
            let (tally, troubles) = (Arc::clone(&tally), troubles.clone());
            let mut sender = sender.clone();
            callers.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let due = Instant::now();
                    if let Err(error) = call.make(&mut sender).await {
                        return troubles.note(|| format!("{error:#}"));
                    }
                    let mut tally = tally.lock();
                    tally.0 += 1;
                    tally.1.record(due.elapsed());
                }
            });
        }
    }
    sleep(lab.warm_up()).await;
    *tally.lock() = (0, Latencies::default());
    let start = lab.start()?;
    sleep(lab.measured()).await;
    let spent = lab.stop(start)?;
    let (count, latencies) = std::mem::take(&mut *tally.lock());
    stop.store(true, Ordering::Relaxed);
    let all_done = async { while callers.join_next().await.is_some() {} };
    timeout(PATIENCE, all_done)
        .await
        .context("calls are not answered")?;
    let work = Work {
        case: format!("grpc-{}", case.ids),
        connections: case.connections,
        unit: "call",
        count,
        latencies: &latencies,
        troubles: &troubles,
        more: BTreeMap::new(),
    };
    lab.note(work, &spent);
    lab.settle().await
}

async fn connect(target: &Target) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(target.address)
        .await
        .with_context(|| format!("{} cannot be connected to", target.address))?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    // Its end is noticed by the calls on it.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

/// The call that is made.
#[derive(Debug)]
struct Call {
    uri: String,
    authorization: Option<String>,
    request: Bytes,
    ids: usize,
}

impl Call {
    async fn make(&self, sender: &mut SendRequest<Full<Bytes>>) -> anyhow::Result<()> {
        let mut request = Request::post(&self.uri)
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        let request = request.body(Full::new(self.request.clone()))?;
        sender.ready().await?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let in_head = response.headers().get("grpc-status").cloned();
        let body = response.into_body().collect().await?;
        let code = in_head.or_else(|| body.trailers()?.get("grpc-status").cloned());
        let code = code.with_context(|| format!("the answer is no gRPC, but HTTP {status}"))?;
        ensure!(
            code == "0",
            "the call is answered with gRPC status {}",
            code.to_str().unwrap_or("?")
        );
        let users = count_users(&body.to_bytes()).context("the answer is unreadable")?;
        ensure!(
            users == self.ids,
            "{users} users are in the answer, not {}",
            self.ids
        );
        Ok(())
    }
}

/// The name of a user that services ask for: 36 characters, as the UUIDs that user databases give out.
fn id(user: usize) -> String {
    format!("0b9ad2b2-64c3-4f3e-9d0a-{user:012x}")
}

/// `GetUsersStatusRequest { repeated string userIds = 1 }` behind gRPC's prefix of five bytes.
fn request(ids: &[String]) -> Bytes {
    let mut message = Vec::new();
    for id in ids {
        message.push(FIELD_1);
        write_len(&mut message, id.len());
        message.extend_from_slice(id.as_bytes());
    }
    let mut bytes = vec![0];
    let len = u32::try_from(message.len()).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&len.to_be_bytes());
    bytes.extend_from_slice(&message);
    bytes.into()
}

/// The number of users in a `GetUsersStatusResponse { repeated UserStatus users = 1 }`; none: it is not one.
fn count_users(bytes: &[u8]) -> Option<usize> {
    let mut message = bytes.get(5..)?;
    let mut users = 0;
    while let [FIELD_1, rest @ ..] = message {
        let (len, rest) = read_len(rest)?;
        message = rest.get(len..)?;
        users += 1;
    }
    message.is_empty().then_some(users)
}

fn write_len(out: &mut Vec<u8>, mut len: usize) {
    while len >= 0x80 {
        out.push(u8::try_from(len & 0x7f).unwrap_or_default() | 0x80);
        len >>= 7;
    }
    out.push(u8::try_from(len).unwrap_or_default());
}

fn read_len(mut bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut len = 0;
    for shift in (0..28).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        len |= usize::from(byte & 0x7f) << shift;
        bytes = rest;
        if byte & 0x80 == 0 {
            return Some((len, bytes));
        }
    }
    None
}

/// Field 1, length-delimited.
const FIELD_1: u8 = 0x0a;

/// How long the last answers may take.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_every_user() {
        let ids = ["u0".to_owned(), "x".repeat(200)];
        let bytes = request(&ids);
        assert_eq!(bytes[..9], [0, 0, 0, 0, 207, 0x0a, 2, b'u', b'0']);
        assert_eq!(bytes[9..12], [0x0a, 0xc8, 0x01]);
        assert_eq!(bytes.len(), 5 + 4 + 3 + 200);
        // The response has the same shape on its upper level.
        assert_eq!(count_users(&bytes), Some(2));
    }

    #[test]
    fn what_is_cut_or_something_else_is_not_counted() {
        let bytes = request(&["u0".to_owned()]);
        assert_eq!(count_users(&bytes[..bytes.len() - 1]), None);
        assert_eq!(count_users(b"\0\0\0\0\x02\x12\0"), None);
        assert_eq!(count_users(b""), None);
    }
}
