//! Listeners as an operator asks for them.

use super::super::{Mode, Settings};
use super::*;

/// Reads variables (`Name=value`) on top of what a start needs, in the environment `Production` unless one is named.
fn read(mode: Mode, variables: &[&str]) -> Result<(Http, Vec<String>), String> {
    let mut sources =
        dotnet_config::Sources::for_test().with_variable("ApiAuth__Authority", "https://login");
    for variable in variables {
        let (name, value) = variable.split_once('=').unwrap();
        sources = sources.with_variable(name, value);
    }
    match Settings::load(&sources.build(), mode) {
        Ok((settings, warnings)) => Ok((
            settings.http,
            warnings.iter().map(ToString::to_string).collect(),
        )),
        Err(mistakes) => Err(mistakes.to_string()),
    }
}

fn listening(variables: &[&str]) -> Vec<String> {
    shown(&read(Mode::Serve, variables).unwrap().0)
}

fn shown(http: &Http) -> Vec<String> {
    let line = |listener: &Listener| match listener.protocol {
        Protocol::Http1AndHttp2 => listener.to_string(),
        Protocol::Http2 => format!("grpc {listener}"),
    };
    http.listeners.iter().map(line).collect()
}

fn warnings(variables: &[&str]) -> Vec<String> {
    read(Mode::Serve, variables).unwrap().1
}

fn mistakes(variables: &[&str]) -> String {
    read(Mode::Serve, variables).unwrap_err()
}

const DEVELOPMENT: &str = "ASPNETCORE_ENVIRONMENT=Development";
const CERTIFICATE: &str = "Kestrel__Certificates__Default__Path=/tls/both.pem";
const GRPC: &str = "grpc http://[::]:8082";

#[test]
fn defaults() {
    assert_eq!(listening(&[]), ["http://[::]:8080", GRPC]);
    assert_eq!(
        listening(&[CERTIFICATE]),
        ["http://[::]:8080", "https://[::]:8081", GRPC]
    );
    let development = [
        "http://127.0.0.1:5006 and http://[::1]:5006",
        "grpc http://127.0.0.1:5016 and http://[::1]:5016",
    ];
    assert_eq!(listening(&[DEVELOPMENT]), development);
    assert_eq!(
        listening(&[DEVELOPMENT, CERTIFICATE]),
        [
            development[0],
            "https://127.0.0.1:5007 and https://[::1]:5007",
            development[1]
        ]
    );
}

#[test]
fn every_way_to_say_it() {
    let https = [
        CERTIFICATE,
        "ASPNETCORE_URLS=https://*:1;http://127.0.0.1:2",
    ];
    for (variables, expected) in [
        (
            &["ASPNETCORE_URLS=http://0.0.0.0:1;http://[::1]:2"][..],
            &["http://0.0.0.0:1", "http://[::1]:2", GRPC][..],
        ),
        (&["URLS=http://+:0"], &["http://[::]:0", GRPC]),
        (&["DOTNET_URLS=http://*:1"], &["http://[::]:1", GRPC]),
        (&https, &["https://[::]:1", "http://127.0.0.1:2", GRPC]),
        (
            &["ASPNETCORE_HTTP_PORTS=1;2"],
            &["http://[::]:1", "http://[::]:2", GRPC],
        ),
        (
            &["HTTP_PORTS=1", "ASPNETCORE_HTTP_PORTS=2"],
            &["http://[::]:1", GRPC],
        ),
        (&[CERTIFICATE, "HTTPS_PORTS=1"], &["https://[::]:1", GRPC]),
        (
            &["Kestrel__Endpoints__Web__Url=http://127.0.0.1:1"],
            &["http://127.0.0.1:1", GRPC],
        ),
        (
            &["Kestrel__Grpc__Url=http://[::]:1"],
            &["http://[::]:8080", "grpc http://[::]:1"],
        ),
        (
            &[
                CERTIFICATE,
                "HTTP_PORTS=1",
                "Kestrel__Grpc__Url=https://*:2",
            ],
            &["http://[::]:1", "grpc https://[::]:2"],
        ),
        (
            &[
                "Kestrel__Endpoints__A__Url=http://*:1",
                "Kestrel__Endpoints__B__Url=http://*:2",
                "Kestrel__Endpoints__B__Protocols=http2",
            ],
            &["http://[::]:1", "grpc http://[::]:2"],
        ),
    ] {
        assert_eq!(listening(variables), expected, "{variables:?}");
    }
}

