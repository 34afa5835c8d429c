//! Where the load goes to, and from which addresses it comes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, bail};
use tokio::net::{TcpSocket, TcpStream};

/// A server's address in plain HTTP.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// As it stands in the URL, for the `Host` header.
    pub(crate) authority: String,
    /// Begins with a slash; has no query.
    pub(crate) path: String,
}

impl Target {
    /// Reads `http://host[:port][/path]`.
    pub(crate) fn parse(url: &str) -> anyhow::Result<Self> {
        let wanted = "an address of the form http://host:port/path is wanted";
        let Some(rest) = url.strip_prefix("http://") else {
            bail!("'{url}': {wanted}; there is no TLS here");
        };
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        if authority.is_empty() || path.contains(['?', '#', ' ']) {
            bail!("'{url}': {wanted}, without a query");
        }
        let with_port = if authority
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok())
        {
            authority.to_owned()
        } else {
            format!("{authority}:80")
        };
        let address = with_port
            .to_socket_addrs()
            .ok()
            // The service listens on both loopbacks; only IPv4 has more than one source address to offer.
            .and_then(|addresses| addresses.min_by_key(SocketAddr::is_ipv6))
            .with_context(|| format!("'{url}': no such host"))?;
        Ok(Self {
            address,
            authority: authority.to_owned(),
            path: path.to_owned(),
        })
    }
}

/// Gives each socket a source address, so that thousands of them do not run out of ports.
///
/// Linux has 28,232 ports for a pair of addresses and takes ever longer to find one that is free, so on loopback
/// (where all of 127.0.0.0/8 is the machine itself) every [`PER_ADDRESS`] sockets get an address of their own.
#[derive(Debug)]
pub(crate) struct Sources {
    base: Option<u32>,
    opened: AtomicU32,
}

impl Sources {
    /// `seed` keeps processes apart that run beside or after each other: what one closed, the next finds in `TIME_WAIT`.
    pub(crate) fn new(address: SocketAddr, seed: u32) -> Self {
        let base = match address.ip() {
            IpAddr::V4(ip) if ip.is_loopback() => {
                Some(Ipv4Addr::new(127, 1, 0, 0).to_bits() + seed % 60_000 * 256)
            }
            IpAddr::V4(_) | IpAddr::V6(_) => None,
        };
        Self {
            base,
            opened: AtomicU32::new(0),
        }
    }

    fn next(&self) -> Option<Ipv4Addr> {
        let opened = self.opened.fetch_add(1, Ordering::Relaxed);
        // 250 addresses, .2 to .251, before they come again.
        self.base
            .map(|base| Ipv4Addr::from_bits(base + 2 + opened / PER_ADDRESS % 250))
    }

    /// Opens a socket. `receive_buffer`: what the kernel may hold for it in bytes; it doubles the number.
    pub(crate) async fn open(
        &self,
        address: SocketAddr,
        receive_buffer: Option<u32>,
    ) -> std::io::Result<TcpStream> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        if let Some(bytes) = receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(source) = self.next() {
            socket.bind((source, 0).into())?;
        }
        let stream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// How many sockets share a source address: few enough that ports are found at once.
const PER_ADDRESS: u32 = 5_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_a_port_and_a_path() {
        let target = Target::parse("http://127.0.0.1:5006/_hubs/presence").unwrap();
        assert_eq!(target.address, "127.0.0.1:5006".parse().unwrap());
        assert_eq!(target.authority, "127.0.0.1:5006");
        assert_eq!(target.path, "/_hubs/presence");

        let short = Target::parse("http://127.0.0.1").unwrap();
        assert_eq!((short.address.port(), short.path.as_str()), (80, "/"));
    }

    #[test]
    fn other_addresses_are_refused_with_a_reason() {
        for (url, part) in [
            ("https://127.0.0.1/", "no TLS"),
            ("127.0.0.1:5006", "http://host:port/path"),
            ("http:///path", "http://host:port/path"),
            ("http://127.0.0.1/?a=b", "without a query"),
            ("http://no.such.host.invalid/", "no such host"),
        ] {
            let error = Target::parse(url).unwrap_err().to_string();
            assert!(error.contains(part), "{url}: {error}");
        }
    }

    #[test]
    fn loopback_has_many_source_addresses() {
        let sources = Sources::new("127.0.0.1:1".parse().unwrap(), 3);
        let first = sources.next().unwrap();
        assert!(first.is_loopback());
        for _ in 1..PER_ADDRESS {
            assert_eq!(sources.next(), Some(first));
        }
        let second = sources.next().unwrap();
        assert_eq!(second.to_bits(), first.to_bits() + 1);

        let abroad = Sources::new("192.0.2.1:80".parse().unwrap(), 3);
        assert_eq!(abroad.next(), None);
    }
}
