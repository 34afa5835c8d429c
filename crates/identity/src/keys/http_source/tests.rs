use std::sync::Arc;

use hyper::service::service_fn;
use hyper_util::{rt::TokioIo, server::conn::auto};
use rcgen::CertifiedKey;
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

/// An issuer behind TLS, with a certificate that nobody signed.
struct SecureIssuer {
    url: String,
    certificate: rustls::pki_types::CertificateDer<'static>,
}

impl SecureIssuer {
    async fn start() -> Self {
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!(
            "https://localhost:{}",
            listener.local_addr().unwrap().port()
        );
        tokio::spawn(serve(
            listener,
            TlsAcceptor::from(Arc::new(config)),
            url.clone(),
        ));
        Self {
            url,
            certificate: cert.der().clone(),
        }
    }

    fn settings(&self) -> AuthSettings {
        AuthSettings::new(&self.url, "presenceapi", "presenceapi")
    }
}

async fn serve(listener: TcpListener, tls: TlsAcceptor, url: String) {
    while let Ok((stream, _)) = listener.accept().await {
        let Ok(stream) = tls.accept(stream).await else {
            continue;
        };
        let answer = service_fn(|request: Request<Incoming>| {
            let document = match request.uri().path() {
                "/jwks" => json!({ "keys": [{ "kty": "x" }] }),
                _ => json!({ "issuer": url, "jwks_uri": format!("{url}/jwks") }),
            };
            async move { Ok::<_, hyper::Error>(Response::new(document.to_string())) }
        });
        let connection = auto::Builder::new(TokioExecutor::new());
        drop(
            connection
                .serve_connection(TokioIo::new(stream), answer)
                .await,
        );
    }
}

#[tokio::test]
async fn a_trusted_issuer_is_read_over_https() {
    let issuer = SecureIssuer::start().await;
    let mut roots = RootCertStore::empty();
    roots.add(issuer.certificate.clone()).unwrap();
    let tls = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let documents = HttpSource::with_tls(&issuer.settings(), tls)
        .unwrap()
        .fetch()
        .await
        .unwrap();
    assert_eq!(documents.issuer, Some(issuer.url));
    assert_eq!(documents.keys.len(), 1);
}

#[tokio::test]
async fn an_issuer_that_nobody_vouches_for_is_not_read() {
    let issuer = SecureIssuer::start().await;
    let problem = HttpSource::new(&issuer.settings())
        .unwrap()
        .fetch()
        .await
        .unwrap_err();
    let text = problem.to_string();
    assert!(matches!(problem, FetchError::Unreachable { .. }), "{text}");
    assert!(
        text.contains(&issuer.url) && text.contains("certificate"),
        "{text}"
    );
}

fn source(authority: &str, require_https: bool) -> HttpSource {
    let settings = AuthSettings {
        require_https_metadata: require_https,
        ..AuthSettings::new(authority, "presenceapi", "presenceapi")
    };
    HttpSource::new(&settings).unwrap()
}

#[track_caller]
fn check(source: &HttpSource, text: &str, from: Option<&str>, wanted: Option<&str>) {
    let from: Option<Uri> = from.map(|from| from.parse().unwrap());
    let found = source
        .checked(text, from.as_ref())
        .ok()
        .map(|uri| uri.to_string());
    assert_eq!(found.as_deref(), wanted, "{text} from {from:?}");
}

#[tokio::test]
async fn https_is_never_left() {
    let secure = source("https://a.example", true);
    check(
        &secure,
        "https://keys.example/jwks",
        None,
        Some("https://keys.example/jwks"),
    );
    check(&secure, "http://a.example/jwks", None, None);
    let lenient = source("http://a.example", false);
    check(
        &lenient,
        "http://a.example/jwks",
        None,
        Some("http://a.example/jwks"),
    );
    check(
        &lenient,
        "http://b.example/",
        Some("https://a.example/"),
        None,
    );
    check(
        &lenient,
        "https://b.example/",
        Some("http://a.example/"),
        Some("https://b.example/"),
    );
}

#[tokio::test]
async fn only_addresses_of_the_web_are_asked() {
    let lenient = source("http://a.example", false);
    for text in [
        "",
        "/jwks",
        "jwks",
        "file:///etc/passwd",
        "ftp://a.example/jwks",
        "http://",
        "a b",
    ] {
        check(&lenient, text, None, None);
    }
}

#[tokio::test]
async fn a_redirection_may_leave_the_server_out() {
    let lenient = source("http://a.example", false);
    check(
        &lenient,
        "/new?x=1",
        Some("http://a.example:8080/old"),
        Some("http://a.example:8080/new?x=1"),
    );
    check(&lenient, "new", Some("http://a.example/old"), None);
}
