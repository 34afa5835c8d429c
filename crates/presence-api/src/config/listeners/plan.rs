//! Which of the many ways to say where to listen counts.

use dotnet_config::{Choice, Host, HttpUrl, Reader, UrlScheme};

use super::address::{BindUrl, BindUrls, Ports, addresses, collide};
use super::certificate::{self, Certificate};
use super::{Listener, Protocol, Scheme};
use crate::config::{Context, Mode, keys};

/// A listener before its certificate is found.
struct Wish {
    key: String,
    url: HttpUrl,
    protocol: Protocol,
    certificate: Option<Certificate>,
}

/// All listeners, or mistakes in the reader.
///
/// The order of Kestrel: named endpoints, else addresses, else ports, else the defaults. gRPC is beside that: it has a
/// listener of its own unless an endpoint was made for it.
pub(super) fn listeners(reader: &mut Reader<'_>, context: Context<'_>) -> Vec<Listener> {
    let certificate = certificate::read(reader, keys::DEFAULT_CERTIFICATE);
    let endpoints = endpoints(reader);
    let http_ports = reader.optional(keys::HTTP_PORTS, &Ports);
    let https_ports = reader.optional(keys::HTTPS_PORTS, &Ports);
    let ports = reader.is_given(keys::HTTP_PORTS) || reader.is_given(keys::HTTPS_PORTS);
    let urls = if endpoints.is_empty() && !ports {
        Some(reader.or(
            keys::URLS,
            &BindUrls,
            default_urls(context, certificate.is_some()),
        ))
    } else {
        reader.optional(keys::URLS, &BindUrls)
    };
    warn_of_overruled(reader, !endpoints.is_empty());

    let mut wishes = match urls {
        _ if !endpoints.is_empty() => endpoints,
        Some(urls) => urls
            .into_iter()
            .map(|url| Wish::web(keys::URLS, url))
            .collect(),
        None => on_ports(http_ports, https_ports),
    };
    if !wishes.is_empty() && wishes.iter().all(|wish| wish.protocol == Protocol::Http2) {
        reader.refuse(
            keys::ENDPOINTS,
            "one endpoint at least with Protocols=Http1AndHttp2, or nobody reaches the hub",
        );
    }
    wishes.extend(grpc(reader, context, &wishes));
    leave_out_what_development_lacks(reader, context, &mut wishes, certificate.as_ref());

    let listeners: Vec<Listener> = wishes
        .into_iter()
        .filter_map(|wish| wish.granted(reader, context, certificate.as_ref()))
        .collect();
    refuse_collisions(reader, &listeners);
    listeners
}

fn endpoints(reader: &mut Reader<'_>) -> Vec<Wish> {
    let mut wishes = Vec::new();
    for name in reader.names(keys::ENDPOINTS) {
        let section = format!("{}:{name}", keys::ENDPOINTS);
        let key = format!("{section}:Url");
        let url = reader.required(&key, &BindUrl);
        let protocols = format!("{section}:Protocols");
        let served = reader.or(
            &protocols,
            &Choice::of(Protocols::NAMES),
            Protocols::Http1AndHttp2,
        );
        if matches!(served, Protocols::Http1 | Protocols::Http1AndHttp2AndHttp3) {
            reader.warn(&protocols, "is taken as Http1AndHttp2");
        }
        let protocol = if served == Protocols::Http2 {
            Protocol::Http2
        } else {
            Protocol::Http1AndHttp2
        };
        let certificate = certificate::read(reader, &format!("{section}:Certificate"));
        wishes.extend(url.map(|url| Wish {
            key,
            url,
            protocol,
            certificate,
        }));
    }
    wishes
}

/// Kestrel's words for what an endpoint speaks.
#[derive(Clone, Copy, PartialEq)]
enum Protocols {
    Http1,
    Http2,
    Http1AndHttp2,
    Http1AndHttp2AndHttp3,
}

impl Protocols {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("Http1AndHttp2", Self::Http1AndHttp2),
        ("Http2", Self::Http2),
        ("Http1", Self::Http1),
        ("Http1AndHttp2AndHttp3", Self::Http1AndHttp2AndHttp3),
    ];
}

fn on_ports(http: Option<Vec<u16>>, https: Option<Vec<u16>>) -> Vec<Wish> {
    let http = http
        .into_iter()
        .flatten()
        .map(|port| (keys::HTTP_PORTS, UrlScheme::Http, port));
    let https = https
        .into_iter()
        .flatten()
        .map(|port| (keys::HTTPS_PORTS, UrlScheme::Https, port));
    http.chain(https)
        .map(|(key, scheme, port)| Wish::web(key, url(scheme, Host::Any, port)))
        .collect()
}

/// The contract's ports. With TLS only if there is a certificate: the default must not fail.
fn default_urls(context: Context<'_>, certificate: bool) -> Vec<HttpUrl> {
    let (host, http, https) = match is_for_developers(context) {
        true => (localhost(), 5006, 5007),
        false => (Host::Any, 8080, 8081),
    };
    let mut urls = vec![url(UrlScheme::Http, host.clone(), http)];
    if certificate {
        urls.push(url(UrlScheme::Https, host, https));
    }
    urls
}

