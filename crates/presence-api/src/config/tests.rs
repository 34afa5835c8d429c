//! The configuration as a whole.

use std::num::NonZeroU32;
use std::time::Duration;

use ::presence::Liveness;
use dotnet_config::TestSources;
use redis_link::PubSub;

use super::*;

/// What a start needs at least.
fn minimal() -> TestSources {
    Sources::for_test().with_variable("ApiAuth__Authority", "https://login.example.com")
}

fn load(sources: TestSources) -> (Settings, Vec<String>) {
    let (settings, warnings) = Settings::load(&sources.build(), Mode::Serve)
        .unwrap_or_else(|mistakes| panic!("{mistakes}"));
    (settings, warnings.iter().map(ToString::to_string).collect())
}

fn refusal(sources: TestSources) -> Mistakes {
    Settings::load(&sources.build(), Mode::Serve)
        .map(|(settings, _)| settings)
        .expect_err("accepted")
}

/// The block of the original's compose file, with the two variables that the .NET image sets by itself and those that
/// Visual Studio adds.
fn compose_block() -> TestSources {
    [
        ("ASPNETCORE_ENVIRONMENT", "Development"),
        ("ASPNETCORE_HTTP_PORTS", "8080"),
        ("ASPNETCORE_HTTPS_PORTS", "8081"),
        ("DOTNET_RUNNING_IN_CONTAINER", "true"),
        ("DOTNET_VERSION", "9.0.5"),
        ("Kestrel__Grpc__Url", "http://[::]:8082"),
        ("ApiAuth__Authority", "http://auth:8080"),
        ("ApiAuth__ValidIssuer", "http://localhost:5000/"),
        (
            "Cors__AllowedOrigins",
            "https://localhost:5100,https://localhost:5003,http://localhost:5002",
        ),
        ("Redis__ConnectionString", "redis:6379"),
        ("PATH", "/usr/local/sbin:/usr/local/bin"),
        ("HOSTNAME", "presenceapi"),
    ]
    .into_iter()
    .fold(Sources::for_test(), |sources, (name, value)| {
        sources.with_variable(name, value)
    })
}

#[test]
fn the_defaults() {
    let (settings, warnings) = load(minimal());
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(settings.environment.as_str(), "Production");
    let issuer = Issuer::External {
        authority: "https://login.example.com".to_owned(),
        valid_issuer: "https://login.example.com".to_owned(),
        require_https_metadata: true,
    };
    let (audience, scope) = ("presenceapi".to_owned(), "presenceapi".to_owned());
    assert_eq!(
        settings.api_auth,
        ApiAuth {
            issuer,
            audience,
            scope,
            clock_skew: Duration::from_secs(300)
        }
    );
    assert!(settings.cors.allowed_origins.is_empty());
    assert_eq!(
        settings.presence.settings,
        ::presence::ValidSettings::default()
    );
    assert_eq!(
        (
            settings.presence.store,
            settings.presence.max_users_per_request
        ),
        (Store::Memory, 1000)
    );
    assert_eq!(settings.shutdown.timeout, Duration::from_secs(30));
    assert_eq!(
        settings.logging,
        Logging {
            filter: "info".to_owned(),
            format: LogFormat::Text
        }
    );
    let limits = HttpLimits {
        keep_alive_timeout: Duration::from_secs(130),
        request_headers_timeout: Duration::from_secs(10),
        max_response_buffer_size: 16 * 1024,
        max_streams_per_connection: 100,
    };
    assert_eq!(settings.http.limits, limits);
}

#[test]
fn the_defaults_of_the_hub() {
    let (settings, _) = load(minimal());
    let all = vec![
        TransportKind::WebSockets,
        TransportKind::ServerSentEvents,
        TransportKind::LongPolling,
    ];
    assert_eq!(
        settings.signalr,
        SignalR {
            keep_alive_interval: Duration::from_secs(15),
            client_timeout_interval: Duration::from_secs(30),
            handshake_timeout: Duration::from_secs(15),
            maximum_receive_message_size: Some(32_768),
            maximum_parallel_invocations_per_client: 1,
            stream_buffer_capacity: 10,
            enable_detailed_errors: false,
            allow_stateful_reconnects: false,
            stateful_reconnect_buffer_size: 100_000,
            transports: all,
            disconnect_timeout: Duration::from_secs(15),
            transport_max_buffer_size: 65_536,
            maximum_streams_per_client: 1_000,
            web_sockets_over_http2: false,
            maximum_connections_per_user: Some(10_000),
            maximum_connections_per_address: None,
            maximum_invocations_per_second: None,
            maximum_unclaimed_connections: 20_000,
        }
    );
}

