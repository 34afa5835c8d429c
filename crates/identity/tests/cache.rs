//! A token that was verified once is not verified again, as long as nothing changed.

use std::{sync::Arc, time::Duration};

use identity::{
    AuthSettings, Authenticator, FetchFuture, IssuerDocuments, KeySource, ManualClock, Refusal,
    UnixTime,
};
use testkit::issuer::Issuer;

/// The issuer's keys without a network.
#[derive(Debug)]
struct Keys(parking_lot::Mutex<Vec<serde_json::Value>>);

#[derive(Debug)]
struct Shared(Arc<Keys>);

impl KeySource for Shared {
    fn fetch(&self) -> FetchFuture<'_> {
        let documents = IssuerDocuments {
            issuer: None,
            keys: self.0.0.lock().clone(),
        };
        Box::pin(async { Ok(documents) })
    }
}

struct Setup {
    issuer: Issuer,
    keys: Arc<Keys>,
    clock: Arc<ManualClock>,
    authenticator: Authenticator,
}

impl Setup {
    async fn new() -> Self {
        let issuer = Issuer::start().await;
        let keys = Arc::new(Keys(parking_lot::Mutex::new(vec![
            issuer.signing_key().public(),
        ])));
        let clock = Arc::new(ManualClock::new(UnixTime::from_seconds(
            issuer.draft("alice").now(),
        )));
        let settings = AuthSettings {
            valid_issuer: Some(issuer.url().to_owned()),
            key_refresh_floor: Duration::ZERO,
            cached_tokens_max: 100,
            ..AuthSettings::new("https://issuer.example", "presenceapi", "presenceapi")
        };
        let source = Box::new(Shared(Arc::clone(&keys)));
        let authenticator = Authenticator::with_parts(settings, source, Arc::clone(&clock) as _)
            .expect("the settings are good");
        Self {
            issuer,
            keys,
            clock,
            authenticator,
        }
    }

    fn verifications(&self) -> u64 {
        self.authenticator.figures().verifications
    }
}

#[tokio::test]
async fn the_second_time_costs_no_verification() {
    let setup = Setup::new().await;
    let token = setup.issuer.token("alice");
    assert!(setup.authenticator.cached(&token).is_none());
    let first = setup.authenticator.authenticate(&token).await.unwrap();
    for _ in 0..1000 {
        let again = setup.authenticator.authenticate(&token).await.unwrap();
        assert!(
            Arc::ptr_eq(&first, &again),
            "one principal for all who present the token"
        );
    }
    assert!(setup.authenticator.cached(&token).is_some());
    assert_eq!(setup.verifications(), 1);
}

#[tokio::test]
async fn a_remembered_token_expires_to_the_second() {
    let setup = Setup::new().await;
    let token = setup.issuer.draft("alice").lifetime(0, 60).sign();
    setup.authenticator.authenticate(&token).await.unwrap();
    setup.clock.advance(Duration::from_secs(60 + 300));
    assert!(setup.authenticator.cached(&token).is_some());
    setup.clock.advance(Duration::from_secs(1));
    assert!(setup.authenticator.cached(&token).is_none());
    assert!(matches!(
        setup.authenticator.authenticate(&token).await,
        Err(Refusal::Expired(_))
    ));
}

#[tokio::test]
async fn other_keys_have_every_token_verified_again() {
    let setup = Setup::new().await;
    let old = setup.issuer.token("alice");
    setup.authenticator.authenticate(&old).await.unwrap();

    let withdrawn_by = setup.issuer.rotate();
    *setup.keys.0.lock() = vec![withdrawn_by.public()];
    setup
        .authenticator
        .authenticate(&setup.issuer.token("bob"))
        .await
        .unwrap();
    assert!(setup.authenticator.cached(&old).is_none());
    assert_eq!(
        setup.authenticator.authenticate(&old).await.unwrap_err(),
        Refusal::KeyNotFound
    );
}

#[tokio::test]
async fn refused_tokens_are_not_remembered() {
    let setup = Setup::new().await;
    let token = setup.issuer.draft("alice").claim("scope", "openid").sign();
    for _ in 0..3 {
        assert_eq!(
            setup.authenticator.authenticate(&token).await.unwrap_err(),
            Refusal::MissingScope
        );
    }
    assert_eq!(setup.authenticator.figures().cached_tokens, 0);
}

#[tokio::test]
async fn a_token_that_differs_in_one_letter_is_another_token() {
    let setup = Setup::new().await;
    let token = setup.issuer.token("alice");
    setup.authenticator.authenticate(&token).await.unwrap();
    for longer in [
        format!("{token}="),
        format!(" {token}"),
        format!("{token}A"),
    ] {
        assert!(
            setup.authenticator.authenticate(&longer).await.is_err(),
            "{}",
            longer.len()
        );
    }
}

#[tokio::test]
async fn memory_is_bounded() {
    let setup = Setup::new().await;
    let key = testkit::issuer::SigningKey::generate(testkit::issuer::Kind::EdDsa, "fast");
    setup.keys.0.lock().push(key.public());
    for number in 0..300 {
        let draft = setup
            .issuer
            .draft(&number.to_string())
            .header("alg", "EdDSA")
            .header("kid", "fast");
        setup
            .authenticator
            .authenticate(&draft.key(&key).sign())
            .await
            .unwrap();
    }
    assert!(setup.authenticator.figures().cached_tokens <= 100);
}
