//! Where a plugin may call, with what, how long, and what it sees of the answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use omnigate::egress::Egress;
use omnigate::plugin::Binding;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::bench::{Bench, LOG, TOKEN};

#[path = "../support/peer.rs"]
#[allow(dead_code, clippy::duplicate_mod, reason = "the tests of plugins use the rest of it")]
pub mod peer;
use peer::{Answer, Peer};

fn get(url: &str) -> Value {
    json!({"call": "http", "url": url})
}

/// The result of one call of the host.
async fn sent(bench: &Bench, channel: &Arc<Binding>, call: Value) -> Value {
    bench.script(channel, json!([call])).await.remove(0)
}

/// Says whether anybody knocked.
async fn canary() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// A connection is made before an error is told: whoever knocked waits here already.
async fn nobody_came(canary: TcpListener) {
    assert!(tokio::time::timeout(Duration::from_millis(100), canary.accept()).await.is_err(), "somebody came");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_reached_that_was_not_granted() {
    let bench = Bench::with("http_requests = 100").await;
    let (canary, address) = canary().await;
    let port = address.rsplit_once(':').unwrap().1;
    let channel = bench.channel("denied", &["localhost", "127.0.0.1", "169.254.169.254", "api.example.com", "[::1]"]);
    for (url, rule) in [
        (format!("http://{address}/"), "is not granted"),
        (format!("http://localhost:{port}/"), "is not granted"),
        (format!("https://127.0.0.1:{port}/"), "is not granted"),
        (format!("http://2130706433:{port}/"), "is not granted"),
        (format!("http://0x7f.1:{port}/"), "is not granted"),
        (format!("http://[::ffff:127.0.0.1]:{port}/"), "is not granted"),
        ("https://127.0.0.1/".into(), "private addresses are granted by host:port only"),
        ("https://2130706433/".into(), "private addresses are granted by host:port only"),
        ("https://0x7f000001/".into(), "private addresses are granted by host:port only"),
        ("https://017700000001/".into(), "private addresses are granted by host:port only"),
        ("https://169.254.169.254/latest/meta-data".into(), "private addresses are granted by host:port only"),
        ("https://[::1]/".into(), "private addresses are granted by host:port only"),
        ("https://[::ffff:169.254.169.254]/".into(), "is not granted"),
        ("https://localhost/".into(), "the name leads to a private address, which is granted by host:port only"),
        ("http://169.254.169.254/".into(), "is not granted"),
        ("https://u:p@api.example.com/".into(), "an address must not contain credentials"),
        ("https://api.example.com@evil.example/".into(), "must not contain credentials"),
        ("https://api.example.com.evil.example/".into(), "is not granted"),
        ("http://api.example.com/".into(), "is not granted"),
        ("file:///etc/passwd".into(), "file is neither http nor https"),
        ("nonsense".into(), "the address is not valid"),
        (format!("https://api.example.com/{}", "x".repeat(9000)), "the address is longer than 8192 bytes"),
    ] {
        let told = sent(&bench, &channel, get(&url)).await["err"].as_str().unwrap_or_default().to_owned();
        assert!(told.contains("HttpError::Denied") && told.contains(rule), "{url:.100}: {told}");
    }
    nobody_came(canary).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_opens_no_door() {
    let bench = Bench::new().await;
    let (canary, address) = canary().await;
    let places = [format!("http://{address}/"), "http://169.254.169.254/latest".into(), "gopher://x/".into()];
    for place in places {
        let peer = redirecting(&place).await;
        let channel = bench.channel("redirected", &[&peer.address.to_string()]);
        let told = sent(&bench, &channel, get(&peer.url())).await["err"].to_string();
        assert!(told.contains("HttpError::Denied"), "{place}: {told}");
        let post = json!({"call": "http", "url": peer.url(), "method": "POST"});
        assert_eq!(sent(&bench, &channel, post).await["status"], 302, "what may not be repeated is not");
    }
    nobody_came(canary).await;
}

async fn redirecting(place: &str) -> Peer {
    let headers = vec![("location".to_owned(), place.to_owned())];
    Peer::with(move |_| Answer { status: 302, headers: headers.clone(), body: Bytes::new(), close: false }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_stay_with_their_host() {
    let bench = Bench::new().await;
    let second = Peer::with(|_| Answer::json(200, "{}")).await;
    let first = redirecting(&second.url()).await;
    let channel = bench.channel("redirected", &[&first.address.to_string(), &second.address.to_string()]);
    let call = json!({"call": "http", "url": first.url(), "credentials": [{"bearer": "token"}, {"header": ["x-key", "", "token"]}]});
    assert_eq!(sent(&bench, &channel, call).await["status"], 200);
    assert_eq!(first.calls()[0].headers["authorization"], format!("Bearer {TOKEN}"));
    assert!(!format!("{:?}", second.calls()[0].headers).contains(TOKEN), "{:?}", second.calls()[0].headers);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_goes_to_its_own_hosts_alone() {
    let bench = Bench::new().await;
    let peer = Peer::with(|_| Answer::json(200, "{}")).await;
    let host = peer.address.to_string();
    let mut binding = (*bench.channel("audience", &[&host])).clone();
    binding.slots.get_mut("token").unwrap().clear();
    let channel = Arc::new(binding);
    for slot in ["token", "webhook", "other", "@channel"] {
        let call = json!({"call": "http", "url": peer.url(), "credentials": [{"bearer": slot}]});
        let told = sent(&bench, &channel, call).await["err"].to_string();
        assert!(told.contains("must not be sent to") || told.contains("is not declared"), "{slot}: {told}");
    }
    assert!(peer.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_framed_by_the_host() {
    let bench = Bench::with("http_requests = 100").await;
    let peer = Peer::with(|_| Answer::json(200, "{}")).await;
    let channel = bench.channel("framing", &[&peer.address.to_string()]);
    let url = peer.url();
    let names = [
        "Authorization",
        "host",
        "Transfer-Encoding",
        "content-length",
        "connection",
        "cookie",
        "te",
        "upgrade",
        "proxy-authorization",
        "trailer",
        "expect",
        "keep-alive",
        "proxy-connection",
    ];
    let mut calls: Vec<Value> = names.map(|name| json!({"call": "http", "url": url, "headers": [[name, "x"]]})).into();
    // What a guest must not write, it must not write by way of a credential's name.
    let framing = names.into_iter().filter(|name| !["Authorization", "cookie", "proxy-authorization"].contains(name));
    calls.extend(
        framing.map(|name| json!({"call": "http", "url": url, "credentials": [{"header": [name, "x", "token"]}]})),
    );
    calls.extend(
        ["x\r\ny: z", "x\ny", "x\0"].map(|value| json!({"call": "http", "url": url, "headers": [["x-a", value]]})),
    );
    calls.extend(["x y", "x\r\ny", "", "x:"].map(|name| json!({"call": "http", "url": url, "headers": [[name, "v"]]})));
    calls.push(json!({"call": "http", "url": url, "credentials": [{"header": ["x-a", "\r\nx-b: ", "token"]}]}));
    calls.extend(
        ["CONNECT", "TRACE", "GET / HTTP/1.1\r\nx: y", "", "get"]
            .map(|method| json!({"call": "http", "url": url, "method": method})),
    );
    calls.push(json!({"call": "http", "url": url, "headers": vec![["x-a", "v"]; 65]}));
    for call in calls {
        let told = sent(&bench, &channel, call.clone()).await["err"].to_string();
        assert!(told.contains("HttpError::Denied"), "{call}: {told}");
        assert!(!told.contains(TOKEN), "{told}");
    }
    assert!(peer.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_the_path_stays_in_its_place() {
    let bench = Bench::with("http_requests = 100").await;
    let peer = Peer::with(|_| Answer::json(200, "{}")).await;
    let (host, url) = (peer.address.to_string(), peer.url());
    let channel = bench.channel("path", &[&host]);
    let call = |url: String, more: Value| json!({"call": "http", "url": url, "credentials": [more, {"path": "token"}]});
    let query = json!({"query": ["key", "", "token"]});
    sent(&bench, &channel, call(format!("{url}/bot{{token}}/send"), query)).await;
    assert_eq!(peer.calls()[0].path, "/bottoken-0123456789%2B%2F=/send?key=token-0123456789%2B%2F%3D");
    for place in ["http://{token}/", "http://u:{token}@x/", "http://x:{token}/"] {
        let place = place.replace('x', &host);
        let told =
            sent(&bench, &channel, json!({"call": "http", "url": place, "credentials": [{"path": "token"}]})).await;
        assert!(told["err"].to_string().contains("HttpError::Denied"), "{place} {told}");
    }
    let told = sent(&bench, &channel, json!({"call": "http", "url": url, "credentials": [{"path": "token"}]})).await;
    assert!(told["err"].to_string().contains("the address has no place {token} for the slot"), "{told}");
    assert_eq!(peer.calls().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_repeats_a_secret_does_not_tell_it_to_the_guest() {
    std::sync::LazyLock::force(&LOG);
    let bench = Bench::with("http_requests = 100").await;
    let peer = Peer::with(|call| {
        let headers = call.headers.get("authorization").map(|value| ("x-echo".into(), value.to_str().unwrap().into()));
        let path = [("location".to_owned(), call.path.clone())];
        let body = format!("{} {:?}", call.path, call.headers).into();
        Answer { status: 201, headers: headers.into_iter().chain(path).collect(), body, close: false }
    })
    .await;
    let channel = bench.channel("echo", &[&peer.address.to_string()]);
    for credential in [
        json!({"bearer": "token"}),
        json!({"basic": ["user", "token"]}),
        json!({"header": ["x-key", "Key ", "token"]}),
        json!({"query": ["key", "", "token"]}),
        json!({"path": "token"}),
    ] {
        let url = format!("{}/{}", peer.url(), if credential.get("path").is_some() { "{token}" } else { "" });
        let answer = sent(&bench, &channel, json!({"call": "http", "url": url, "credentials": [credential]})).await;
        assert_eq!(answer["status"], 201, "{answer}");
        let text = answer.to_string();
        assert!(text.contains("********") && !text.contains("0123456789") && !text.contains("MDEyMzQ1Njc4"), "{text}");
    }
    let logged = LOG.lines().join("\n");
    assert!(!logged.contains(TOKEN));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_cut_and_requests_are_counted() {
    let bench = Bench::new().await;
    let peer = Peer::with(|_| Answer::json(200, &"x".repeat(1 << 20))).await;
    let channel = bench.channel("large", &[&peer.address.to_string()]);
    let calls: Vec<_> = (0..6).map(|_| get(&peer.url())).collect();
    let answers = bench.script(&channel, json!(calls)).await;
    for answer in &answers[..4] {
        assert_eq!((&answer["bytes"], &answer["truncated"]), (&json!(16 << 10), &json!(true)));
    }
    assert_eq!(answers[4..], [json!({"err": "HttpError::BudgetSpent"}), json!({"err": "HttpError::BudgetSpent"})]);
}

/// One byte now and then, for ever.
pub async fn dripping() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let mut dripping = stream.read(&mut request).await.is_ok()
                    && stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n").await.is_ok();
                while dripping {
                    dripping = stream.write_all(b"x").await.is_ok();
                    // The slowness is the point.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_provider_is_a_timeout_before_the_wall() {
    let bench = Bench::with("wall = \"500ms\"\ncpu = \"100ms\"\nconcurrency = 4").await;
    let address = dripping().await;
    let channel = bench.channel("slow", &[&address]);
    let began = Instant::now();
    let calls = (0..6).map(|_| sent(&bench, &channel, get(&format!("http://{address}/"))));
    for answer in futures_util::future::join_all(calls.take(2)).await {
        assert_eq!(answer["err"], "HttpError::Timeout");
    }
    assert!(began.elapsed() >= Duration::from_millis(400));
    let quick = json!({"call": "http", "url": format!("http://{address}/"), "timeout_ms": 1});
    assert_eq!(sent(&bench, &channel, quick).await["err"], "HttpError::Timeout");
    bench.is_whole().await;
}

/// Names below a granted domain, as many as there are calls, and none is ever resolved.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_never_resolved_is_a_timeout_before_the_wall() {
    let hangs = Egress::resolving_by(Arc::new(|name| {
        assert!(name.ends_with(".slow.example"), "{name}");
        // Longer than any test takes: no answer comes.
        std::thread::sleep(Duration::from_secs(600));
        Ok(Vec::new())
    }));
    let limits = "wall = \"3s\"\ncpu = \"100ms\"\nconcurrency = 4\nhttp_requests = 100";
    let bench = Bench::reaching(limits, hangs).await;
    let channel = bench.channel("slow", &["*.slow.example"]);
    for round in 0..3 {
        let call = |n| json!({"call": "http", "url": format!("https://{round}-{n}.slow.example/"), "timeout_ms": 10});
        let answers = bench.script(&channel, json!((0..20).map(call).collect::<Vec<_>>())).await;
        assert!(answers.iter().all(|answer| answer["err"] == "HttpError::Timeout"), "{answers:?}");
    }
    let unhurried = sent(&bench, &channel, get("https://unhurried.slow.example/")).await;
    assert_eq!(unhurried["err"], "HttpError::Timeout", "the call goes on, and can say what happened");
    bench.is_whole().await;
}

/// What an adapter says of a file is checked like any request of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_download_is_bound_by_the_same_grants() {
    let bench = Bench::new().await;
    let channel = bench.channel("download", &["api.example.com"]);
    assert!(bench.plugin.locate(&channel, 1, "https://api.example.com/file").await.result.is_ok());
    for url in ["https://evil.example/", "http://169.254.169.254/", "https://u:p@api.example.com/"] {
        let result = bench.plugin.locate(&channel, 1, url).await.result;
        assert!(format!("{result:?}").contains("Contract("), "{url}: {result:?}");
        assert!(!format!("{result:?}").contains(TOKEN));
    }
}
