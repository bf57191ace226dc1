//! The desk over real sockets, between a gateway that is played by the test and a browser that is played by the test.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::HeaderMap;
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use desk::{Desk, Gateway, Secret, router};
use ring::hmac;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use ureq::Agent;

const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

/// A desk on a free port, and what it asks of its gateway.
struct Stage {
    url: String,
    agent: Agent,
    asked: mpsc::UnboundedReceiver<(HeaderMap, Value)>,
}

impl Stage {
    async fn set() -> Self {
        let (tell, asked) = mpsc::unbounded_channel();
        let accept = |headers: HeaderMap, Json(body): Json<Value>| async move {
            tell.send((headers, body)).unwrap();
            (axum::http::StatusCode::ACCEPTED, Json(json!({ "id": "own-1", "status": "queued" })))
        };
        let gateway = serve(Router::new().route("/v1/messages", post(accept))).await;
        let secret = Secret::parse(&format!("whsec_{}", STANDARD.encode(KEY))).unwrap();
        let url = serve(router(Desk::new(secret, Gateway::new(&gateway, "the-key")))).await;
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(10)));
        Self { url, agent: config.build().new_agent(), asked }
    }

    /// Posts an event as the gateway does; `age` in seconds. Gives the status of the answer.
    async fn deliver(&self, id: &str, body: Vec<u8>, age: i64, key: &[u8]) -> u16 {
        let timestamp = (unix_seconds() - age).to_string();
        let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", &body].concat();
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), &signed);
        let request = self
            .agent
            .post(format!("{}/interactions", self.url))
            .header("content-type", "application/cloudevents+json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", format!("v1,{}", STANDARD.encode(tag)));
        spawn_blocking(move || request.send(&body[..]).unwrap().status().as_u16()).await.unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        let request = self.agent.get(format!("{}{path}", self.url));
        spawn_blocking(move || request.call().unwrap().body_mut().read_json().unwrap()).await.unwrap()
    }

    async fn post(&self, path: &str, marked: bool, body: Value) -> u16 {
        let mut request = self.agent.post(format!("{}{path}", self.url));
        if marked {
            request = request.header("x-desk", "1");
        }
        spawn_blocking(move || request.send_json(body).unwrap().status().as_u16()).await.unwrap()
    }
}

async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

fn unix_seconds() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

fn received(id: &str, text: &str) -> Vec<u8> {
    let event = json!({
        "specversion": "1.0", "id": id, "type": "omnigate.message.received", "source": "/channels/website",
        "subject": "c1", "time": "2026-01-01T00:00:00.000Z", "datacontenttype": "application/json",
        "data": {
            "direction": "inbound", "channel": {"name": "website", "medium": "webchat", "adapter": "webchat"},
            "contact": {"id": "ann", "name": "Ann", "identities": [{"scheme": "visitor", "value": "v1"}]},
            "conversation": {"id": "c1", "new": true, "channels": ["website"]}, "author": {"kind": "contact"},
            "in_reply_to": null, "occurred_at": "2026-01-01T00:00:00.000Z", "received_at": "2026-01-01T00:00:00.000Z",
            "message": {"subject": null, "text": text, "parts": [{"type": "text", "text": text}]},
        },
    });
    serde_json::to_vec(&event).unwrap()
}

#[tokio::test]
async fn a_signed_event_is_shown() {
    let stage = Stage::set().await;
    assert_eq!(stage.deliver("e1", received("e1", "hi"), 0, KEY).await, 204);
    let list = stage.get("/api/conversations").await;
    assert_eq!(
        (&list[0]["contact"]["name"], &list[0]["unread"], &list[0]["preview"]),
        (&json!("Ann"), &json!(1), &json!("hi"))
    );
    let conversation = stage.get("/api/conversations/c1").await;
    assert_eq!(conversation["items"][0]["message"]["parts"], json!([{"type": "text", "text": "hi"}]));
}

#[tokio::test]
async fn forged_old_and_future_events_leave_no_trace() {
    let stage = Stage::set().await;
    for (age, key) in [(0, &b"another key of thirty-two bytes!"[..]), (301, KEY), (-302, KEY)] {
        assert_eq!(stage.deliver("e1", received("e1", "hi"), age, key).await, 401, "{age}");
    }
    assert_eq!(stage.get("/api/conversations").await, json!([]));
    assert_eq!(stage.deliver("e1", received("e1", "hi"), 0, KEY).await, 204, "its id was not remembered either");
    assert_eq!(stage.get("/api/conversations").await[0]["unread"], 1);
}

#[tokio::test]
async fn a_repeated_event_is_acknowledged_and_counts_once() {
    let stage = Stage::set().await;
    for _ in 0..3 {
        assert_eq!(stage.deliver("e1", received("e1", "hi"), 0, KEY).await, 204);
    }
    let conversation = stage.get("/api/conversations/c1").await;
    assert_eq!((conversation["items"].as_array().unwrap().len(), &conversation["unread"]), (1, &json!(1)));
}

#[tokio::test]
async fn unreadable_and_oversized_events_are_refused() {
    let stage = Stage::set().await;
    assert_eq!(stage.deliver("e1", b"{".to_vec(), 0, KEY).await, 400);
    assert_eq!(stage.deliver("e2", vec![b' '; (4 << 20) + 1], 0, KEY).await, 413);
}

#[tokio::test]
async fn a_reply_carries_key_conversation_and_the_message_it_answers() {
    let mut stage = Stage::set().await;
    stage.deliver("e1", received("e1", "hi"), 0, KEY).await;
    let parts = json!([{"type": "text", "text": "hello"}]);
    let reply = json!({"key": "k-1", "parts": parts, "text": "hello"});
    assert_eq!(stage.post("/api/conversations/c1/messages", true, reply).await, 202);
    let (headers, body) = stage.asked.recv().await.unwrap();
    assert_eq!(
        (&headers["idempotency-key"], &headers["authorization"]),
        (&"k-1".parse().unwrap(), &"Bearer the-key".parse().unwrap())
    );
    assert_eq!(body, json!({"conversation_id": "c1", "message": {"parts": parts}, "in_reply_to": "e1"}));
    assert_eq!(stage.get("/api/conversations/c1").await["items"][1]["status"], "queued");
}

#[tokio::test]
async fn a_page_of_another_site_cannot_act() {
    let mut stage = Stage::set().await;
    stage.deliver("e1", received("e1", "hi"), 0, KEY).await;
    let reply = json!({"key": "k-1", "parts": [], "text": ""});
    assert_eq!(stage.post("/api/conversations/c1/messages", false, reply).await, 403);
    assert!(stage.asked.try_recv().is_err());
}

#[tokio::test]
async fn an_open_page_hears_of_it_at_once() {
    let stage = Stage::set().await;
    let request = stage.agent.get(format!("{}/api/live", stage.url));
    let live = spawn_blocking(move || request.call().unwrap().into_body().into_reader()).await.unwrap();
    stage.deliver("e1", received("e1", "hi"), 0, KEY).await;
    let first = spawn_blocking(move || {
        BufReader::new(live).lines().find_map(|line| Some(line.unwrap().strip_prefix("data: ")?.to_owned()))
    });
    let change: Value = serde_json::from_str(&first.await.unwrap().unwrap()).unwrap();
    assert_eq!(
        (&change["type"], &change["item"]["id"], &change["conversation"]["id"]),
        (&json!("item"), &json!("e1"), &json!("c1"))
    );
}
