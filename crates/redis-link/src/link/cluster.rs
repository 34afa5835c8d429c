//! A connection to a cluster.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use redis::{
    ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, TlsCertificates, Value,
    cluster::ClusterClientBuilder,
    cluster_async::ClusterConnection,
    cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo, SingleNodeRoutingInfo},
    cmd,
    io::tcp::TcpSettings,
};
use tokio::time::{sleep, timeout};

use super::{Connection, load};
use crate::{
    Endpoint, Settings, locate, script,
    socket::{Dialer, Fault},
    state::{HEARTBEAT, SILENCE_MAX},
    wire::{Wire, text},
};

/// Connects to all masters; `known` becomes what they are.
pub(super) async fn connect(
    dialer: &Dialer,
    mut wire: Wire,
    known: &mut Vec<Endpoint>,
) -> Result<ClusterConnection, Fault> {
    let settings = &dialer.settings;
    let limit = settings.connect_timeout;
    let masters = timeout(limit, locate::masters(&mut wire))
        .await
        .unwrap_or_else(|_| Err(Fault::new(format!("{}: silent", wire.endpoint()))))?;
    *known = masters;
    let nodes = std::iter::once(wire.endpoint())
        .chain(known.iter())
        .map(|node| info(settings, node))
        .collect::<Result<Vec<_>, _>>()?;
    let client = builder(settings, nodes)
        .build()
        .map_err(|error| Fault::new(format!("the cluster: {error}")))?;
    // Nodes are connected to side by side, but one that is gone is waited for.
    let connection = timeout(limit * 2, client.get_async_connection())
        .await
        .map_err(|_| Fault::new("the cluster: no connection in time"))?
        .map_err(|error| Fault::new(format!("the cluster: {error}")))?;
    let loading = load(Connection::Cluster(connection.clone()), script::load_all());
    if !matches!(timeout(limit, loading).await, Ok(Ok(()))) {
        tracing::debug!("scripts could not be loaded everywhere; they are when they are wanted");
    }
    Ok(connection)
}

/// Watches the masters until none of them answers.
///
/// `renewed` is called when one of them was replaced or restarted: what was written may be gone.
pub(super) async fn hold(
    mut connection: ClusterConnection,
    known: &mut Vec<Endpoint>,
    mut renewed: impl FnMut(),
) -> Fault {
    let mut last: Option<BTreeMap<String, String>> = None;
    loop {
        match timeout(SILENCE_MAX, runs(&mut connection)).await {
            Ok(Some(found)) => {
                *known = found.keys().filter_map(|node| endpoint(node)).collect();
                if last.as_ref().is_some_and(|last| is_renewed(last, &found)) {
                    tracing::warn!("a master of the cluster was replaced or restarted");
                    renewed();
                }
                last = Some(found);
            }
            Ok(None) | Err(_) => {
                if !any_answers(&connection, known).await {
                    return Fault::new("no master of the cluster answers");
                }
            }
        }
        sleep(HEARTBEAT).await;
    }
}

/// Whether any run of a server is there that was not there before.
fn is_renewed(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> bool {
    now.iter().any(|(node, run)| before.get(node) != Some(run))
}

/// Which run of a server each master is.
async fn runs(connection: &mut ClusterConnection) -> Option<BTreeMap<String, String>> {
    let mut info = cmd("INFO");
    info.arg("server");
    let everywhere = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
    let Ok(Value::Map(answers)) = connection.route_command(info, everywhere).await else {
        return None;
    };
    answers
        .iter()
        .map(|(node, info)| {
            let info = text(info)?;
            let run = info.lines().find_map(|line| line.strip_prefix("run_id:"))?;
            Some((text(node)?, run.to_owned()))
        })
        .collect()
}

/// Whether any master answers at all.
async fn any_answers(connection: &ClusterConnection, known: &[Endpoint]) -> bool {
    let asked = known.iter().map(|node| async {
        let one = RoutingInfo::SingleNode(SingleNodeRoutingInfo::ByAddress {
            host: node.host.clone(),
            port: node.port,
        });
        let mut connection = connection.clone();
        let answer = timeout(SILENCE_MAX, connection.route_command(cmd("PING"), one)).await;
        matches!(answer, Ok(Ok(_)))
    });
    join_all(asked).await.contains(&true)
}

fn builder(settings: &Settings, nodes: Vec<ConnectionInfo>) -> ClusterClientBuilder {
    let mut tcp = TcpSettings::default().set_nodelay(true);
    if !settings.keep_alive.is_zero() {
        let keep_alive = socket2::TcpKeepalive::new().with_time(settings.keep_alive);
        tcp = tcp.set_keepalive(keep_alive);
    }
    let mut builder = ClusterClientBuilder::new(nodes)
        .connection_timeout(settings.connect_timeout)
        .response_timeout(settings.command_timeout)
        .overall_response_timeout(Some(settings.command_timeout))
        // Redirections and short pauses while slots move; the time-out of the command ends it.
        .retries(RETRIES)
        .min_retry_wait(RETRY_MS_MIN)
        .max_retry_wait(RETRY_MS_MAX)
        .tcp_settings(tcp);
    if let Some(user) = &settings.user {
        builder = builder.username(user);
    }
    if let Some(password) = &settings.password {
        builder = builder.password(password.reveal());
    }
    if let Some(tls) = &settings.tls {
        // The library takes its cryptography from the process; whoever was first has chosen the same.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        builder = builder.certs(TlsCertificates {
            client_tls: None,
            root_cert: tls.authorities.clone(),
        });
    }
    builder
}

fn info(settings: &Settings, node: &Endpoint) -> Result<ConnectionInfo, Fault> {
    let address = match settings.tls {
        None => ConnectionAddr::Tcp(node.host.clone(), node.port),
        Some(_) => ConnectionAddr::TcpTls {
            host: node.host.clone(),
            port: node.port,
            insecure: false,
            tls_params: None,
        },
    };
    address
        .into_connection_info()
        .map_err(|error| Fault::new(format!("{node}: {error}")))
}

/// A node as the client library names it: `host:port`, IPv6 without brackets.
fn endpoint(node: &str) -> Option<Endpoint> {
    let (host, port) = node.rsplit_once(':')?;
    Some(Endpoint::new(host, port.parse().ok()?))
}

const RETRIES: u32 = 16;
const RETRY_MS_MIN: u64 = 10;
const RETRY_MS_MAX: u64 = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_runs_are_seen_and_lost_nodes_are_not() {
        let runs = |text: &str| -> BTreeMap<String, String> {
            text.split(' ')
                .filter_map(|pair| pair.split_once('='))
                .map(|(node, run)| (node.to_owned(), run.to_owned()))
                .collect()
        };
        let before = runs("a=1 b=2 c=3");
        assert!(!is_renewed(&before, &before));
        assert!(!is_renewed(&before, &runs("a=1 c=3")));
        assert!(is_renewed(&before, &runs("a=1 b=4 c=3")));
        assert!(is_renewed(&before, &runs("a=1 d=5 c=3")));
    }

    #[test]
    fn nodes_are_read_as_the_library_names_them() {
        assert_eq!(endpoint("h:1"), Some(Endpoint::new("h", 1)));
        assert_eq!(endpoint("::1:6379"), Some(Endpoint::new("::1", 6379)));
        assert_eq!(endpoint("h"), None);
    }
}
