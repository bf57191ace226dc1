//! What is kept of people, and how it goes.

mod claimed;
mod erasure;
mod export;
mod interrupted;
mod joined;
mod processed;
mod silence;
mod waiting;

use std::path::Path;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::support::{Answer, Client, ProviderAnswer, Telegram, Twilio};

pub const BOT: Telegram = Telegram("bot");
pub const SMS: Twilio = Twilio("sms");

/// Files below a directory in which a text can be read. Links lead elsewhere: to compiled plugins.
pub fn files_with(directory: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let (kind, path) = (entry.file_type().unwrap(), entry.path());
        if kind.is_dir() {
            found.extend(files_with(&path, text));
        } else if kind.is_file() && contains(&std::fs::read(&path).unwrap(), text) {
            found.push(path.display().to_string());
        }
    }
    found
}

pub fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

pub async fn contact_of(client: &Client, identity: &str) -> String {
    let found = client.get(&format!("/v1/contacts?identity={identity}")).await.expect(200).json();
    found["id"].as_str().unwrap().to_owned()
}

pub async fn erase(client: &Client, contact: &str) -> Answer {
    client.call("DELETE", &format!("/v1/contacts/{contact}"), None).await
}

/// The header that the key of every test stands in.
pub fn bearer() -> [(String, String); 1] {
    [("authorization".to_owned(), format!("Bearer {}", crate::support::KEY))]
}

/// Asks until the erasure has ended.
pub async fn erased(client: &Client, contact: &str) -> Value {
    let ended = async {
        loop {
            let answer = erase(client, contact).await;
            if answer.status == 200 {
                return answer.json();
            }
            answer.expect(202);
        }
    };
    crate::support::within("the end of the erasure", ended).await
}

/// A text from somebody with that name.
pub async fn write(client: &Client, update: u64, chat: u64, name: &str, text: &str) {
    let person = json!({ "id": chat, "is_bot": false, "first_name": name });
    let chat = json!({ "id": chat, "type": "private", "first_name": name });
    let message = json!({ "message_id": update, "from": person, "chat": chat, "date": 1_767_225_600, "text": text });
    BOT.update(&json!({ "update_id": update, "message": message })).send(client).await.expect(200);
}

/// An SMS with a file that lies at the provider.
pub async fn send_file(client: &Client, sid: &str, from: &str, url: &str) {
    let fields = [
        ("AccountSid", Twilio::ACCOUNT),
        ("MessageSid", sid),
        ("From", from),
        ("To", Twilio::NUMBER),
        ("NumMedia", "1"),
        ("MediaUrl0", url),
        ("MediaContentType0", "image/png"),
        ("Body", sid),
    ];
    SMS.form(&fields).send(client).await.expect(200);
}

pub fn file(body: &'static [u8]) -> ProviderAnswer {
    let headers = vec![("content-type".to_owned(), "image/png".to_owned())];
    ProviderAnswer { status: 200, headers, body: Bytes::from_static(body), close: false }
}

pub fn text_to(contact_value: &str, text: &str) -> Value {
    json!({
        "channel": "sms",
        "to": { "scheme": "tel", "value": contact_value },
        "message": { "parts": [{ "type": "text", "text": text }] },
    })
}
