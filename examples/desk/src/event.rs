//! What this desk reads of an event: a part of the contract's interaction. Fields that it does not know are passed over,
//! so that a newer gateway stays readable.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The CloudEvents envelope.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Event {
    pub(crate) id: String,
    /// `omnigate.message.received`, ...
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// RFC 3339, UTC.
    pub(crate) time: String,
    pub(crate) data: Interaction,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Interaction {
    pub(crate) direction: String,
    /// None for what happened on no channel, such as a link between two contacts.
    pub(crate) channel: Option<Channel>,
    pub(crate) contact: Option<Contact>,
    pub(crate) conversation: Option<ConversationRef>,
    pub(crate) author: Author,
    pub(crate) in_reply_to: Option<String>,
    pub(crate) message: Option<Message>,
    /// Of which message a status, an edit, a deletion or a reaction speaks.
    pub(crate) message_id: Option<String>,
    pub(crate) status: Option<Status>,
    pub(crate) reason: Option<Reason>,
    /// What else the kind tells: `emoji`, `on`, ...
    #[serde(default)]
    pub(crate) detail: Value,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Channel {
    pub(crate) name: String,
    pub(crate) medium: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Contact {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) identities: Vec<Identity>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) scheme: String,
    pub(crate) value: String,
    pub(crate) name: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ConversationRef {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) channels: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Author {
    /// `contact`, `agent`, `bot` or `system`.
    pub(crate) kind: String,
    pub(crate) name: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Message {
    pub(crate) subject: Option<String>,
    /// The plain text of all parts: enough for previews, and for parts that a reader does not know.
    pub(crate) text: String,
    pub(crate) quoted_text: Option<String>,
    /// Shown by the browser as they are; it knows how each type looks.
    pub(crate) parts: Vec<Value>,
}

/// Why a message did not arrive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reason {
    pub(crate) code: String,
    pub(crate) text: String,
}

/// Delivery receipt of a message that we sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    Queued,
    Sent,
    Failed,
    Expired,
    Delivered,
    Read,
}

impl Status {
    /// A status never goes backwards, and late success wins over failure: what was delivered did not fail.
    pub(crate) fn advances_to(self, next: Self) -> bool {
        next.rank() > self.rank()
    }

    fn rank(self) -> u8 {
        match self {
            Self::Queued => 0,
            Self::Sent => 1,
            Self::Failed | Self::Expired => 2,
            Self::Delivered => 3,
            Self::Read => 4,
        }
    }
}
