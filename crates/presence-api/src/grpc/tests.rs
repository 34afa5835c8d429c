use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use axum::body::Body;
use futures_util::{StreamExt as _, future, stream};
use http::{HeaderMap, Uri, header};
use http_body_util::BodyExt as _;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use presence::Status as UserStatus;
use tonic::{Code, Request, Status};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::{
    v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    },
    v1alpha,
};

use super::{
    pb::{GetUsersStatusRequest, presence_api_client::PresenceApiClient},
    *,
};
use crate::{
    http::health::{Check, Verdict},
    listen::testing::{Running, connect, http2, run_grpc},
    shutdown::Readiness,
};

/// A store in which `anna` is online, and which counts how often it is asked.
#[derive(Clone, Default)]
struct Anna {
    reads: Arc<AtomicU64>,
    away: bool,
    degraded: bool,
}

impl StatusReader for Anna {
    async fn statuses(&self, users: &[&str]) -> Result<Vec<UserStatus>, Status> {
        self.reads.fetch_add(1, Relaxed);
        if self.away {
            return Err(Status::unavailable("the store is away"));
        }
        let status = |user: &&str| match *user {
            "anna" => UserStatus::Online,
            _ => UserStatus::Offline,
        };
        Ok(users.iter().map(status).collect())
    }

    fn is_degraded(&self) -> bool {
        self.degraded
    }
}

/// Lets `Bearer good` in.
struct Good;

impl Gate for Good {
    async fn admit(&self, headers: &HeaderMap) -> Result<(), Status> {
        match headers.get(header::AUTHORIZATION) {
            Some(token) if token == "Bearer good" => Ok(()),
            Some(_) => Err(Status::permission_denied(
                "the token does not grant the scope",
            )),
            None => Err(Status::unauthenticated("a bearer token is required")),
        }
    }
}

struct Service {
    running: Running,
    readiness: Readiness,
}

type Http2 = Client<HttpConnector, tonic::body::Body>;

impl Service {
    fn start(reader: Anna) -> Self {
        Self::with_checks(reader, Vec::new())
    }

    fn with_checks(reader: Anna, checks: Vec<Check>) -> Self {
        let readiness = Readiness::new();
        let health = Health::new(readiness.clone(), checks);
        let handler = handler(reader, NonZeroUsize::new(1000).unwrap(), Good, health);
        Self {
            running: run_grpc(handler),
            readiness,
        }
    }

    fn client(&self) -> (Http2, Uri) {
        let client = Client::builder(TokioExecutor::new())
            .http2_only(true)
            .build_http();
        (
            client,
            format!("http://{}", self.running.address).parse().unwrap(),
        )
    }

    async fn ask(
        &self,
        token: Option<&str>,
        users: &[&str],
    ) -> Result<Vec<(String, String)>, Status> {
        let mut request = Request::new(GetUsersStatusRequest {
            user_ids: users.iter().map(|&id| id.to_owned()).collect(),
        });
        if let Some(token) = token {
            request
                .metadata_mut()
                .insert("authorization", token.parse().unwrap());
        }
        let (client, origin) = self.client();
        let response = PresenceApiClient::with_origin(client, origin)
            .get_users_status(request)
            .await?;
        let users = response.into_inner().users.into_iter();
        Ok(users.map(|user| (user.user_id, user.status)).collect())
    }

    /// The gRPC status that a request is answered with, whatever it is.
    async fn code(
        &self,
        path: &str,
        token: Option<&'static str>,
        body: &[u8],
    ) -> http::HeaderValue {
        let mut client = http2(connect(self.running.address).await).await;
        let mut request = http::Request::post(format!("http://localhost{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        if let Some(token) = token {
            request = request.header("authorization", token);
        }
        let request = request.body(Body::from(body.to_vec())).unwrap();
        let response = client.send_request(request).await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        let in_headers = response.headers().get("grpc-status").cloned();
        let body = response.into_body().collect().await.unwrap();
        let code = in_headers.or_else(|| body.trailers()?.get("grpc-status").cloned());
        code.expect("a gRPC status")
    }

    async fn refusal(&self, token: Option<&str>, users: &[&str]) -> (Code, String) {
        let status = self.ask(token, users).await.unwrap_err();
        (status.code(), status.message().to_owned())
    }

    fn health(&self) -> HealthClient<Http2> {
        let (client, origin) = self.client();
        HealthClient::with_origin(client, origin)
    }
}

fn about(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.to_owned(),
    }
}