/// A settings file that says something else than the default for everything but the listeners.
const EVERYTHING: &str = r#"{
  "ApiAuth": {
    "Authority": "http://login/realms/x", "ValidIssuer": "me", "Audience": "a", "Scope": "s",
    "RequireHttpsMetadata": false, "ClockSkew": "00:01:00",
  },
  "Cors": { "AllowedOrigins": ["http://A:1", "http://b"] },
  "Presence": {
    "Store": "memory", "StatusTtl": 20, "RefreshInterval": "00:00:07", "Grace": 0, "NodeTtl": 9,
    "Liveness": "heartbeat", "MaxUsersPerRequest": 5,
  },
  "Kestrel": {
    "Limits": { "KeepAliveTimeout": 60, "RequestHeadersTimeout": 5, "Http2": { "MaxStreamsPerConnection": 7 } },
  },
  "Shutdown": { "Timeout": "00:00:05" },
  "Logging": {
    "LogLevel": { "Default": "Warning", "Microsoft.AspNetCore.SignalR": "Debug" },
    "Console": { "FormatterName": "json", "LogLevel": { "Default": "Error" } },
  },
  "SignalR": {
    "KeepAliveInterval": 1, "ClientTimeoutInterval": 2, "HandshakeTimeout": 3,
    "MaximumReceiveMessageSize": "64 KiB", "MaximumParallelInvocationsPerClient": 4,
    "StreamBufferCapacity": 5, "EnableDetailedErrors": true, "AllowStatefulReconnects": true,
    "StatefulReconnectBufferSize": 6, "Transports": "LongPolling, websockets,LongPolling", "DisconnectTimeout": 7,
    "TransportMaxBufferSize": "8 KiB", "MaximumConnectionsPerUser": 8, "MaximumConnectionsPerAddress": 9,
    "MaximumInvocationsPerSecond": 10, "MaximumUnclaimedConnections": 11,
    "MaximumStreamsPerClient": 12, "WebSocketsOverHttp2": true,
  },
}"#;

fn everything() -> Settings {
    let (settings, warnings) = load(Sources::for_test().with_file("appsettings.json", EVERYTHING));
    assert!(warnings.is_empty(), "{warnings:?}");
    settings
}

#[test]
fn every_key_of_the_service_can_be_set() {
    let settings = everything();
    let seconds = Duration::from_secs;
    let issuer = Issuer::External {
        authority: "http://login/realms/x".to_owned(),
        valid_issuer: "me".to_owned(),
        require_https_metadata: false,
    };
    let (audience, scope) = ("a".to_owned(), "s".to_owned());
    assert_eq!(
        settings.api_auth,
        ApiAuth {
            issuer,
            audience,
            scope,
            clock_skew: seconds(60)
        }
    );
    assert_eq!(settings.cors.allowed_origins, ["http://a:1", "http://b"]);
    let presence = settings.presence.settings;
    let times = [
        presence.status_ttl,
        presence.refresh_interval,
        presence.grace,
        presence.node_ttl,
    ];
    assert_eq!(times, [20, 7, 0, 9].map(seconds));
    assert_eq!(
        (presence.liveness, settings.presence.max_users_per_request),
        (Liveness::Heartbeat, 5)
    );
    assert_eq!(settings.shutdown.timeout, seconds(5));
    let filter = "error,signalr=debug,signalr::transport=error".to_owned();
    assert_eq!(
        settings.logging,
        Logging {
            filter,
            format: LogFormat::Json
        }
    );
    let limits = HttpLimits {
        keep_alive_timeout: seconds(60),
        request_headers_timeout: seconds(5),
        max_response_buffer_size: 16 * 1024,
        max_streams_per_connection: 7,
    };
    assert_eq!(settings.http.limits, limits);
}

