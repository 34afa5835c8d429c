//! From addresses to sockets.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use socket2::{Domain, Socket, Type};
use thiserror::Error;
use tokio::net::TcpListener;

use super::{Bound, Endpoint};

/// An address on which the service cannot listen.
#[derive(Debug, Error)]
#[error("cannot listen on {scheme}://{address}: {source}", scheme = if *.tls { "https" } else { "http" })]
pub struct BindError {
    /// The address as it was asked for.
    pub address: SocketAddr,
    /// Whether TLS was asked for.
    pub tls: bool,
    /// What the system said.
    pub source: io::Error,
}

/// All addresses on which the service cannot listen, so that they can be set right in one go.
#[derive(Debug, Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct BindErrors(pub Vec<BindError>);

pub(super) fn bind_all(endpoints: Vec<Endpoint>) -> Result<Vec<Bound>, BindErrors> {
    let mut sockets = Vec::new();
    let mut errors = Vec::new();
    for endpoint in endpoints {
        bind_endpoint(&endpoint, &mut sockets, &mut errors);
    }
    if errors.is_empty() {
        Ok(sockets)
    } else {
        Err(BindErrors(errors))
    }
}

fn bind_endpoint(endpoint: &Endpoint, sockets: &mut Vec<Bound>, errors: &mut Vec<BindError>) {
    let mut port = None;
    let mut missing = Vec::new();
    for &wanted in &endpoint.addresses {
        let address = match (wanted.port(), port) {
            (0, Some(port)) => SocketAddr::new(wanted.ip(), port),
            _ => wanted,
        };
        let bound = listen_on(address).and_then(|listener| Ok((listener.local_addr()?, listener)));
        match bound {
            Ok((address, listener)) => {
                port.get_or_insert_with(|| address.port());
                sockets.push(Bound {
                    listener,
                    address,
                    protocol: endpoint.protocol,
                    tls: endpoint.tls.clone(),
                });
            }
            Err(source) => {
                let error = BindError {
                    address,
                    tls: endpoint.tls.is_some(),
                    source,
                };
                if host_lacks_address(&error.source) {
                    &mut missing
                } else {
                    &mut *errors
                }
                .push(error);
            }
        }
    }
    if port.is_none() {
        errors.append(&mut missing);
    }
    for error in missing {
        tracing::warn!("{error}; listening on the other addresses of this endpoint");
    }
}

/// Listens on one address; on `0.0.0.0` instead of `[::]` where there is no IPv6.
fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let all_of_ipv6 = address.is_ipv6() && address.ip().is_unspecified();
    match try_listen_on(address) {
        Err(error) if all_of_ipv6 && host_lacks_address(&error) => try_listen_on(SocketAddr::new(
            IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            address.port(),
        )),
        result => result,
    }
}

fn try_listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        // `[::]` means everything, as Kestrel has it; whatever the system's default for the option is.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // Without it, a restarted service could not bind while old connections are in TIME_WAIT. On Windows the option
    // means something else, which nobody wants.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    // Accepted sockets inherit it, which saves a system call for each of them.
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Whether the host simply has no such address, or no such family of addresses.
fn host_lacks_address(error: &io::Error) -> bool {
    let family = if cfg!(windows) {
        10047
    } else if cfg!(target_os = "macos") {
        47
    } else {
        97
    }; // EAFNOSUPPORT
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(family)
}

/// Connections that the kernel queues: 4,096, which is what Linux allows by default (`net.core.somaxconn`). A deploy
/// makes all clients of a node come back at once.
const BACKLOG: i32 = 4096;