const GOOD: Option<&str> = Some("Bearer good");

#[tokio::test]
async fn statuses_come_in_the_order_asked_with_one_read() {
    let anna = Anna::default();
    let service = Service::start(anna.clone());
    let users = service
        .ask(GOOD, &["bert", "anna", "bert", "anna", "ü {}:"])
        .await
        .unwrap();
    let expected = [
        ("bert", "offline"),
        ("anna", "online"),
        ("bert", "offline"),
        ("anna", "online"),
        ("ü {}:", "offline"),
    ];
    assert_eq!(
        users,
        expected.map(|(id, status)| (id.to_owned(), status.to_owned()))
    );
    assert_eq!(anna.reads.load(Relaxed), 1);
}

#[tokio::test]
async fn asking_for_nobody_is_answered_with_nobody() {
    let anna = Anna::default();
    assert_eq!(
        Service::start(anna.clone()).ask(GOOD, &[]).await.unwrap(),
        []
    );
    assert_eq!(anna.reads.load(Relaxed), 0);
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_with_the_field() {
    let anna = Anna::default();
    let service = Service::start(anna.clone());
    assert_eq!(service.ask(GOOD, &["a"; 1000]).await.unwrap().len(), 1000);

    let (code, message) = service.refusal(GOOD, &["a"; 1001]).await;
    assert_eq!(code, Code::InvalidArgument);
    assert_eq!(
        message,
        "userIds: 1001 ids, and 1000 are the most for one call"
    );
    let (code, message) = service.refusal(GOOD, &["a", "b", ""]).await;
    assert_eq!(code, Code::InvalidArgument);
    assert!(message.starts_with("userIds[2]: "), "{message}");
    let (code, message) = service.refusal(GOOD, &["a", &"b".repeat(4096)]).await;
    assert_eq!(code, Code::InvalidArgument);
    assert!(message.starts_with("userIds[1]: "), "{message}");
    assert_eq!(
        anna.reads.load(Relaxed),
        1,
        "the store was asked about nonsense"
    );
}

#[tokio::test]
async fn a_store_that_is_away_is_unavailable() {
    let anna = Anna {
        away: true,
        ..Anna::default()
    };
    let (code, message) = Service::start(anna).refusal(GOOD, &["a"]).await;
    assert_eq!(
        (code, message.as_str()),
        (Code::Unavailable, "the store is away")
    );
}

#[tokio::test]
async fn calls_need_a_token_and_the_refusal_is_that_of_the_gate() {
    let anna = Anna::default();
    let service = Service::start(anna.clone());
    assert_eq!(service.refusal(None, &["a"]).await.0, Code::Unauthenticated);
    assert_eq!(
        service.refusal(Some("Bearer other"), &["a"]).await.0,
        Code::PermissionDenied
    );
    assert_eq!(anna.reads.load(Relaxed), 0);
}

#[tokio::test]
async fn unknown_services_and_methods_are_unimplemented() {
    let service = Service::start(Anna::default());
    for (path, with_token, without) in [
        // The gate comes first.
        ("/presenceapi.PresenceAPI/Other", "12", "16"),
        ("/presenceapi.PresenceAPI/", "12", "12"),
        ("/presenceapi.PresenceAPIx/GetUsersStatus", "12", "12"),
        ("/other.Service/Method", "12", "12"),
        ("/", "12", "12"),
    ] {
        let code = service.code(path, Some("Bearer good"), b"").await;
        assert_eq!(code, with_token, "{path}");
        assert_eq!(service.code(path, None, b"").await, without, "{path}");
    }
}

#[tokio::test]
async fn an_id_that_is_no_text_is_refused_by_code() {
    let anna = Anna::default();
    let service = Service::start(anna.clone());
    let path = "/presenceapi.PresenceAPI/GetUsersStatus";
    for message in [&b"\x0a\x01\xff"[..], b"\x0a\x02a"] {
        let len = u8::try_from(message.len()).unwrap();
        let message = [&[0, 0, 0, 0, len], message].concat();
        let code = service.code(path, Some("Bearer good"), &message).await;
        assert_eq!(code, "13", "INTERNAL, for {message:?}");
    }
    assert_eq!(anna.reads.load(Relaxed), 0);
}

#[tokio::test]
async fn health_follows_readiness_and_needs_no_token() {
    let service = Service::start(Anna::default());
    let mut health = service.health();
    let status = async |health: &mut HealthClient<Http2>, name: &str| {
        health
            .check(about(name))
            .await
            .map(|answer| answer.into_inner().status())
    };
    for name in ["", "presenceapi.PresenceAPI"] {
        assert_eq!(
            status(&mut health, name).await.unwrap(),
            ServingStatus::NotServing
        );
    }
    service.readiness.ready();
    for name in ["", "presenceapi.PresenceAPI"] {
        assert_eq!(
            status(&mut health, name).await.unwrap(),
            ServingStatus::Serving
        );
    }
    service.readiness.drain();
    assert_eq!(
        status(&mut health, "").await.unwrap(),
        ServingStatus::NotServing
    );
    assert_eq!(
        status(&mut health, "no.Such").await.unwrap_err().code(),
        Code::NotFound
    );
}

#[tokio::test]
async fn health_is_that_of_the_parts_too() {
    let broken = Check::new("store", || {
        future::ready(Verdict::Unhealthy("away".to_owned()))
    });
    let service = Service::with_checks(Anna::default(), vec![broken]);
    service.readiness.ready();
    let answer = service.health().check(about("")).await.unwrap();
    assert_eq!(answer.into_inner().status(), ServingStatus::NotServing);
}

#[tokio::test]
async fn who_watches_hears_every_change_and_is_let_go_at_the_end() {
    let service = Service::start(Anna::default());
    let mut health = service.health();
    let mut known = health.watch(about("")).await.unwrap().into_inner();
    let mut unknown = health.watch(about("no.Such")).await.unwrap().into_inner();
    assert_eq!(
        known.next().await.unwrap().unwrap().status(),
        ServingStatus::NotServing
    );
    assert_eq!(
        unknown.next().await.unwrap().unwrap().status(),
        ServingStatus::ServiceUnknown
    );
    service.readiness.ready();
    assert_eq!(
        known.next().await.unwrap().unwrap().status(),
        ServingStatus::Serving
    );
    service.readiness.drain();
    assert_eq!(
        known.next().await.unwrap().unwrap().status(),
        ServingStatus::NotServing
    );
    assert!(known.next().await.is_none());
    assert!(unknown.next().await.is_none());

    // No watcher is in the way of the listener's end.
    service.running.stop.cancel();
    service.running.serving.drained().await;
}

#[tokio::test]
async fn both_reflections_list_the_services() {
    let service = Service::start(Anna::default());
    let (client, origin) = service.client();
    let mut reflection = ServerReflectionClient::with_origin(client.clone(), origin.clone());
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let answers = reflection
        .server_reflection_info(stream::iter([request]))
        .await
        .unwrap();
    let answer = answers.into_inner().next().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
        panic!("no list: {answer:?}");
    };
    let mut names: Vec<_> = list
        .service
        .into_iter()
        .map(|service| service.name)
        .collect();
    names.sort();
    let expected = [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "presenceapi.PresenceAPI",
    ];
    assert_eq!(names, expected);

    let mut old =
        v1alpha::server_reflection_client::ServerReflectionClient::with_origin(client, origin);
    let request = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(
            v1alpha::server_reflection_request::MessageRequest::FileContainingSymbol(
                "presenceapi.PresenceAPI".to_owned(),
            ),
        ),
    };
    let answers = old
        .server_reflection_info(stream::iter([request]))
        .await
        .unwrap();
    let answer = answers.into_inner().next().await.unwrap().unwrap();
    let Some(v1alpha::server_reflection_response::MessageResponse::FileDescriptorResponse(files)) =
        answer.message_response
    else {
        panic!("no file: {answer:?}");
    };
    // The names on the wire are those of the contract, and the namespace is that of its C# users.
    let file = String::from_utf8_lossy(&files.file_descriptor_proto[0]).into_owned();
    for name in [
        "MSChat.Shared.Contracts",
        "GetUsersStatus",
        "userIds",
        "users",
        "userId",
        "status",
    ] {
        assert!(file.contains(name), "{name} is not in {file:?}");
    }
}
