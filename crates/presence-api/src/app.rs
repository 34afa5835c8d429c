//! Puts the service together; nothing else constructs its parts.

use std::num::NonZeroUsize;
use std::sync::Arc;

use anyhow::Context as _;
use axum::{Router, middleware};
use identity::{AuthSettings, Authenticator};
use jiff::Timestamp;
use presence::{Condition, Status};
use signalr::{Hub, HubEndpoint, HubOptions};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::auth::{self, Gatekeeper};
use crate::config::{Issuer, Scheme, Settings};
use crate::grpc::{self, StatusReader};
use crate::http::cors::AllowedOrigins;
use crate::http::health::{Check, Health, Verdict};
use crate::http::{self, Edge, metrics::Metrics};
use crate::hub;
use crate::listen::{Endpoint, Limits, Listening, Protocol, Services};
use crate::shutdown::{self, Outcome, Plan, Readiness, Signals};
use crate::store::Tracker;
use crate::tls::{CertificateFiles, ReloadingCertificate};
use crate::{dev, figures};

mod options;
mod presence_hub;

/// The service, ready to be run.
///
/// ```no_run
/// # async fn example(settings: presence_api::config::Settings) -> anyhow::Result<()> {
/// use presence_api::{app::App, shutdown::Signals};
///
/// App::new(settings).run(Signals::catch()?).await?;
/// # Ok(())
/// # }
/// ```
pub struct App {
    settings: Settings,
    hubs: Vec<EmbeddedHub>,
}

/// One more hub, of a program that embeds the service.
struct EmbeddedHub {
    path: String,
    /// The name that it has on a backplane.
    name: String,
    build: BuildHub,
}

type BuildHub =
    Box<dyn FnOnce(HubOptions, AllowedOrigins, presence_hub::Reach) -> HubEndpoint + Send>;

impl App {
    /// The service with these settings.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            hubs: Vec::new(),
        }
    }

    /// Adds a hub of the embedding program.
    ///
    /// `name` is what other servers know it by: for a hub of ASP.NET Core the full name of its type. It has the options
    /// of the presence hub, and reaches clients of other nodes as that does. Whoever has a good token is known to it by
    /// name; others may come, too: the hub decides whom it lets do what.
    #[must_use]
    pub fn hub<H: Hub>(mut self, path: &str, name: &str, hub: H) -> Self {
        let build = |options, origins, reach: presence_hub::Reach| {
            endpoint(hub, options, origins)
                .lifetime(reach.lifetime)
                .metrics(reach.metrics)
                .build()
        };
        self.hubs.push(EmbeddedHub {
            path: path.to_owned(),
            name: name.to_owned(),
            build: Box::new(build),
        });
        self
    }

    /// Serves until a signal comes, and then ends in order.
    ///
    /// # Errors
    /// Whatever keeps the service from starting: certificates, addresses, settings of the issuer.
    pub async fn run(self, signals: Signals) -> anyhow::Result<Outcome> {
        let settings = self.settings;
        let mut background = JoinSet::new();
        let metrics = Metrics::new();
        let listening = bind(&settings, &metrics, &mut background)?;

        let readiness = Readiness::new();
        let origins = AllowedOrigins::new(&settings.cors.allowed_origins);
        let options = options::of(&settings.signalr);
        let presence = presence_hub::build(&settings, options.clone(), origins.clone());
        presence.register(&metrics);
        let (hub, tracker) = (presence.hub, presence.tracker);
        background.spawn(presence.healing);
        let issuer = dev_issuer(&settings, &listening);
        let authenticator = authenticator(&settings, issuer.as_ref())?;
        background.spawn(Arc::clone(&authenticator).keep_keys_fresh());
        let refusals = Arc::new(figures::Refusals::new());
        let gatekeeper = Gatekeeper::new(authenticator, refusals.recorder());
        figures::register(&metrics, &hub, &tracker, &refusals);
        let health = Health::new(readiness.clone(), checks(&hub, &tracker, &listening));
        let users_max = NonZeroUsize::new(settings.presence.max_users_per_request)
            .context("Presence:MaxUsersPerRequest must not be 0")?;

        let mut hubs = Hubs::new(&hub, &gatekeeper);
        for embedded in self.hubs {
            let reach = presence_hub::Reach::of_hub(&embedded.name, &settings.presence.store);
            let endpoint = (embedded.build)(options.clone(), origins.clone(), reach);
            hubs.add(&embedded.path, endpoint, &gatekeeper);
        }
        let routes = hubs
            .routes
            .merge(health.router())
            .merge(metrics.router())
            .merge(match &issuer {
                Some(issuer) => dev::router(issuer),
                None => http::pages::router(),
            });
        let https_port = settings.http.https_port;
        let edge = Edge {
            origins,
            https_port: https_port.or_else(|| listening.https_port()),
            requests: figures::requests(&metrics),
        };
        let services = Services {
            web: http::paths::ignoring_case(http::assemble(routes, edge), hubs.paths),
            grpc: grpc::handler(Reader(tracker.clone()), users_max, gatekeeper, health),
        };
        let outcome = serve(
            listening,
            &services,
            &hubs.endpoints,
            readiness,
            &settings,
            signals,
        )
        .await;
        tracker.close().await;
        background.shutdown().await;
        Ok(outcome)
    }
}

