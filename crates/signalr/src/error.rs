//! Errors of hub methods.

use std::borrow::Cow;
use std::fmt;

/// What a hub method fails with.
///
/// Clients see the text of an error only if it was written for them ([`HubError::new`], .NET's `HubException`), or
/// if detailed errors are switched on. Any other error converts into one that stays hidden, so `?` is safe to use:
///
/// ```
/// use signalr::HubError;
///
/// fn parse(text: &str) -> Result<i32, HubError> {
///     if text.is_empty() {
///         return Err(HubError::new("nothing to parse")); // for the caller
///     }
///     Ok(text.parse()?) // hidden from the caller
/// }
/// # assert!(parse("7").is_ok() && parse("x").is_err());
/// ```
pub struct HubError {
    exception: Cow<'static, str>,
    message: Cow<'static, str>,
    is_public: bool,
}

impl HubError {
    /// An error whose text is for the caller.
    #[must_use]
    pub fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            exception: Cow::Borrowed("HubException"),
            message: message.into(),
            is_public: true,
        }
    }

    /// An error that the caller sees with detailed errors only.
    ///
    /// `exception` is the name that stands before the text: the short name of a .NET exception type where stock
    /// clients expect one.
    #[must_use]
    pub fn hidden(
        exception: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            exception: exception.into(),
            message: message.into(),
            is_public: false,
        }
    }

    /// A client is asked that is not there.
    #[must_use]
    pub fn no_such_connection(id: &str) -> Self {
        Self::hidden("IOException", format!("Connection '{id}' does not exist."))
    }

    /// The text itself.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The name that stands before the text.
    #[must_use]
    pub fn exception(&self) -> &str {
        &self.exception
    }

    /// `base`, and behind it what the caller may know.
    pub(crate) fn describe(&self, base: &str, detailed: bool) -> String {
        if self.is_public || detailed {
            format!("{base} {}: {}", self.exception, self.message)
        } else {
            base.to_owned()
        }
    }
}

impl fmt::Debug for HubError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.exception, self.message)
    }
}

impl fmt::Display for HubError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

// `HubError` is no `std::error::Error` itself: that is what lets every other error convert into one.
impl<E: std::error::Error> From<E> for HubError {
    fn from(error: E) -> Self {
        Self::hidden("Exception", error.to_string())
    }
}
