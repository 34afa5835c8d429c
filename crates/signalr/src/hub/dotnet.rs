//! What .NET says of values that have another type than was asked for.

use signalr_protocol::payload::Value;

/// The short name that .NET has for a type of Rust's.
pub(crate) fn short_name<T>() -> &'static str {
    match std::any::type_name::<T>() {
        "i8" => "SByte",
        "u8" => "Byte",
        "i16" => "Int16",
        "u16" => "UInt16",
        "i32" => "Int32",
        "u32" => "UInt32",
        "i64" => "Int64",
        "u64" => "UInt64",
        "f32" => "Single",
        "f64" => "Double",
        "bool" => "Boolean",
        "alloc::string::String" => "String",
        other => other.rsplit("::").next().unwrap_or(other),
    }
}

/// Why a value is no `T`, in .NET's words where the value is a single one; else what our own reader says.
///
/// Inside of objects and arrays .NET names the path of the member, which our reader does not know.
pub(crate) fn conversion_error<T>(value: Value<'_>, reason: String) -> String {
    match value {
        Value::Json(text) if !text.starts_with(['{', '[']) => format!(
            "The JSON value could not be converted to System.{}. Path: $ | LineNumber: 0 | BytePositionInLine: {}.",
            short_name::<T>(),
            text.len()
        ),
        Value::Json(_) | Value::MessagePack(_) => reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_values_are_told_in_the_words_of_dotnet() {
        let error = conversion_error::<i32>(Value::Json("\"seven\""), String::new());
        assert_eq!(
            error,
            "The JSON value could not be converted to System.Int32. Path: $ | LineNumber: 0 | BytePositionInLine: 7."
        );
        let error = conversion_error::<i32>(Value::Json("[1]"), "ours".to_owned());
        assert_eq!(error, "ours");
    }
}
