use std::{path::Path, time::Duration};

use axum::{Router, routing::get as route};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::CertificateDer;
use tempfile::TempDir;

use super::*;
use crate::listen::{Limits, testing};

const EC: &str = include_str!("data/ec.pem");
const EC_SEC1: &str = include_str!("data/ec-sec1.key");
const EC_ENCRYPTED: &str = include_str!("data/ec-encrypted.key");
const EC_OLD_ENCRYPTED: &str = include_str!("data/ec-old-encrypted.key");
const RSA: &str = include_str!("data/rsa.pem");
const RSA_PKCS1: &str = include_str!("data/rsa-pkcs1.key");

/// A certificate for `localhost`, fresh.
struct Pair {
    certificate: String,
    key: String,
    der: CertificateDer<'static>,
}

impl Pair {
    fn new() -> Self {
        Self::until(2100)
    }

    fn until(year: i32) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let certificate = params.self_signed(&key).unwrap();
        Self {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            der: certificate.der().clone(),
        }
    }
}

/// The files of a certificate in a directory of their own.
struct Disk {
    directory: TempDir,
    files: CertificateFiles,
}

impl Disk {
    fn new(certificate: &str, key: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let files = CertificateFiles {
            certificate: directory.path().join("tls.crt"),
            key: Some(directory.path().join("tls.key")),
            password: None,
        };
        let disk = Self { directory, files };
        disk.write(certificate, key);
        disk
    }

    fn of(pair: &Pair) -> Self {
        Self::new(&pair.certificate, &pair.key)
    }

    fn write(&self, certificate: &str, key: &str) {
        fs::write(&self.files.certificate, certificate).unwrap();
        fs::write(self.files.key_path(), key).unwrap();
    }

    fn load(&self) -> Result<Arc<ReloadingCertificate>, CertificateError> {
        ReloadingCertificate::load(self.files.clone(), now())
    }

    fn load_with_password(
        &self,
        password: &str,
    ) -> Result<Arc<ReloadingCertificate>, CertificateError> {
        let files = CertificateFiles {
            password: Some(password.to_owned()),
            ..self.files.clone()
        };
        ReloadingCertificate::load(files, now())
    }
}

fn now() -> Timestamp {
    "2026-11-24T00:00:00Z".parse().unwrap()
}

fn start_of(year: i16) -> Timestamp {
    format!("{year}-01-01T00:00:00Z").parse().unwrap()
}

/// What is wrong with this pair of files, without the directory's name.
#[track_caller]
fn refusal(certificate: &str, key: &str) -> String {
    let disk = Disk::new(certificate, key);
    let error = disk.load().expect_err("a pair that is wrong was taken");
    error
        .to_string()
        .replace(&format!("{}/", disk.directory.path().display()), "")
}

#[test]
fn the_expiry_is_that_of_the_certificate() {
    let loaded = Disk::of(&Pair::until(2031)).load().unwrap();
    assert_eq!(loaded.expires(), start_of(2031));
    let after_2050 = Disk::new(EC, EC_SEC1).load().unwrap();
    assert_eq!(
        after_2050.expires(),
        "2126-10-31T10:02:16Z".parse().unwrap()
    );
}

#[test]
fn keys_come_in_three_forms_and_may_share_the_certificates_file() {
    Disk::of(&Pair::new()).load().unwrap();
    Disk::new(EC, EC_SEC1).load().unwrap();
    Disk::new(RSA, RSA_PKCS1).load().unwrap();

    let both = Disk::new(&format!("{EC_SEC1}{EC}"), "");
    let files = CertificateFiles {
        key: None,
        ..both.files
    };
    ReloadingCertificate::load(files, now()).unwrap();
}

