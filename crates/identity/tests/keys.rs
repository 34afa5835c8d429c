//! Rotation, outages and hostile answers of an issuer, over real HTTP.

use std::{sync::Arc, time::Duration};

use identity::{AuthSettings, Authenticator, Refusal};
use testkit::issuer::{Issuer, Kind, Outage, Requests, SigningKey};

fn settings(issuer: &Issuer) -> AuthSettings {
    AuthSettings {
        require_https_metadata: false,
        // What the clock has to do with it is tested beside the key store, without a network.
        key_refresh_floor: Duration::ZERO,
        ..AuthSettings::new(issuer.url(), "presenceapi", "presenceapi")
    }
}

fn authenticator(issuer: &Issuer) -> Authenticator {
    Authenticator::new(settings(issuer)).expect("the settings are good")
}

#[tokio::test]
async fn nothing_is_asked_before_a_token_comes() {
    let issuer = Issuer::start().await;
    let authenticator = authenticator(&issuer);
    assert!(!authenticator.has_keys());
    assert_eq!(
        issuer.requests(),
        Requests {
            discovery: 0,
            keys: 0,
            others: 0
        }
    );
    authenticator
        .authenticate(&issuer.token("alice"))
        .await
        .unwrap();
    assert!(authenticator.has_keys());
    assert_eq!(
        issuer.requests(),
        Requests {
            discovery: 1,
            keys: 1,
            others: 0
        }
    );
}

#[tokio::test]
async fn a_token_of_a_new_key_is_accepted_when_it_comes() {
    let issuer = Issuer::start().await;
    let authenticator = authenticator(&issuer);
    let old = issuer.token("alice");
    authenticator.authenticate(&old).await.unwrap();

    issuer.rotate();
    assert!(
        authenticator
            .authenticate(&issuer.token("alice"))
            .await
            .is_ok()
    );
    assert_eq!(
        authenticator.authenticate(&old).await.unwrap_err(),
        Refusal::KeyNotFound,
        "its key was withdrawn"
    );
}

#[tokio::test]
async fn with_the_floor_a_second_rotation_has_to_wait() {
    let issuer = Issuer::start().await;
    let floor = Duration::from_secs(30);
    let settings = AuthSettings {
        key_refresh_floor: floor,
        ..settings(&issuer)
    };
    let authenticator = Arc::new(Authenticator::new(settings).unwrap());
    let background = tokio::spawn(Arc::clone(&authenticator).keep_keys_fresh());
    while !authenticator.has_keys() {
        tokio::task::yield_now().await;
    }

    issuer.rotate();
    assert!(
        authenticator
            .authenticate(&issuer.token("alice"))
            .await
            .is_ok(),
        "the first fetch does not count"
    );
    issuer.rotate();
    for _ in 0..10 {
        assert_eq!(
            authenticator
                .authenticate(&issuer.token("alice"))
                .await
                .unwrap_err(),
            Refusal::KeyNotFound
        );
    }
    assert_eq!(issuer.requests().keys, 2);
    background.abort();
}

#[tokio::test]
async fn a_token_that_is_bad_anyway_is_no_reason_to_ask() {
    let issuer = Issuer::start().await;
    let authenticator = authenticator(&issuer);
    authenticator
        .authenticate(&issuer.token("alice"))
        .await
        .unwrap();
    let foreign = issuer.add_key(Kind::Es256);
    let draft = || issuer.draft("alice").header("kid", "unknown").key(&foreign);
    for token in [
        draft().expired().sign(),
        draft().claim("aud", "x").sign(),
        draft().claim("iss", "x").sign(),
    ] {
        assert_ne!(
            authenticator.authenticate(&token).await.unwrap_err(),
            Refusal::KeyNotFound
        );
    }
    assert_eq!(issuer.requests().keys, 1);
}

