//! A record as .NET writes one: `camelCase` in JSON, as declared in MessagePack.

use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};

/// `record Point(int X, int Y, string? Label)`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Point {
    #[serde(alias = "X")]
    x: i32,
    #[serde(alias = "Y")]
    y: i32,
    #[serde(alias = "Label", default)]
    label: Option<String>,
}

impl Point {
    pub(crate) fn new(x: i32, y: i32, label: Option<String>) -> Self {
        Self { x, y, label }
    }
}

impl Serialize for Point {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let [x, y, label] = if serializer.is_human_readable() {
            ["x", "y", "label"]
        } else {
            ["X", "Y", "Label"]
        };
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry(x, &self.x)?;
        map.serialize_entry(y, &self.y)?;
        map.serialize_entry(label, &self.label)?;
        map.end()
    }
}
