//! What was said before, for a page that was just opened or a connection that broke.

use std::borrow::Cow;
use std::collections::BTreeMap;

use omnigate_plugin::prelude::*;
use omnigate_plugin::socket;
use serde_json::value::RawValue;

/// Interactions asked for at once: the most that the gateway gives.
const PAGE: u32 = 200;
/// For a new page: enough to scroll, and little enough for one answer.
const NEWEST: usize = 1_000;
/// An answer of that many pages is whole for anybody who talks.
const PAGES_MAX: usize = 100;

/// Frames of all messages with these addresses of one person, after the interaction `after`, in the order of the log.
pub(crate) fn frames<'a>(people: impl Iterator<Item = &'a Identity>, after: Option<&str>) -> Vec<String> {
    let mut frames = BTreeMap::new();
    for person in people {
        collect(person, after, &mut frames);
    }
    let surplus = if after.is_none() { frames.len().saturating_sub(NEWEST) } else { 0 };
    frames.into_values().skip(surplus).collect()
}

/// By id: ids grow with the log, and two addresses may share an interaction.
fn collect(person: &Identity, after: Option<&str>, frames: &mut BTreeMap<String, String>) {
    let mut after = after.map(str::to_owned);
    for _ in 0..PAGES_MAX {
        let page = socket::history(person, after.as_deref(), PAGE);
        let read: Vec<_> = page.iter().filter_map(|json| serde_json::from_str::<Interaction<'_>>(json).ok()).collect();
        frames.extend(read.iter().filter_map(|one| Some((one.id.to_string(), frame(one)?))));
        let last = read.last().map(|last| last.id.to_string());
        if page.len() < PAGE as usize || last.is_none() || last == after {
            return;
        }
        after = last;
    }
}

#[derive(Deserialize)]
struct Interaction<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    data: Data<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    occurred_at: Cow<'a, str>,
    author: Option<Author>,
    #[serde(default)]
    external_ids: Vec<String>,
    #[serde(borrow)]
    message: Option<Message<'a>>,
    message_id: Option<String>,
    status: Option<String>,
}

#[derive(Deserialize)]
struct Author {
    kind: String,
    name: Option<String>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    parts: &'a RawValue,
}

#[derive(Serialize)]
struct Frame<'a> {
    r#type: &'static str,
    id: &'a str,
    from: &'a str,
    name: Option<&'a str>,
    client_id: Option<&'a str>,
    at: &'a str,
    parts: &'a RawValue,
}

/// `None` for what a visitor does not see.
fn frame(interaction: &Interaction<'_>) -> Option<String> {
    let data = &interaction.data;
    match &*interaction.kind {
        "omnigate.message.received" => said(interaction, "visitor", None, client_id(data)),
        "omnigate.message.submitted" => {
            let author = data.author.as_ref()?;
            said(interaction, &author.kind, author.name.as_deref(), None)
        }
        "omnigate.message.status" if data.status.as_deref() == Some("read") => {
            let frame = json!({ "type": "status", "id": data.message_id.as_ref()?, "status": "read" });
            Some(frame.to_string())
        }
        _ => None,
    }
}

fn said(interaction: &Interaction<'_>, from: &str, name: Option<&str>, client_id: Option<&str>) -> Option<String> {
    let Data { occurred_at, message, .. } = &interaction.data;
    let parts = message.as_ref()?.parts;
    let frame = Frame { r#type: "message", id: &interaction.id, from, name, client_id, at: occurred_at, parts };
    serde_json::to_string(&frame).ok()
}

/// Our id of a visitor's message ends with the widget's.
fn client_id<'a>(data: &'a Data<'_>) -> Option<&'a str> {
    Some(data.external_ids.first()?.rsplit_once(':')?.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: &str, data: &str) -> Option<Value> {
        let json = format!(r#"{{"id":"i1","type":"omnigate.{kind}","data":{data}}}"#);
        let interaction: Interaction<'_> = serde_json::from_str(&json).unwrap();
        frame(&interaction).map(|frame| serde_json::from_str(&frame).unwrap())
    }

    #[test]
    fn messages_of_both_sides_are_shown() {
        let said =
            r#""occurred_at":"2026-01-01T00:00:00.000Z","message":{"text":"hi","parts":[{"type":"text","text":"hi"}]}"#;
        let own = of("message.received", &format!(r#"{{"external_ids":["user:a:b:c1"],{said}}}"#)).unwrap();
        assert_eq!((&own["from"], &own["client_id"], &own["id"]), (&json!("visitor"), &json!("c1"), &json!("i1")));
        let theirs =
            of("message.submitted", &format!(r#"{{"author":{{"kind":"agent","name":"Kim"}},{said}}}"#)).unwrap();
        assert_eq!(
            (&theirs["from"], &theirs["name"], &theirs["client_id"]),
            (&json!("agent"), &json!("Kim"), &Value::Null)
        );
        assert_eq!(theirs["parts"], json!([{"type":"text","text":"hi"}]));
    }

    #[test]
    fn other_things_are_not() {
        let data = r#"{"occurred_at":"2026-01-01T00:00:00.000Z","status":"delivered","message_id":"m"}"#;
        assert_eq!(of("message.status", data), None);
        assert_eq!(of("contact.typing", data), None);
    }
}
