//! Which server to use now.

use redis::{Value, cmd};

use crate::{
    Endpoint, Topology,
    socket::{Dialer, Fault},
    wire::{As, Wire, text},
};

/// Where the data is.
pub(crate) enum Place {
    /// On one server: a connection to it.
    Server(Wire),
    /// In a cluster: a connection to one of its nodes.
    Cluster(Wire),
}

/// Finds the server, or a node of the cluster; `known` are nodes that were seen before.
pub(crate) async fn find(dialer: &Dialer, known: &[Endpoint]) -> Result<Place, Fault> {
    let settings = &dialer.settings;
    let mut faults = Vec::new();
    let beside = known
        .iter()
        .filter(|node| !settings.endpoints.contains(node));
    for endpoint in settings.endpoints.iter().chain(beside) {
        let found = match &settings.topology {
            Topology::Sentinel { service } => by_sentinel(dialer, endpoint, service).await,
            topology => direct(dialer, endpoint, topology).await,
        };
        match found {
            Ok(place) => return Ok(place),
            Err(fault) => faults.push(fault),
        }
    }
    Err(Fault {
        is_locked_out: faults.iter().any(|fault| fault.is_locked_out),
        reason: faults
            .iter()
            .map(|fault| &*fault.reason)
            .collect::<Vec<_>>()
            .join("; ")
            .into(),
    })
}

/// The masters of a cluster as one of its nodes knows them.
pub(crate) async fn masters(wire: &mut Wire) -> Result<Vec<Endpoint>, Fault> {
    let Value::Array(ranges) = wire.must(cmd("CLUSTER").arg("SLOTS")).await? else {
        return Err(Fault::new("CLUSTER SLOTS has no list as its answer"));
    };
    let own_host = &wire.endpoint().host;
    let mut found: Vec<Endpoint> = ranges
        .iter()
        .filter_map(|range| match range {
            Value::Array(parts) => node(parts.get(2)?, own_host),
            _ => None,
        })
        .collect();
    found.sort();
    found.dedup();
    found.truncate(NODES_MAX);
    Ok(found)
}

async fn direct(dialer: &Dialer, endpoint: &Endpoint, topology: &Topology) -> Result<Place, Fault> {
    let mut wire = Wire::open(dialer, endpoint, As::Client).await?;
    let limit = dialer.settings.connect_timeout;
    let work = async {
        let is_cluster = match topology {
            Topology::Auto | Topology::Cluster => is_cluster(&mut wire).await?,
            Topology::Standalone | Topology::Sentinel { .. } => false,
        };
        match (topology, is_cluster) {
            (Topology::Cluster, false) => Err(Fault::new(format!(
                "{endpoint}: the server does not belong to a cluster"
            ))),
            (_, true) => Ok(Place::Cluster(wire)),
            (_, false) => {
                must_be_master(&mut wire).await?;
                Ok(Place::Server(wire))
            }
        }
    };
    within(endpoint, limit, work).await
}

async fn by_sentinel(dialer: &Dialer, sentinel: &Endpoint, service: &str) -> Result<Place, Fault> {
    let mut wire = Wire::open(dialer, sentinel, As::Asker).await?;
    let limit = dialer.settings.connect_timeout;
    let question = {
        let mut question = cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(service);
        question
    };
    let answer = within(sentinel, limit, wire.must(&question)).await?;
    let master = match &answer {
        Value::Array(parts) => match parts.as_slice() {
            [host, port] => text(host)
                .zip(text(port).and_then(|port| port.parse().ok()))
                .map(|(host, port)| Endpoint::new(host, port)),
            _ => None,
        },
        _ => None,
    };
    let master = master.ok_or_else(|| {
        Fault::new(format!(
            "{sentinel}: the sentinel knows no service {service:?}"
        ))
    })?;
    let mut wire = Wire::open(dialer, &master, As::Client).await?;
    within(&master, limit, must_be_master(&mut wire)).await?;
    Ok(Place::Server(wire))
}

async fn is_cluster(wire: &mut Wire) -> Result<bool, Fault> {
    // Whoever may not ask takes it for a single server: a cluster's MOVED would tell soon enough.
    let answer = wire.ask(cmd("INFO").arg("cluster")).await?;
    Ok(answer
        .ok()
        .and_then(|info| text(&info))
        .is_some_and(|info| info.contains("cluster_enabled:1")))
}

/// A replica refuses to write, so that it is of no use; also a master that was just replaced looks like this.
async fn must_be_master(wire: &mut Wire) -> Result<(), Fault> {
    let role = match wire.ask(&cmd("ROLE")).await? {
        Ok(Value::Array(parts)) => parts.first().and_then(text),
        // Proxies do not know the command, and not everyone may ask; READONLY would tell.
        Ok(_) | Err(_) => None,
    };
    match role.as_deref() {
        Some("master") | None => Ok(()),
        Some(role) => Err(Fault::new(format!(
            "{}: a master is wanted, and this is a {role}",
            wire.endpoint()
        ))),
    }
}

async fn within<T>(
    endpoint: &Endpoint,
    limit: std::time::Duration,
    work: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        Err(Fault::new(format!(
            "{endpoint}: no answer within {limit:?}"
        )))
    })
}

/// A node of `CLUSTER SLOTS`: host, port, …. No host, or an empty one, is the host that was asked.
fn node(value: &Value, own_host: &str) -> Option<Endpoint> {
    let Value::Array(parts) = value else {
        return None;
    };
    let host = parts
        .first()
        .and_then(text)
        .filter(|host| !host.is_empty() && host != "?");
    let Value::Int(port) = parts.get(1)? else {
        return None;
    };
    let host = host.unwrap_or_else(|| own_host.to_owned());
    Some(Endpoint::new(host, u16::try_from(*port).ok()?))
}

/// As many masters as Redis advises for a cluster at most.
const NODES_MAX: usize = 1000;
