//! Bytes that no honest client sends: nothing of them is taken for a second request, keeps a place, or takes memory.

use std::net::SocketAddr;

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{ConfigBuilder, Gateway, Telegram, within};

const BOT: Telegram = Telegram("bot");
/// What stands behind a body, if somebody takes its end to be elsewhere.
const SMUGGLED: &str = "0\r\n\r\nGET /healthz HTTP/1.1\r\nhost: smuggled\r\n\r\n";

fn config() -> ConfigBuilder {
    ConfigBuilder::new().telegram(&BOT, None).set("server", "request_timeout", "1s")
}

/// Sends these bytes and reads until the gateway closes: it always does.
async fn answer_to(address: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // It may close before the end.
    let _ = stream.write_all(bytes.as_ref()).await;
    let mut answer = Vec::new();
    let _ = within("the end of the connection", stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[track_caller]
fn expect_one(answer: &str, status: u16, shape: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{shape}: {answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{shape}: {answer}");
}

#[tokio::test]
async fn nothing_is_smuggled_behind_a_body() {
    let gateway = Gateway::start(config()).await;
    let length = SMUGGLED.len();
    for (shape, status) in [
        // RFC 9112, section 6.1: the chunks decide, and the connection ends.
        (format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n"), 401),
        (format!("transfer-encoding: chunked\r\ncontent-length: {length}\r\n"), 401),
        (format!("content-length: {length}\r\ncontent-length: 5\r\n"), 400),
        (format!("content-length: {length}, {length}\r\n"), 400),
        (format!("content-length: +{length}\r\n"), 400),
        (format!("content-length: -{length}\r\n"), 400),
        (format!("content-length: 0x{length:x}\r\n"), 400),
        ("content-length: 99999999999999999999999\r\n".into(), 400),
        ("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n".into(), 400),
        ("transfer-encoding: xchunked\r\n".into(), 400),
        ("transfer-encoding : chunked\r\n".into(), 400),
        ("transfer-encoding:\r\n chunked\r\n".into(), 400),
        ("x-folded: a\r\n b\r\n".into(), 400),
        ("host: another\r\n".into(), 400),
        ("x-nul: a\0b\r\n".into(), 400),
        ("x-return: a\rb\r\n".into(), 400),
    ] {
        let close = if status == 401 || shape.starts_with("host") { "connection: close\r\n" } else { "" };
        let request = format!("POST /channels/bot HTTP/1.1\r\nhost: x\r\n{close}{shape}\r\n{SMUGGLED}");
        expect_one(&answer_to(gateway.address, request).await, status, &shape);
    }
    let old = format!("POST /channels/bot HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n{SMUGGLED}");
    expect_one(&answer_to(gateway.address, old).await, 400, "chunks of HTTP/1.0");
}

/// Without `connection: close` the gateway itself ends what somebody on the way may have read otherwise.
#[tokio::test]
async fn a_body_with_two_ends_is_the_last_of_its_connection() {
    let gateway = Gateway::start(config()).await;
    for (first, second) in
        [("content-length: 48", "transfer-encoding: chunked"), ("transfer-encoding: chunked", "content-length: 48")]
    {
        let request = format!("POST /channels/bot HTTP/1.1\r\nhost: x\r\n{first}\r\n{second}\r\n\r\n{SMUGGLED}");
        expect_one(&answer_to(gateway.address, request).await, 401, first);
    }
}

#[tokio::test]
async fn a_request_names_one_host() {
    let gateway = Gateway::start(config()).await;
    for (hosts, version, status) in
        [("", "1.1", 400), ("host: a\r\nhost: b\r\n", "1.1", 400), ("host: a\r\n", "1.1", 200), ("", "1.0", 200)]
    {
        let request = format!("GET /healthz HTTP/{version}\r\n{hosts}connection: close\r\n\r\n");
        let answer = answer_to(gateway.address, request).await;
        assert!(answer.contains(&format!(" {status} ")), "{hosts:?} {version}: {answer}");
    }
}

#[tokio::test]
async fn targets_of_every_form_lead_nowhere_else() {
    let gateway = Gateway::start(config()).await;
    for (line, status) in [
        ("GET http://elsewhere.example/healthz HTTP/1.1", 200),
        ("POST http://elsewhere.example/channels/bot HTTP/1.1", 401),
        ("CONNECT elsewhere.example:80 HTTP/1.1", 404),
        ("OPTIONS * HTTP/1.1", 404),
        ("POST /channels/bot/%2e%2e/%2e%2e/v1/channels HTTP/1.1", 401),
        ("POST /channels/bot/../../v1/channels HTTP/1.1", 401),
        ("GET /channels/%62ot HTTP/1.1", 404),
        ("GET /v1/../v1/channels HTTP/1.1", 404),
        ("GET //v1/channels HTTP/1.1", 404),
        ("GET /chat/%ff%fe HTTP/1.1", 404),
        ("GET /chat/%ff%fe/socket HTTP/1.1", 404),
        ("GET /connectors/%ff HTTP/1.1", 404),
        ("PUT /v1/uploads/nonsense HTTP/1.1", 404),
        ("PUT /v1/uploads/0198c0de-0000-7000-8000-000000000001?expires=x HTTP/1.1", 404),
        ("GET /chat/bot%00 HTTP/1.1", 404),
        ("GET /v1/media/%00 HTTP/1.1", 404),
        ("GET /\0 HTTP/1.1", 400),
        ("GET /v1/\u{ff} HTTP/1.1", 404),
        ("G%T / HTTP/1.1", 404),
        ("PRI * HTTP/2.0", 400),
        ("GET / HTTP/3.0", 400),
        ("\u{16}\u{3}\u{1}", 400),
    ] {
        let request = format!("{line}\r\nhost: x\r\nconnection: close\r\n\r\n");
        let answer = answer_to(gateway.address, request).await;
        expect_one(&answer, status, line);
        if status == 404 {
            assert!(answer.contains("urn:omnigate:problem:not-found"), "{line}: {answer}");
        }
    }
    let long = format!("GET /v1/interactions?q={} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(200_000));
    let answer = answer_to(gateway.address, long).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    gateway.client().get("/healthz").await.expect(200);
}

/// Each piece is five bytes of framing and one of the body; kept as they came, they took many times their size.
#[tokio::test]
async fn a_body_of_tiny_pieces_takes_no_more_memory_than_its_bytes() {
    const PIECES: usize = 2 << 20;
    let gateway = Gateway::start(config().set("server", "request_timeout", "60s")).await;
    let before = gateway.resident_bytes();
    let head = "POST /channels/bot HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    let body = [head.as_bytes(), &b"1\r\na\r\n".repeat(PIECES)].concat();
    let bodies = (0..3).map(async |_| {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        stream.write_all(&body).await.unwrap();
        stream
    });
    let mut streams = join_all(bodies).await;
    let grown = gateway.resident_bytes().saturating_sub(before);
    assert!(grown < 64 << 20, "the process has grown by {} MiB for 6 MiB", grown >> 20);
    for stream in &mut streams {
        stream.write_all(b"0\r\n\r\n").await.unwrap();
        let mut status = [0; 13];
        within("the answer", stream.read_exact(&mut status)).await.unwrap();
        assert_eq!(&status, b"HTTP/1.1 401 ");
    }
}

#[tokio::test]
async fn more_idle_connections_than_places_keep_nobody_out() {
    let gateway = Gateway::start(config().set("server", "connections_max", 40)).await;
    let idle = (0..200).map(|_| TcpStream::connect(gateway.address));
    let idle: Vec<_> = join_all(idle).await.into_iter().map(Result::unwrap).collect();
    gateway.client().get("/healthz").await.expect(200);
    drop(idle);
}

/// Megabytes of answers that nobody takes, on every place that there is.
#[tokio::test]
async fn who_does_not_read_keeps_no_place() {
    let gateway = Gateway::start(config().set("server", "connections_max", 4)).await;
    let asking = "GET /v1/openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(400);
    let mut silent = Vec::new();
    for _ in 0..4 {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        stream.write_all(asking.as_bytes()).await.unwrap();
        silent.push(stream);
    }
    gateway.client().get("/healthz").await.expect(200);
    drop(silent);
}

/// Whoever goes in the middle gives his place back.
#[tokio::test]
async fn who_leaves_in_the_middle_leaves_nothing_behind() {
    let config = config().set("server", "requests_max", 2).set("server", "request_timeout", "60s");
    let gateway = Gateway::start(config).await;
    for end in ["", "abc"] {
        for _ in 0..20 {
            let mut stream = TcpStream::connect(gateway.address).await.unwrap();
            let head = format!("POST /channels/bot HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{end}");
            stream.write_all(head.as_bytes()).await.unwrap();
        }
    }
    let free = async {
        while BOT.text(1, 1, "x").send(&gateway.client()).await.status != 200 {
            tokio::task::yield_now().await;
        }
    };
    within("a free place", free).await;
}
