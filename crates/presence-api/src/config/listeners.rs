//! `Urls`, `Kestrel` and the ports: where to listen, and what a peer may take.

mod address;
mod certificate;
mod plan;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use dotnet_config::{ByteSize, Reader, Text, TimeSpan, Whole};

use super::{Context, keys};

pub use certificate::Certificate;

/// Where to listen, and what a peer may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// At least one for each protocol.
    pub listeners: Vec<Listener>,
    /// Port to which plain requests are sent, if it is named; else that of the first web listener with TLS.
    pub https_port: Option<u16>,
    /// What a peer may take.
    pub limits: HttpLimits,
}

/// Where to listen once, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The addresses: two for `localhost`. `[::]` stands for every address, IPv4 included. With port 0 the system
    /// chooses one port for all.
    pub addresses: Vec<SocketAddr>,
    /// With TLS or without.
    pub scheme: Scheme,
    /// What is served there.
    pub protocol: Protocol,
    /// The key that asked for it, for messages.
    pub key: String,
}

/// With TLS or without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Without.
    Http,
    /// With TLS and this certificate.
    Https(Certificate),
}

/// What is served by a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// The hub, health and pages over HTTP/1.1 and HTTP/2.
    Http1AndHttp2,
    /// gRPC over HTTP/2 alone.
    Http2,
}

/// What a peer may take of the listeners. Names are Kestrel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// Idle time of an HTTP/1.1 connection. Default: 130 s, Kestrel's.
    pub keep_alive_timeout: Duration,
    /// Time for the head of the first request of a web connection. Default: 10 s; Kestrel gives 30 s.
    pub request_headers_timeout: Duration,
    /// Bytes that the kernel holds of what a web client does not read. Default: 16 KiB; Kestrel holds 64 KiB besides.
    pub max_response_buffer_size: u64,
    /// Streams at a time on an HTTP/2 connection. Default: 100, Kestrel's.
    pub max_streams_per_connection: u32,
}

pub(super) fn read(reader: &mut Reader<'_>, context: Context<'_>) -> Http {
    let hosts = reader.or(keys::ALLOWED_HOSTS, &Text::called("*"), "*".to_owned());
    if hosts.trim() != "*" {
        reader.warn(
            keys::ALLOWED_HOSTS,
            "has no effect: every host is answered, let the proxy in front filter them",
        );
    }
    let listeners = plan::listeners(reader, context);
    let https_port = reader.optional(keys::HTTPS_PORT, &Whole::between(1, u16::MAX));
    if https_port.is_none() {
        warn_of_several_https_ports(reader, &listeners);
    }
    Http {
        listeners,
        https_port,
        limits: limits(reader),
    }
}

/// .NET throws at the first plain request; the first port is a good answer as well.
fn warn_of_several_https_ports(reader: &mut Reader<'_>, listeners: &[Listener]) {
    let secure = listeners.iter().filter(|listener| {
        listener.protocol == Protocol::Http1AndHttp2 && matches!(listener.scheme, Scheme::Https(_))
    });
    let mut ports: Vec<u16> = secure
        .flat_map(|listener| &listener.addresses)
        .map(SocketAddr::port)
        .collect();
    ports.dedup();
    if let [first, _, ..] = ports.as_slice() {
        let text = format!(
            "is not set and there are several ports with TLS: plain requests are sent to {first}, the first"
        );
        reader.warn(keys::HTTPS_PORT, text);
    }
}

fn limits(reader: &mut Reader<'_>) -> HttpLimits {
    let time = TimeSpan::between(Duration::from_secs(1), TIME_MAX);
    HttpLimits {
        keep_alive_timeout: reader.or(keys::KEEP_ALIVE_TIMEOUT, &time, Duration::from_secs(130)),
        request_headers_timeout: reader.or(
            keys::REQUEST_HEADERS_TIMEOUT,
            &time,
            Duration::from_secs(10),
        ),
        max_response_buffer_size: reader.or(
            keys::MAX_RESPONSE_BUFFER_SIZE,
            &ByteSize::between(RESPONSE_BUFFER_MIN, RESPONSE_BUFFER_MAX),
            16 * 1024,
        ),
        max_streams_per_connection: reader.or(
            keys::MAX_STREAMS,
            &Whole::between(1, STREAMS_MAX),
            100,
        ),
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https(_) => "https",
        };
        let addresses: Vec<String> = self
            .addresses
            .iter()
            .map(|address| format!("{scheme}://{address}"))
            .collect();
        f.write_str(&addresses.join(" and "))
    }
}

/// An hour: idle connections are kept to be used again, and nobody comes back after that.
const TIME_MAX: Duration = Duration::from_secs(60 * 60);

/// Each may hold a window of 96 KiB: ten thousand on one connection are a gigabyte.
const STREAMS_MAX: u32 = 10_000;

/// Less is less than the smallest that Linux sets.
const RESPONSE_BUFFER_MIN: u64 = 4 * 1024;

/// What Linux lets a socket grow to by default.
const RESPONSE_BUFFER_MAX: u64 = 4 * 1024 * 1024;

#[cfg(test)]
mod tests;
