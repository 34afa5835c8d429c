//! OpenID discovery over HTTP: `{authority}/.well-known/openid-configuration`, then its `jwks_uri`.

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::source::{FetchError, FetchFuture, IssuerDocuments, KeySource};
use crate::settings::{AuthSettings, SettingsError};

/// Asks an issuer over HTTP. Certificates are judged by the operating system's trust store.
pub(crate) struct HttpSource {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    discovery: Uri,
    require_https: bool,
    timeout: Duration,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: Option<String>,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Value>,
}

impl HttpSource {
    pub(crate) fn new(settings: &AuthSettings) -> Result<Self, SettingsError> {
        Self::with_tls(settings, tls_config())
    }

    fn with_tls(settings: &AuthSettings, tls: ClientConfig) -> Result<Self, SettingsError> {
        let discovery = settings.check()?;
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_all_versions()
            .build();
        let client = Client::builder(TokioExecutor::new())
            // Hours lie between two fetches: keep no connection for them.
            .pool_idle_timeout(Duration::from_secs(5))
            .pool_timer(TokioTimer::new())
            .build(connector);
        Ok(Self {
            client,
            discovery,
            require_https: settings.require_https_metadata,
            timeout: settings.fetch_timeout,
        })
    }

    async fn fetch_documents(&self) -> Result<IssuerDocuments, FetchError> {
        let discovery: Discovery = self.document(self.discovery.clone()).await?;
        let keys = self.checked(&discovery.jwks_uri, None)?;
        let keys: Jwks = self.document(keys).await?;
        Ok(IssuerDocuments {
            issuer: discovery.issuer,
            keys: keys.keys,
        })
    }

    async fn document<T: DeserializeOwned>(&self, uri: Uri) -> Result<T, FetchError> {
        let (uri, response) = self.response(uri).await?;
        let url = uri.to_string();
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status {
                url,
                status: response.status().as_u16(),
            });
        }
        match Limited::new(response.into_body(), DOCUMENT_BYTES_MAX)
            .collect()
            .await
        {
            Ok(body) => {
                serde_json::from_slice(&body.to_bytes()).map_err(|error| FetchError::Document {
                    url,
                    problem: error.to_string(),
                })
            }
            Err(_) => Err(FetchError::Body {
                url,
                limit: DOCUMENT_BYTES_MAX,
            }),
        }
    }

    /// Asks, and follows redirects as .NET's client does, though never from https to http.
    async fn response(&self, mut uri: Uri) -> Result<(Uri, Response<Incoming>), FetchError> {
        for _ in 0..=REDIRECTS_MAX {
            let response = self.client.request(question(&uri)).await.map_err(|error| {
                FetchError::Unreachable {
                    url: uri.to_string(),
                    problem: deepest(&error),
                }
            })?;
            let Some(location) = redirection(&response) else {
                return Ok((uri, response));
            };
            uri = self.checked(location, Some(&uri))?;
        }
        Err(FetchError::Document {
            url: uri.to_string(),
            problem: "too many redirections".to_owned(),
        })
    }

    /// An address that somebody else named, if it may be asked.
    fn checked(&self, text: &str, from: Option<&Uri>) -> Result<Uri, FetchError> {
        let refused = || FetchError::Address {
            url: text.to_owned(),
        };
        let is_https = |uri: &Uri| uri.scheme_str() == Some("https");
        let uri: Uri = text.parse().map_err(|_| refused())?;
        let uri = match from {
            // A redirection may leave the server out.
            Some(from) if uri.scheme().is_none() && uri.path().starts_with('/') => {
                let mut parts = from.clone().into_parts();
                parts.path_and_query = uri.into_parts().path_and_query;
                Uri::from_parts(parts).map_err(|_| refused())?
            }
            _ => uri,
        };
        let needs_https = self.require_https || from.is_some_and(is_https);
        let is_allowed = is_https(&uri) || (!needs_https && uri.scheme_str() == Some("http"));
        if is_allowed { Ok(uri) } else { Err(refused()) }
    }
}

impl KeySource for HttpSource {
    fn fetch(&self) -> FetchFuture<'_> {
        Box::pin(async {
            let fetch = tokio::time::timeout(self.timeout, self.fetch_documents());
            fetch
                .await
                .unwrap_or(Err(FetchError::TimedOut(self.timeout)))
        })
    }
}

impl fmt::Debug for HttpSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSource")
            .field("discovery", &self.discovery)
            .finish_non_exhaustive()
    }
}

fn question(uri: &Uri) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.method_mut() = Method::GET;
    *request.uri_mut() = uri.clone();
    request
        .headers_mut()
        .insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    request
}

fn redirection(response: &Response<Incoming>) -> Option<&str> {
    let is_redirection = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    is_redirection
        .then(|| response.headers().get(header::LOCATION)?.to_str().ok())
        .flatten()
}

/// The cause at the bottom: "connection refused" says more than "client error".
fn deepest(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

/// Trusts what the operating system trusts. A machine without a trust store can still use an `http` issuer.
fn tls_config() -> ClientConfig {
    let builder = || {
        ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
    };
    let trusting = builder().and_then(|builder| {
        builder
            .with_native_roots()
            .map_err(|problem| rustls::Error::General(problem.to_string()))
    });
    match trusting {
        Ok(builder) => builder.with_no_client_auth(),
        Err(problem) => {
            tracing::warn!(%problem, "no trusted certificates: an https issuer cannot be reached");
            ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
                .with_protocol_versions(rustls::DEFAULT_VERSIONS)
                .expect("the provider has the cipher suites of its own default versions")
                .with_root_certificates(RootCertStore::empty())
                .with_no_client_auth()
        }
    }
}

/// Greatest length of either document. Microsoft's, the longest in common use, have 2 KB and 20 KB.
const DOCUMENT_BYTES_MAX: usize = 512 * 1024;

/// Redirections followed for one document: `http` to `https`, a missing slash, an old name.
const REDIRECTS_MAX: usize = 3;

#[cfg(test)]
mod tests;
