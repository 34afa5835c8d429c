//! A connection to a cluster.

mod node;

use std::{collections::BTreeMap, sync::Arc};

use futures_util::future::join_all;
use redis::{
    ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, RedisResult,
    cluster::ClusterClientBuilder,
    cluster_async,
    cluster_routing::{RoutingInfo, SingleNodeRoutingInfo},
    cmd,
};
use tokio::time::{sleep, timeout};

use crate::{
    Endpoint, Settings, locate, script,
    socket::{Dialer, Fault},
    state::{HEARTBEAT, SILENCE_MAX},
    wire::{Wire, text},
};

pub(super) use node::Entered;

/// Connections to the nodes of a cluster, and which of them a command is for.
pub(super) type ClusterConnection = cluster_async::ClusterConnection<node::Node>;

/// Connects to all masters; `known` becomes what they are.
///
/// For as long as the second of what it gives lives, more connections are made when they are wanted.
pub(super) async fn connect(
    dialer: &Arc<Dialer>,
    mut wire: Wire,
    known: &mut Vec<Endpoint>,
) -> Result<(ClusterConnection, Entered), Fault> {
    let settings = &dialer.settings;
    let limit = settings.connect_timeout;
    let masters = timeout(limit, locate::masters(&mut wire))
        .await
        .unwrap_or_else(|_| Err(Fault::new(format!("{}: silent", wire.endpoint()))))?;
    *known = masters;
    let nodes = std::iter::once(wire.endpoint())
        .chain(known.iter())
        .map(info)
        .collect::<Result<Vec<_>, _>>()?;
    let entered = Entered::new(dialer);
    let client = builder(settings, nodes)
        .username(entered.user())
        .build()
        .map_err(|error| Fault::new(format!("the cluster: {error}")))?;
    // Nodes are connected to side by side, but one that is gone is waited for. That the connections may be of a type of
    // one's own is left out of the library's documentation, and not of its interface.
    let connection = timeout(limit * 2, client.get_async_generic_connection())
        .await
        .map_err(|_| Fault::new("the cluster: no connection in time"))?
        .map_err(|error| Fault::new(format!("the cluster: {error}")))?;
    let loading = load(connection.clone(), script::load_all());
    if !matches!(timeout(limit, loading).await, Ok(Ok(()))) {
        tracing::debug!("scripts could not be loaded everywhere; they are when they are wanted");
    }
    Ok((connection, entered))
}

/// Loads scripts, on every master.
pub(super) async fn load(
    mut connection: ClusterConnection,
    loads: Vec<crate::Cmd>,
) -> RedisResult<()> {
    for load in loads {
        load.to_library().exec_async(&mut connection).await?;
    }
    Ok(())
}

/// Watches the masters until none of them answers.
///
/// `renewed` is called when one of them was replaced or restarted: what was written may be gone.
pub(super) async fn hold(
    connection: ClusterConnection,
    known: &mut Vec<Endpoint>,
    mut renewed: impl FnMut(),
) -> Fault {
    let mut masters = Masters::default();
    let mut is_first = true;
    loop {
        // Side by side: a cluster that stalls is found as fast as a server that does.
        let looking = timeout(SILENCE_MAX, look(&connection));
        let (looked, is_there) = tokio::join!(looking, any_answers(&connection, known));
        match looked {
            Ok(Some(seen)) => {
                *known = seen
                    .masters
                    .iter()
                    .map(|node| node.endpoint.clone())
                    .collect();
                if masters.renew(seen) && !is_first {
                    tracing::warn!("a master of the cluster was replaced or restarted");
                    renewed();
                }
                is_first = false;
            }
            Ok(None) | Err(_) if !is_there => {
                return Fault::new("no master of the cluster answers");
            }
            Ok(None) | Err(_) => {}
        }
        sleep(HEARTBEAT).await;
    }
}

/// The masters that own slots, by their ids, and which run of the server each was when it last said so.
#[derive(Debug, Default)]
struct Masters {
    runs: BTreeMap<String, Option<String>>,
}

/// A cluster as one of its nodes sees it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Seen {
    masters: Vec<Master>,
    replicas: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Master {
    id: String,
    endpoint: Endpoint,
    /// None: it did not say.
    run: Option<String>,
}

impl Masters {
    /// Whether a master is there that was none before, or is another run than before.
    ///
    /// A master that is gone is no news: its slots are, when another has them.
    fn renew(&mut self, seen: Seen) -> bool {
        for replica in seen.replicas {
            self.runs.remove(&replica);
        }
        let mut is_renewed = false;
        for master in seen.masters {
            let before = self.runs.get(&master.id);
            is_renewed |= match (before, &master.run) {
                (None, _) => true,
                (Some(Some(before)), Some(now)) => before != now,
                (Some(None), _) | (_, None) => false,
            };
            let run = master.run.or_else(|| before.cloned().flatten());
            self.runs.insert(master.id, run);
        }
        is_renewed
    }
}

impl Seen {
    /// Reads `CLUSTER NODES`: id, address, flags, master, ping, pong, epoch, link, slots….
    fn parse(nodes: &str) -> Self {
        let mut seen = Self::default();
        for line in nodes.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let [id, address, flags, _, _, _, _, _, slots @ ..] = words.as_slice() else {
                continue;
            };
            let is = |wanted: &str| flags.split(',').any(|flag| flag == wanted);
            if is("slave") {
                seen.replicas.push((*id).to_owned());
            }
            // Slots in brackets are on their way.
            let has_slots = slots.iter().any(|slot| !slot.starts_with('['));
            if let Some(endpoint) = endpoint(address.split('@').next().unwrap_or_default())
                && is("master")
                && has_slots
                && !is("fail")
            {
                seen.masters.push(Master {
                    id: (*id).to_owned(),
                    endpoint,
                    run: None,
                });
            }
        }
        seen
    }
}

