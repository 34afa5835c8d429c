//! What a token claims, with the types that the specification gives them.

use std::sync::Arc;

use serde_json::Value;

use super::members::Members;
use crate::clock::UnixTime;

/// The claims that matter here. The others are skipped.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Claims {
    pub(crate) expires: Option<UnixTime>,
    pub(crate) not_before: Option<UnixTime>,
    /// None if it is `null`, empty if it is missing: .NET words its answers differently.
    pub(crate) issuer: Option<Box<str>>,
    pub(crate) audiences: Vec<String>,
    pub(crate) user: Option<Arc<str>>,
    /// All scopes, separated by blanks.
    pub(crate) scopes: Box<str>,
}

impl Claims {
    pub(super) fn parse(json: &str) -> Result<Self, &'static str> {
        let members = Members::parse(json)?;
        // Nothing depends on it, but a token with a wrong one is malformed to .NET.
        numeric_date(&members, "iat")?;
        Ok(Self {
            expires: numeric_date(&members, "exp")?,
            not_before: numeric_date(&members, "nbf")?,
            issuer: if members.contains("iss") {
                members.text("iss")?.map(Into::into)
            } else {
                Some("".into())
            },
            audiences: audiences(&members)?,
            user: user(&members)?,
            scopes: scopes(&members)?,
        })
    }
}

