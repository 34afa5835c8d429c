//! The gRPC edge: statuses of many users at once, for back ends.
//!
//! [`handler`] answers everything on the gRPC listeners: `presenceapi.PresenceAPI` with a token, and without one the
//! standard health service and reflection, which tools expect to work before they have one.

mod codec;
mod gate;
mod health;
mod service;

use std::num::NonZeroUsize;
use std::sync::Arc;

use tonic::body::Body;
use tonic::service::Routes;
use tonic_health::pb::health_server::HealthServer;

use crate::http::health::Health;
use crate::listen::Handler;

pub use gate::Gate;
pub use service::StatusReader;

use health::HealthService;
use service::PresenceService;

/// The messages and the client, compiled from `proto/presence.proto`.
#[allow(
    missing_docs,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::doc_markdown,
    clippy::unwrap_used,
    clippy::use_self,
    clippy::uninlined_format_args,
    clippy::str_to_string,
    clippy::missing_const_for_fn,
    clippy::or_fun_call,
    clippy::too_many_lines,
    reason = "generated code"
)]
pub mod pb {
    tonic::include_proto!("presenceapi");
}

/// The compiled contract, for reflection.
const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/presence.bin"));

/// Everything that the gRPC listeners answer. Paths without a service answer UNIMPLEMENTED.
///
/// A call asks for `users_max` users at most (`Presence:MaxUsersPerRequest`); `gate` lets calls of the presence
/// service in, or not.
pub fn handler<R, G>(reader: R, users_max: NonZeroUsize, gate: G, health: Health) -> Handler
where
    R: StatusReader,
    G: Gate,
{
    let presence = Arc::new(PresenceService::new(reader, users_max, gate));
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let compiled = "the descriptors were compiled with this program";
    let tools = Routes::new(HealthServer::new(HealthService::new(health)))
        .add_service(reflection().build_v1().expect(compiled))
        .add_service(reflection().build_v1alpha().expect(compiled))
        .prepare()
        .into_axum_router();
    let tools = Handler::from(tools);
    Handler::new(move |request| {
        if service::owns(request.uri().path()) {
            let presence = Arc::clone(&presence);
            Box::pin(presence.handle(request.map(Body::new)))
        } else {
            tools.answer(request)
        }
    })
}

#[cfg(test)]
mod tests;
