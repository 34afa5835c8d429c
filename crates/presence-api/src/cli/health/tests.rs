use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// Asks a peer that gives this answer to whatever it is asked.
async fn asked(answer: Vec<u8>) -> (Result<String, String>, Uri) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = target(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let peer = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        let length = stream.read(&mut request).await.unwrap();
        let request = String::from_utf8_lossy(&request[..length]).to_ascii_lowercase();
        assert!(request.starts_with("get /health/ready http/1.1\r\n"));
        assert!(request.contains(&format!("host: {}\r\n", target.authority().unwrap())));
        // Who has heard enough may have gone before the end of a long answer.
        let _ = stream.write_all(&answer).await;
        stream
    };
    let targets = [target.clone()];
    let (answered, _stream) = tokio::join!(first_answer(&targets), peer);
    (answered, target)
}

async fn check(answer: &str, expected: Result<&str, &str>) {
    let (answered, target) = asked(answer.as_bytes().to_vec()).await;
    match (answered, expected) {
        (Ok(line), Ok(word)) => assert_eq!(line, format!("{target}: {word}")),
        (Err(line), Err(part)) => assert!(line.contains(part), "{line}"),
        (answered, expected) => panic!("{answered:?}, expected {expected:?}"),
    }
}

#[tokio::test]
async fn only_200_is_ready() {
    let ready = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nHealthy";
    check(ready, Ok("Healthy")).await;
    let degraded = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nDegraded";
    check(degraded, Ok("Degraded")).await;
    let unready = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 9\r\n\r\nUnhealthy";
    check(unready, Err("Unhealthy (503 Service Unavailable)")).await;
    let elsewhere = "HTTP/1.1 307 Temporary Redirect\r\nContent-Length: 0\r\n\r\n";
    check(elsewhere, Err("no word (307 Temporary Redirect)")).await;
}

#[tokio::test]
async fn what_is_no_answer_is_told() {
    check("220 mail.example.com ESMTP\r\n", Err("gave no answer")).await;
    let long = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}",
        2 * BODY_MAX,
        "x".repeat(2 * BODY_MAX)
    );
    check(&long, Err("gave half an answer")).await;
    let rude = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n\x1b[2Jok\nx";
    check(rude, Ok("[2Jok")).await;
}

#[tokio::test(start_paused = true)]
async fn silence_has_an_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = target(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let told = first_answer(&[silent]).await.unwrap_err();
    assert!(told.contains("no answer within 4s"), "{told}");
}

#[tokio::test]
async fn the_second_address_is_asked_if_the_first_is_missing() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let missing = target(&format!("http://{}", gone.local_addr().unwrap())).unwrap();
    drop(gone);
    let told = first_answer(std::slice::from_ref(&missing))
        .await
        .unwrap_err();
    assert!(told.contains("cannot be reached"), "{told}");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let there = target(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let peer = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nHealthy";
        stream.write_all(answer).await.unwrap();
        stream
    };
    let targets = [missing, there];
    let (answered, _stream) = tokio::join!(first_answer(&targets), peer);
    assert_eq!(answered, Ok(format!("{}: Healthy", targets[1])));
}

fn listener(addresses: &[&str], scheme: Scheme, protocol: Protocol) -> Listener {
    Listener {
        addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
        scheme,
        protocol,
        key: "Urls".to_owned(),
    }
}

fn asked_of(listeners: &[Listener]) -> Result<String, String> {
    targets(listeners).map(|targets| {
        let targets: Vec<String> = targets.iter().map(Uri::to_string).collect();
        targets.join(" ")
    })
}

#[test]
fn the_first_plain_web_listener_is_asked() {
    let grpc = || listener(&["[::]:8082"], Scheme::Http, Protocol::Http2);
    let web = |addresses: &[&str]| listener(addresses, Scheme::Http, Protocol::Http1AndHttp2);
    let check = |addresses: &[&str], expected: &str| {
        assert_eq!(asked_of(&[grpc(), web(addresses)]).unwrap(), expected);
    };
    check(&["[::]:8080"], "http://127.0.0.1:8080/health/ready");
    check(&["0.0.0.0:8080"], "http://127.0.0.1:8080/health/ready");
    check(&["10.1.2.3:8080"], "http://10.1.2.3:8080/health/ready");
    check(
        &["127.0.0.1:5006", "[::1]:5006"],
        "http://127.0.0.1:5006/health/ready http://[::1]:5006/health/ready",
    );

    let told = asked_of(&[grpc()]).unwrap_err();
    assert!(told.contains("no web listener is without TLS"), "{told}");
    let told = asked_of(&[web(&["127.0.0.1:0"])]).unwrap_err();
    assert!(told.contains("--url"), "{told}");
}

#[test]
fn an_address_is_taken_with_its_path_or_without() {
    let check = |url: &str, expected: &str| assert_eq!(target(url).unwrap(), *expected);
    check("http://node1:8080", "http://node1:8080/health/ready");
    check("http://node1:8080/", "http://node1:8080/health/ready");
    check("http://[::1]:8080/health", "http://[::1]:8080/health");
    for wrong in ["node1:8080", "https://node1", "/health", "", "http://"] {
        let told = target(wrong).unwrap_err();
        assert!(told.contains("http://host:port is wanted"), "{told}");
    }
    let told = target("http://me:secret@node1").unwrap_err();
    assert!(!told.contains("secret"), "{told}");
}

#[test]
fn url_may_be_one_word_or_two() {
    let take = |arguments: &[&str]| {
        let arguments = arguments.iter().map(|&a| a.to_owned()).collect();
        take_url(arguments).map(|(url, rest)| (url, rest.join(" ")))
    };
    let url = || Some("http://a".to_owned());
    assert_eq!(take(&["--url", "http://a"]), Ok((url(), String::new())));
    assert_eq!(take(&["--url=http://a", "x"]), Ok((url(), "x".to_owned())));
    assert_eq!(take(&["--urls", "b"]), Ok((None, "--urls b".to_owned())));
    assert!(take(&["--url"]).unwrap_err().contains("needs an address"));
}