#[test]
fn every_key_of_the_hub_can_be_set() {
    let seconds = Duration::from_secs;
    let expected = SignalR {
        keep_alive_interval: seconds(1),
        client_timeout_interval: seconds(2),
        handshake_timeout: seconds(3),
        maximum_receive_message_size: Some(65_536),
        maximum_parallel_invocations_per_client: 4,
        stream_buffer_capacity: 5,
        enable_detailed_errors: true,
        allow_stateful_reconnects: true,
        stateful_reconnect_buffer_size: 6,
        transports: vec![TransportKind::LongPolling, TransportKind::WebSockets],
        disconnect_timeout: seconds(7),
        transport_max_buffer_size: 8192,
        maximum_streams_per_client: 12,
        web_sockets_over_http2: true,
        maximum_connections_per_user: Some(8),
        maximum_connections_per_address: Some(9),
        maximum_invocations_per_second: NonZeroU32::new(10),
        maximum_unclaimed_connections: 11,
    };
    assert_eq!(everything().signalr, expected);
}

#[test]
fn the_original_compose_block_starts_the_service() {
    let (settings, warnings) = load(compose_block().with_variable("Presence__Store", "Memory"));
    let listeners: Vec<String> = settings
        .http
        .listeners
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(listeners, ["http://[::]:8080", "http://[::]:8082"]);
    let issuer = Issuer::External {
        authority: "http://auth:8080".to_owned(),
        valid_issuer: "http://localhost:5000/".to_owned(),
        require_https_metadata: false,
    };
    assert_eq!(settings.api_auth.issuer, issuer);
    assert_eq!(settings.cors.allowed_origins.len(), 3);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings[0].contains("HTTPS_PORTS") && warnings[1].contains("kept in memory"),
        "{warnings:?}"
    );
}

#[test]
fn the_compose_block_is_enough() {
    let (settings, warnings) = load(compose_block());
    let Store::Redis(redis) = settings.presence.store else {
        panic!("Redis is named")
    };
    assert_eq!(redis.endpoints[0].to_string(), "redis:6379");
    assert_eq!(
        warnings.len(),
        1,
        "that port 8081 has no certificate: {warnings:?}"
    );
}

#[test]
fn the_compose_block_may_name_a_certificate() {
    let (settings, warnings) = load(
        compose_block()
            .with_variable("Presence__Store", "Memory")
            .with_variable(
                "ASPNETCORE_Kestrel__Certificates__Default__Path",
                "/https/tls.pem",
            )
            .with_variable(
                "ASPNETCORE_Kestrel__Certificates__Default__Password",
                "hunter2",
            ),
    );
    let listeners: Vec<String> = settings
        .http
        .listeners
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        listeners,
        ["http://[::]:8080", "https://[::]:8081", "http://[::]:8082"]
    );
    assert_eq!(warnings.len(), 1, "{warnings:?}");
}

#[test]
fn all_mistakes_at_once() {
    let mistakes = refusal(
        Sources::for_test()
            .with_file(
                "appsettings.json",
                "{\n  \"Presence\": { \"StatusTtl\": \"ten\",\n    \"RefreshInterval\": 9 },\n}",
            )
            .with_file("appsettings.Production.json", "{ nonsense")
            .with_variable("Cors__AllowedOrigins", "https://chat/,*")
            .with_variable(
                "Redis__ConnectionString",
                "redis:6379,password=hunter2,ssl=perhaps",
            )
            .with_variable("SignalR__Transports", "pigeons")
            .with_variable("Logging__LogLevel__Default", "Loud")
            .with_variable("ASPNETCORE_URLS", "https://*:1")
            .with_variable("Kestrel__Grpc__Url", "tcp://*:1")
            .with_argument("--Shutdown:Timeout=-1")
            .with_argument("--Presence:MaxUsersPerRequest=0"),
    );
    let subjects: Vec<&str> = mistakes
        .iter()
        .map(|mistake| mistake.subject.as_str())
        .collect();
    assert_eq!(
        subjects,
        [
            "appsettings.Production.json line 1 column 3",
            "ApiAuth:Authority",
            "Cors:AllowedOrigins",
            "Cors:AllowedOrigins",
            "Kestrel:Grpc:Url",
            "Urls",
            "Logging:LogLevel:Default",
            "Redis:ConnectionString",
            "Presence:StatusTtl",
            "Presence:RefreshInterval",
            "Presence:MaxUsersPerRequest",
            "Shutdown:Timeout",
            "SignalR:Transports",
        ]
    );
    let text = mistakes.to_string();
    for part in [
        "appsettings.json line 2",
        "appsettings.json line 3",
        "environment variable Cors__AllowedOrigins",
        "command line argument --Shutdown:Timeout",
        "\"-1\" (a duration cannot be negative)",
        "found:  \"redis:6379,password=******,ssl=perhaps\"",
        "Trace, Debug, Information, Warning, Error, Critical or None",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("hunter2"));
}

