use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Stored;
use super::files::Name;
use crate::interaction::MediaKind;

/// A file, stored or on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub announced: Announced,
    pub state: State,
    /// Who got it from us.
    #[serde(default, skip_serializing_if = "Sent::is_nobody")]
    pub sent: Sent,
}

impl Entry {
    /// Of its file, once that is stored.
    pub(super) fn name(&self, id: Uuid) -> Option<Name> {
        match &self.state {
            State::Stored(stored) => Some(Name { sha256: stored.sha256.clone(), id }),
            State::Pending | State::Failed { .. } => None,
        }
    }
}

/// The contacts that a file was sent to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sent {
    To(BTreeSet<Uuid>),
    /// To more than are counted: it is nobody's own.
    Around,
}

/// Contacts that are counted.
const SENT_MAX: usize = 32;

impl Default for Sent {
    fn default() -> Self {
        Self::To(BTreeSet::new())
    }
}

impl Sent {
    fn is_nobody(&self) -> bool {
        matches!(self, Self::To(contacts) if contacts.is_empty())
    }

    pub(super) fn add(&mut self, contact: Uuid) {
        if let Self::To(contacts) = self {
            contacts.insert(contact);
            if contacts.len() > SENT_MAX {
                *self = Self::Around;
            }
        }
    }

    /// Takes contacts out; tells whether nobody is left.
    pub(super) fn remove(&mut self, gone: &[Uuid]) -> bool {
        match self {
            Self::To(contacts) => {
                contacts.retain(|contact| !gone.contains(contact));
                contacts.is_empty()
            }
            Self::Around => false,
        }
    }
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