#[test]
fn what_is_overruled_is_told() {
    let all = [
        "URLS=http://*:1",
        "HTTP_PORTS=2",
        "HTTPS_PORTS=3",
        "Kestrel__Endpoints__A__Url=http://*:4",
    ];
    assert_eq!(listening(&all), ["http://[::]:4", GRPC]);
    let told = warnings(&all);
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(
        told.iter()
            .all(|text| text.ends_with("is overruled by Kestrel:Endpoints")),
        "{told:?}"
    );

    assert_eq!(listening(&all[..2]), ["http://[::]:1", GRPC]);
    assert_eq!(
        warnings(&all[..2]),
        ["Http_Ports (environment variable HTTP_PORTS): is overruled by Urls"]
    );
}

#[test]
fn certificates() {
    let own = [
        CERTIFICATE,
        "Kestrel__Endpoints__A__Url=https://*:1",
        "Kestrel__Endpoints__A__Certificate__Path=/tls/a.pem",
        "Kestrel__Endpoints__A__Certificate__KeyPath=/tls/a.key",
        "Kestrel__Endpoints__A__Certificate__Password=hunter2",
        "Kestrel__Endpoints__B__Url=https://*:2",
    ];
    let (http, _) = read(Mode::Serve, &own).unwrap();
    let certificate = |index: usize| match &http.listeners[index].scheme {
        Scheme::Https(certificate) => certificate.clone(),
        Scheme::Http => panic!("no TLS"),
    };
    assert_eq!(certificate(0).path.to_str(), Some("/tls/a.pem"));
    assert_eq!(
        certificate(0).key_path.unwrap().to_str(),
        Some("/tls/a.key")
    );
    assert_eq!(certificate(0).password.unwrap().expose(), "hunter2");
    assert_eq!(
        certificate(1),
        Certificate {
            path: "/tls/both.pem".into(),
            key_path: None,
            password: None
        }
    );
    assert!(!format!("{http:?}").contains("hunter2"));
}

#[test]
fn https_without_a_certificate() {
    let wanted = "set Kestrel:Certificates:Default:Path and Kestrel:Certificates:Default:KeyPath";
    for variables in [
        &["URLS=https://*:1"][..],
        &["HTTPS_PORTS=1"],
        &["HTTP_PORTS=1", "HTTPS_PORTS=2"],
        &[DEVELOPMENT, "HTTPS_PORTS=2"],
        &[DEVELOPMENT, "HTTP_PORTS=1", "URLS=https://*:2"],
        &["Kestrel__Endpoints__A__Url=https://*:1"],
        &["Kestrel__Grpc__Url=https://*:1"],
    ] {
        assert!(
            mistakes(variables).contains(wanted),
            "{variables:?}: {}",
            mistakes(variables)
        );
    }
    let compose = [
        DEVELOPMENT,
        "HTTP_PORTS=8080",
        "HTTPS_PORTS=8081",
        "Kestrel__Grpc__Url=http://+:8082",
    ];
    assert_eq!(listening(&compose), ["http://[::]:8080", GRPC]);
    let told = warnings(&compose);
    assert!(
        told.len() == 1 && told[0].contains("HTTPS_PORTS): is left out"),
        "{told:?}"
    );
}

#[test]
fn certificates_that_cannot_be_used() {
    for (variables, part) in [
        (
            &["Kestrel__Certificates__Default__Path=/https/a.pfx"][..],
            "openssl pkcs12 -in '/https/a.pfx' -nodes -out '/https/a.pem'",
        ),
        (
            &["Kestrel__Certificates__Default__Path=/https/A.P12"],
            "openssl pkcs12",
        ),
        (
            &["Kestrel__Certificates__Default__KeyPath=/k"],
            "the certificate to the key of Kestrel:Certificates:Default:KeyPath",
        ),
    ] {
        assert!(
            mistakes(variables).contains(part),
            "{}",
            mistakes(variables)
        );
    }
}

#[test]
fn the_port_to_redirect_to() {
    let port = |variables: &[&str]| read(Mode::Serve, variables).unwrap().0.https_port;
    assert_eq!(port(&[]), None);
    for variable in [
        "HTTPS_PORT=5007",
        "ASPNETCORE_HTTPS_PORT=5007",
        "https_port=5007",
    ] {
        assert_eq!(port(&[variable]), Some(5007));
    }
    assert!(mistakes(&["HTTPS_PORT=0"]).contains("a whole number from 1 to 65535"));
    let several = [CERTIFICATE, "HTTPS_PORTS=1;2"];
    assert!(warnings(&several)[0].contains("plain requests are sent to 1"));
    assert!(warnings(&[&several[..], &["HTTPS_PORT=2"]].concat()).is_empty());
}

