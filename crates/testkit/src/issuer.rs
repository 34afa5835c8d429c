//! An OpenID issuer on loopback, whose keys, outages and tokens a test decides.
//!
//! ```no_run
//! # async fn example() {
//! use testkit::issuer::{Issuer, Outage};
//!
//! let issuer = Issuer::start().await;
//! let good = issuer.token("alice");
//! let late = issuer.draft("alice").expired().sign();
//!
//! issuer.rotate(); // new tokens are signed with a new key, the old one is gone
//! issuer.set_outage(Some(Outage::Stall)); // and now it does not answer any more
//! # }
//! ```
//!
//! It shares nothing with the code that judges tokens: it signs with its own hands and writes base64 and JSON itself,
//! so that a mistake made there is seen here.

mod draft;
mod key;
mod server;
mod tokens;

use std::{fmt, io, net::SocketAddr, sync::Arc};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::AbortHandle};

pub use self::{
    draft::Draft,
    key::{Kind, SigningKey},
    server::{Outage, Requests},
    tokens::{Expect, NamedToken, accepted_tokens, hostile_tokens},
};

/// The audience and the scope that its tokens have unless a test says otherwise.
pub const AUDIENCE: &str = "presenceapi";

/// An issuer that serves discovery and keys on a port of its own until it is dropped.
pub struct Issuer {
    url: String,
    shared: Arc<Shared>,
    server: AbortHandle,
}

/// What the issuer and its server both know.
struct Shared {
    state: Mutex<State>,
    requests: server::Counters,
}

struct State {
    /// Signs unless a test says otherwise.
    signing: SigningKey,
    /// The key set, as it is served.
    published: Vec<Value>,
    /// The name in tokens and in discovery.
    name: String,
    outage: Option<Outage>,
    /// Keys made so far, for names that are never used twice.
    keys_made: usize,
}

impl Issuer {
    /// An issuer with one RSA key of 2,048 bits, `k1`.
    pub async fn start() -> Self {
        Self::start_with(Kind::Rs256).await
    }

    /// An issuer with one key of this kind, `k1`.
    ///
    /// # Panics
    /// If loopback cannot be listened on.
    pub async fn start_with(kind: Kind) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback can be listened on");
        Self::serve(listener, kind)
    }

    /// As [`start`](Self::start), where others expect it.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start_at(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self::serve(listener, Kind::Rs256))
    }

    fn serve(listener: TcpListener, kind: Kind) -> Self {
        let url = format!(
            "http://{}",
            listener.local_addr().expect("a listener has an address")
        );
        let signing = SigningKey::generate(kind, "k1");
        let state = State {
            published: vec![signing.public()],
            signing,
            name: url.clone(),
            outage: None,
            keys_made: 1,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            requests: server::Counters::default(),
        });
        let serving = server::serve(listener, Arc::clone(&shared), url.clone());
        let server = tokio::spawn(serving).abort_handle();
        Self {
            url,
            shared,
            server,
        }
    }

    /// Its address, to be used as authority; also its name until [`rename`](Self::rename).
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A good token for a user.
    pub fn token(&self, user: &str) -> String {
        self.draft(user).sign()
    }

    /// A token to be changed before it is signed: issuer, audience and scope right, good for ten hours.
    pub fn draft(&self, user: &str) -> Draft {
        let state = self.shared.state.lock();
        Draft::new(&state.name, user, state.signing.clone())
    }

    /// The key that signs.
    pub fn signing_key(&self) -> SigningKey {
        self.shared.state.lock().signing.clone()
    }

    /// Makes a further key and publishes it beside the others.
    pub fn add_key(&self, kind: Kind) -> SigningKey {
        let mut state = self.shared.state.lock();
        state.keys_made += 1;
        let key = SigningKey::generate(kind, &format!("k{}", state.keys_made));
        state.published.push(key.public());
        key
    }

    /// Makes a new key, signs with it, and withdraws all others. Returns the new one.
    pub fn rotate(&self) -> SigningKey {
        let key = self.add_key(self.signing_key().kind());
        let mut state = self.shared.state.lock();
        state.published = vec![key.public()];
        state.signing = key.clone();
        key
    }

    /// Serves these as the key set, whatever they are.
    pub fn publish(&self, keys: Vec<Value>) {
        self.shared.state.lock().published = keys;
    }

    /// Takes another name, in tokens and in discovery.
    pub fn rename(&self, name: &str) {
        name.clone_into(&mut self.shared.state.lock().name);
    }

    /// Stops to work in this way, or works again.
    pub fn set_outage(&self, outage: Option<Outage>) {
        self.shared.state.lock().outage = outage;
    }

    /// How often it was asked.
    pub fn requests(&self) -> Requests {
        self.shared.requests.read()
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl State {
    fn discovery(&self, url: &str) -> Value {
        json!({
            "issuer": self.name,
            "jwks_uri": format!("{url}/jwks"),
            "token_endpoint": format!("{url}/connect/token"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        })
    }
}

fn base64url(bytes: impl AsRef<[u8]>) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    URL_SAFE_NO_PAD.encode(bytes)
}
