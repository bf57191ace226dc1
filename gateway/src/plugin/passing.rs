//! What goes to a processor and comes back, in the gateway's own types.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use super::exchange::Content;
use crate::interaction::{AuthorKind, ChannelRef, Direction, Identity, Part};

/// A message on its way past a processor.
#[derive(Clone, Debug)]
pub struct Passing {
    pub channel: ChannelRef,
    pub direction: Direction,
    pub author: AuthorKind,
    pub sender: Option<Identity>,
    pub recipients: Vec<Identity>,
    /// No person wrote it, but this.
    pub automatic: Option<String>,
    /// It was said before, and is now said otherwise.
    pub edited: bool,
    pub content: Content,
    pub metadata: Map<String, Value>,
    /// What earlier processors made of it.
    pub tags: Map<String, Value>,
}

/// What a processor says becomes of it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Pass,
    Change(Box<Change>),
    /// For the operator: why it goes no further.
    Drop(String),
}

/// What is absent stays.
#[derive(Clone, Debug, Serialize)]
pub struct Change {
    pub content: Option<Content>,
    pub metadata: Option<Map<String, Value>>,
    /// Added to those that are there.
    pub tags: Map<String, Value>,
    pub reply: Option<AutoReply>,
}

/// A bot's answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AutoReply {
    pub subject: Option<String>,
    pub parts: Vec<Part>,
    pub name: Option<String>,
    /// At most one in that time, for each conversation.
    pub pause: Duration,
}