#[test]
fn the_issuer() {
    let with = |argument: &str| minimal().with_argument(argument);
    for (sources, part) in [
        (Sources::for_test(), "ApiAuth:Authority\n  found:  nothing"),
        (
            with("--ApiAuth:Authority="),
            "ApiAuth:Authority\n  found:  nothing",
        ),
        (
            with("--ApiAuth:Authority=http://login"),
            "https://, or ApiAuth:RequireHttpsMetadata=false",
        ),
        (
            with("--ApiAuth:Authority=login"),
            "(it does not begin with http:// or https://)",
        ),
        (
            with("--ApiAuth:Authority=https://*"),
            "the address of one issuer",
        ),
        (with("--ApiAuth:Scope=a b"), "(it is several words)"),
        (
            with("--ApiAuth:ClockSkew=2.00:00:00"),
            "(outside the limits)",
        ),
    ] {
        let mistakes = refusal(sources);
        assert!(
            mistakes.len() == 1 && mistakes.to_string().contains(part),
            "{part}: {mistakes}"
        );
    }
    let development =
        with("--environment=development").with_argument("--ApiAuth:Authority=http://login");
    assert!(matches!(
        load(development).0.api_auth.issuer,
        Issuer::External {
            require_https_metadata: false,
            ..
        }
    ));
}

#[test]
fn the_store() {
    for (variables, part) in [
        (
            &[("Presence__Store", "Redis")][..],
            "Redis:ConnectionString",
        ),
        (
            &[("Redis__ConnectionString", "redis:6379,ssl=perhaps")],
            "Redis:ConnectionString",
        ),
        (&[("Presence__Store", "disk")], "Memory or Redis"),
    ] {
        let sources = variables.iter().fold(minimal(), |sources, (name, value)| {
            sources.with_variable(name, value)
        });
        assert!(refusal(sources).to_string().contains(part));
    }
    for (text, host, port) in [
        ("redis:6379", "redis", 6379),
        (
            "cache.example.com,password=secret",
            "cache.example.com",
            6379,
        ),
        (
            "rediss://:secret@cache.example.com:6390",
            "cache.example.com",
            6390,
        ),
    ] {
        let (settings, warnings) = load(minimal().with_variable("Redis__ConnectionString", text));
        let Store::Redis(redis) = settings.presence.store else {
            panic!("{text}")
        };
        assert_eq!(
            (redis.endpoints[0].host.as_str(), redis.endpoints[0].port),
            (host, port)
        );
        assert!(warnings.is_empty(), "{warnings:?}");
    }
    for (text, pub_sub) in [
        ("", PubSub::Classic),
        ("false", PubSub::Classic),
        ("True", PubSub::Sharded),
    ] {
        let sources = minimal()
            .with_variable("Redis__ConnectionString", "redis:6379")
            .with_variable("Redis__ShardedPubSub", text);
        let Store::Redis(redis) = load(sources).0.presence.store else {
            panic!("Redis is named")
        };
        assert_eq!(redis.pub_sub, pub_sub, "{text:?}");
    }
    let wrong = minimal().with_variable("Redis__ShardedPubSub", "perhaps");
    assert!(refusal(wrong).to_string().contains("Redis:ShardedPubSub"));
    let empty = minimal().with_variable("Redis__ConnectionString", "");
    let (settings, warnings) = load(empty);
    assert!(warnings.is_empty());
    assert_eq!(settings.presence.store, Store::Memory);
}

