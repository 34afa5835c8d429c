//! ASP.NET Core's configuration chain, for services that take over from one.
//!
//! A configuration is a flat map from paths (`Redis:ConnectionString`) to texts. It is filled from layers, and a later
//! layer wins for each path on its own:
//!
//! 1. environment variables that begin with `ASPNETCORE_`, then those with `DOTNET_`, without the prefix;
//! 2. the command line;
//! 3. `appsettings.json`;
//! 4. `appsettings.{Environment}.json`;
//! 5. all environment variables, `__` standing for `:`;
//! 6. the command line once more.
//!
//! That is the order of .NET's `WebApplication.CreateBuilder`: `ASPNETCORE_URLS` is overruled by `"Urls"` in
//! `appsettings.json`, and `URLS` is not. Paths are compared without regard to case. The elements of a JSON array are
//! entries whose last segment is the index, so that a variable can replace one of them.
//!
//! [`Sources::load`] builds the map, [`Reader`] takes typed values out of it and collects every mistake on the way: each
//! names its path, where the value came from, what was found (without secrets) and what is wanted.
//!
//! ```
//! use std::time::Duration;
//!
//! use dotnet_config::{Reader, Sources, TimeSpan, Whole};
//!
//! let sources = Sources::for_test()
//!     .with_file("appsettings.json", r#"{ "Cache": { "Size": 10, "Ttl": "00:01:30" }, /* comments are fine */ }"#)
//!     .with_variable("Cache__Size", "twelve");
//! let chain = sources.load("Production");
//!
//! let mut reader = Reader::new(&chain.configuration, &["Cache:Size", "Cache:Ttl"]);
//! let ttl = reader.or("Cache:Ttl", &TimeSpan::any(), Duration::ZERO);
//! reader.or("Cache:Size", &Whole::between(1u32, 100), 10);
//!
//! assert_eq!(ttl, Duration::from_secs(90));
//! let mistakes = reader.finish().unwrap_err().to_string();
//! assert!(mistakes.contains("environment variable Cache__Size"));
//! ```
//!
//! What is not there: user secrets, the `…CONNSTR_` prefixes of Azure, reloading, and binding to objects by reflection.

mod arguments;
mod chain;
mod configuration;
mod environment;
mod files;
mod json;
mod key;
mod kind;
mod mask;
mod mistake;
mod reader;
mod source;
mod time_span;
mod unknown;
mod url;

pub use chain::{Chain, Sources, TestSources};
pub use configuration::{Configuration, Entry};
pub use files::{Disk, FILE_SIZE_MAX, Files, Unreadable};
pub use kind::{ByteSize, Choice, Flag, Kind, SecretText, Text, TimeSpan, Url, Whole};
pub use mask::{MASK, Secret, masked};
pub use mistake::{Mistake, Mistakes, Warning};
pub use reader::{Effective, Reader, Reading};
pub use source::Source;
pub use time_span::{InvalidTimeSpan, format_time_span, parse_time_span};
pub use url::{Host, HttpUrl, InvalidUrl, UrlScheme};
