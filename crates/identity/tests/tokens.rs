//! Every good and bad token that the test issuer can write, judged over real discovery.

use std::sync::Arc;

use identity::{AuthSettings, Authenticator, Refusal};
use testkit::issuer::{Expect, Issuer, Kind, NamedToken, accepted_tokens, hostile_tokens};

fn authenticator(issuer: &Issuer) -> Authenticator {
    let mut settings = AuthSettings::new(issuer.url(), "presenceapi", "presenceapi");
    settings.require_https_metadata = false;
    settings.valid_issuer = Some(issuer.url().to_owned());
    Authenticator::new(settings).expect("the settings are good")
}

async fn judge(authenticator: &Authenticator, named: &NamedToken) -> Expect {
    match authenticator
        .authenticate(named.token.as_deref().unwrap_or_default())
        .await
    {
        Ok(principal) => {
            assert_eq!(&**principal.user(), "alice", "{}", named.name);
            Expect::Accepted
        }
        Err(refusal) => match refusal.www_authenticate() {
            Some(header) => {
                Expect::Unauthenticated(header.to_str().expect("it is ASCII").to_owned())
            }
            None => Expect::Forbidden,
        },
    }
}

/// All differences at once: one wrong answer seldom comes alone.
async fn check(authenticator: &Authenticator, tokens: Vec<NamedToken>) {
    let mut wrong = Vec::new();
    for named in tokens {
        let found = judge(authenticator, &named).await;
        if found != named.expect {
            wrong.push((named.name, found, named.expect));
        }
    }
    assert!(wrong.is_empty(), "(name, found, wanted): {wrong:#?}");
}

#[tokio::test]
async fn every_hostile_token_gets_the_answer_of_dotnet() {
    let issuer = Issuer::start().await;
    check(&authenticator(&issuer), hostile_tokens(&issuer)).await;
    assert_eq!(
        issuer.requests().others,
        0,
        "an address from a token was followed"
    );
}

#[tokio::test]
async fn every_good_token_is_let_in() {
    let issuer = Issuer::start().await;
    check(&authenticator(&issuer), accepted_tokens(&issuer)).await;
}

#[tokio::test]
async fn every_algorithm_with_two_halves_is_accepted() {
    for kind in Kind::ALL {
        let issuer = Issuer::start_with(kind).await;
        let answer = authenticator(&issuer)
            .authenticate(&issuer.token("alice"))
            .await;
        assert!(answer.is_ok(), "{kind:?}: {answer:?}");
    }
}

#[tokio::test]
async fn the_discovery_documents_issuer_is_valid_beside_the_configured_one() {
    let issuer = Issuer::start().await;
    let settings = AuthSettings {
        require_https_metadata: false,
        valid_issuer: Some("https://public.example".to_owned()),
        ..AuthSettings::new(issuer.url(), "presenceapi", "presenceapi")
    };
    let authenticator = Authenticator::new(settings).unwrap();
    for name in [
        "https://public.example",
        "https://public.example/",
        issuer.url(),
    ] {
        assert!(
            authenticator
                .authenticate(&issuer.draft("alice").claim("iss", name).sign())
                .await
                .is_ok(),
            "{name}"
        );
    }
    let other = issuer
        .draft("alice")
        .claim("iss", "https://other.example")
        .sign();
    assert_eq!(
        authenticator.authenticate(&other).await.unwrap_err(),
        Refusal::Issuer(Some("https://other.example".into()))
    );
}

#[tokio::test]
async fn a_key_for_encryption_signs_nothing() {
    let issuer = Issuer::start().await;
    let key = issuer.add_key(Kind::Rs256);
    let mut public = key.public();
    public["use"] = "enc".into();
    issuer.publish(vec![issuer.signing_key().public(), public]);
    let token = issuer
        .draft("alice")
        .header("kid", key.id())
        .key(&key)
        .sign();
    assert_eq!(
        authenticator(&issuer)
            .authenticate(&token)
            .await
            .unwrap_err(),
        Refusal::KeyNotFound
    );
}

#[tokio::test]
async fn unusable_keys_do_not_spoil_the_others() {
    let issuer = Issuer::start().await;
    let broken = serde_json::json!([{}, 5, null, { "kty": "oct", "k": "AA" }, { "kty": "EC", "crv": "P-521" }]);
    let mut keys = broken.as_array().unwrap().clone();
    keys.push(issuer.signing_key().public());
    issuer.publish(keys);
    assert!(
        authenticator(&issuer)
            .authenticate(&issuer.token("alice"))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn what_the_principal_says() {
    let issuer = Issuer::start().await;
    let draft = issuer
        .draft("7c9e6679-7425-40de-944b-e07fc1f90ae7")
        .claim("scope", "openid presenceapi");
    let principal = authenticator(&issuer)
        .authenticate(&draft.sign())
        .await
        .unwrap();
    assert_eq!(&**principal.user(), "7c9e6679-7425-40de-944b-e07fc1f90ae7");
    assert_eq!(
        principal.scopes().collect::<Vec<_>>(),
        ["openid", "presenceapi"]
    );
    assert_eq!(principal.expires_at().as_seconds(), draft.now() + 36_000);
}

#[tokio::test]
async fn nothing_that_is_written_about_a_refusal_contains_the_token() {
    let issuer = Issuer::start().await;
    let authenticator = authenticator(&issuer);
    for named in hostile_tokens(&issuer) {
        let Some(token) = named
            .token
            .filter(|token| token.len() > 20 && token.contains('.'))
        else {
            continue;
        };
        let Err(refusal) = authenticator.authenticate(&token).await else {
            panic!("{} was let in", named.name)
        };
        let written = format!("{refusal} {refusal:?} {authenticator:?}");
        assert!(
            token
                .split('.')
                .all(|part| part.len() < 20 || !written.contains(part)),
            "{}: {written}",
            named.name
        );
    }
}

#[tokio::test]
async fn authenticating_can_be_shared_between_tasks() {
    let issuer = Issuer::start().await;
    let authenticator = Arc::new(authenticator(&issuer));
    let token = issuer.token("alice");
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (authenticator, token) = (Arc::clone(&authenticator), token.clone());
            tokio::spawn(async move { authenticator.authenticate(&token).await.is_ok() })
        })
        .collect();
    for task in tasks {
        assert!(task.await.unwrap());
    }
    assert_eq!(
        issuer.requests().keys,
        1,
        "the first need of many is one fetch"
    );
}