#[test]
fn presence_times_go_together() {
    let refresh = |sources: TestSources| load(sources).0.presence.settings.refresh_interval;
    assert_eq!(refresh(minimal()), Duration::from_secs(5));
    assert_eq!(
        refresh(minimal().with_variable("Presence__StatusTtl", "4")),
        Duration::from_secs(2)
    );
    let too_slow = minimal()
        .with_variable("Presence__StatusTtl", "4")
        .with_variable("Presence__RefreshInterval", "3");
    let mistakes = refusal(too_slow);
    assert!(
        mistakes.len() == 1 && mistakes.to_string().contains("half of StatusTtl"),
        "{mistakes}"
    );
    let mistakes = refusal(minimal().with_variable("Presence__StatusTtl", "0"));
    assert!(
        mistakes.len() == 1 && mistakes.to_string().contains("Presence:StatusTtl"),
        "{mistakes}"
    );
}

#[test]
fn message_size_zero_is_no_limit_and_nothing_is_the_default() {
    let size =
        |value: &str| load(minimal().with_variable("SignalR__MaximumReceiveMessageSize", value));
    let (settings, warnings) = size("0");
    assert_eq!(settings.signalr.maximum_receive_message_size, None);
    assert!(
        warnings.len() == 1 && warnings[0].contains("any size"),
        "{warnings:?}"
    );
    assert_eq!(
        size("").0.signalr.maximum_receive_message_size,
        Some(32_768)
    );
    let null = minimal().with_file(
        "appsettings.json",
        r#"{"SignalR": {"MaximumReceiveMessageSize": null}}"#,
    );
    assert_eq!(
        load(null).0.signalr.maximum_receive_message_size,
        Some(32_768)
    );
}

#[test]
fn a_short_client_timeout_is_told() {
    let (_, warnings) = load(minimal().with_variable("SignalR__ClientTimeoutInterval", "20"));
    assert!(
        warnings.len() == 1 && warnings[0].contains("less than twice"),
        "{warnings:?}"
    );
}

#[test]
fn the_shutdown_timeout_has_two_names() {
    let timeout = |sources: TestSources| load(sources).0.shutdown.timeout.as_secs();
    let dotnet = minimal().with_variable("ASPNETCORE_SHUTDOWNTIMEOUTSECONDS", "7");
    assert_eq!(timeout(dotnet.clone()), 7);
    assert_eq!(timeout(dotnet.with_variable("Shutdown__Timeout", "8")), 8);
}

#[test]
fn unknown_keys_and_categories_are_told() {
    let (_, warnings) = load(
        minimal()
            .with_variable("Presence__Grase", "1")
            .with_variable("Logging__LogLevel__System", "Debug")
            .with_variable("Logging__Debug__LogLevel__Default", "Debug"),
    );
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings[0].contains("a category that this service does not have"),
        "{warnings:?}"
    );
    assert!(
        warnings[1].contains("did you mean Presence:Grace?"),
        "{warnings:?}"
    );
}

#[test]
fn dev_brings_its_own_issuer_and_needs_nothing() {
    let dev = |sources: TestSources| Settings::load(&sources.build(), Mode::Dev).unwrap();
    let (settings, warnings) = dev(Sources::for_test());
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(
        (
            settings.api_auth.issuer,
            settings.environment.is_development()
        ),
        (Issuer::BuiltIn, true)
    );

    let told = minimal()
        .with_variable("Redis__ConnectionString", "redis:6379")
        .with_variable("Presence__Store", "Redis");
    let (settings, warnings) = dev(told);
    assert_eq!(
        (settings.api_auth.issuer, settings.presence.store),
        (Issuer::BuiltIn, Store::Memory)
    );
    assert_eq!(warnings.len(), 2, "{warnings:?}");
}

