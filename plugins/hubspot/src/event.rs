//! Interactions as backends get them, as far as a CRM wants to know.

use omnigate_plugin::Value;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct Event {
    pub(crate) id: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) data: Data,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Data {
    pub(crate) direction: Direction,
    pub(crate) channel: Option<Channel>,
    pub(crate) conversation: Option<Conversation>,
    pub(crate) author: Author,
    pub(crate) from: Option<Address>,
    #[serde(default)]
    pub(crate) to: Vec<Address>,
    pub(crate) occurred_at: String,
    pub(crate) message: Option<Message>,
    pub(crate) message_id: Option<String>,
    pub(crate) status: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Direction {
    Inbound,
    Outbound,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Channel {
    pub(crate) name: String,
    pub(crate) medium: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Conversation {
    pub(crate) id: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Author {
    pub(crate) kind: String,
    pub(crate) name: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Address {
    pub(crate) value: String,
    pub(crate) name: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Message {
    pub(crate) subject: Option<String>,
    pub(crate) text: String,
    #[serde(default)]
    pub(crate) parts: Vec<Value>,
}

/// What is to be done about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Somebody said something.
    Write,
    /// What was said became something else.
    Change,
    Close,
    Nothing,
}

impl Event {
    pub(crate) fn task(&self) -> Task {
        match self.kind.trim_start_matches("omnigate.") {
            "message.received" | "message.submitted" | "message.echoed" => Task::Write,
            "message.status" | "message.edited" | "message.deleted" => Task::Change,
            "conversation.closed" => Task::Close,
            _ => Task::Nothing,
        }
    }

    pub(crate) fn medium(&self) -> &str {
        self.data.channel.as_ref().map_or("", |channel| &channel.medium)
    }
}
