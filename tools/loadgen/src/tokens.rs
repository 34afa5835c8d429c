//! Who the clients are, and how they prove it.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use serde::Deserialize;
use testkit::issuer::Issuer;
use tokio::net::TcpStream;

use crate::client::http::Http;
use crate::target::Target;

/// Where tokens come from; without any of them, clients present none.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Source {
    /// A file with a line `NAME<TAB>TOKEN` for each user
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) tokens: Option<PathBuf>,
    /// An address that gives a token, as JSON with `access_token` or bare; `{user}` in it is the user's name
    #[arg(long, value_name = "URL", global = true)]
    pub(crate) token_url: Option<String>,
    /// Be the issuer, on this port of 127.0.0.1: the server's authority is `http://127.0.0.1:PORT`
    #[arg(long, value_name = "PORT", global = true)]
    pub(crate) issue: Option<u16>,
}

/// The users of a run, by number.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    users: Vec<(String, String)>,
    /// Serves its keys as long as it is here.
    _issuer: Option<Issuer>,
}

impl Tokens {
    /// Gets tokens for so many users.
    pub(crate) async fn get(source: &Source, count: usize) -> anyhow::Result<Self> {
        let mut issuer = None;
        let users = if let Some(path) = &source.tokens {
            read_file(path)?
        } else if let Some(url) = &source.token_url {
            fetch(url, count).await?
        } else if let Some(port) = source.issue {
            let started = start_issuer(port).await?;
            let users = issue(&started, count);
            issuer = Some(started);
            users
        } else {
            Vec::new()
        };
        ensure!(
            users.is_empty() || users.len() >= count,
            "there are tokens for {} users, and {count} are needed",
            users.len()
        );
        Ok(Self {
            users,
            _issuer: issuer,
        })
    }

    /// None: this run presents no tokens.
    pub(crate) fn of(&self, user: usize) -> Option<&str> {
        self.users.get(user).map(|(_, token)| token.as_str())
    }

    pub(crate) fn name(&self, user: usize) -> String {
        self.users
            .get(user)
            .map_or_else(|| format!("u{user}"), |(name, _)| name.clone())
    }
}

/// An issuer on a port of 127.0.0.1.
pub(crate) async fn start_issuer(port: u16) -> anyhow::Result<Issuer> {
    Issuer::start_at((IpAddr::V4(Ipv4Addr::LOCALHOST), port).into())
        .await
        .with_context(|| format!("port {port} of 127.0.0.1 cannot be listened on"))
}

/// Tokens for `u0`, `u1` and so on.
pub(crate) fn issue(issuer: &Issuer, count: usize) -> Vec<(String, String)> {
    (0..count)
        .map(|user| format!("u{user}"))
        .map(|name| (name.clone(), issuer.token(&name)))
        .collect()
}

fn read_file(path: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
    parse(&text).with_context(|| format!("{}", path.display()))
}

fn parse(text: &str) -> anyhow::Result<Vec<(String, String)>> {
    let mut users = Vec::new();
    for (number, line) in text.lines().enumerate() {
        match line.split_once('\t') {
            Some((name, token)) if !name.is_empty() && !token.is_empty() => {
                users.push((name.to_owned(), token.to_owned()));
            }
            _ => bail!("line {} is not of the form NAME<TAB>TOKEN", number + 1),
        }
    }
    ensure!(!users.is_empty(), "there is no token in it");
    Ok(users)
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
}

async fn fetch(url: &str, count: usize) -> anyhow::Result<Vec<(String, String)>> {
    let (place, query) = url.split_once('?').unwrap_or((url, ""));
    let target = Target::parse(place)?;
    ensure!(
        query.contains("{user}"),
        "'{url}': nothing in its query is '{{user}}'"
    );
    let stream = TcpStream::connect(target.address)
        .await
        .with_context(|| format!("{place} cannot be reached"))?;
    let mut http = Http::new(stream);
    let headers = format!("Host: {}\r\n", target.authority);
    let mut users = Vec::with_capacity(count);
    for user in 0..count {
        let name = format!("u{user}");
        let path = format!("{}?{}", target.path, query.replace("{user}", &name));
        http.ask("GET", &path, &headers, b"").await?;
        let head = http.head().await?;
        let body = http.body(head).await?;
        let body = String::from_utf8_lossy(&body);
        ensure!(head.status == 200, "{place} answers {} {body}", head.status);
        let token = serde_json::from_str(&body).map_or_else(
            |_| body.trim().to_owned(),
            |answer: Answer| answer.access_token,
        );
        users.push((name, token));
    }
    Ok(users)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_user_in_each_line() {
        let users = parse("u0\tabc\nu1\tdef\n").unwrap();
        assert_eq!(
            users,
            [
                ("u0".to_owned(), "abc".to_owned()),
                ("u1".to_owned(), "def".to_owned())
            ]
        );
        for (text, part) in [
            ("u0\tabc\nu1 def\n", "line 2"),
            ("", "no token"),
            ("\tabc", "line 1"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[tokio::test]
    async fn too_few_tokens_are_an_error() {
        let dir = std::env::temp_dir().join(format!("loadgen-tokens-{}", std::process::id()));
        std::fs::write(&dir, "u0\tabc\n").unwrap();
        let source = Source {
            tokens: Some(dir.clone()),
            ..Source::default()
        };
        assert_eq!(Tokens::get(&source, 1).await.unwrap().of(0), Some("abc"));
        let error = Tokens::get(&source, 2).await.unwrap_err().to_string();
        assert!(error.contains("for 1 users, and 2 are needed"), "{error}");
        std::fs::remove_file(dir).unwrap();
    }

    #[tokio::test]
    async fn without_a_source_users_have_names_and_no_tokens() {
        let tokens = Tokens::get(&Source::default(), 5).await.unwrap();
        assert_eq!(tokens.of(3), None);
        assert_eq!(tokens.name(3), "u3");
    }

    #[tokio::test]
    async fn an_issuer_signs_a_token_for_each() {
        let source = Source {
            issue: Some(0),
            ..Source::default()
        };
        let tokens = Tokens::get(&source, 2).await.unwrap();
        assert_ne!(tokens.of(0).unwrap(), tokens.of(1).unwrap());
        assert_eq!(tokens.of(1).unwrap().split('.').count(), 3);
    }
}
