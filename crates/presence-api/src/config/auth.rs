//! `ApiAuth`: whose tokens are good, and for what.

use std::time::Duration;

use dotnet_config::{Flag, Host, HttpUrl, Kind, Reader, Text, TimeSpan, Url, UrlScheme};

use super::{Context, Mode, keys};

/// Whose tokens are good, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiAuth {
    /// Who makes the tokens.
    pub issuer: Issuer,
    /// What `aud` of a token must contain. Default: `presenceapi`.
    pub audience: String,
    /// What the `scope` of a token must contain. Default: `presenceapi`.
    pub scope: String,
    /// How far the clocks of issuer and service may differ. Default: 5 minutes, .NET's.
    pub clock_skew: Duration,
}

/// Who makes the tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Issuer {
    /// A service that is found by OpenID discovery.
    External {
        /// Its address, below which the discovery document is.
        authority: String,
        /// The name it goes by in tokens. Default: the authority.
        valid_issuer: String,
        /// Whether only `https` will do. Default: everywhere but in Development, as the original has it.
        require_https_metadata: bool,
    },
    /// The issuer for developers that is built in; only with [`Mode::Dev`].
    BuiltIn,
}

pub(super) fn read(reader: &mut Reader<'_>, context: Context<'_>) -> Option<ApiAuth> {
    let issuer = match context.mode {
        Mode::Serve => external(reader, context),
        Mode::Dev => Some(built_in(reader)),
    };
    let audience = reader.or(
        keys::AUDIENCE,
        &Text::called("a name for this service"),
        "presenceapi".to_owned(),
    );
    let scope = reader.or(keys::SCOPE, &Word, "presenceapi".to_owned());
    let clock_skew = reader.or(
        keys::CLOCK_SKEW,
        &TimeSpan::between(Duration::ZERO, SKEW_MAX),
        SKEW,
    );
    Some(ApiAuth {
        issuer: issuer?,
        audience,
        scope,
        clock_skew,
    })
}

fn external(reader: &mut Reader<'_>, context: Context<'_>) -> Option<Issuer> {
    let wanted = "the address of the token issuer, such as https://login.example.com";
    let authority = reader.required(keys::AUTHORITY, &Url::called(wanted));
    let require_https_metadata = reader.or(
        keys::REQUIRE_HTTPS_METADATA,
        &Flag,
        !context.environment.is_development(),
    );
    let name = Text::called("the name of the issuer as it stands in tokens");
    let valid_issuer = match &authority {
        Some(authority) => reader.or(keys::VALID_ISSUER, &name, authority.to_string()),
        None => reader
            .optional(keys::VALID_ISSUER, &name)
            .unwrap_or_default(),
    };
    let authority = authority?;
    check(reader, &authority, require_https_metadata);
    Some(Issuer::External {
        authority: authority.to_string(),
        valid_issuer,
        require_https_metadata,
    })
}

fn check(reader: &mut Reader<'_>, authority: &HttpUrl, require_https_metadata: bool) {
    if authority.host == Host::Any {
        reader.refuse(
            keys::AUTHORITY,
            "the address of one issuer, not of every host",
        );
    }
    if authority.scheme == UrlScheme::Http && require_https_metadata {
        // .NET fails at the first request with a token, and says the same.
        let wanted = format!(
            "an address with https://, or {}=false where plain http is safe",
            keys::REQUIRE_HTTPS_METADATA
        );
        reader.refuse(keys::AUTHORITY, wanted);
    }
}

fn built_in(reader: &mut Reader<'_>) -> Issuer {
    for key in [
        keys::AUTHORITY,
        keys::VALID_ISSUER,
        keys::REQUIRE_HTTPS_METADATA,
    ] {
        if reader.is_given(key) {
            reader.warn(key, "has no effect in dev, which has an issuer of its own");
        }
    }
    Issuer::BuiltIn
}

/// One word: a scope with a space in it can be in no token, for spaces separate scopes there.
struct Word;

impl Kind for Word {
    type Value = String;

    fn parse(&self, text: &str) -> Result<String, String> {
        let text = text.trim();
        if text.contains(char::is_whitespace) {
            Err("it is several words".to_owned())
        } else {
            Ok(text.to_owned())
        }
    }

    fn show(&self, value: &String) -> String {
        value.clone()
    }

    fn wanted(&self) -> String {
        "one scope".to_owned()
    }
}

/// .NET's default.
const SKEW: Duration = Duration::from_secs(5 * 60);

/// A day: more is no difference of clocks but tokens that never expire.
const SKEW_MAX: Duration = Duration::from_secs(24 * 60 * 60);
