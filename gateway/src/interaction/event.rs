use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Identity, Part, Reason, Status, Time};

/// What kind of thing happened. The names are the contract's; `Kind::as_str` is without the prefix `omnigate.`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    #[serde(rename = "omnigate.message.received")]
    MessageReceived,
    #[serde(rename = "omnigate.message.submitted")]
    MessageSubmitted,
    #[serde(rename = "omnigate.message.echoed")]
    MessageEchoed,
    #[serde(rename = "omnigate.message.status")]
    MessageStatus,
    #[serde(rename = "omnigate.message.edited")]
    MessageEdited,
    #[serde(rename = "omnigate.message.deleted")]
    MessageDeleted,
    #[serde(rename = "omnigate.message.reaction")]
    MessageReaction,
    #[serde(rename = "omnigate.contact.typing")]
    ContactTyping,
    #[serde(rename = "omnigate.contact.consent")]
    ContactConsent,
    #[serde(rename = "omnigate.contact.linked")]
    ContactLinked,
    #[serde(rename = "omnigate.conversation.opened")]
    ConversationOpened,
    #[serde(rename = "omnigate.conversation.referred")]
    ConversationReferred,
    #[serde(rename = "omnigate.conversation.closed")]
    ConversationClosed,
    #[serde(rename = "omnigate.channel.state")]
    ChannelState,
    #[serde(rename = "omnigate.channel.unsupported")]
    ChannelUnsupported,
    #[serde(rename = "omnigate.contact.unlinked")]
    ContactUnlinked,
    #[serde(rename = "omnigate.conversation.control")]
    ConversationControl,
    #[serde(rename = "omnigate.contact.erased")]
    ContactErased,
}

impl Kind {
    /// Every kind, in the order of their codes.
    pub const ALL: [Self; 18] = [
        Self::MessageReceived,
        Self::MessageSubmitted,
        Self::MessageEchoed,
        Self::MessageStatus,
        Self::MessageEdited,
        Self::MessageDeleted,
        Self::MessageReaction,
        Self::ContactTyping,
        Self::ContactConsent,
        Self::ContactLinked,
        Self::ConversationOpened,
        Self::ConversationReferred,
        Self::ConversationClosed,
        Self::ChannelState,
        Self::ChannelUnsupported,
        Self::ContactUnlinked,
        Self::ConversationControl,
        Self::ContactErased,
    ];

    /// Whether events of this kind may speak of files.
    pub fn may_hold_files(self) -> bool {
        matches!(self, Self::MessageReceived | Self::MessageSubmitted | Self::MessageEchoed | Self::MessageEdited)
    }

    /// A stable small number for storage: never renumber.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The kind with that number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// `message.received`
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MessageReceived => "message.received",
            Self::MessageSubmitted => "message.submitted",
            Self::MessageEchoed => "message.echoed",
            Self::MessageStatus => "message.status",
            Self::MessageEdited => "message.edited",
            Self::MessageDeleted => "message.deleted",
            Self::MessageReaction => "message.reaction",
            Self::ContactTyping => "contact.typing",
            Self::ContactConsent => "contact.consent",
            Self::ContactLinked => "contact.linked",
            Self::ConversationOpened => "conversation.opened",
            Self::ConversationReferred => "conversation.referred",
            Self::ConversationClosed => "conversation.closed",
            Self::ChannelState => "channel.state",
            Self::ChannelUnsupported => "channel.unsupported",
            Self::ContactUnlinked => "contact.unlinked",
            Self::ConversationControl => "conversation.control",
            Self::ContactErased => "contact.erased",
        }
    }

    /// Whether somebody says something by it.
    pub fn is_message(self) -> bool {
        matches!(self, Self::MessageReceived | Self::MessageSubmitted | Self::MessageEchoed)
    }

    /// Which way things of this kind go, seen from the business: what people do comes in, what is sent to them and what
    /// became of it goes out.
    pub fn direction(self) -> Direction {
        match self {
            Self::MessageSubmitted | Self::MessageEchoed | Self::MessageStatus => Direction::Outbound,
            _ => Direction::Inbound,
        }
    }

    /// From `message.received` or `omnigate.message.received`.
    pub fn parse(text: &str) -> Option<Self> {
        let name = text.strip_prefix("omnigate.").unwrap_or(text);
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A CloudEvents 1.0 envelope in its JSON form: what backends get and what the log holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    pub specversion: String,
    pub id: Uuid,
    #[serde(rename = "type")]
    pub kind: Kind,
    /// `/channels/{name}`; `/contacts/{id}` for what happened on no channel.
    pub source: String,
    /// The conversation; absent where an event belongs to none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Uuid>,
    pub time: Time,
    pub datacontenttype: String,
    pub dataschema: String,
    /// W3C Trace Context of the request that brought it.
    pub traceparent: String,
    pub data: Interaction,
}

