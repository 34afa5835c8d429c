//! Lifetime, audience, issuer, subject, scope: what a token whose signature is right must still fulfil.

use std::time::Duration;

use crate::{
    clock::UnixTime,
    principal::Principal,
    refusal::{Audiences, Refusal},
    settings::AuthSettings,
    token::Claims,
};

/// Lifetime and audience: what can be judged before the issuer was ever reached. .NET's order.
pub(crate) fn check_time_then_audience(
    claims: &Claims,
    settings: &AuthSettings,
    now: UnixTime,
) -> Result<(), Refusal> {
    check_lifetime(claims, settings.clock_skew, now)?;
    check_audience(&claims.audiences, &settings.audience)
}

fn check_lifetime(claims: &Claims, skew: Duration, now: UnixTime) -> Result<(), Refusal> {
    let expires = claims.expires.ok_or(Refusal::NoExpiration)?;
    if let Some(not_before) = claims.not_before {
        if not_before > expires {
            return Err(Refusal::Lifetime {
                not_before,
                expires,
            });
        }
        if not_before > now.saturating_add(skew) {
            return Err(Refusal::NotYetValid(not_before));
        }
    }
    if is_over(expires, skew, now) {
        Err(Refusal::Expired(expires))
    } else {
        Ok(())
    }
}

/// Whether a token is over: its end and the skew have passed.
pub(crate) fn is_over(expires: UnixTime, skew: Duration, now: UnixTime) -> bool {
    expires < now.saturating_sub(skew)
}

fn check_audience(audiences: &[String], ours: &str) -> Result<(), Refusal> {
    if audiences
        .iter()
        .any(|audience| same_but_for_last_slash(audience, ours))
    {
        return Ok(());
    }
    Err(Refusal::Audience(if audiences.is_empty() {
        Audiences::None
    } else {
        Audiences::Others
    }))
}

/// The issuer must be one of the known names, with or without a last slash.
pub(crate) fn check_issuer<'a>(
    claims: &Claims,
    known: impl IntoIterator<Item = &'a str>,
) -> Result<(), Refusal> {
    let issuer = claims.issuer.as_deref().unwrap_or_default();
    if !issuer.is_empty()
        && known
            .into_iter()
            .any(|name| same_but_for_last_slash(issuer, name))
    {
        return Ok(());
    }
    Err(Refusal::Issuer(claims.issuer.clone()))
}

/// The principal of a token that passed everything else: somebody, with the scope.
pub(crate) fn principal(claims: Claims, scope: &str) -> Result<Principal, Refusal> {
    let user = claims.user.ok_or(Refusal::NoSubject)?;
    let expires = claims.expires.ok_or(Refusal::NoExpiration)?;
    let principal = Principal::new(user, claims.scopes, expires);
    if principal.has_scope(scope) {
        Ok(principal)
    } else {
        Err(Refusal::MissingScope)
    }
}

fn same_but_for_last_slash(one: &str, other: &str) -> bool {
    fn bare(name: &str) -> &str {
        name.strip_suffix('/').unwrap_or(name)
    }
    bare(one) == bare(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000;
    const SKEW: Duration = Duration::from_secs(300);

    fn lifetime(not_before: Option<i64>, expires: Option<i64>) -> Result<(), Refusal> {
        let claims = Claims {
            not_before: not_before.map(UnixTime::from_seconds),
            expires: expires.map(UnixTime::from_seconds),
            ..nothing()
        };
        check_lifetime(&claims, SKEW, UnixTime::from_seconds(NOW))
    }

    fn nothing() -> Claims {
        Claims {
            expires: None,
            not_before: None,
            issuer: None,
            audiences: vec![],
            user: None,
            scopes: "".into(),
        }
    }

    #[test]
    fn both_ends_are_stretched_by_the_skew_to_the_second() {
        assert_eq!(lifetime(None, Some(NOW - 300)), Ok(()));
        assert_eq!(
            lifetime(None, Some(NOW - 301)),
            Err(Refusal::Expired(UnixTime::from_seconds(NOW - 301)))
        );
        assert_eq!(lifetime(Some(NOW + 300), Some(NOW + 900)), Ok(()));
        let early = lifetime(Some(NOW + 301), Some(NOW + 900));
        assert_eq!(
            early,
            Err(Refusal::NotYetValid(UnixTime::from_seconds(NOW + 301)))
        );
    }

    #[test]
    fn an_end_before_the_beginning_is_nonsense_whatever_the_time() {
        let nonsense = Refusal::Lifetime {
            not_before: UnixTime::from_seconds(NOW),
            expires: UnixTime::from_seconds(NOW - 1),
        };
        assert_eq!(lifetime(Some(NOW), Some(NOW - 1)), Err(nonsense));
        assert_eq!(lifetime(Some(NOW), Some(NOW)), Ok(()));
    }

    #[test]
    fn there_must_be_an_end() {
        assert_eq!(lifetime(Some(NOW), None), Err(Refusal::NoExpiration));
        assert_eq!(lifetime(Some(i64::MIN), Some(i64::MAX)), Ok(()));
    }

    #[test]
    fn one_audience_of_several_must_be_ours() {
        let check = |list: &[&str]| {
            check_audience(
                &list.iter().map(|&name| name.into()).collect::<Vec<_>>(),
                "presenceapi",
            )
        };
        assert_eq!(check(&["chatapi", "presenceapi"]), Ok(()));
        assert_eq!(
            check(&["presenceapi/"]),
            Ok(()),
            ".NET overlooks a last slash"
        );
        assert_eq!(
            check(&["PresenceAPI", ""]),
            Err(Refusal::Audience(Audiences::Others))
        );
        assert_eq!(check(&[]), Err(Refusal::Audience(Audiences::None)));
    }

    #[test]
    fn one_last_slash_more_or_less_is_the_same_issuer() {
        let check = |issuer: &str| {
            check_issuer(
                &Claims {
                    issuer: Some(issuer.into()),
                    ..nothing()
                },
                ["https://a", "https://b/"],
            )
        };
        for fine in ["https://a", "https://a/", "https://b", "https://b/"] {
            assert_eq!(check(fine), Ok(()), "{fine}");
        }
        for wrong in [
            "https://a//",
            "https://A",
            "https://a/x",
            "http://a",
            "",
            "/",
        ] {
            assert_eq!(
                check(wrong),
                Err(Refusal::Issuer(Some(wrong.into()))),
                "{wrong}"
            );
        }
    }

    #[test]
    fn an_issuer_without_a_name_matches_nothing() {
        assert_eq!(
            check_issuer(&nothing(), ["", "/"]),
            Err(Refusal::Issuer(None))
        );
    }

    #[test]
    fn nobody_is_refused_before_the_scope_is_looked_at() {
        let claims = Claims {
            expires: Some(UnixTime::from_seconds(NOW)),
            ..nothing()
        };
        assert_eq!(principal(claims, "presenceapi"), Err(Refusal::NoSubject));
    }
}
