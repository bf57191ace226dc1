//! Interactions as backends and connectors get them, as far as a CRM wants to know.

use serde::Deserialize;
use serde_json::Value;

/// One interaction: CloudEvents JSON.
#[derive(Clone, Debug, Deserialize)]
pub struct Interaction {
    /// UUIDv7.
    pub id: String,
    /// `omnigate.message.received`, ...
    #[serde(rename = "type")]
    pub kind: String,
    /// What happened.
    pub data: Data,
}

/// `data` of an interaction.
#[derive(Clone, Debug, Deserialize)]
pub struct Data {
    /// From the person or to the person.
    pub direction: Direction,
    /// On which channel; some kinds have none.
    pub channel: Option<Channel>,
    /// To which conversation it belongs.
    pub conversation: Option<Conversation>,
    /// Who did it.
    pub author: Author,
    /// Whose address it came from.
    pub from: Option<Address>,
    /// Whom it went to.
    #[serde(default)]
    pub to: Vec<Address>,
    /// RFC 3339, UTC.
    pub occurred_at: String,
    /// What was said.
    pub message: Option<Message>,
    /// The message that a status, an edit or a deletion speaks of.
    pub message_id: Option<String>,
    /// `sent`, `delivered`, `read`, `failed`, ...
    pub status: Option<String>,
    /// What else the kind tells.
    pub detail: Option<Value>,
}

/// From the person or to the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the person.
    Inbound,
    /// To the person.
    Outbound,
}

/// A configured channel.
#[derive(Clone, Debug, Deserialize)]
pub struct Channel {
    /// Its name in the configuration.
    pub name: String,
    /// `sms`, `whatsapp`, `email`, ...
    pub medium: String,
}

/// A conversation.
#[derive(Clone, Debug, Deserialize)]
pub struct Conversation {
    /// A UUID.
    pub id: String,
}

/// Who wrote something.
#[derive(Clone, Debug, Deserialize)]
pub struct Author {
    /// `contact`, `agent`, `bot` or `system`.
    pub kind: String,
    /// What the author is called.
    pub name: Option<String>,
}

/// An address of somebody.
#[derive(Clone, Debug, Deserialize)]
pub struct Address {
    /// A number, an e-mail address, an id in a network.
    pub value: String,
    /// Whose it is.
    pub name: Option<String>,
}

/// What was said.
#[derive(Clone, Debug, Deserialize)]
pub struct Message {
    /// Of an e-mail.
    pub subject: Option<String>,
    /// The plain text of all parts.
    pub text: String,
    /// As the contract of the API has them.
    #[serde(default)]
    pub parts: Vec<Value>,
}

/// What a CRM has to do about an interaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Somebody said something.
    Write,
    /// What was said became something else.
    Change,
    /// The conversation is over.
    Close,
    /// The conversation that was over goes on.
    Reopen,
    /// It is of no concern there.
    Nothing,
}

impl Interaction {
    /// What a CRM has to do about it.
    pub fn task(&self) -> Task {
        match self.kind.trim_start_matches("omnigate.") {
            "message.received" | "message.submitted" | "message.echoed" => Task::Write,
            "message.status" | "message.edited" | "message.deleted" => Task::Change,
            "conversation.closed" => Task::Close,
            "conversation.opened" if self.is_reopened() => Task::Reopen,
            _ => Task::Nothing,
        }
    }

    fn is_reopened(&self) -> bool {
        self.data.detail.as_ref().is_some_and(|detail| detail["reopened"] == true)
    }

    /// `sms`, `whatsapp`, ...; empty where it belongs to no channel.
    pub fn medium(&self) -> &str {
        self.data.channel.as_ref().map_or("", |channel| &channel.medium)
    }

    /// The conversation's id.
    pub fn conversation(&self) -> Option<&str> {
        self.data.conversation.as_ref().map(|conversation| conversation.id.as_str())
    }

    /// How it went, for people: `Inbound telegram (support-bot), from Ann (12345)`.
    pub fn way(&self) -> String {
        let data = &self.data;
        let channel = data.channel.as_ref().map_or("", |channel| &channel.name);
        let author = data.author.name.as_deref().filter(|_| data.author.kind != "contact");
        let by = author.map_or(String::new(), |name| format!(" by {name}"));
        let other = match data.direction {
            Direction::Inbound => data.from.as_ref().map(|from| format!(", from {}", from.shown())),
            Direction::Outbound => data.to.first().map(|to| format!(", to {}", to.shown())),
        };
        format!("{} {} ({channel}){by}{}", data.direction.word(), self.medium(), other.unwrap_or_default())
    }

    /// What its files are called, or else of what type they are.
    pub fn file_names(&self) -> impl Iterator<Item = &str> {
        let parts = self.data.message.iter().flat_map(|message| &message.parts);
        parts.filter(|part| part["type"] == "media").map(|part| {
            let name = part["name"].as_str().or(part["content_type"].as_str()).or(part["kind"].as_str());
            name.unwrap_or("unnamed")
        })
    }
}

impl Direction {
    /// `Inbound` or `Outbound`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Inbound => "Inbound",
            Self::Outbound => "Outbound",
        }
    }
}

impl Address {
    /// `Ann (12345)`.
    pub fn shown(&self) -> String {
        match &self.name {
            Some(name) => format!("{name} ({})", self.value),
            None => self.value.clone(),
        }
    }
}

/// What to call a file of a message where it needs an ending: its name, or one made of its kind and type.
pub fn file_name(part: &Value) -> String {
    let name = part["name"].as_str().unwrap_or_default();
    let name: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match name.trim() {
        "" => format!("{}.{}", part["kind"].as_str().unwrap_or("file"), ending(part["content_type"].as_str())),
        name => name.to_owned(),
    }
}

fn ending(content_type: Option<&str>) -> &str {
    let plain = content_type.and_then(|kind| kind.split(';').next());
    match plain.and_then(|kind| kind.split_once('/')).map_or("", |(_, subtype)| subtype.trim()) {
        "mpeg" => "mp3",
        "plain" => "txt",
        "quicktime" => "mov",
        "svg+xml" => "svg",
        known if !known.is_empty() && known.chars().all(|c| c.is_ascii_alphanumeric()) => known,
        _ => "bin",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn a_file_without_a_name_gets_one_with_an_ending() {
        assert_eq!(file_name(&json!({"name": "bill\r\n.pdf", "kind": "file"})), "bill  .pdf");
        assert_eq!(file_name(&json!({"kind": "voice", "content_type": "audio/ogg; codecs=opus"})), "voice.ogg");
        assert_eq!(file_name(&json!({"kind": "file", "content_type": "application/vnd.x+zip"})), "file.bin");
        assert_eq!(file_name(&json!({"kind": "image"})), "image.bin");
    }
}
