//! The members of a JSON object, each name once, the values unread.

use std::fmt;

use hashbrown::HashMap;
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

/// The members of a JSON object by name.
///
/// A name that comes twice is an error: of two readers one could take the first and one the last, and a token would
/// mean two things. Values are skipped over without recursion, so depth costs nothing.
pub(super) struct Members<'a>(HashMap<String, &'a RawValue>);

impl<'a> Members<'a> {
    pub(super) fn parse(json: &'a str) -> Result<Self, &'static str> {
        serde_json::from_str(json).map_err(|_| "not a JSON object with each name once")
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The value of a member; none if there is no such member, [`Value::Null`] if it says `null`.
    pub(super) fn value(&self, name: &str) -> Result<Option<Value>, &'static str> {
        let Some(raw) = self.0.get(name) else {
            return Ok(None);
        };
        serde_json::from_str(raw.get())
            .map(Some)
            .map_err(|_| "a claim cannot be read")
    }

    /// The text of a member; none if it is missing or `null`.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, &'static str> {
        match self.value(name)? {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err("a text is not a JSON string"),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reader).map(Members)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = HashMap<String, &'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut members = HashMap::new();
        while let Some(name) = access.next_key::<String>()? {
            let value = access.next_value()?;
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("a name comes twice"));
            }
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_come_once() {
        assert!(Members::parse(r#"{"a":1,"b":2}"#).is_ok());
        assert!(Members::parse(r#"{"a":1,"b":2,"a":1}"#).is_err());
        assert!(
            Members::parse(r#"{"sub":"alice","s\u0075b":"bob"}"#).is_err(),
            "however it is spelled"
        );
    }

    #[test]
    fn only_an_object_has_members() {
        for json in [
            "",
            "[]",
            "1",
            "\"x\"",
            "null",
            "{} {}",
            "{}x",
            "{,}",
            "/**/{}",
            "\u{feff}{}",
        ] {
            assert!(Members::parse(json).is_err(), "{json:?}");
        }
    }

    #[test]
    fn depth_costs_nothing() {
        let json = format!(
            r#"{{"deep":{}{},"a":"x"}}"#,
            "[".repeat(8000),
            "]".repeat(8000)
        );
        let members = Members::parse(&json).unwrap();
        assert_eq!(members.text("a"), Ok(Some("x".to_owned())));
        assert!(members.value("deep").is_err());
    }

    #[test]
    fn null_is_no_text_and_a_number_is_an_error() {
        let members = Members::parse(r#"{"a":null,"b":5}"#).unwrap();
        assert_eq!(members.text("a"), Ok(None));
        assert_eq!(members.text("c"), Ok(None));
        assert!(members.text("b").is_err());
    }
}
