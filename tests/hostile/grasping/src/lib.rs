//! A connector that does whatever it is told: each call holds the name of a deed and its argument.

use omnigate_plugin::connector::{Connector, Context, Found, Item, Note, Outcome, Person, Reply, Request, Taken};
use omnigate_plugin::{Fault, connector};
use serde_json::{Value, json};

struct Grasping;

connector!(Grasping, "../manifest.json");

impl Connector for Grasping {
    fn deliver(_: &Context, items: Vec<Item>) -> Result<Vec<Result<Taken, Fault>>, Fault> {
        if let Some(count) = items.first().and_then(|item| item.interaction.strip_prefix("\"answers ")) {
            let count = count.trim_end_matches('"').parse().unwrap_or_default();
            return Ok(vec![Ok(Taken::nothing()); count]);
        }
        Ok(items.iter().map(|item| deliver(&item.interaction)).collect())
    }

    fn find(_: &Context, person: Person, _: Option<Note>) -> Result<Found, Fault> {
        let text = person.name.unwrap_or_default();
        let (act, argument) = split(&text);
        let attributes = match (act, argument.parse().unwrap_or_default()) {
            ("attributes", count) => (0..count).map(|n: usize| (n.to_string(), Value::Null)).collect(),
            ("names", length) => json!({ "n".repeat(length): 1 }),
            _ => json!({ "said": commit(&text)? }),
        };
        Ok(Found { contact: None, attributes: Some(attributes.to_string()), extra: None })
    }

    fn handle_request(_: &Context, request: Request) -> Result<Outcome, Fault> {
        let text = String::from_utf8_lossy(&request.body).into_owned();
        let reply = Reply { body: commit(&text)?.into_bytes(), ..Reply::status(200) };
        Ok(Outcome { reply, changes: Vec::new() })
    }
}

fn deliver(interaction: &str) -> Result<Taken, Fault> {
    let text: String = serde_json::from_str(interaction).map_err(|error| Fault::invalid(error.to_string()))?;
    let data = Value::String(commit(&text)?).to_string();
    Ok(Taken { contact: Some(Note { id: "1".into(), data: Some(data) }), ..Taken::nothing() })
}

fn commit(text: &str) -> Result<String, Fault> {
    let (act, argument) = split(text);
    deeds::commit(act, argument).ok_or_else(|| Fault::not_found("no such deed"))
}

fn split(text: &str) -> (&str, &str) {
    text.split_once(' ').unwrap_or((text, ""))
}