#[tokio::test]
async fn the_last_keys_serve_while_the_issuer_is_away() {
    let issuer = Issuer::start().await;
    let settings = AuthSettings {
        fetch_timeout: Duration::from_millis(200),
        ..settings(&issuer)
    };
    let authenticator = Authenticator::new(settings).unwrap();
    authenticator
        .authenticate(&issuer.token("alice"))
        .await
        .unwrap();

    let foreign = SigningKey::generate(Kind::EdDsa, "x");
    for (number, outage) in outages().into_iter().enumerate() {
        issuer.set_outage(Some(outage.clone()));
        let unknown = issuer
            .draft("alice")
            .header("kid", "x")
            .key(&foreign)
            .sign();
        let answer = authenticator.authenticate(&unknown).await;
        assert_eq!(answer.unwrap_err(), Refusal::KeyNotFound, "{outage:?}");
        let known = issuer.token(&format!("bob{number}"));
        assert!(
            authenticator.authenticate(&known).await.is_ok(),
            "{outage:?}"
        );
        let failures = authenticator.figures().key_fetch_failures;
        assert_eq!(failures, number as u64 + 1, "{outage:?} was met");
    }
}

#[tokio::test]
async fn without_keys_a_good_token_is_told_that_there_is_no_key() {
    let issuer = Issuer::start().await;
    for outage in outages() {
        let settings = AuthSettings {
            fetch_timeout: Duration::from_millis(200),
            ..settings(&issuer)
        };
        let authenticator = Authenticator::new(settings).unwrap();
        issuer.set_outage(Some(outage.clone()));
        let answer = authenticator.authenticate(&issuer.token("alice")).await;
        assert_eq!(answer.unwrap_err(), Refusal::KeyNotFound, "{outage:?}");
        assert_eq!(authenticator.figures().key_fetch_failures, 1, "{outage:?}");

        issuer.set_outage(None);
        assert!(
            authenticator
                .authenticate(&issuer.token("alice"))
                .await
                .is_ok(),
            "healed after {outage:?}"
        );
    }
}

#[tokio::test]
async fn an_issuer_that_nobody_runs_is_no_key_either() {
    let issuer = Issuer::start().await;
    let token = issuer.token("alice");
    // A port that was just given back: nothing listens there.
    let port = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let mut settings = settings(&issuer);
    settings.authority = format!("http://{port}");
    let authenticator = Authenticator::new(settings).unwrap();
    assert_eq!(
        authenticator.authenticate(&token).await.unwrap_err(),
        Refusal::KeyNotFound
    );
}

#[tokio::test]
async fn redirections_are_followed_but_not_for_ever() {
    let issuer = Issuer::start().await;
    let front = Issuer::start().await;
    front.set_outage(Some(Outage::Redirect(format!(
        "{}/.well-known/openid-configuration",
        issuer.url()
    ))));
    let authenticator = Authenticator::new(settings(&front)).unwrap();
    assert!(
        authenticator
            .authenticate(&issuer.token("alice"))
            .await
            .is_ok()
    );

    front.set_outage(Some(Outage::Redirect("/round".to_owned())));
    let before = front.requests();
    let authenticator = Authenticator::new(settings(&front)).unwrap();
    assert_eq!(
        authenticator
            .authenticate(&front.token("alice"))
            .await
            .unwrap_err(),
        Refusal::KeyNotFound
    );
    assert_eq!(front.requests().discovery - before.discovery, 1);
    assert_eq!(front.requests().others, 3);
}

#[tokio::test]
async fn the_background_task_fetches_without_being_asked() {
    let issuer = Issuer::start().await;
    let authenticator = Arc::new(authenticator(&issuer));
    let background = tokio::spawn(Arc::clone(&authenticator).keep_keys_fresh());
    while !authenticator.has_keys() {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        issuer.requests(),
        Requests {
            discovery: 1,
            keys: 1,
            others: 0
        }
    );
    background.abort();
}

fn outages() -> Vec<Outage> {
    vec![
        Outage::Hangup,
        Outage::Stall,
        Outage::Status(500),
        Outage::Status(404),
        Outage::Status(204),
        Outage::Garbage("<html>Bad gateway</html>".to_owned()),
        Outage::Garbage("{}".to_owned()),
        Outage::Garbage(r#"{"issuer":"x","jwks_uri":5}"#.to_owned()),
        Outage::Flood(1 << 20),
        Outage::KeysAt("ftp://127.0.0.1/keys".to_owned()),
        Outage::KeysAt("/jwks".to_owned()),
        Outage::KeysAt("http://127.0.0.1:1/keys".to_owned()),
    ]
}
