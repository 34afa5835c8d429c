//! `grpc.health.v1.Health`, on the same health as `/health/ready`.

use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::sync::watch;
use tonic::{Request, Response, Status, async_trait};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus, health_server,
};

use super::service;
use crate::{
    http::health::{Health, Status as HealthStatus},
    shutdown::Phase,
};

/// Tells whether traffic is wanted.
///
/// Of our own making, because the one of tonic-health lets watchers hang on for ever, and with them the drain of the
/// listener: here a watch ends with `NOT_SERVING` when the node drains.
#[derive(Debug)]
pub(super) struct HealthService {
    health: Health,
}

impl HealthService {
    pub(super) fn new(health: Health) -> Self {
        Self { health }
    }
}

#[async_trait]
impl health_server::Health for HealthService {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let service = request.into_inner().service;
        if !is_known(&service) {
            return Err(Status::not_found("no such service"));
        }
        Ok(Response::new(response(serving(&self.health).await)))
    }

    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let statuses = if is_known(&request.into_inner().service) {
            watch(self.health.clone()).boxed()
        } else {
            // The protocol wants the stream to stay open: the service might appear. Ours are all there from the start.
            let draining = self.health.readiness().clone();
            stream::iter([ServingStatus::ServiceUnknown])
                .chain(
                    stream::once(async move { draining.draining().await })
                        .filter_map(async |()| None),
                )
                .boxed()
        };
        Ok(Response::new(
            statuses.map(|status| Ok(response(status))).boxed(),
        ))
    }
}

/// The status now and every change of it, up to the end of the node.
fn watch(health: Health) -> impl stream::Stream<Item = ServingStatus> + Send {
    let phases = health.readiness().subscribe();
    stream::unfold(Some((health, phases, None)), async |state| {
        let (health, mut phases, told) = state?;
        let status = next_status(&health, &mut phases, told).await;
        let last = *phases.borrow() == Phase::Draining;
        let state = (!last).then_some((health, phases, Some(status)));
        Some((status, state))
    })
}

/// The status, as soon as it is another than the one that was told.
async fn next_status(
    health: &Health,
    phases: &mut watch::Receiver<Phase>,
    told: Option<ServingStatus>,
) -> ServingStatus {
    loop {
        let status = serving(health).await;
        let draining = *phases.borrow_and_update() == Phase::Draining;
        if draining || Some(status) != told {
            return if draining {
                ServingStatus::NotServing
            } else {
                status
            };
        }
        tokio::select! {
            _ = phases.changed() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

async fn serving(health: &Health) -> ServingStatus {
    match health.status().await {
        HealthStatus::Healthy | HealthStatus::Degraded => ServingStatus::Serving,
        HealthStatus::Unhealthy => ServingStatus::NotServing,
    }
}

/// The whole server (an empty name) and the one service of it.
fn is_known(service: &str) -> bool {
    service.is_empty() || service == service::NAME
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status as i32,
    }
}

/// Time between two looks at the checks for somebody who watches: 5 s. A change of phase is told at once.
const LOOK_EVERY: Duration = Duration::from_secs(5);
