//! What a case says, in the words of the host.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use omnigate::interaction::{AuthorKind, ChannelRef, Part};
use omnigate::plugin::Binding;
use omnigate::plugin::connecting::{Item, Notes, Person};
use omnigate::plugin::exchange::{Arrived, Content, Outbound, Passing, Piece, Request};
use ring::hmac;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{case, peer};

pub fn answer(answer: &case::Answer, path: &Path) -> peer::Answer {
    let headers = answer.headers.clone().into_iter().collect();
    let file = answer.file.as_ref().map(|name| std::fs::read(path.with_file_name(name)).unwrap());
    let body = file.map_or_else(|| Bytes::from(answer.body.clone()), Bytes::from);
    peer::Answer { status: answer.status, headers, body, close: answer.close }
}

pub fn request(case: case::Request, secrets: &BTreeMap<String, String>, binding: &Binding) -> Request {
    let repeated = case.repeat.map(|repeat| repeat.text.repeat(repeat.times).into_bytes());
    let body =
        repeated.or(case.body_hex.map(|text| hex::decode(text).unwrap())).unwrap_or_else(|| case.body.into_bytes());
    let mut headers: Vec<_> = case.headers.into_iter().collect();
    if let Some(sign) = case.sign {
        headers.push((sign.header.clone(), signature(&sign, &secrets[&sign.slot], &body)));
    }
    let query = if case.query.is_empty() { String::new() } else { format!("?{}", case.query) };
    let path = if case.path == "/" { "" } else { &case.path };
    let url = format!("{}{path}{query}", binding.url);
    Request { method: case.method, path: case.path, query: case.query, url, headers, body }
}

pub fn signature(sign: &case::Sign, secret: &str, body: &[u8]) -> String {
    let algorithm = match sign.algorithm.as_str() {
        "hmac-sha1" => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        "hmac-sha256" => hmac::HMAC_SHA256,
        other => panic!("unknown algorithm {other}"),
    };
    let text = sign.text.as_deref().map_or(body, str::as_bytes);
    let tag = hmac::sign(&hmac::Key::new(algorithm, secret.as_bytes()), text);
    let encoded = match sign.encoding.as_str() {
        "hex" => hex::encode(tag),
        "base64" => base64::Engine::encode(&base64::engine::general_purpose::STANDARD, tag),
        other => panic!("unknown encoding {other}"),
    };
    format!("{}{encoded}", sign.prefix)
}

/// A part speaks of a file of ours where its address ends with the file's name.
pub fn message(case: case::Message, files: &BTreeMap<String, case::File>) -> Outbound {
    let urls = case.parts.iter().filter_map(|part| match part {
        Part::Media { url, .. } => Some((url.clone(), file_in(url, files)?)),
        _ => None,
    });
    Outbound {
        id: case.id.parse().unwrap(),
        recipient: case.recipient,
        author: serde_json::from_value::<AuthorKind>(json!(case.author)).unwrap(),
        in_reply_to: case.in_reply_to,
        last_inbound: case.last_inbound,
        subject: case.subject,
        files: urls.collect(),
        parts: case.parts,
        expires_in: case.expires_in_ms.map(Duration::from_millis),
        metadata: case.metadata,
    }
}

pub fn file_in(url: &str, files: &BTreeMap<String, case::File>) -> Option<Uuid> {
    files.keys().position(|name| url.ends_with(name.as_str())).map(|at| file_id(at as u128))
}

/// Of the file that many places after the first.
pub fn file_id(place: u128) -> Uuid {
    Uuid::from_u128(place + 1)
}

pub fn item(case: case::Item, attempt: u32, files: &BTreeMap<String, case::File>) -> Item {
    let parts = case.data.pointer("/message/parts").and_then(Value::as_array);
    let urls = parts.into_iter().flatten().filter_map(|part| part["url"].as_str());
    let ours = urls.filter_map(|url| Some((url.to_owned(), file_in(url, files)?))).collect();
    let interaction = json!({
        "specversion": "1.0",
        "id": case.id,
        "type": format!("omnigate.{}", case.kind),
        "data": case.data,
    });
    let case::Known { contact, conversation, activity, about } = case.known;
    Item {
        interaction: interaction.to_string(),
        person: case.person.map(person),
        known: Notes { contact, conversation, activity, about },
        attempt,
        uncertain: case.uncertain,
        files: ours,
    }
}

pub fn person(case: case::Person) -> Person {
    Person { id: case.id.parse().unwrap(), name: case.name, identities: case.identities }
}

pub fn passing(mut case: case::Passing, channel: &str) -> Passing {
    if let (Some(times), Some(Piece::Part(Part::Text { text, .. }))) = (case.times, case.parts.first_mut()) {
        *text = text.repeat(times);
    }
    Passing {
        channel: ChannelRef { name: channel.to_owned(), medium: case.medium, adapter: "test".into() },
        direction: case.direction,
        author: case.author,
        sender: case.sender,
        recipients: case.recipients,
        automatic: case.automatic,
        edited: case.edited,
        content: Content { subject: case.subject, parts: case.parts, quoted_text: case.quoted_text },
        metadata: case.metadata,
        tags: case.tags,
    }
}

pub fn mail(mail: case::Mail, path: &Path) -> Arrived {
    let beside = |name: String| std::fs::read(path.with_file_name(name)).unwrap();
    let with_crlf = |text: String| text.lines().flat_map(|line| [line, "\r\n"]).collect::<String>().into_bytes();
    let repeated = mail.repeat.map(|repeat| repeat.text.repeat(repeat.times)).unwrap_or_default();
    let raw = mail.text.map(|text| with_crlf(text + &repeated));
    let raw = raw.or(mail.file.map(beside)).or(mail.hex.map(|text| hex::decode(text).unwrap())).expect("a mail");
    Arrived { id: mail.id, at: serde_json::from_value(json!(mail.at)).unwrap(), raw }
}
