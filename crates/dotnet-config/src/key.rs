//! Paths: segments joined by colons, compared without regard to case.

/// What stands between two segments of a path.
pub(crate) const DELIMITER: char = ':';

/// The form in which paths are compared.
///
/// It works character by character, so the fold of a joined path is the joined folds.
pub(crate) fn fold(key: &str) -> String {
    key.chars().flat_map(char::to_lowercase).collect()
}

/// Whether two paths, or two segments, are the same.
pub(crate) fn same(left: &str, right: &str) -> bool {
    left.chars()
        .flat_map(char::to_lowercase)
        .eq(right.chars().flat_map(char::to_lowercase))
}

/// Whether `key` has the form of `pattern`.
///
/// A segment `*` of the pattern stands for any one segment, a last segment `**` for one or more.
pub(crate) fn matches(pattern: &str, key: &str) -> bool {
    let mut rest = key.split(DELIMITER);
    for wanted in pattern.split(DELIMITER) {
        let Some(found) = rest.next() else {
            return false;
        };
        if wanted == "**" {
            return true;
        }
        if wanted != "*" && !same(wanted, found) {
            return false;
        }
    }
    rest.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, key, expected) in [
            ("Redis:ConnectionString", "redis:CONNECTIONSTRING", true),
            ("Redis:ConnectionString", "Redis", false),
            ("Redis:ConnectionString", "Redis:ConnectionString:0", false),
            (
                "Kestrel:Endpoints:*:Url",
                "Kestrel:Endpoints:Http:Url",
                true,
            ),
            ("Kestrel:Endpoints:*:Url", "Kestrel:Endpoints:Url", false),
            (
                "Kestrel:Endpoints:*:Url",
                "Kestrel:Endpoints:a:b:Url",
                false,
            ),
            ("Logging:Debug:**", "Logging:Debug:LogLevel:Default", true),
            ("Logging:Debug:**", "Logging:Debug", false),
        ] {
            assert_eq!(matches(pattern, key), expected, "{pattern} and {key}");
        }
    }
}