/// Asks one master about the cluster, and then each for its run.
async fn look(connection: &ClusterConnection) -> Option<Seen> {
    let mut nodes = cmd("CLUSTER");
    nodes.arg("NODES");
    let any = RoutingInfo::SingleNode(SingleNodeRoutingInfo::RandomPrimary);
    let answer = connection.clone().route_command(nodes, any).await.ok()?;
    let mut seen = Seen::parse(&text(&answer)?);
    let asked = seen
        .masters
        .iter()
        .map(|master| run(connection, &master.endpoint));
    let runs = join_all(asked).await;
    for (master, run) in seen.masters.iter_mut().zip(runs) {
        master.run = run;
    }
    (!seen.masters.is_empty()).then_some(seen)
}

/// Which run of a server a node is.
async fn run(connection: &ClusterConnection, node: &Endpoint) -> Option<String> {
    let mut info = cmd("INFO");
    info.arg("server");
    let mut connection = connection.clone();
    let asked = connection.route_command(info, by_address(node));
    // A node that stalls is not to hide what the others say.
    let answer = timeout(SILENCE_MAX / 2, asked).await.ok()?.ok()?;
    let info = text(&answer)?;
    let run = info.lines().find_map(|line| line.strip_prefix("run_id:"))?;
    Some(run.to_owned())
}

fn by_address(node: &Endpoint) -> RoutingInfo {
    RoutingInfo::SingleNode(SingleNodeRoutingInfo::ByAddress {
        host: node.host.clone(),
        port: node.port,
    })
}

/// Whether any master answers at all.
async fn any_answers(connection: &ClusterConnection, known: &[Endpoint]) -> bool {
    let asked = known.iter().map(|node| async {
        let mut connection = connection.clone();
        let answer = timeout(
            SILENCE_MAX,
            connection.route_command(cmd("PING"), by_address(node)),
        )
        .await;
        matches!(answer, Ok(Ok(_)))
    });
    join_all(asked).await.contains(&true)
}

fn builder(settings: &Settings, nodes: Vec<ConnectionInfo>) -> ClusterClientBuilder {
    ClusterClientBuilder::new(nodes)
        .connection_timeout(settings.connect_timeout)
        .response_timeout(settings.command_timeout)
        .overall_response_timeout(Some(settings.command_timeout))
        // Redirections and short pauses while slots move; the time-out of the command ends it.
        .retries(RETRIES)
        .min_retry_wait(RETRY_MS_MIN)
        .max_retry_wait(RETRY_MS_MAX)
}

/// A node as the library is to know it: without TLS and credentials, which are the dialer's.
fn info(node: &Endpoint) -> Result<ConnectionInfo, Fault> {
    ConnectionAddr::Tcp(node.host.clone(), node.port)
        .into_connection_info()
        .map_err(|error| Fault::new(format!("{node}: {error}")))
}

/// A node as the client library names it: `host:port`, IPv6 without brackets.
fn endpoint(node: &str) -> Option<Endpoint> {
    let (host, port) = node.rsplit_once(':').filter(|(host, _)| !host.is_empty())?;
    Some(Endpoint::new(host, port.parse().ok()?))
}

const RETRIES: u32 = 16;
const RETRY_MS_MIN: u64 = 10;
const RETRY_MS_MAX: u64 = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_masters_and_new_runs_are_seen_and_lost_ones_are_not() {
        let seen = |text: &str| {
            let mut seen = Seen::default();
            for word in text.split(' ') {
                match word.split_once('=') {
                    None => seen.replicas.push(word.to_owned()),
                    Some((id, run)) => seen.masters.push(Master {
                        id: id.to_owned(),
                        endpoint: Endpoint::new(id, 1),
                        run: (!run.is_empty()).then(|| run.to_owned()),
                    }),
                }
            }
            seen
        };
        let mut masters = Masters::default();
        let mut check = |text: &str, wanted: bool| {
            assert_eq!(masters.renew(seen(text)), wanted, "{text}");
        };
        check("a=1 b=2", true);
        check("a=1 b=2", false);
        check("a=1", false);
        check("a=1 b=", false);
        check("a=1 b=3", true);
        check("a=1 c=", true);
        check("a=1 c=4", false);
        check("b c=4", false);
        check("b=3 c=4", true);
    }

    #[test]
    fn what_a_node_says_of_the_cluster() {
        let seen = Seen::parse(
            "aa 127.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-5460 [5461->-bb]\n\
             bb 127.0.0.1:7001@17001,host master - 0 0 2 connected 5461-10922\n\
             cc 127.0.0.1:7002@17002 slave aa 0 0 1 connected\n\
             dd 127.0.0.1:7003@17003 master,fail - 0 0 3 disconnected 10923-16383\n\
             ee 127.0.0.1:7004@17004 master - 0 0 0 connected\n\
             ff :0@0 master,noaddr - 0 0 0 disconnected 1\nnonsense\n",
        );
        let ids: Vec<_> = seen.masters.iter().map(|master| &*master.id).collect();
        assert_eq!(ids, ["aa", "bb"]);
        assert_eq!(seen.masters[1].endpoint, Endpoint::new("127.0.0.1", 7001));
        assert_eq!(seen.replicas, ["cc"]);
    }

    #[test]
    fn nodes_are_read_as_the_library_names_them() {
        assert_eq!(endpoint("h:1"), Some(Endpoint::new("h", 1)));
        assert_eq!(endpoint("::1:6379"), Some(Endpoint::new("::1", 6379)));
        assert_eq!(endpoint("h"), None);
    }
}