/// The event's data.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Interaction {
    pub direction: Direction,
    /// Null for what happened on no channel, such as a link that somebody made.
    pub channel: Option<ChannelRef>,
    pub contact: Option<ContactRef>,
    pub conversation: Option<ConversationRef>,
    pub author: Author,
    pub from: Option<Identity>,
    /// Addresses that the sender claims to have, and nobody vouches for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<Identity>,
    #[serde(default)]
    pub to: Vec<Identity>,
    #[serde(default)]
    pub external_ids: Vec<String>,
    /// Id of the interaction that this one answers.
    pub in_reply_to: Option<Uuid>,
    pub occurred_at: Time,
    pub received_at: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Message>,
    /// The message that a status, an edit, a deletion or a reaction speaks of; null where it is not known here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    #[serde(rename = "final", default, skip_serializing_if = "Option::is_none")]
    pub is_final: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// What else the kind tells: `emoji` of a reaction, `on` of typing, `granted` of a consent, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Value>,
    /// The route that it takes; absent where it goes to every backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<RouteRef>,
    #[serde(default)]
    pub tags: Map<String, Value>,
    #[serde(default)]
    pub metadata: Map<String, Value>,
}

/// Seen from the business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    Inbound,
    Outbound,
}

/// Where it happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelRef {
    pub name: String,
    pub medium: String,
    pub adapter: String,
}

/// The person, as known at that moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContactRef {
    pub id: Uuid,
    pub name: Option<String>,
    pub identities: Vec<Identity>,
    /// What connectors know of the person, by connector: put in when an event is delivered, and never in the log.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub attributes: Map<String, Value>,
}

/// The conversation, as known at that moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationRef {
    pub id: Uuid,
    /// Whether this interaction opened it.
    pub new: bool,
    /// Channels used so far, in order of first use.
    pub channels: Vec<String>,
    /// The backend that is in control, where one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<String>,
}

/// The route that an interaction takes, as decided when it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteRef {
    /// As configured, or its number from 1.
    pub name: String,
    /// The first is in control.
    pub backends: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<FallbackRef>,
}

/// Who stands in for the backend in control.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FallbackRef {
    pub backend: String,
    /// After so many milliseconds in which the other took nothing.
    pub after_ms: u64,
}

/// Who is speaking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Author {
    pub kind: AuthorKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What sort of author.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthorKind {
    Contact,
    Agent,
    Bot,
    System,
}

/// What was said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    pub subject: Option<String>,
    /// The plain text of all parts, for readers that want no more.
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quoted_text: Option<String>,
    pub parts: Vec<Part>,
}

impl Message {
    /// A message of these parts, its `text` derived from them.
    pub fn new(subject: Option<String>, parts: Vec<Part>, quoted_text: Option<String>) -> Self {
        let texts: Vec<_> = parts.iter().map(Part::plain_text).filter(|text| !text.is_empty()).collect();
        Self { subject, text: texts.join("\n"), quoted_text, parts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_keep_their_codes_and_names() {
        for (code, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(kind.code()), code);
            assert_eq!(Kind::from_code(kind.code()), Some(kind));
            assert_eq!(Kind::parse(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), format!("omnigate.{}", kind.as_str()));
        }
        assert_eq!(Kind::parse("message.unknown"), None);
    }

    #[test]
    fn text_is_that_of_all_parts() {
        let parts = serde_json::from_str(
            r#"[{"type":"text","text":"Where?"},{"type":"location","latitude":1.5,"longitude":2.0,"name":"Pier"},{"type":"extension","kind":"x","data":{}}]"#,
        );
        assert_eq!(Message::new(None, parts.unwrap(), None).text, "Where?\nPier (1.5, 2)");
    }
}
