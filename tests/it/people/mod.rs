//! One person, one conversation, whatever the channel.

// Helpers of tests are tests, too: what cannot be unwrapped is what they are about.
#![allow(clippy::unwrap_used)]

mod claims;
mod control;
mod conversations;
mod crowd;
mod identity;
mod links;
mod timeline;

use serde_json::{Value, json};

use crate::support::{Answer, Backend, Client, ConfigBuilder, Gateway, Telegram, Twilio, Visitor, WhatsApp};

const BOT: Telegram = Telegram("bot");
const SMS: Twilio = Twilio("sms");
const WHATS: WhatsApp = WhatsApp("whats");
const SITE: &str = "website";

/// A gateway with four channels and a backend.
async fn start() -> (Gateway, Backend) {
    let backend = Backend::start().await;
    let config = config().backend("desk", &backend);
    (Gateway::start(config).await, backend)
}

fn config() -> ConfigBuilder {
    ConfigBuilder::new().telegram(&BOT, None).twilio(&SMS, None).whatsapp(&WHATS, None).webchat_with_identity(SITE)
}

async fn visitor(gateway: &Gateway, hello: Value) -> Visitor {
    Visitor::open(gateway.address, SITE, hello).await
}

/// The message with that text, as a backend got it.
async fn received(backend: &Backend, text: &str) -> Value {
    backend.wait_for_text(text).await.event["data"].clone()
}

/// The contact of the message with that text.
async fn contact_of(backend: &Backend, text: &str) -> String {
    id(&received(backend, text).await["contact"]["id"])
}

async fn conversation_of(backend: &Backend, text: &str) -> String {
    id(&received(backend, text).await["conversation"]["id"])
}

async fn contact(client: &Client, id: &str) -> Value {
    client.get(&format!("/v1/contacts/{id}")).await.expect(200).json()
}

async fn link(client: &Client, id: &str, other: &str) -> Value {
    let body = json!({ "contact_id": other, "reason": "the same voice", "evidence": "call 7" });
    client.call("POST", &format!("/v1/contacts/{id}/link"), Some(&body)).await.expect(200).json()
}

async fn unlink(client: &Client, id: &str, link: &Value) -> Value {
    let body = json!({ "link_id": link, "reason": "it was her brother" });
    client.call("POST", &format!("/v1/contacts/{id}/unlink"), Some(&body)).await.expect(200).json()
}

async fn post(client: &Client, path: &str, body: Value) -> Answer {
    client.call("POST", path, Some(&body)).await
}

/// Texts of a timeline's messages, newest first.
async fn timeline(client: &Client, id: &str, query: &str) -> Vec<String> {
    let page = client.get(&format!("/v1/contacts/{id}/timeline?limit=200{query}")).await.expect(200).json();
    texts(&page)
}

fn texts(page: &Value) -> Vec<String> {
    let events = page["interactions"].as_array().unwrap().iter();
    events.filter_map(|event| event["data"]["message"]["text"].as_str().map(str::to_owned)).collect()
}

/// Events of a kind that the log has, oldest first.
async fn events(client: &Client, kind: &str) -> Vec<Value> {
    let page = client.get(&format!("/v1/interactions?type={kind}&limit=200")).await.expect(200).json();
    page["interactions"].as_array().unwrap().clone()
}

fn id(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no id: {value}")).to_owned()
}
