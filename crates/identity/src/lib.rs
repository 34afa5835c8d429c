//! Bearer tokens, judged as ASP.NET Core's `JwtBearer` judges them.
//!
//! An [`Authenticator`] is given an issuer's address. It finds the issuer's keys by OpenID discovery, keeps them fresh,
//! and turns a token into a [`Principal`] or a [`Refusal`]. A refusal knows its HTTP status, the exact
//! `WWW-Authenticate` header that .NET would send, and a label for metrics.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//!
//! use identity::{AuthSettings, Authenticator};
//!
//! let settings = AuthSettings::new("https://login.example.org", "presenceapi", "presenceapi");
//! let authenticator = Arc::new(Authenticator::new(settings)?);
//! tokio::spawn(Arc::clone(&authenticator).keep_keys_fresh());
//!
//! match authenticator.authenticate("eyJhbGciOi…").await {
//!     Ok(principal) => println!("this is {}", principal.user()),
//!     Err(refusal) => println!("{} {:?}", refusal.status(), refusal.www_authenticate()),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # The way of a token
//!
//! 1. A token verified before, with the same keys, is answered from a bounded cache by its SHA-256.
//! 2. Otherwise it is taken apart. What is not three parts of base64url with JSON objects in them, names a claim twice
//!    or has a claim of the wrong JSON type is *malformed*.
//! 3. The signature: by the key that the header's `kid` names; without such a key, by any key of the set that fits.
//!    When none does, the issuer is asked for new keys, at most once in 30 seconds.
//! 4. Lifetime, audience, issuer, subject, scope, in this order. The first failure is the answer.
//!
//! # Where it differs from .NET on purpose
//!
//! | ASP.NET Core 10 | here | why |
//! |---|---|---|
//! | of a claim named twice the last one counts | malformed | two readers of one token must not see two users |
//! | `exp` and `nbf` may be numbers in quotes, `sub` may be a number | malformed | the JWT specification's types |
//! | `crit` in the header is ignored | malformed | RFC 7515, 4.1.11: what is not understood must be refused |
//! | the issuer must match to the last slash | one last slash more or less does not matter | the commonest slip of a configuration |
//! | a token without a subject is somebody without a name | 401 | nobody cannot be present |
//! | of a `scope` array only the first element counts | any element, and `scp` too | RFC 8693 writers |
//! | a subject may have any length | up to 512 bytes | it becomes part of keys and messages |
//! | after an unknown key the next token meets the new keys | the same token is judged again | one refused user less per rotation |
//! | tokens up to 250 KiB, as far as the server's header limit lets them in | up to 16 KiB | memory and time per stranger |
//! | an issuer with a line break or a non-ASCII letter in it: 500 | 401, the character shown as `?` | it is the caller's mistake |
//! | base64 padding and text after the JSON are overlooked | refused | one spelling per token |

mod authenticator;
mod cache;
mod clock;
mod keys;
mod principal;
mod refusal;
mod settings;
mod token;
mod validate;

pub use self::{
    authenticator::{Authenticator, Figures},
    clock::{Clock, ManualClock, SystemClock, UnixTime},
    keys::source::{FetchError, FetchFuture, IssuerDocuments, KeySource},
    principal::Principal,
    refusal::{Audiences, Refusal},
    settings::{AuthSettings, SettingsError},
    token::{TOKEN_LENGTH_MAX, USER_LENGTH_MAX},
};
