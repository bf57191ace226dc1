use serde::{Deserialize, Serialize};

/// What a message is for, as far as a person's consent is concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Category {
    /// An answer, or what belongs to an order: the usual.
    #[default]
    Service,
    /// What nobody asked for.
    Marketing,
}

impl Category {
    pub const ALL: [Self; 2] = [Self::Service, Self::Marketing];

    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Marketing => "marketing",
        }
    }
}

/// What makes a message go on by the next channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    Failed,
    NotDelivered,
    OutsideWindow,
}

/// Why a message goes by a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// The caller named it.
    Asked,
    /// The conversation's newest message came by it.
    Conversation,
    /// The person prefers it.
    Preferred,
    /// The person's newest message came by it.
    LastUsed,
    /// The person can be reached there, and not where it would have been better.
    Reachable,
    /// The way before failed.
    Failed,
    /// The way before did not deliver in time.
    NotDelivered,
    /// The way before was outside its window.
    OutsideWindow,
}

impl From<Trigger> for Why {
    fn from(trigger: Trigger) -> Self {
        match trigger {
            Trigger::Failed => Self::Failed,
            Trigger::NotDelivered => Self::NotDelivered,
            Trigger::OutsideWindow => Self::OutsideWindow,
        }
    }
}

/// What a channel cannot carry, and what goes out in its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// Index of the part in the message as it was submitted.
    pub part: usize,
    /// The ability that is missing or too small, as in the channel's capabilities.
    pub ability: String,
    /// What is missing, in words.
    pub what: String,
    /// What is sent instead, in words.
    pub instead: String,
}

/// A channel that would have been taken, had nothing spoken against it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedOver {
    pub channel: String,
    /// `opted-out`, `outside-window`, `unsupported`, ...: the word of the problem that sending there would have been.
    pub code: String,
    pub detail: String,
}