#[test]
fn an_encrypted_key_opens_with_its_password_only() {
    let disk = Disk::new(EC, EC_ENCRYPTED);
    disk.load_with_password("correct").unwrap();
    let error = disk.load_with_password("wrong").unwrap_err().to_string();
    assert!(error.contains("wrong password"), "{error}");
    assert!(!error.contains("\"wrong\""), "{error}");
    assert_eq!(
        refusal(EC, EC_ENCRYPTED),
        "tls.key: the private key is encrypted, and there is no password for it"
    );
}

#[test]
fn what_is_wrong_is_said_with_the_file() {
    let old = refusal(EC, EC_OLD_ENCRYPTED);
    assert!(
        old.starts_with("tls.key: ") && old.contains("openssl pkcs8 -topk8"),
        "{old}"
    );
    assert_eq!(refusal(EC, EC), "tls.key: there is no private key in it");
    let no_certificate = refusal("PK\u{3}\u{4}", EC_SEC1);
    assert!(
        no_certificate.starts_with("tls.crt: there is no \"-----BEGIN CERTIFICATE"),
        "{no_certificate}"
    );
    let cut_off = refusal(&EC[..EC.len() / 2], EC_SEC1);
    assert!(cut_off.starts_with("tls.crt: this is no PEM"), "{cut_off}");
    let strangers = refusal(EC, RSA_PKCS1);
    assert!(
        strangers.starts_with("tls.crt and tls.key: "),
        "{strangers}"
    );
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let unreadable = refusal(garbage, EC_SEC1);
    assert!(
        unreadable.starts_with("tls.crt: the certificate cannot be read"),
        "{unreadable}"
    );
    let cut_key = refusal(EC, EC_ENCRYPTED.lines().next().unwrap());
    assert!(cut_key.starts_with("tls.key: "), "{cut_key}");
    let huge = refusal(EC, &" ".repeat(2 * 1024 * 1024));
    assert!(
        huge.starts_with("tls.key is larger than 1048576 bytes"),
        "{huge}"
    );

    let disk = Disk::new(EC, EC_SEC1);
    fs::remove_file(disk.files.key_path()).unwrap();
    let missing = disk.load().unwrap_err().to_string();
    assert!(
        missing.starts_with("cannot read ") && missing.contains("tls.key"),
        "{missing}"
    );
}

#[test]
fn the_password_is_not_shown() {
    let files = CertificateFiles {
        certificate: "a".into(),
        key: None,
        password: Some("hunter2".to_owned()),
    };
    assert!(!format!("{files:?}").contains("hunter2"));
}

#[test]
fn new_files_are_used_once_they_are_whole() {
    let (old, new) = (Pair::until(2030), Pair::until(2040));
    let disk = Disk::of(&old);
    let certificate = disk.load().unwrap();
    assert_eq!(certificate.reload(now()).unwrap(), Reload::Unchanged);

    disk.write(&new.certificate, &old.key);
    assert!(matches!(
        certificate.reload(now()),
        Err(CertificateError::Pair { .. })
    ));
    assert_eq!(certificate.expires(), start_of(2030));
    assert_eq!(
        certificate.reload(now()).unwrap(),
        Reload::Unchanged,
        "reported twice"
    );

    disk.write(&new.certificate, &new.key);
    assert_eq!(certificate.reload(now()).unwrap(), Reload::Replaced);
    assert_eq!(certificate.expires(), start_of(2040));
}

#[test]
fn an_expired_certificate_starts_a_service_but_replaces_none() {
    let expired = Pair::until(2025);
    assert_eq!(Disk::of(&expired).load().unwrap().expires(), start_of(2025));

    let disk = Disk::of(&Pair::until(2030));
    let certificate = disk.load().unwrap();
    disk.write(&expired.certificate, &expired.key);
    assert!(matches!(
        certificate.reload(now()),
        Err(CertificateError::Expired { .. })
    ));
    assert_eq!(certificate.expires(), start_of(2030));
}

