//! The program itself with an adapter that breaks: requests that are kept, versions that are exchanged, neighbours that go on.

use std::time::Duration;

use ring::hmac;
use serde_json::json;

use crate::bench::{TOKEN, WEBHOOK, rebuilt};
use crate::support::{Answer, Backend, Client, ConfigBuilder, Gateway, within};

fn config(channels: &[&str]) -> ConfigBuilder {
    let config = ConfigBuilder::new().set("plugins.limits", "cpu", "200ms").set("plugins.limits", "quarantine", 4);
    channels.iter().fold(config, |config, name| {
        let section = format!("channels.{name}");
        config.set(&section, "adapter", "hostile").set(&section, "secrets", json!({"webhook": WEBHOOK, "token": TOKEN}))
    })
}

/// A request of the provider, with his signature.
async fn signed(client: &Client, channel: &str, act: &str, body: &str) -> Answer {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, WEBHOOK.as_bytes()), body.as_bytes());
    request(client, channel, act, body, &[("x-signature".into(), hex::encode(tag))]).await
}

async fn request(client: &Client, channel: &str, act: &str, body: &str, headers: &[(String, String)]) -> Answer {
    client.request("POST", &format!("/channels/{channel}/{act}"), headers, body.to_owned().into()).await.unwrap()
}

/// Exchanges the plugin's file as an operator does: at once as a whole.
fn publish(gateway: &Gateway, component: &[u8]) {
    let plugins = gateway.directory().join("plugins");
    std::fs::write(plugins.join("aside"), component).unwrap();
    std::fs::rename(plugins.join("aside"), plugins.join("hostile.wasm")).unwrap();
}