/// A `NumericDate`: seconds since 1970, perhaps with a fraction, which is cut off.
fn numeric_date(members: &Members<'_>, name: &str) -> Result<Option<UnixTime>, &'static str> {
    let number = match members.value(name)? {
        None => return Ok(None),
        Some(Value::Number(number)) => number,
        Some(_) => return Err("a time is not a number"),
    };
    let seconds = number
        .as_i64()
        .or_else(|| number.as_f64().and_then(whole))
        .ok_or("a time is out of range")?;
    Ok(Some(UnixTime::from_seconds(seconds)))
}

/// The whole part of a number that has room in 64 bits.
fn whole(number: f64) -> Option<i64> {
    /// 2^63, the first number beyond; exact as `f64`.
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    (-BEYOND..BEYOND).contains(&number).then_some(number as i64)
}

fn audiences(members: &Members<'_>) -> Result<Vec<String>, &'static str> {
    match members.value("aud")? {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(audience)) => Ok(vec![audience]),
        Some(Value::Array(list)) => list
            .into_iter()
            .filter(|audience| !audience.is_null())
            .map(|audience| match audience {
                Value::String(audience) => Ok(audience),
                _ => Err("an audience is not a text"),
            })
            .collect(),
        Some(_) => Err("the audience is not a text"),
    }
}

/// The claims that .NET maps to its `NameIdentifier`, and that claim itself.
const USER_CLAIMS: [&str; 3] = [
    "sub",
    "nameid",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier",
];

/// The longest user id, in bytes. OpenID Connect limits a subject to 255 ASCII letters; twice that leaves room for
/// issuers that write others.
pub const USER_LENGTH_MAX: usize = 512;

fn user(members: &Members<'_>) -> Result<Option<Arc<str>>, &'static str> {
    let mut user = None;
    for name in USER_CLAIMS {
        // Each is read, so that a wrong type is refused wherever it stands.
        let found = members.text(name)?.filter(|id| !id.is_empty());
        if found.as_ref().is_some_and(|id| id.len() > USER_LENGTH_MAX) {
            return Err("the subject is too long");
        }
        user = user.or(found);
    }
    Ok(user.map(Into::into))
}

/// `scope` as one text (RFC 9068) or as an array, or `scp`, as some issuers call it. A value of another type grants
/// nothing; the token may still be good for others.
fn scopes(members: &Members<'_>) -> Result<Box<str>, &'static str> {
    let mut scopes = String::new();
    for name in ["scope", "scp"] {
        match members.value(name)? {
            Some(Value::String(text)) => append(&mut scopes, &text),
            Some(Value::Array(list)) => list
                .iter()
                .filter_map(Value::as_str)
                .for_each(|text| append(&mut scopes, text)),
            _ => {}
        }
    }
    Ok(scopes.into())
}

fn append(scopes: &mut String, text: &str) {
    if !scopes.is_empty() {
        scopes.push(' ');
    }
    scopes.push_str(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn claims(json: &str) -> Claims {
        Claims::parse(json).unwrap()
    }

    #[track_caller]
    fn refused(json: &str) {
        assert!(Claims::parse(json).is_err(), "{json}");
    }

    #[test]
    fn times_are_numbers() {
        let seconds = |json: &str| claims(json).expires.map(UnixTime::as_seconds);
        assert_eq!(seconds(r#"{"exp":5}"#), Some(5));
        assert_eq!(seconds(r#"{"exp":5.9}"#), Some(5));
        assert_eq!(seconds(r#"{"exp":-5}"#), Some(-5));
        assert_eq!(seconds(r#"{"exp":9223372036854775807}"#), Some(i64::MAX));
        assert_eq!(seconds("{}"), None);
        for value in [
            "null",
            r#""5""#,
            r#""soon""#,
            "true",
            "[5]",
            "{}",
            "1e300",
            "-1e300",
            "1e999",
            "9223372036854775808",
        ] {
            for name in ["exp", "nbf", "iat"] {
                refused(&format!(r#"{{"{name}":{value}}}"#));
            }
        }
    }

    #[test]
    fn the_issuer_may_be_missing_or_null() {
        assert_eq!(claims("{}").issuer.as_deref(), Some(""));
        assert_eq!(claims(r#"{"iss":null}"#).issuer, None);
        assert_eq!(claims(r#"{"iss":"x"}"#).issuer.as_deref(), Some("x"));
        refused(r#"{"iss":5}"#);
        refused(r#"{"iss":["x"]}"#);
    }

    #[test]
    fn audiences_come_alone_or_in_arrays() {
        assert_eq!(claims(r#"{"aud":"a"}"#).audiences, ["a"]);
        assert_eq!(claims(r#"{"aud":["a",null,"b"]}"#).audiences, ["a", "b"]);
        for none in ["{}", r#"{"aud":null}"#, r#"{"aud":[]}"#] {
            assert!(claims(none).audiences.is_empty(), "{none}");
        }
        refused(r#"{"aud":7}"#);
        refused(r#"{"aud":{"a":1}}"#);
        refused(r#"{"aud":["a",5]}"#);
    }

    #[test]
    fn the_user_has_three_names() {
        let user = |json: &str| claims(json).user.map(|user| user.to_string());
        assert_eq!(user(r#"{"nameid":"b","sub":"a"}"#).as_deref(), Some("a"));
        assert_eq!(user(r#"{"sub":"","nameid":"b"}"#).as_deref(), Some("b"));
        let long =
            r#"{"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier":"c"}"#;
        assert_eq!(user(long).as_deref(), Some("c"));
        for nobody in ["{}", r#"{"sub":null}"#, r#"{"sub":""}"#, r#"{"SUB":"a"}"#] {
            assert_eq!(user(nobody), None, "{nobody}");
        }
        let name = "x".repeat(USER_LENGTH_MAX);
        assert_eq!(user(&format!(r#"{{"sub":"{name}"}}"#)), Some(name.clone()));
        refused(&format!(r#"{{"sub":"{name}x"}}"#));
        refused(r#"{"sub":5}"#);
        refused(r#"{"sub":["a"]}"#);
        refused(r#"{"sub":"a","nameid":5}"#);
    }

    #[test]
    fn scopes_come_as_text_or_array_under_two_names() {
        let scopes = |json: &str| claims(json).scopes.into_string();
        assert_eq!(scopes(r#"{"scope":"a b"}"#), "a b");
        assert_eq!(scopes(r#"{"scope":["a","b c",5]}"#), "a b c");
        assert_eq!(scopes(r#"{"scp":["b"],"scope":"a"}"#), "a b");
        assert_eq!(scopes(r#"{"scope":5}"#), "");
        assert_eq!(scopes("{}"), "");
    }
}