#[cfg(unix)]
#[test]
fn a_swapped_symlink_is_a_change() {
    fn point(link: &Path, target: &Path) {
        let _ = fs::remove_file(link);
        std::os::unix::fs::symlink(target, link).unwrap();
    }
    let (old, new) = (Disk::of(&Pair::until(2030)), Disk::of(&Pair::until(2040)));
    let link = old.directory.path().join("current");
    point(&link, old.directory.path());
    let files = CertificateFiles {
        certificate: link.join("tls.crt"),
        key: Some(link.join("tls.key")),
        password: None,
    };
    let certificate = ReloadingCertificate::load(files, now()).unwrap();
    point(&link, new.directory.path());
    assert_eq!(certificate.reload(now()).unwrap(), Reload::Replaced);
}

#[tokio::test(start_paused = true)]
async fn changed_files_are_noticed_within_the_period() {
    let (old, new) = (Pair::until(2090), Pair::until(2091));
    let disk = Disk::of(&old);
    let certificate = disk.load().unwrap();
    let following = tokio::spawn(Arc::clone(&certificate).follow());
    disk.write(&new.certificate, &new.key);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(certificate.expires(), start_of(2090));
    testing::until(|| certificate.expires() == start_of(2091)).await;
    following.abort();
}

#[cfg(unix)]
#[tokio::test]
async fn sighup_makes_it_look_at_once() {
    let (old, new) = (Pair::until(2090), Pair::until(2091));
    let disk = Disk::of(&old);
    let certificate = disk.load().unwrap();
    let an_hour = Duration::from_secs(3600);
    let following = tokio::spawn(Arc::clone(&certificate).follow_every(an_hour));
    // On this runtime of one thread the task runs now, up to its first wait: the signal is caught from here on.
    tokio::task::yield_now().await;
    disk.write(&new.certificate, &new.key);
    let sent = std::process::Command::new("kill")
        .args(["-s", "HUP", &std::process::id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
    testing::until(|| certificate.expires() == start_of(2091)).await;
    following.abort();
}

#[tokio::test]
async fn open_connections_survive_a_reload_and_new_ones_see_the_new_certificate() {
    let (old, new) = (Pair::until(2090), Pair::until(2091));
    let disk = Disk::of(&old);
    let certificate = disk.load().unwrap();
    let endpoint = testing::loopback(
        Protocol::Http1AndHttp2,
        Some(certificate.server_config(Protocol::Http1AndHttp2)),
    );
    let router = Router::new().route("/", route(async || "hello"));
    let running = testing::run(endpoint, Limits::default(), &router);

    let stream = testing::connect_tls(running.address, &old.der, &["http/1.1"])
        .await
        .unwrap();
    let mut before = testing::http1(stream).await;
    let answer = before.send_request(testing::get("/")).await.unwrap();
    assert_eq!(testing::text(answer).await, "hello");

    disk.write(&new.certificate, &new.key);
    assert_eq!(certificate.reload(now()).unwrap(), Reload::Replaced);

    let answer = before.send_request(testing::get("/")).await.unwrap();
    assert_eq!(testing::text(answer).await, "hello");
    testing::connect_tls(running.address, &old.der, &["http/1.1"])
        .await
        .expect_err("the old certificate is still handed out");
    let stream = testing::connect_tls(running.address, &new.der, &["h2"])
        .await
        .unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    assert_eq!(running.counters.accepted(), 3);
}

#[tokio::test]
async fn grpc_listeners_speak_http2_only() {
    let pair = Pair::new();
    let config = Disk::of(&pair)
        .load()
        .unwrap()
        .server_config(Protocol::Http2);
    let endpoint = testing::loopback(Protocol::Http2, Some(config));
    let running = testing::run(endpoint, Limits::default(), &Router::new());

    let stream = testing::connect_tls(running.address, &pair.der, &["h2", "http/1.1"])
        .await
        .unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    testing::connect_tls(running.address, &pair.der, &["http/1.1"])
        .await
        .expect_err("HTTP/1.1 was agreed on");
    testing::until(|| running.counters.tls_failed() == 1).await;
}
