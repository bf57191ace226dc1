//! The API: every call's success, and every kind of bad request with its exact answer.

// Helpers of tests are tests, too: what cannot be unwrapped is what they are about.
#![allow(clippy::unwrap_used)]

mod contacts;
mod documents;
mod events;
mod interactions;
mod media;
mod messages;
mod operations;
mod refusals;
mod signals;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Client, ConfigBuilder, Gateway, KEY, Provider, ProviderAnswer, Telegram, Twilio, within};

pub const BOT: Telegram = Telegram("bot");
pub const SMS: Twilio = Twilio("sms");
pub const NOBODY: &str = "01a20000-0000-7000-8000-000000000000";
pub const MESSAGES_KEY: &str = "messages-key-0123456789";
pub const CONTACTS_KEY: &str = "contacts-key-0123456789";

/// A gateway with a bot and a number, a key for each scope, and a provider that takes everything.
pub async fn start() -> (Gateway, Provider) {
    let provider = Provider::start(taking()).await;
    let config = ConfigBuilder::new()
        .key("desk", MESSAGES_KEY, &["messages"])
        .key("crm", CONTACTS_KEY, &["contacts"])
        .telegram(&BOT, Some(&provider))
        .twilio(&SMS, Some(&provider));
    (Gateway::start(config).await, provider)
}

/// Answers that both providers give for a message taken.
pub fn taking() -> impl FnMut(&crate::support::Call) -> ProviderAnswer + Send + 'static {
    let mut count = 0;
    move |call| {
        count += 1;
        let (status, body) = match call.path.as_str() {
            path if path.ends_with("/sendChatAction") => (200, json!({"ok": true, "result": true})),
            path if path.starts_with("/bot") => (200, json!({"ok": true, "result": {"message_id": count}})),
            _ => (201, json!({"sid": format!("SM{count:032}"), "status": "queued"})),
        };
        ProviderAnswer::json(status, &body.to_string())
    }
}

/// A person writes; gives back the interaction.
pub async fn heard(client: &Client, update: u64, text: &str) -> Value {
    BOT.text(update, 501, text).send(client).await.expect(200);
    newest(client).await
}

/// The answer to a body that announces its size and does not come.
pub async fn announced(gateway: &Gateway, path: &str, bytes: usize) -> String {
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {KEY}\r\n\
         content-type: application/json\r\ncontent-length: {bytes}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within("the answer", stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

pub async fn newest(client: &Client) -> Value {
    let page = client.get("/v1/interactions?order=newest&limit=1&type=message.received").await.expect(200).json();
    page["interactions"][0].clone()
}

/// A text by SMS to somebody.
pub fn text_to(number: &str, text: &str) -> Value {
    json!({
        "channel": "sms",
        "to": {"scheme": "tel", "value": number},
        "message": {"parts": [{"type": "text", "text": text}]},
    })
}

pub fn id(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no id: {value}"))
}