fn is_for_developers(context: Context<'_>) -> bool {
    context.environment.is_development() || context.mode == Mode::Dev
}

fn grpc(reader: &mut Reader<'_>, context: Context<'_>, wishes: &[Wish]) -> Option<Wish> {
    if !reader.is_given(keys::GRPC_URL)
        && wishes.iter().any(|wish| wish.protocol == Protocol::Http2)
    {
        return None;
    }
    let default = match is_for_developers(context) {
        true => url(UrlScheme::Http, localhost(), 5016),
        false => url(UrlScheme::Http, Host::Any, 8082),
    };
    let url = reader.or(keys::GRPC_URL, &BindUrl, default);
    Some(Wish {
        key: keys::GRPC_URL.to_owned(),
        url,
        protocol: Protocol::Http2,
        certificate: None,
    })
}

/// In Development `Https_Ports` without a certificate is let go with a warning.
///
/// Visual Studio writes it into every compose file and relies on .NET's developer certificate, which is not here. In any
/// other environment a port that was asked for and is not served is a mistake.
fn leave_out_what_development_lacks(
    reader: &mut Reader<'_>,
    context: Context<'_>,
    wishes: &mut Vec<Wish>,
    certificate: Option<&Certificate>,
) {
    let plain = wishes.iter().any(|wish| wish.key == keys::HTTP_PORTS);
    if certificate.is_some() || !plain || !context.environment.is_development() {
        return;
    }
    let before = wishes.len();
    wishes.retain(|wish| wish.key != keys::HTTPS_PORTS);
    if wishes.len() < before {
        let text = format!(
            "is left out: there is no certificate, set {}:Path",
            keys::DEFAULT_CERTIFICATE
        );
        reader.warn(keys::HTTPS_PORTS, text);
    }
}

fn warn_of_overruled(reader: &mut Reader<'_>, endpoints: bool) {
    let urls = reader.is_given(keys::URLS);
    let by = if endpoints {
        keys::ENDPOINTS
    } else {
        keys::URLS
    };
    for (key, overruled) in [
        (keys::URLS, endpoints),
        (keys::HTTP_PORTS, endpoints || urls),
        (keys::HTTPS_PORTS, endpoints || urls),
    ] {
        if overruled && reader.is_given(key) {
            reader.warn(key, format!("is overruled by {by}"));
        }
    }
}

fn refuse_collisions(reader: &mut Reader<'_>, listeners: &[Listener]) {
    for (index, later) in listeners.iter().enumerate() {
        let taken = |earlier: &&Listener| {
            later
                .addresses
                .iter()
                .any(|one| earlier.addresses.iter().any(|other| collide(*one, *other)))
        };
        if let Some(earlier) = listeners[..index].iter().find(taken) {
            reader.refuse(
                &later.key,
                format!(
                    "another port for {later}: {} has taken {earlier}",
                    earlier.key
                ),
            );
        }
    }
}

impl Wish {
    fn web(key: &str, url: HttpUrl) -> Self {
        Self {
            key: key.to_owned(),
            url,
            protocol: Protocol::Http1AndHttp2,
            certificate: None,
        }
    }

    fn granted(
        self,
        reader: &mut Reader<'_>,
        context: Context<'_>,
        default: Option<&Certificate>,
    ) -> Option<Listener> {
        let addresses = addresses(&self.url);
        if let Host::Name(name) = &self.url.host
            && name != "localhost"
        {
            reader.warn(
                &self.key,
                format!(
                    "names the host {name}: as in Kestrel that means every address of the machine"
                ),
            );
        }
        if context.mode == Mode::Dev && !addresses.iter().all(|address| address.ip().is_loopback())
        {
            reader.refuse(&self.key, "a loopback address such as http://localhost:5006: dev hands out tokens to everybody");
        }
        let scheme = match self.url.scheme {
            UrlScheme::Http => Scheme::Http,
            UrlScheme::Https => match self.certificate.or_else(|| default.cloned()) {
                Some(certificate) => Scheme::Https(certificate),
                None => {
                    reader.refuse(&self.key, certificate_wanted());
                    return None;
                }
            },
        };
        Some(Listener {
            addresses,
            scheme,
            protocol: self.protocol,
            key: self.key,
        })
    }
}

fn certificate_wanted() -> String {
    let section = keys::DEFAULT_CERTIFICATE;
    format!(
        "a certificate for https: set {section}:Path and {section}:KeyPath to files in PEM, or leave https out"
    )
}

fn url(scheme: UrlScheme, host: Host, port: u16) -> HttpUrl {
    HttpUrl {
        scheme,
        host,
        explicit_port: Some(port),
        path: String::new(),
    }
}

fn localhost() -> Host {
    Host::Name("localhost".to_owned())
}
