use std::sync::Arc;

use omnigate::channels::Quarantine;
use omnigate::plugin::exchange::Request;
use omnigate::store::sqlite::SqliteStore;
use omnigate::store::{Store, Usage};
use serde_json::{Value, json};

use super::{BOT, NOBODY, heard, id, start};
use crate::support::{Backend, Behaviour, Client, ConfigBuilder, Gateway, Telegram};

async fn eventually(client: &Client, path: &str, what: impl Fn(&Value) -> bool) -> Value {
    crate::support::within(path, async {
        loop {
            let answer = client.get(path).await.expect(200).json();
            if what(&answer) {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

#[tokio::test]
async fn health_and_figures_need_no_key() {
    let (gateway, _provider) = start().await;
    heard(&gateway.client(), 1, "my words").await;
    let client = gateway.client().with_key("");
    assert_eq!(client.get("/healthz").await.expect(200).json(), json!({"status": "alive"}));
    assert_eq!(client.get("/readyz").await.expect(200).json(), json!({"status": "ready"}));
    let figures = client.get("/metrics").await.expect(200);
    let text = String::from_utf8(figures.body.to_vec()).unwrap();
    for line in [
        "omnigate_channel_events_total{channel=\"bot\",event=\"received\"} 1",
        "omnigate_channel_state{channel=\"bot\",state=\"connected\"} 1",
        "omnigate_subscriber_status{subscriber=\"channel:bot\",status=\"running\"} 1",
        "omnigate_store_events 2",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
    assert!(text.contains("omnigate_process_resident_memory_bytes") && text.ends_with("# EOF\n"));
    assert!(!text.contains("my words") && !text.contains("501"));
}

#[tokio::test]
async fn channels_tell_what_they_can_and_how_they_are() {
    let (gateway, _provider) = start().await;
    heard(&gateway.client(), 1, "hi").await;
    let channels = gateway.client().get("/v1/channels").await.expect(200).json();
    let names: Vec<&Value> = channels["channels"].as_array().unwrap().iter().map(|channel| &channel["name"]).collect();
    assert_eq!(names, ["bot", "sms"]);
    let bot = gateway.client().get("/v1/channels/bot").await.expect(200).json();
    assert_eq!(
        (&bot["medium"], &bot["state"], &bot["counts"]["received"]),
        (&json!("telegram"), &json!("connected"), &json!(1))
    );
    assert_eq!((&bot["capabilities"]["text_max"], &bot["sender"]["status"]), (&json!(4096), &json!("running")));
    assert_eq!(bot["plugin"]["digest"].as_str().unwrap().len(), 64);
}

#[tokio::test]
async fn a_dead_letter_is_listed_retried_and_dropped() {
    let backend = Backend::start().await;
    backend.behave(|d| if d.text.is_empty() { Behaviour::Take } else { Behaviour::Status(500) });
    let gateway =
        Gateway::start(ConfigBuilder::new().retries(&[]).backend("desk", &backend).telegram(&BOT, None)).await;
    let client = gateway.client();
    let event = heard(&client, 1, "one").await;
    BOT.text(2, 502, "two").send(&client).await.expect(200);
    let both = |page: &Value| page["dead_letters"].as_array().unwrap().len() == 2;
    let page = eventually(&client, "/v1/dead-letters?subscriber=backend:desk", both).await;
    let first = client.get("/v1/dead-letters?limit=1").await.expect(200).json();
    let rest = client.get(&format!("/v1/dead-letters?after={}", id(&first["next"]))).await.expect(200).json();
    assert_eq!(
        (&first["dead_letters"][0], &rest["dead_letters"][0]),
        (&page["dead_letters"][0], &page["dead_letters"][1])
    );
    let is_one = |letter: &&Value| letter["interaction_id"] == event["id"];
    let letter = page["dead_letters"].as_array().unwrap().iter().find(is_one).unwrap();
    assert_eq!(
        (&letter["kind"], &letter["subscriber"], &letter["attempts"]),
        (&json!("delivery"), &json!("backend:desk"), &json!(1))
    );
    let path = format!("/v1/dead-letters/{}", id(&letter["id"]));
    assert_eq!(&client.get(&path).await.expect(200).json(), letter);
    backend.behave(|_| Behaviour::Take);
    client.call("POST", &format!("{path}/retry"), None).await.expect(202);
    backend
        .wait_for("the delivery", |all| {
            all.iter().find(|one| one.behaviour == Behaviour::Take && one.text == "one").cloned()
        })
        .await;
    client.get(&path).await.expect_problem(404, "not-found", &format!("there is no dead letter {}", id(&letter["id"])));
    let other = page["dead_letters"].as_array().unwrap().iter().find(|letter| !is_one(letter)).unwrap();
    let path = format!("/v1/dead-letters/{}", id(&other["id"]));
    client.call("DELETE", &path, None).await.expect(204);
    client.call("DELETE", &path, None).await.expect(404);
    let rest = client.get(&format!("/v1/dead-letters?after={}", id(&first["next"]))).await.expect(200).json();
    assert_eq!(rest, json!({"dead_letters": [], "next": null}), "who pages through goes on where he was");
    client.call("POST", &format!("/v1/dead-letters/{NOBODY}/retry"), None).await.expect(404);
    let list = client.get("/v1/dead-letters").await.expect(200).json();
    assert_eq!(list, json!({"dead_letters": [], "next": null}));
}

#[tokio::test]
async fn a_letter_without_its_subscriber_stays() {
    let backend = Backend::start().await;
    backend.behave(|_| Behaviour::Status(500));
    let config = ConfigBuilder::new().retries(&[]).telegram(&BOT, None);
    let gateway = Gateway::start(config.clone().backend("desk", &backend)).await;
    heard(&gateway.client(), 1, "one").await;
    eventually(&gateway.client(), "/v1/dead-letters", |page| page["dead_letters"][0].is_object()).await;
    let gateway = gateway.terminate().await.1.start_with(config).await;
    let client = gateway.client();
    let letter = client.get("/v1/dead-letters").await.expect(200).json()["dead_letters"][0].clone();
    let path = format!("/v1/dead-letters/{}/retry", id(&letter["id"]));
    client.call("POST", &path, None).await.expect_problem(409, "conflict", "there is no subscriber backend:desk");
}

/// Requests that an adapter could not digest; put there beside the gateway, since the adapters here digest everything.
#[tokio::test]
async fn a_kept_request_is_replayed_by_its_channel() {
    let (gateway, _provider) = start().await;
    let (_, stopped) = gateway.terminate().await;
    let good = BOT.text(7, 501, "kept");
    let mut letters = Vec::new();
    {
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&stopped.directory().join("data")).unwrap());
        let quarantine = Quarantine::new(store, Usage { entries: 10, bytes: 1 << 20 });
        for secret in [Telegram::SECRET, "another"] {
            let webhook = good.clone().with("x-telegram-bot-api-secret-token", secret);
            let request = Request {
                method: "POST".into(),
                path: "/".into(),
                headers: webhook.headers,
                body: webhook.body.into(),
                ..Request::default()
            };
            letters.push(quarantine.keep("bot", request, "it trapped".into()).await.unwrap());
        }
    }
    let gateway = stopped.start().await;
    let client = gateway.client();
    let path = |n: usize| format!("/v1/dead-letters/{}", letters[n]);
    let shown = client.get(&path(0)).await.expect(200).json();
    assert_eq!((&shown["kind"], &shown["subscriber"]), (&json!("request"), &json!("requests:bot")));
    assert_eq!(shown["request"], json!({"method": "POST", "path": "/", "bytes": good.body.len()}));
    client.call("POST", &format!("{}/retry", path(0)), None).await.expect(202);
    assert_eq!(super::newest(&client).await["data"]["message"]["text"], "kept");
    let again = client.call("POST", &format!("{}/retry", path(1)), None).await.expect(409).json();
    assert!(id(&again["detail"]).starts_with("it failed again and is still kept: "), "{again}");
    assert_eq!(client.get(&path(1)).await.expect(200).json()["attempts"], 2);
    client.call("DELETE", &path(1), None).await.expect(204);
    client.get(&path(1)).await.expect(404);
}

#[tokio::test]
async fn a_backend_that_stopped_is_resumed() {
    let backend = Backend::start().await;
    backend.behave(|_| Behaviour::Status(410));
    let gateway = Gateway::start(ConfigBuilder::new().backend("desk", &backend).telegram(&BOT, None)).await;
    let client = gateway.client();
    heard(&client, 1, "hi").await;
    let shown = eventually(&client, "/v1/backends", |all| all["backends"][0]["status"] == "stopped").await;
    assert_eq!(shown["backends"][0]["name"], "desk");
    assert!(shown["backends"][0]["why"].is_string());
    backend.behave(|_| Behaviour::Take);
    client.call("POST", "/v1/backends/desk/resume", None).await.expect(202);
    backend.wait_for("the delivery", |all| all.iter().find(|one| one.behaviour == Behaviour::Take).cloned()).await;
    let nobody = "there is no backend with this name";
    client.call("POST", "/v1/backends/other/resume", None).await.expect_problem(404, "not-found", nobody);
}
