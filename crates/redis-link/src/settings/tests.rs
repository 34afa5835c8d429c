use proptest::prelude::*;

use super::*;

#[test]
fn stack_exchange_strings() {
    let check = |text: &str, wanted: &str| {
        let parsed = Settings::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(brief(&parsed.settings), wanted, "{text}");
    };
    check("localhost", "localhost:6379");
    check("localhost:7000", "localhost:7000");
    check(" a , b:1 ,, ", "a:6379,b:1");
    check("a,ssl=true", "a:6380,ssl=true");
    check("a,SSL=True,sslHost=b", "a:6380,ssl=true,sslHost=b");
    check("a,ssl=false", "a:6379");
    check("a,b,serviceName=m", "a:26379,b:26379,serviceName=m");
    check("[::1]:7000", "[::1]:7000");
    check("[::1]", "[::1]:6379");
    check("::1", "[::1]:6379");
    check("redis:6379", "redis:6379");
    check("redis", "redis:6379");
    check("a,password=p=q==", "a:6379,password=***");
    check("a,password=x://y", "a:6379,password=***");
    check("a,user=u,password=p", "a:6379,user=u,password=***");
    check("password=p,a", "a:6379,password=***");
    check("a,password=", "a:6379");
    check("a,defaultDatabase=3", "a:6379,defaultDatabase=3");
    check(
        "a,name=n,channelPrefix=x:",
        "a:6379,name=n,channelPrefix=x:",
    );
    check("a,connectTimeout=100", "a:6379,connectTimeout=100");
    check("a,syncTimeout=100", "a:6379,asyncTimeout=100");
    check(
        "a,syncTimeout=100,asyncTimeout=200",
        "a:6379,asyncTimeout=200",
    );
    check("a,keepAlive=-1", "a:6379,keepAlive=0");
    check("a,keepAlive=30", "a:6379,keepAlive=30");
    check(
        "a,sentinelUser=u,sentinelPassword=p,serviceName=m",
        "a:26379,serviceName=m,sentinelUser=u,sentinelPassword=***",
    );
}

#[test]
fn urls() {
    let check = |text: &str, wanted: &str| {
        let parsed = Settings::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(brief(&parsed.settings), wanted, "{text}");
    };
    check("redis://h", "h:6379");
    check("redis://h:7000/", "h:7000");
    check("redis://h/2", "h:6379,defaultDatabase=2");
    check("rediss://h", "h:6380,ssl=true");
    check("redis://[::1]:7000/1", "[::1]:7000,defaultDatabase=1");
    check("redis://:p@h", "h:6379,password=***");
    check("redis://u:p@h", "h:6379,user=u,password=***");
    check("redis://a:1,b:2", "a:1,b:2");
    check("redis://a?serviceName=m", "a:26379,serviceName=m");
    check(
        "redis://h?connectTimeout=5&name=n",
        "h:6379,name=n,connectTimeout=5",
    );
    let decoded = Settings::parse("redis://u%40x:p%2C%3A%25%C3%A4@h")
        .unwrap()
        .settings;
    assert_eq!(decoded.user.as_deref(), Some("u@x"));
    assert_eq!(decoded.password.unwrap().reveal(), "p,:%\u{e4}");
}

#[test]
fn mistakes_say_what_is_wanted() {
    let check = |text: &str, wanted: &str| {
        let error = Settings::parse(text).expect_err(text).to_string();
        assert!(error.contains(wanted), "{text}: {error}");
    };
    check("", "empty");
    check("  ", "empty");
    check("password=p", "no server");
    check("a,passwort=secret", "\"passwort\" is no option");
    check("a,passwort=secret", "connectTimeout");
    check("a:0", "port between 1 and 65535");
    check("a:65536", "port");
    check("a:+1", "port");
    check("a:b:c", "port");
    check(":6379", "host is missing");
    check("[::1", "not closed");
    check("[a]:1", "IPv6");
    check("[::1]1", "colon");
    check("a b", "host of letters");
    check("a,ssl=maybe", "true or false");
    check("a,connectTimeout=0", "between 1");
    check("a,connectTimeout=5s", "a number");
    check("a,defaultDatabase=-1", "a number");
    check("a,name=two words", "without spaces");
    check("a,user=u", "no password");
    check("http://h", "redis and rediss");
    check("redis://", "no server");
    check("redis://h/x", "a number");
    check("redis://h#x", "%23");
    check("redis://:%zz@h", "hexadecimal");
    check("redis://:%ff@h", "UTF-8");
    check("redis://h?ssl=true", "scheme");
    check("redis:h", "port");
}