#[test]
fn collisions_are_refused() {
    for (variables, part) in [
        (
            &["HTTP_PORTS=8082"][..],
            "Kestrel:Grpc:Url\n  found:  nothing\n  wanted: another port for http://[::]:8082: Http_Ports has taken http://[::]:8082",
        ),
        (
            &["URLS=http://*:1;http://127.0.0.1:1"],
            "another port for http://127.0.0.1:1",
        ),
        (
            &[CERTIFICATE, "HTTP_PORTS=1", "HTTPS_PORTS=1"],
            "another port for https://[::]:1",
        ),
    ] {
        assert!(
            mistakes(variables).contains(part),
            "{}",
            mistakes(variables)
        );
    }
    assert_eq!(
        listening(&["URLS=http://*:0", "Kestrel__Grpc__Url=http://*:0"]).len(),
        2
    );
}

#[test]
fn what_is_wrong_is_refused() {
    for (variable, part) in [
        (
            "URLS=http://*:1;nonsense",
            "(nonsense: it does not begin with http:// or https://)",
        ),
        ("HTTP_PORTS=eighty", "(\"eighty\" is no port)"),
        ("Kestrel__Grpc__Url=http://*:1/grpc", "(it has a path)"),
        (
            "Kestrel__Endpoints__A__Protocols=Http2",
            "Kestrel:Endpoints:A:Url\n  found:  nothing",
        ),
        (
            "Kestrel__Limits__KeepAliveTimeout=0",
            "from 00:00:01 to 01:00:00",
        ),
    ] {
        assert!(
            mistakes(&[variable]).contains(part),
            "{}",
            mistakes(&[variable])
        );
    }
    let endpoint = [
        "Kestrel__Endpoints__A__Url=http://*:1",
        "Kestrel__Endpoints__A__Protocols=Http3",
    ];
    assert!(mistakes(&endpoint).contains("Http1AndHttp2, Http2, Http1 or Http1AndHttp2AndHttp3"));
}

#[test]
fn the_hub_must_be_reachable() {
    let only_grpc = [
        "Kestrel__Endpoints__A__Url=http://*:1",
        "Kestrel__Endpoints__A__Protocols=Http2",
        "URLS=http://*:2",
    ];
    assert!(
        mistakes(&only_grpc)
            .contains("Kestrel:Endpoints\n  found:  nothing\n  wanted: one endpoint at least")
    );
}

#[test]
fn what_is_strange_is_told() {
    for (variables, part) in [
        (
            &["URLS=http://presence.example.com:1"][..],
            "names the host presence.example.com",
        ),
        (
            &["AllowedHosts=example.com"],
            "AllowedHosts (environment variable AllowedHosts): has no effect",
        ),
        (
            &[
                "Kestrel__Endpoints__A__Url=http://*:1",
                "Kestrel__Endpoints__A__Protocols=Http1",
            ],
            "is taken as Http1AndHttp2",
        ),
    ] {
        let told = warnings(variables);
        assert!(told.len() == 1 && told[0].contains(part), "{told:?}");
    }
    assert!(warnings(&["AllowedHosts=*"]).is_empty());
}

#[test]
fn dev_listens_on_loopback_only() {
    let (http, _) = read(Mode::Dev, &[]).unwrap();
    assert_eq!(
        shown(&http),
        [
            "http://127.0.0.1:5006 and http://[::1]:5006",
            "grpc http://127.0.0.1:5016 and http://[::1]:5016"
        ]
    );
    let (http, _) = read(
        Mode::Dev,
        &["DOTNET_ENVIRONMENT=Production", "URLS=http://127.0.0.1:0"],
    )
    .unwrap();
    assert_eq!(
        shown(&http),
        [
            "http://127.0.0.1:0",
            "grpc http://127.0.0.1:5016 and http://[::1]:5016"
        ]
    );
    for variable in [
        "URLS=http://*:1",
        "URLS=http://10.0.0.1:1",
        "HTTP_PORTS=1",
        "Kestrel__Grpc__Url=http://0.0.0.0:1",
        "URLS=http://laptop:1",
    ] {
        assert!(
            read(Mode::Dev, &[variable])
                .unwrap_err()
                .contains("a loopback address"),
            "{variable}"
        );
    }
}
