use serde::{Deserialize, Serialize};

use super::Stored;
use crate::interaction::MediaKind;

/// A file, stored or on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub announced: Announced,
    pub state: State,
}

/// What was said about it before it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announced {
    /// `None` for a file that a backend uploaded.
    pub channel: Option<String>,
    pub source: Source,
    pub kind: MediaKind,
    pub content_type: Option<String>,
    pub name: Option<String>,
    pub bytes: Option<u64>,
}

/// How it comes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The adapter knows how to fetch it.
    Reference(String),
    /// Somebody uploads it.
    Upload,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Pending,
    Stored(Stored),
    Failed { why: String },
}