/// Waits until the build of that number answers.
async fn in_use(client: &Client, channel: &str, build: &str) {
    let swapped = async {
        while request(client, channel, "build", "", &[]).await.expect(200).body != build {
            // Which build answers, only its answers tell.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within("the new build", swapped).await;
}

async fn kept(client: &Client) -> Vec<serde_json::Value> {
    client.get("/v1/dead-letters").await.expect(200).json()["dead_letters"].as_array().unwrap().clone()
}

#[tokio::test]
async fn authentic_requests_on_which_the_adapter_breaks_are_kept_and_digested_later() {
    let backend = Backend::start().await;
    let gateway = Gateway::start(config(&["moody"]).backend("desk", &backend)).await;
    let client = gateway.client();
    for act in ["moody-trap", "moody-loop", "moody-internal"] {
        request(&client, "moody", act, "nobody", &[]).await.expect(503);
        request(&client, "moody", act, "forged", &[("x-signature".into(), "00".repeat(32))]).await.expect(401);
        assert_eq!(signed(&client, "moody", act, act).await.expect(200).body, "");
    }
    let before = kept(&client).await;
    let reasons: Vec<_> = before.iter().map(|letter| letter["reason"].as_str().unwrap()).collect();
    let expected = [
        "it trapped: wasm trap: wasm `unreachable` instruction executed",
        "it used more processor time than plugins.limits.cpu",
        "it knows no better",
    ];
    assert_eq!(reasons, expected);
    let retry = format!("/v1/dead-letters/{}/retry", before[0]["id"].as_str().unwrap());
    client.call("POST", &retry, None).await.expect(409);
    let again = kept(&client).await;
    assert_eq!((&again[0]["attempts"], &again[0]["failed_at"]), (&json!(2), &before[0]["failed_at"]));
    publish(&gateway, &rebuilt(&[("BUILD=1", "BUILD=2")]));
    in_use(&client, "moody", "2").await;
    for letter in &before {
        let retry = format!("/v1/dead-letters/{}/retry", letter["id"].as_str().unwrap());
        client.call("POST", &retry, None).await.expect(202);
    }
    assert!(kept(&client).await.is_empty());
    for act in ["moody-trap", "moody-loop", "moody-internal"] {
        backend.wait_for_text(act).await;
    }
    let told = gateway.log.text();
    assert!(!told.contains(WEBHOOK) && !told.contains(TOKEN));
}

#[tokio::test]
async fn what_no_processor_could_redact_is_kept_only_where_the_operator_allows_it() {
    let redact = |name: &str, on_failure: &str| {
        let config = config(&["moody"]).processor(name, "redact", json!({}));
        config.set(&format!("processors.{name}"), "on_failure", on_failure)
    };
    let gateway = Gateway::start(redact("strict", "reject")).await;
    let client = gateway.client();
    assert!(signed(&client, "moody", "moody-trap", "x").await.expect(503).header("retry-after").is_some());
    assert!(kept(&client).await.is_empty());
    let (_, stopped) = gateway.terminate().await;
    let gateway = stopped.start_with(redact("lenient", "hold")).await;
    signed(&gateway.client(), "moody", "moody-trap", "x").await.expect(200);
    assert_eq!(kept(&gateway.client()).await.len(), 1);
}

#[tokio::test]
async fn so_many_are_kept_and_no_more() {
    let gateway = Gateway::start(config(&["moody", "other"])).await;
    let client = gateway.client();
    let bodies: Vec<_> = (0..12).map(|n| n.to_string()).collect();
    let all = bodies.iter().map(|body| signed(&client, "moody", "moody-internal", body));
    let answers = futures_util::future::join_all(all).await;
    let taken = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(taken, 4, "{answers:?}");
    for answer in answers.into_iter().filter(|answer| answer.status != 200) {
        assert!(answer.expect(503).header("retry-after").is_some());
    }
    assert_eq!(kept(&client).await.len(), 4);
    signed(&client, "other", "moody-internal", "x").await.expect(200);
    let letters = kept(&client).await;
    let one = letters.iter().find(|letter| letter["subscriber"] == "requests:moody").unwrap();
    client.call("DELETE", &format!("/v1/dead-letters/{}", one["id"].as_str().unwrap()), None).await.expect(204);
    signed(&client, "moody", "moody-internal", "there is room again").await.expect(200);
    signed(&client, "moody", "moody-internal", "and no more").await.expect(503);
}

/// 300 KiB of a request take 400 KiB in the store: the third reaches the bound.
#[tokio::test]
async fn so_many_bytes_are_kept_and_no_more() {
    let large = |first: &str| format!("{first}{}", "x".repeat(300 << 10));
    let limits = config(&["moody"]).set("plugins.limits", "quarantine", 100);
    let gateway = Gateway::start(limits.set("plugins.limits", "quarantine_bytes", "1MiB")).await;
    for n in ["1", "2", "3"] {
        assert!(!quarantine(&gateway.client()).await["requests"]["full"].as_bool().unwrap());
        signed(&gateway.client(), "moody", "moody-internal", &large(n)).await.expect(200);
    }
    let (_, stopped) = gateway.terminate().await;
    let gateway = stopped.start().await;
    let client = gateway.client();
    let refused = signed(&client, "moody", "moody-internal", "small").await.expect(503);
    assert!(refused.header("retry-after").is_some());
    assert!(refused.detail().contains("plugins.limits.quarantine and quarantine_bytes"), "{}", refused.detail());
    let shown = quarantine(&client).await["requests"].clone();
    assert_eq!((&shown["entries"], &shown["full"]), (&json!(3), &json!(true)), "none of them gave way: {shown}");
    assert!(shown["bytes"].as_u64().unwrap() > 3 * (400 << 10), "{shown}");
    let metrics = String::from_utf8(client.get("/metrics").await.expect(200).body.into()).unwrap();
    for line in ["entries{channel=\"moody\",kind=\"requests\"} 3", "full{channel=\"moody\",kind=\"requests\"} 1"] {
        assert!(metrics.contains(&format!("omnigate_channel_quarantine_{line}\n")), "{metrics}");
    }
    let oldest = kept(&client).await[0]["id"].as_str().unwrap().to_owned();
    client.call("DELETE", &format!("/v1/dead-letters/{oldest}"), None).await.expect(204);
    signed(&client, "moody", "moody-internal", "there is room again").await.expect(200);
    assert_eq!(kept(&client).await.len(), 3);
}

async fn quarantine(client: &Client) -> serde_json::Value {
    client.get("/v1/channels/moody").await.expect(200).json()["quarantine"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn loops_on_one_channel_keep_nobody_waiting() {
    let gateway = Gateway::start(config(&["hangs", "good"]).set("plugins.limits", "concurrency", 8)).await;
    let client = gateway.client();
    let loops: Vec<_> = (0..20)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { request(&client, "hangs", "loop", "", &[]).await.status })
        })
        .collect();
    let mut while_it_hung = 0;
    while loops.iter().any(|task| !task.is_finished()) {
        assert_eq!(request(&client, "good", "good", "", &[]).await.expect(200).body, "good");
        client.get("/channels/nobody").await.expect(404);
        while_it_hung += 1;
    }
    // Were they in one queue with the loops, it would be one for each eight of them.
    assert!(while_it_hung >= 5, "{while_it_hung} answers while it hung");
    for task in loops {
        assert_eq!(task.await.unwrap(), 503);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_exchanged_under_load() {
    let gateway = Gateway::start(config(&["swap"])).await;
    let client = gateway.client();
    in_use(&client, "swap", "1").await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let callers: Vec<_> = (0..4).map(|_| tokio::spawn(call_until(client.clone(), stopped.clone()))).collect();
    publish(&gateway, &rebuilt(&[("BUILD=1", "BUILD=2")]));
    in_use(&client, "swap", "2").await;
    publish(&gateway, &rebuilt(&[("BUILD=1", "BUILD=3"), ("channel@1\"", "channel@9\"")]));
    let told = gateway.log.line("the changed plugin is refused").await;
    assert!(told.contains("plugin hostile wants contract channel@9, and this gateway offers channel@1"), "{told}");
    in_use(&client, "swap", "2").await;
    publish(&gateway, &rebuilt(&[("BUILD=1", "BUILD=4")]));
    in_use(&client, "swap", "4").await;
    stop.send_replace(true);
    for caller in callers {
        let builds = caller.await.unwrap();
        assert!(builds.is_sorted(), "no caller goes back: {builds:?}");
        assert_eq!((builds.first(), builds.last()), (Some(&'1'), Some(&'4')));
        assert!(builds.iter().all(|build| "124".contains(*build)), "{builds:?}");
    }
}

/// Every request is answered, by one build.
async fn call_until(client: Client, stop: tokio::sync::watch::Receiver<bool>) -> Vec<char> {
    let mut builds = Vec::new();
    while !*stop.borrow() {
        let answer = request(&client, "swap", "build", "", &[]).await.expect(200);
        assert_eq!(answer.body.len(), 1);
        builds.push(char::from(answer.body[0]));
    }
    builds.push(char::from(request(&client, "swap", "build", "", &[]).await.expect(200).body[0]));
    builds
}