#[test]
fn what_has_no_effect_is_named() {
    let check = |text: &str, wanted: &[&str]| {
        let warnings = Settings::parse(text).unwrap().warnings;
        assert_eq!(warnings.len(), wanted.len(), "{text}: {warnings:?}");
        for (warning, wanted) in warnings.iter().zip(wanted) {
            assert!(warning.starts_with(wanted), "{warning}");
        }
    };
    check("a,abortConnect=false,ssl=true", &[]);
    check("a,abortConnect=true", &["abortConnect is ignored"]);
    check(
        "a,$CONFIG=,$INFO=X",
        &["$CONFIG is ignored", "$INFO is ignored"],
    );
    check(
        "a,allowAdmin=true,connectRetry=3,tieBreaker=,protocol=resp3",
        &["allowAdmin", "connectRetry", "tieBreaker", "protocol"],
    );
}

#[test]
fn passwords_do_not_show() {
    let parsed = Settings::parse("a,user=u,password=s3cret,sentinelPassword=s3cret").unwrap();
    let shown = format!("{parsed:?} {:#?} {}", parsed.settings, parsed.settings);
    assert!(!shown.contains("s3cret"), "{shown}");
    for text in [
        "redis://u:s3cret%zz@h",
        "a,password=s3cret,ssl=x",
        "redis://u:s3cret@h:x",
        "a,password=x,s3cret !",
    ] {
        let error = Settings::parse(text).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
    }
}

#[test]
fn settings_made_by_code_are_checked() {
    let good = Settings::new(Endpoint::new("h", 1));
    assert_eq!(good.check(), Ok(()));
    let check = |change: fn(&mut Settings), wanted: &str| {
        let mut settings = good.clone();
        change(&mut settings);
        let error = settings.check().unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    };
    check(|settings| settings.endpoints.clear(), "no server");
    check(
        |settings| settings.command_timeout = Duration::ZERO,
        "longer than 0",
    );
    check(
        |settings| {
            settings.topology = Topology::Cluster;
            settings.database = 1;
        },
        "no database but 0",
    );
    check(
        |settings| {
            settings.tls = Some(Tls {
                host_name: None,
                authorities: Some(b"nonsense".to_vec()),
            });
        },
        "PEM",
    );
    check(
        |settings| settings.endpoints = vec![Endpoint::new("h", 1); ENDPOINTS_MAX + 1],
        "more than",
    );
}

proptest! {
    #[test]
    fn nothing_panics(text in ".{0,80}", scheme in "(redis://|rediss://|)") {
        let _ = Settings::parse(&format!("{scheme}{text}"));
    }

    #[test]
    fn options_in_any_order_never_panic(parts in prop::collection::vec("[a-zA-Z$]{0,15}[=:@,%/?]{0,2}[a-z0-9]{0,6}", 0..6)) {
        let _ = Settings::parse(&parts.join(","));
    }

    /// What is printed means the same, but for the passwords.
    #[test]
    fn what_is_printed_is_read_back(
        host in "[a-z][a-z0-9.-]{0,10}", port in 1..=u16::MAX, more in prop::option::of(1..=u16::MAX),
        password in prop::option::of("[!-+.-~]{1,12}"), name in prop::option::of("[a-z]{1,8}"),
        database in 0..100u32, is_encrypted: bool, service in prop::option::of("[a-z]{1,8}"),
        timeout in 1..100_000u64, keep_alive in 0..1000u64,
    ) {
        let mut settings = Settings::new(Endpoint::new(host, port));
        settings.endpoints.extend(more.map(|port| Endpoint::new("::1", port)));
        settings.password = password.map(Secret::new);
        settings.client_name = name;
        settings.database = database;
        settings.tls = is_encrypted.then(Tls::default);
        if let Some(service) = service {
            settings.topology = Topology::Sentinel { service };
        }
        settings.command_timeout = Duration::from_millis(timeout);
        settings.keep_alive = Duration::from_secs(keep_alive);
        let printed = settings.to_string();
        let read: Settings = printed.parse().unwrap();
        settings.password = settings.password.map(|_| Secret::new("***"));
        prop_assert_eq!(&read, &settings);
        prop_assert_eq!(read.to_string(), printed);
    }
}

/// As printed, without what is as it is by default.
fn brief(settings: &Settings) -> String {
    let mut text = settings.to_string();
    for default in [
        ",defaultDatabase=0",
        ",connectTimeout=2000",
        ",asyncTimeout=2000",
        ",keepAlive=60",
    ] {
        text = text.replace(default, "");
    }
    text
}
