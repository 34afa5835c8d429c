//! URIs as they may be logged.

use std::fmt;

use http::Uri;

use super::bearer::is_token_name;

/// A URI whose `access_token` is shown as `***`.
#[derive(Clone, Copy)]
pub struct Masked<'a>(pub &'a Uri);

impl fmt::Display for Masked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.path())?;
        let Some(query) = self.0.query() else {
            return Ok(());
        };
        for (index, pair) in query.split('&').enumerate() {
            f.write_str(if index == 0 { "?" } else { "&" })?;
            let name = pair.split('=').next().unwrap_or_default();
            // The name may be spelled with percent signs.
            let holds_token =
                form_urlencoded::parse(name.as_bytes()).any(|(name, _)| is_token_name(&name));
            if holds_token {
                write!(f, "{name}=***")?
            } else {
                f.write_str(pair)?
            }
        }
        Ok(())
    }
}

/// The same as `Display`: a debug format gives nothing away either.
impl fmt::Debug for Masked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(uri: &str, shown: &str) {
        let uri: Uri = uri.parse().unwrap();
        assert_eq!(Masked(&uri).to_string(), shown);
        assert_eq!(format!("{:?}", Masked(&uri)), shown);
    }

    #[test]
    fn a_token_is_never_shown() {
        check(
            "/h?id=1&access_token=secret&x=2",
            "/h?id=1&access_token=***&x=2",
        );
        check("/h?ACCESS_TOKEN=secret", "/h?ACCESS_TOKEN=***");
        check("/h?access%5Ftoken=secret", "/h?access%5Ftoken=***");
        check("/h?access_token=a=b", "/h?access_token=***");
        check(
            "/h?access_token=secret&access_token=secret",
            "/h?access_token=***&access_token=***",
        );
        check("http://host/h?access_token=secret", "/h?access_token=***");
    }

    #[test]
    fn everything_else_is_shown_as_it_came() {
        for uri in ["/h", "/h?", "/h?a", "/h?a=&&b", "/h?my_access_token=x"] {
            check(uri, uri);
        }
    }
}