/// Serves until a signal comes, and then ends in order.
async fn serve(
    listening: Listening,
    services: &Services,
    hubs: &[HubEndpoint],
    readiness: Readiness,
    settings: &Settings,
    mut signals: Signals,
) -> Outcome {
    let stop_accepting = CancellationToken::new();
    let serving = listening.serve(services, &stop_accepting);
    readiness.ready();
    tracing::info!(
        environment = settings.environment.as_str(),
        "Application started. Press Ctrl+C to shut down."
    );
    let signal = signals.next().await;
    tracing::info!(signal, "Application is shutting down...");
    let outcome = shutdown::run(Plan {
        readiness,
        delay: std::time::Duration::ZERO,
        timeout: settings.shutdown.timeout,
        stop_accepting,
        close_hub: async {
            futures_util::future::join_all(hubs.iter().map(HubEndpoint::shut_down)).await;
        },
        drained: serving.drained(),
        at_once: async {
            signals.next().await;
        },
    })
    .await;
    serving.abort();
    outcome
}

/// The hubs and where they are mounted.
struct Hubs {
    routes: Router,
    endpoints: Vec<HubEndpoint>,
    /// In lower case.
    paths: Vec<String>,
}

impl Hubs {
    /// The presence hub, which lets nobody in without a token.
    fn new(presence: &HubEndpoint, gatekeeper: &Gatekeeper) -> Self {
        let required = middleware::from_fn_with_state(gatekeeper.clone(), auth::authenticate);
        Self {
            routes: presence.router(hub::PATH).layer(required),
            endpoints: vec![presence.clone()],
            paths: vec![hub::PATH.to_owned()],
        }
    }

