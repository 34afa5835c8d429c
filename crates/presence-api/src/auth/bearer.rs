//! Where a request carries its token.

use std::borrow::Cow;

use http::{HeaderMap, Uri, header};

/// The token in the query, `access_token`; an empty one counts as none.
///
/// As in .NET the name's case does not matter, and several values are one with commas between them: never a good token.
pub(super) fn in_query(uri: &Uri) -> Option<Cow<'_, str>> {
    let pairs = form_urlencoded::parse(uri.query()?.as_bytes());
    let tokens = pairs
        .filter(|(name, _)| is_token_name(name))
        .map(|(_, value)| value);
    joined(tokens).filter(|token| !token.is_empty())
}

/// Whether a parameter of this name holds a token.
pub(super) fn is_token_name(name: &str) -> bool {
    name.eq_ignore_ascii_case("access_token")
}

/// The token in the `Authorization` header: after `Bearer `, in any case, without blanks around it.
pub(super) fn in_headers(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    // What is not UTF-8 is no token, but it is something: it shall be called invalid, not missing.
    let values = headers.get_all(header::AUTHORIZATION).into_iter();
    let value = joined(values.map(|value| text(value.as_bytes())))?;
    match value {
        Cow::Borrowed(value) => after_scheme(value).map(Cow::Borrowed),
        Cow::Owned(value) => after_scheme(&value).map(|token| Cow::Owned(token.to_owned())),
    }
}

/// As `String::from_utf8_lossy` has it, which looks at each character by itself.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

fn after_scheme(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_at_checked(SCHEME.len())?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case(SCHEME) && !token.is_empty()).then_some(token)
}

fn joined<'a>(mut values: impl Iterator<Item = Cow<'a, str>>) -> Option<Cow<'a, str>> {
    let first = values.next()?;
    Some(values.fold(first, |all, value| Cow::Owned(format!("{all},{value}"))))
}

const SCHEME: &str = "Bearer ";

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[track_caller]
    fn check_headers(values: &[&[u8]], token: Option<&str>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(
                header::AUTHORIZATION,
                HeaderValue::from_bytes(value).unwrap(),
            );
        }
        assert_eq!(in_headers(&headers).as_deref(), token, "{values:?}");
    }

    #[test]
    fn the_scheme_is_bearer_in_any_case() {
        check_headers(&[b"Bearer a.b.c"], Some("a.b.c"));
        check_headers(&[b"bearer a.b.c"], Some("a.b.c"));
        check_headers(&[b"BEARER   a.b.c  "], Some("a.b.c"));
        check_headers(&[b"Basic YTpi"], None);
        check_headers(&[b"Bearera.b.c"], None);
        check_headers(&[b"Bearer"], None);
        check_headers(&[b"Bearer "], None);
        check_headers(&[b""], None);
        check_headers(&[], None);
    }

    #[test]
    fn what_is_no_text_is_something_still() {
        check_headers(&[b"Bearer \xff"], Some("\u{fffd}"));
        check_headers(
            "ééééé"
                .as_bytes()
                .chunks(100)
                .collect::<Vec<_>>()
                .as_slice(),
            None,
        );
    }

    #[test]
    fn two_headers_are_no_token() {
        check_headers(&[b"Bearer a", b"Bearer b"], Some("a,Bearer b"));
        check_headers(&[b"Basic a", b"Bearer b"], None);
    }

    #[track_caller]
    fn check_query(uri: &str, token: Option<&str>) {
        assert_eq!(in_query(&uri.parse().unwrap()).as_deref(), token, "{uri}");
    }

    #[test]
    fn the_query_is_read_as_dotnet_reads_it() {
        check_query("/h?access_token=a.b.c", Some("a.b.c"));
        check_query("/h?id=1&ACCESS_TOKEN=a%2Eb.c&x=2", Some("a.b.c"));
        check_query("/h?access%5Ftoken=a", Some("a"));
        check_query("/h?access_token=a&access_token=b", Some("a,b"));
        check_query("/h?access_token=", None);
        check_query("/h?access_token", None);
        check_query("/h?my_access_token=a", None);
        check_query("/h?", None);
        check_query("/h", None);
    }
}