#[test]
fn the_effective_configuration_is_complete_and_without_secrets() {
    let (settings, _) = load(
        minimal()
            .with_variable("Presence__Store", "Memory")
            .with_variable("Redis__ConnectionString", "redis://me:hunter2@redis:6379")
            .with_variable("Kestrel__Certificates__Default__Password", "hunter2")
            .with_variable("Kestrel__Endpoints__Web__Url", "http://*:1")
            .with_variable("Logging__LogLevel__Default", "Debug")
            .with_variable("Logging__Console__LogLevel__Default", "Debug")
            .with_variable("ShutdownTimeoutSeconds", "3")
            .with_argument("--presence:grace=1.5"),
    );
    let shown = settings.effective().to_string();
    assert!(!shown.contains("hunter2"), "{shown}");
    for line in [
        "Presence:Grace = 00:00:01.5000000 (command line argument --presence:grace)",
        "Presence:StatusTtl = 00:00:10 (default)",
        "Redis:ConnectionString = redis://******@redis:6379 (environment variable Redis__ConnectionString)",
        "Environment = Production (default)",
        "SignalR:Transports = WebSockets,ServerSentEvents,LongPolling (default)",
        "Shutdown:Timeout = 00:00:03 (default)",
    ] {
        let squeezed: Vec<String> = shown
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert!(
            squeezed.iter().any(|other| other == line),
            "{line} in {shown}"
        );
    }
    for pattern in keys::EFFECTIVE {
        let pattern: Vec<String> = pattern.split(':').map(str::to_lowercase).collect();
        let matches = |key: &str| {
            let key: Vec<String> = key.split(':').map(str::to_lowercase).collect();
            key.len() == pattern.len()
                && key
                    .iter()
                    .zip(&pattern)
                    .all(|(found, wanted)| wanted == "*" || found == wanted)
        };
        assert!(
            settings.effective().iter().any(|one| matches(&one.key)),
            "{pattern:?} is listed but not read: {shown}"
        );
    }
}

#[test]
fn the_default_addresses_are_shown() {
    let (settings, _) = load(minimal());
    let urls = settings
        .effective()
        .iter()
        .find(|one| one.key == keys::URLS)
        .unwrap();
    assert_eq!(
        (urls.value.as_str(), &urls.source),
        ("http://*:8080", &None)
    );
}

#[test]
fn the_debug_output_has_no_secrets() {
    let sources = minimal()
        .with_variable("Kestrel__Certificates__Default__Path", "/tls.pem")
        .with_variable("Kestrel__Certificates__Default__Password", "hunter2");
    assert!(!format!("{:?}", load(sources).0).contains("hunter2"));
}

#[test]
fn the_shipped_settings_file_says_nothing_new() {
    let shipped = include_str!("../../appsettings.json");
    let (with, warnings) = load(minimal().with_file("appsettings.json", shipped));
    assert!(warnings.is_empty(), "{warnings:?}");
    let (without, _) = load(minimal());
    let values = |settings: &Settings| -> Vec<(String, String)> {
        let known = settings
            .effective()
            .iter()
            .filter(|one| !one.key.starts_with("Logging:LogLevel"));
        known
            .map(|one| (one.key.clone(), one.value.clone()))
            .collect()
    };
    assert_eq!(values(&with), values(&without));
}

#[test]
fn the_documentation_names_every_key() {
    let document = include_str!("../../../../docs/configuration.md");
    for key in keys::EFFECTIVE.iter().chain(keys::PASSED_OVER) {
        assert!(
            document.contains(&format!("`{key}`")),
            "docs/configuration.md does not name `{key}`"
        );
    }
    // And its tables of keys name none that does not exist.
    let tables = document
        .split("\n\n")
        .filter(|block| block.starts_with("| key |"));
    let rows = tables
        .flat_map(str::lines)
        .filter_map(|line| line.strip_prefix("| `"));
    let named: Vec<&str> = rows.map(|row| row.split('`').next().unwrap()).collect();
    assert_eq!(
        named.len(),
        keys::EFFECTIVE.len() + keys::PASSED_OVER.len(),
        "{named:?}"
    );
    for key in named {
        let known = keys::EFFECTIVE
            .iter()
            .chain(keys::PASSED_OVER)
            .any(|other| *other == key);
        assert!(
            known,
            "docs/configuration.md names `{key}`, which the service does not know"
        );
    }
}