    /// A hub of the embedding program, which lets anybody in.
    fn add(&mut self, path: &str, endpoint: HubEndpoint, gatekeeper: &Gatekeeper) {
        let path = path.to_ascii_lowercase();
        let optional = middleware::from_fn_with_state(gatekeeper.clone(), auth::identify);
        let routes = endpoint.router(&path).layer(optional);
        self.routes = std::mem::take(&mut self.routes).merge(routes);
        self.endpoints.push(endpoint);
        self.paths.push(path);
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

fn endpoint<H: Hub>(
    hub: H,
    options: HubOptions,
    origins: AllowedOrigins,
) -> signalr::endpoint::Builder<H> {
    HubEndpoint::builder(hub)
        .options(options)
        .caller(hub::caller)
        .allow_origin(move |parts| origins.permits_upgrade(&parts.uri, &parts.headers))
}

/// Loads the certificates and binds all addresses.
fn bind(
    settings: &Settings,
    metrics: &Metrics,
    background: &mut JoinSet<()>,
) -> anyhow::Result<Listening> {
    let mut endpoints = Vec::new();
    let mut certificates = Vec::new();
    for listener in &settings.http.listeners {
        let protocol = match listener.protocol {
            crate::config::Protocol::Http1AndHttp2 => Protocol::Http1AndHttp2,
            crate::config::Protocol::Http2 => Protocol::Http2,
        };
        let tls = match &listener.scheme {
            Scheme::Http => None,
            Scheme::Https(certificate) => {
                let files = CertificateFiles {
                    certificate: certificate.path.clone(),
                    key: certificate.key_path.clone(),
                    password: certificate.password.as_ref().map(|p| p.expose().to_owned()),
                };
                let certificate = ReloadingCertificate::load(files, Timestamp::now())
                    .with_context(|| format!("certificate for {listener}"))?;
                background.spawn(Arc::clone(&certificate).follow());
                let config = certificate.server_config(protocol);
                certificates.push(certificate);
                Some(config)
            }
        };
        endpoints.push(Endpoint {
            addresses: listener.addresses.clone(),
            protocol,
            tls,
        });
    }
    figures::register_certificates(metrics, certificates);
    let listening = Listening::bind(endpoints)?.with_limits(Limits {
        keep_alive: settings.http.limits.keep_alive_timeout,
        first_request: settings.http.limits.request_headers_timeout,
        streams_max: settings.http.limits.max_streams_per_connection,
        socket_send_buffer: settings.http.limits.max_response_buffer_size,
        extended_connect: settings.signalr.web_sockets_over_http2,
        ..Limits::default()
    })?;
    figures::register_listeners(metrics, &listening.counters());
    Ok(listening)
}

/// The issuer of `dev`, which is found at the service's own address.
fn dev_issuer(settings: &Settings, listening: &Listening) -> Option<dev::issuer::Issuer> {
    if settings.api_auth.issuer != Issuer::BuiltIn {
        return None;
    }
    let web = listening
        .addresses()
        .into_iter()
        .find(|address| address.protocol == Protocol::Http1AndHttp2)?;
    let issuer = dev::issuer::Issuer::for_service(
        &format!("http://{}", web.socket),
        &settings.api_auth.audience,
        &settings.api_auth.scope,
    );
    tracing::warn!(
        "development only: anybody gets a token here, presence is kept in memory, and only this machine is answered"
    );
    Some(issuer)
}

fn authenticator(
    settings: &Settings,
    issuer: Option<&dev::issuer::Issuer>,
) -> anyhow::Result<Arc<Authenticator>> {
    let auth = &settings.api_auth;
    let (authority, valid_issuer, require_https_metadata) = match (&auth.issuer, issuer) {
        (
            Issuer::External {
                authority,
                valid_issuer,
                require_https_metadata,
            },
            _,
        ) => (
            authority.clone(),
            Some(valid_issuer.clone()),
            *require_https_metadata,
        ),
        (Issuer::BuiltIn, Some(issuer)) => (issuer.url().to_owned(), None, false),
        (Issuer::BuiltIn, None) => anyhow::bail!("there is no web address for the built-in issuer"),
    };
    let settings = AuthSettings {
        valid_issuer,
        require_https_metadata,
        clock_skew: auth.clock_skew,
        ..AuthSettings::new(authority, &auth.audience, &auth.scope)
    };
    Ok(Arc::new(Authenticator::new(settings)?))
}

fn checks(hub: &HubEndpoint, tracker: &Tracker, listening: &Listening) -> Vec<Check> {
    let counters = listening.counters();
    let hub = hub.clone();
    let tracker = tracker.clone();
    vec![
        Check::new("store", move || {
            std::future::ready(match tracker.condition() {
                Condition::Sound => Verdict::Healthy,
                // Users of this node are served: sending everybody elsewhere would help nobody.
                Condition::Degraded(reason) => Verdict::Degraded(reason),
                Condition::Starting(reason) => Verdict::Unhealthy(reason),
            })
        }),
        Check::new("hub", move || {
            let verdict = if hub.is_running() {
                Verdict::Healthy
            } else {
                Verdict::Unhealthy("the hub is closing its connections".to_owned())
            };
            std::future::ready(verdict)
        }),
        Check::new("grpc", move || {
            let verdict = if counters.listeners(Protocol::Http2) > 0 {
                Verdict::Healthy
            } else {
                Verdict::Unhealthy("nothing listens for gRPC".to_owned())
            };
            std::future::ready(verdict)
        }),
    ]
}

/// Answers gRPC from the tracker.
struct Reader(Tracker);

impl StatusReader for Reader {
    async fn statuses(&self, users: &[&str]) -> Result<Vec<Status>, tonic::Status> {
        self.0
            .statuses(users)
            .await
            .map_err(|error| tonic::Status::unavailable(error.to_string()))
    }

    fn is_degraded(&self) -> bool {
        self.0.condition() != Condition::Sound
    }
}
