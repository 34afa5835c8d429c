//! Addresses and ports as operators write them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use dotnet_config::{Host, HttpUrl, InvalidUrl, Kind, masked};

/// One address to listen on.
pub(super) struct BindUrl;

/// Several, separated by semicolons as in .NET.
pub(super) struct BindUrls;

/// Several ports, separated by semicolons as in .NET.
pub(super) struct Ports;

impl Kind for BindUrl {
    type Value = HttpUrl;

    fn parse(&self, text: &str) -> Result<HttpUrl, String> {
        if ["http://unix:", "http://pipe:"]
            .iter()
            .any(|start| text.trim().to_ascii_lowercase().starts_with(start))
        {
            return Err("sockets and pipes of the file system are not supported".to_owned());
        }
        let url: HttpUrl = text
            .parse()
            .map_err(|error: InvalidUrl| error.to_string())?;
        if url.is_root() {
            Ok(url)
        } else {
            Err("it has a path".to_owned())
        }
    }

    fn show(&self, value: &HttpUrl) -> String {
        value.to_string()
    }

    fn wanted(&self) -> String {
        "an address to listen on, such as http://localhost:5006, http://*:8080 or https://0.0.0.0:8081".to_owned()
    }
}

impl Kind for BindUrls {
    type Value = Vec<HttpUrl>;

    fn parse(&self, text: &str) -> Result<Vec<HttpUrl>, String> {
        let urls = pieces(text).map(|piece| {
            BindUrl
                .parse(piece)
                .map_err(|reason| format!("{}: {reason}", masked("", piece)))
        });
        nonempty(urls.collect::<Result<_, _>>()?)
    }

    fn show(&self, value: &Vec<HttpUrl>) -> String {
        joined(value)
    }

    fn wanted(&self) -> String {
        format!("{}; several are separated by ;", BindUrl.wanted())
    }
}

impl Kind for Ports {
    type Value = Vec<u16>;

    fn parse(&self, text: &str) -> Result<Vec<u16>, String> {
        let ports =
            pieces(text).map(|piece| piece.parse().map_err(|_| format!("{piece:?} is no port")));
        nonempty(ports.collect::<Result<_, _>>()?)
    }

    fn show(&self, value: &Vec<u16>) -> String {
        joined(value)
    }

    fn wanted(&self) -> String {
        "port numbers from 0 to 65535, separated by ;".to_owned()
    }
}

/// What to bind for an address.
///
/// As in Kestrel `localhost` is both loopbacks, `*` and `+` are everything, and so is any other name: names do not say
/// where to listen.
pub(super) fn addresses(url: &HttpUrl) -> Vec<SocketAddr> {
    let everything = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let hosts = match &url.host {
        Host::Name(name) if name == "localhost" => {
            vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
        }
        Host::Name(_) | Host::Any => vec![everything],
        Host::V4(address) => vec![IpAddr::V4(*address)],
        Host::V6(address) => vec![IpAddr::V6(*address)],
    };
    hosts
        .into_iter()
        .map(|host| SocketAddr::new(host, url.port()))
        .collect()
}

/// Whether two sockets cannot be there at once.
pub(super) fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    // `[::]` takes IPv4 as well, `0.0.0.0` does not take IPv6.
    let covers = |all: IpAddr, some: IpAddr| match all {
        IpAddr::V6(all) => all.is_unspecified(),
        IpAddr::V4(all) => all.is_unspecified() && some.is_ipv4(),
    };
    let same =
        one.ip() == other.ip() || covers(one.ip(), other.ip()) || covers(other.ip(), one.ip());
    one.port() == other.port() && one.port() != 0 && same
}

fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split(';')
        .map(str::trim)
        .filter(|piece| !piece.is_empty())
}

fn nonempty<T>(values: Vec<T>) -> Result<Vec<T>, String> {
    if values.is_empty() {
        Err("it names nothing".to_owned())
    } else {
        Ok(values)
    }
}

fn joined<T: ToString>(values: &[T]) -> String {
    values
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(";")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_urls() {
        for (text, expected) in [
            (
                "http://localhost:5006",
                &["127.0.0.1:5006", "[::1]:5006"][..],
            ),
            ("http://LOCALHOST:0/", &["127.0.0.1:0", "[::1]:0"]),
            ("http://+:8080", &["[::]:8080"]),
            ("http://*:8080", &["[::]:8080"]),
            ("http://0.0.0.0:8080", &["0.0.0.0:8080"]),
            ("http://[::]:8080", &["[::]:8080"]),
            ("https://10.0.0.7", &["10.0.0.7:443"]),
            ("http://presence.example.com", &["[::]:80"]),
        ] {
            let found: Vec<String> = addresses(&BindUrl.parse(text).unwrap())
                .iter()
                .map(ToString::to_string)
                .collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn refusals() {
        for (text, part) in [
            ("http://*:8080/api", "path"),
            ("http://unix:/run/presence.sock", "not supported"),
            ("tcp://*:8080", "http://"),
            ("8080", "http://"),
        ] {
            assert!(BindUrl.parse(text).unwrap_err().contains(part), "{text}");
        }
        assert_eq!(
            BindUrls.parse("http://a;nonsense").unwrap_err(),
            "nonsense: it does not begin with http:// or https://"
        );
        assert!(
            !BindUrls
                .parse("http://a;http://u:pw@h")
                .unwrap_err()
                .contains("pw")
        );
        assert_eq!(BindUrls.parse(" ; ").unwrap_err(), "it names nothing");
        assert_eq!(Ports.parse("80;8o").unwrap_err(), "\"8o\" is no port");
        assert!(
            Ports.parse("65536").is_err()
                && Ports.parse("-1").is_err()
                && Ports.parse(";").is_err()
        );
    }

    #[test]
    fn lists() {
        assert_eq!(Ports.parse("8080; 8082;"), Ok(vec![8080, 8082]));
        assert_eq!(Ports.show(&vec![8080, 8082]), "8080;8082");
        let urls = BindUrls.parse("http://*:80; https://*:443").unwrap();
        assert_eq!(BindUrls.show(&urls), "http://*:80;https://*:443");
    }

    #[test]
    fn collisions() {
        for (one, other, expected) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "127.0.0.1:81", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
            ("127.0.0.1:80", "[::1]:80", false),
            ("[::]:80", "127.0.0.1:80", true),
            ("0.0.0.0:80", "127.0.0.1:80", true),
            ("0.0.0.0:80", "[::1]:80", false),
            ("0.0.0.0:80", "[::]:80", true),
        ] {
            let (one, other) = (one.parse().unwrap(), other.parse().unwrap());
            assert_eq!(
                (collide(one, other), collide(other, one)),
                (expected, expected),
                "{one} {other}"
            );
        }
    }
}
