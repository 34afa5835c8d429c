//! `presence-api health`: asks a running service whether it is ready.
//!
//! For `HEALTHCHECK` of a container, whose image has neither a shell nor another program that could ask.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, bail};
use dotnet_config::Sources;
use http::header::HOST;
use http::uri::{Authority, Scheme as UriScheme};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::config::{Listener, Mode, Protocol, Scheme, Settings};

/// Asks the service that the arguments and the settings name, and gives the line to print.
///
/// `--url ADDRESS` names it, and nothing else may stand beside that. Without it, it is the service that runs here with
/// the same settings.
///
/// # Errors
/// The line to print if it is not ready, gives no answer, or if nobody knows whom to ask.
pub(super) fn run(arguments: Vec<String>) -> Result<String, String> {
    let (url, rest) = take_url(arguments)?;
    let targets = match url {
        Some(url) if rest.is_empty() => vec![target(&url)?],
        Some(_) => {
            return Err(format!(
                "'{}' has no effect beside --url, which names what is asked",
                rest.join(" ")
            ));
        }
        None => {
            let (settings, _) = Settings::load(&Sources::of_process(rest), Mode::Serve)
                .map_err(|mistakes| super::explained(&mistakes))?;
            targets(&settings.http.listeners)?
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("the runtime cannot be started: {error}"))?;
    runtime.block_on(first_answer(&targets))
}

/// Takes `--url` and its value out of the arguments.
fn take_url(mut arguments: Vec<String>) -> Result<(Option<String>, Vec<String>), String> {
    let is_url = |argument: &String| argument == "--url" || argument.starts_with("--url=");
    let Some(at) = arguments.iter().position(is_url) else {
        return Ok((None, arguments));
    };
    let argument = arguments.remove(at);
    let url = match argument.split_once('=') {
        Some((_, url)) => url.to_owned(),
        None if at < arguments.len() => arguments.remove(at),
        None => return Err("--url needs an address: --url http://127.0.0.1:8080".to_owned()),
    };
    Ok((Some(url), arguments))
}

/// What an operator's address means: without a path it is that of readiness.
fn target(url: &str) -> Result<Uri, String> {
    let wanted = || format!("'{url}' cannot be asked: http://host:port is wanted");
    let uri: Uri = url.parse().map_err(|_| wanted())?;
    let plain = uri.scheme() == Some(&UriScheme::HTTP);
    let Some(authority) = uri.authority().filter(|_| plain) else {
        return Err(wanted());
    };
    // A user and a password would go into the log of every probe.
    if authority.as_str().contains('@') {
        return Err("the address of --url must not have a user in it".to_owned());
    }
    let path = match uri.path_and_query() {
        Some(path) if path.as_str() != "/" => path.as_str(),
        _ => READY,
    };
    at(authority.as_str(), path).ok_or_else(wanted)
}

/// The addresses under which a service with these listeners can be asked from here; all of them are one listener's.
fn targets(listeners: &[Listener]) -> Result<Vec<Uri>, String> {
    let plain_web = |listener: &&Listener| {
        listener.protocol == Protocol::Http1AndHttp2 && listener.scheme == Scheme::Http
    };
    let Some(listener) = listeners.iter().find(plain_web) else {
        return Err(
            "no web listener is without TLS: name one with --url http://host:port, \
                    or add one on loopback"
                .to_owned(),
        );
    };
    let known = listener.addresses.iter().filter(|a| a.port() != 0);
    let targets: Vec<Uri> = known
        .filter_map(|&address| at(&reachable(address).to_string(), READY))
        .collect();
    if targets.is_empty() {
        return Err(format!(
            "the system chooses the port of {listener} ({}): name it with --url http://host:port",
            listener.key
        ));
    }
    Ok(targets)
}

/// "Every address" is no address to call; all listeners for it take IPv4.
fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port())
    } else {
        address
    }
}

fn at(authority: &str, path: &str) -> Option<Uri> {
    Uri::builder()
        .scheme(UriScheme::HTTP)
        .authority(authority)
        .path_and_query(path)
        .build()
        .ok()
}

/// Asks one after the other until one is ready: of `localhost`, one address may be missing on this machine.
async fn first_answer(targets: &[Uri]) -> Result<String, String> {
    let mut refusals = Vec::new();
    for target in targets {
        match timeout(ANSWER_WITHIN, ask(target)).await {
            Ok(Ok(word)) => return Ok(format!("{target}: {word}")),
            Ok(Err(error)) => refusals.push(format!("{target}: {error:#}")),
            Err(_) => refusals.push(format!("{target}: no answer within {ANSWER_WITHIN:?}")),
        }
    }
    Err(refusals.join("; "))
}

/// One question; what it gives is the word that was answered with 200.
async fn ask(target: &Uri) -> anyhow::Result<String> {
    let authority = target.authority().map_or("", Authority::as_str);
    let host = target.host().unwrap_or_default();
    // Brackets are the address bar's, not the address's.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, target.port_u16().unwrap_or(HTTP_PORT)))
        .await
        .context("cannot be reached")?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .context("speaks no HTTP")?;
    // Ends with the runtime, a moment after the answer; what goes wrong with it, the request tells.
    tokio::spawn(connection);
    let path = target.path_and_query().map_or(READY, |path| path.as_str());
    let request = Request::get(path)
        .header(HOST, authority)
        .body(Empty::<Bytes>::new())
        .context("cannot be asked")?;
    let response = sender
        .send_request(request)
        .await
        .context("gave no answer")?;
    let status = response.status();
    let body = Limited::new(response.into_body(), BODY_MAX).collect().await;
    let body = body
        .map_err(|error| anyhow::anyhow!("gave half an answer: {error}"))?
        .to_bytes();
    let word = first_line(&body);
    if status != StatusCode::OK {
        bail!("{word} ({status})");
    }
    Ok(word)
}

/// The first line of an answer as far as a terminal should see it.
fn first_line(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let line = text.lines().next().unwrap_or_default();
    let line: String = line.chars().filter(|c| !c.is_control()).collect();
    if line.is_empty() {
        "no word".to_owned()
    } else {
        line
    }
}

const READY: &str = "/health/ready";

/// The port of an address that names none.
const HTTP_PORT: u16 = 80;

/// Longest wait for an answer: 4 s. The service gives its parts 2 s, and a container's probe should be given 5 s.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);

/// Most bytes of an answer: the word of readiness has nine, and `/health` of a service with every part in trouble some
/// hundreds.
const BODY_MAX: usize = 16 * 1024;

#[cfg(test)]
mod tests;
