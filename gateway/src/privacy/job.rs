use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Person;
use crate::interaction::Time;
use crate::store::{Entry, Key, Write};

/// An erasure under way. It holds what must be searched for: addresses, until nothing has them any more.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) person: Person,
    pub(super) receipt: Receipt,
}

/// What was removed, when, and on whose order. Tells nothing of who it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    pub id: Uuid,
    pub contact_id: Uuid,
    /// All ids that the person had.
    pub contact_ids: Vec<Uuid>,
    /// Name of the API key.
    pub by: String,
    pub requested_at: Time,
    pub removed: Removed,
    /// When everything had been removed.
    pub erased_at: Option<Time>,
    /// What was done to the store's files then, so that nothing can be read from them.
    pub scrubbed: Option<Scrubbed>,
    pub scrubbed_at: Option<Time>,
}

/// How the store's files were treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scrubbed {
    /// Written anew: nothing is left.
    Rewritten,
    /// Too large for that (`store.scrub_bytes_max`): what was removed is overwritten.
    Overwritten,
}

/// Counts by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    pub contacts: u64,
    pub identities: u64,
    pub conversations: u64,
    /// Records of the log, with the raw requests that were kept with them.
    pub interactions: u64,
    /// States of messages that were sent.
    pub messages: u64,
    pub media: u64,
    /// Those of which no entry was left; a file that others have, too, stays theirs.
    pub files: u64,
    pub dead_letters: u64,
    /// Requests in quarantine and messages held for processors in which one of the addresses was found.
    pub requests: u64,
    /// What plugins remembered under or with one of the addresses.
    pub plugin_values: u64,
    /// Remembered answers to sends.
    pub answers: u64,
    /// Contacts that are not suggested any more to have one of the addresses.
    #[serde(default)]
    pub claims: u64,
    /// What he allowed, refused and preferred.
    pub consents: u64,
    /// What was noted for an address for a while: lists that wait for an answer, counts against loops, answers that processors owe.
    pub notes: u64,
}

/// A value of the table and its version.
#[derive(Clone, Debug)]
pub(super) struct Kept<T> {
    pub(super) value: T,
    pub(super) entry: Entry,
}

impl Job {
    /// The prefix of all.
    pub(super) fn prefix() -> String {
        Key::prefix(&["erasing"])
    }

    fn key(contact: Uuid) -> Key {
        Key::of(&["erasing", &contact.to_string()])
    }

    pub(super) fn create(&self) -> Write {
        Write::create(Self::key(self.receipt.contact_id), json(self))
    }

    pub(super) fn over(&self, entry: &Entry) -> Write {
        Write::over(Self::key(self.receipt.contact_id), Some(entry), json(self))
    }

    pub(super) fn end(&self, entry: &Entry) -> Write {
        Write { value: None, ..self.over(entry) }
    }

    /// Where a file waits to be removed: the entry that it had is gone already.
    pub(super) fn file_key(&self, name: &str) -> Key {
        Key::of(&["erasing-file", &self.receipt.contact_id.to_string(), name])
    }

    pub(super) fn files_prefix(&self) -> String {
        Key::prefix(&["erasing-file", &self.receipt.contact_id.to_string()])
    }
}

impl Receipt {
    /// Where it is found under one of the ids that the person had.
    pub(super) fn key(contact: Uuid) -> Key {
        Key::of(&["erased", &contact.to_string()])
    }

    pub(super) fn writes(&self) -> Vec<Write> {
        self.contact_ids.iter().map(|id| Write::put(Self::key(*id), json(self))).collect()
    }

    /// The prefix of the notes that files still have to be scrubbed.
    pub(super) fn unscrubbed_prefix() -> String {
        Key::prefix(&["unscrubbed"])
    }

    pub(super) fn unscrubbed(&self) -> Key {
        Key::of(&["unscrubbed", &self.contact_id.to_string()])
    }

    /// Whether nothing is left to do.
    pub fn is_final(&self) -> bool {
        self.scrubbed_at.is_some()
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_else(|error| unreachable!("receipts have string keys: {error}"))
}
