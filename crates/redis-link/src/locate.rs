//! Which server to use now.

use redis::Value;

use crate::{
    Endpoint, PubSub, Topology, cmd,
    slot::SLOTS,
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

/// Who has which slots of a cluster, as one of its nodes knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    /// In the order of the slots.
    pub(crate) ranges: Vec<Range>,
    /// All nodes that have slots, or copies of them.
    pub(crate) nodes: Vec<Endpoint>,
}

/// Slots that lie together at one master.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Range {
    pub(crate) first: u16,
    pub(crate) last: u16,
    pub(crate) master: Endpoint,
}

/// The masters of a cluster as one of its nodes knows them.
pub(crate) async fn masters(wire: &mut Wire) -> Result<Vec<Endpoint>, Fault> {
    let layout = layout(wire).await?;
    let mut found: Vec<Endpoint> = layout
        .ranges
        .into_iter()
        .map(|range| range.master)
        .collect();
    found.sort();
    found.dedup();
    found.truncate(NODES_MAX);
    Ok(found)
}

/// The layout of a cluster as one of its nodes knows it.
pub(crate) async fn layout(wire: &mut Wire) -> Result<Layout, Fault> {
    let answer = wire.must(cmd("CLUSTER").arg("SLOTS")).await?;
    Layout::parse(&answer, &wire.endpoint().host)
        .ok_or_else(|| Fault::new("CLUSTER SLOTS has no list as its answer"))
}

/// The layout of a cluster as a node knows it that has to do with a majority of the masters.
///
/// One that is cut off from them goes on to know what was true before.
pub(crate) async fn valid_layout(wire: &mut Wire) -> Result<Layout, Fault> {
    let info = wire.must(cmd("CLUSTER").arg("INFO")).await?;
    let is_ok = text(&info).is_some_and(|info| info.contains("cluster_state:ok"));
    if !is_ok {
        let endpoint = wire.endpoint();
        return Err(Fault::new(format!("{endpoint}: the cluster is down")));
    }
    layout(wire).await
}

/// A server that cannot do what the settings want is of no use.
pub(crate) async fn must_publish(wire: &mut Wire, pub_sub: PubSub) -> Result<(), Fault> {
    if pub_sub == PubSub::Classic {
        return Ok(());
    }
    match wire.ask(cmd("PUBSUB").arg("SHARDNUMSUB")).await? {
        // Who may not ask may publish nevertheless.
        Err(refusal) if !refusal.is_locked_out() => Err(Fault::new(format!(
            "{}: sharded pub/sub needs Redis 7: {refusal}",
            wire.endpoint()
        ))),
        Ok(_) | Err(_) => Ok(()),
    }
}

impl Layout {
    /// Reads `CLUSTER SLOTS`: first, last, master, replicas….
    fn parse(answer: &Value, own_host: &str) -> Option<Self> {
        let Value::Array(parts) = answer else {
            return None;
        };
        let mut layout = Self {
            ranges: Vec::new(),
            nodes: Vec::new(),
        };
        for part in parts.iter().take(SLOTS.into()) {
            let Value::Array(part) = part else { continue };
            let [Value::Int(first), Value::Int(last), nodes @ ..] = part.as_slice() else {
                continue;
            };
            let nodes: Vec<Endpoint> = nodes
                .iter()
                .take(NODES_MAX)
                .filter_map(|at| node(at, own_host))
                .collect();
            if let (Ok(first), Ok(last), Some(master)) =
                (u16::try_from(*first), u16::try_from(*last), nodes.first())
            {
                let master = master.clone();
                layout.ranges.push(Range {
                    first,
                    last,
                    master,
                });
                layout.nodes.extend(nodes);
            }
        }
        layout.ranges.sort();
        layout.nodes.sort();
        layout.nodes.dedup();
        layout.nodes.truncate(NODES_MAX);
        Some(layout)
    }
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
            (_, true) => {
                must_publish(&mut wire, dialer.settings.pub_sub).await?;
                Ok(Place::Cluster(wire))
            }
            (_, false) => {
                must_be_master(&mut wire).await?;
                must_publish(&mut wire, dialer.settings.pub_sub).await?;
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
    let work = async {
        must_be_master(&mut wire).await?;
        must_publish(&mut wire, dialer.settings.pub_sub).await
    };
    within(&master, limit, work).await?;
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

/// As many nodes as Redis advises for a cluster at most.
const NODES_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_is_read_in_order_and_nonsense_is_passed_over() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let node = |host: &str, port| Value::Array(vec![text(host), Value::Int(port), text("id")]);
        let range = |first, last, nodes: Vec<Value>| {
            Value::Array([vec![Value::Int(first), Value::Int(last)], nodes].concat())
        };
        let answer = Value::Array(vec![
            range(9, 16_383, vec![node("b", 2)]),
            range(0, 8, vec![node("", 1), node("c", 3), node("b", 2)]),
            range(3, 70_000, vec![node("b", 2)]),
            range(7, 8, vec![]),
            Value::Nil,
        ]);
        let layout = Layout::parse(&answer, "own").unwrap();
        let (own, b, c) = (
            Endpoint::new("own", 1),
            Endpoint::new("b", 2),
            Endpoint::new("c", 3),
        );
        let range = |first, last, master: &Endpoint| Range {
            first,
            last,
            master: master.clone(),
        };
        assert_eq!(layout.ranges, [range(0, 8, &own), range(9, 16_383, &b)]);
        assert_eq!(layout.nodes, [b, c, own]);
        assert_eq!(Layout::parse(&Value::Nil, "own"), None);
    }
}
