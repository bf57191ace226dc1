use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Accept;
use crate::interaction::{Identity, Reason, Status, StatusChange, Time};
use crate::store::{Entry, Key, StoreError};

/// What became of an outbound message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageState {
    pub id: Uuid,
    pub channel: String,
    /// The member that has the address.
    pub contact: Uuid,
    pub conversation: Uuid,
    pub to: Identity,
    pub status: Status,
    pub reason: Option<Reason>,
    pub history: Vec<StatusChange>,
    pub external_ids: Vec<String>,
    /// Of no use after that.
    pub expires_at: Option<Time>,
    /// Where one message became several at the provider: the status of each.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pieces: BTreeMap<String, Status>,
}

/// Changes kept of one message: providers repeat themselves, and the history must not grow for ever.
const HISTORY_MAX: usize = 32;

impl MessageState {
    /// Where it is kept.
    pub(super) fn key(id: Uuid) -> Key {
        Key::of(&["message", &id.to_string()])
    }

    /// Takes a report about the whole message, or about one piece of it. Tells whether the message's status changed.
    pub(super) fn advance(&mut self, piece: Option<&str>, change: &StatusChange) -> bool {
        let status = self.folded(piece, change.status);
        if !self.status.advances_to(status) || self.history.len() >= HISTORY_MAX {
            return false;
        }
        self.status = status;
        self.reason.clone_from(&change.reason);
        self.history.push(StatusChange { status, ..change.clone() });
        true
    }

    /// A message of several pieces is as far as its slowest one; it failed if one failed.
    fn folded(&mut self, piece: Option<&str>, status: Status) -> Status {
        let Some(piece) = piece.filter(|_| self.external_ids.len() > 1) else { return status };
        let known = self.pieces.entry(piece.to_owned()).or_insert(Status::Queued);
        if known.advances_to(status) {
            *known = status;
        }
        let of = |id: &String| self.pieces.get(id).copied().unwrap_or(Status::Queued);
        let slowest = self.external_ids.iter().map(of).reduce(|a, b| if a.advances_to(b) { a } else { b });
        let failed = self.pieces.values().find(|status| matches!(status, Status::Failed | Status::Expired));
        failed.copied().or(slowest).unwrap_or(status)
    }
}

impl Accept {
    /// What became of a message.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn message(&self, id: Uuid) -> Result<Option<MessageState>, StoreError> {
        Ok(self.message_entry(id).await?.map(|(state, _)| state))
    }

    pub(super) async fn message_entry(&self, id: Uuid) -> Result<Option<(MessageState, Entry)>, StoreError> {
        let Some(entry) = self.store.get(&MessageState::key(id)).await? else { return Ok(None) };
        let state =
            serde_json::from_slice(&entry.value).map_err(|error| StoreError::Corrupt(format!("message: {error}")))?;
        Ok(Some((state, entry)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(external_ids: &[&str]) -> MessageState {
        MessageState {
            id: Uuid::now_v7(),
            channel: "c".into(),
            contact: Uuid::now_v7(),
            conversation: Uuid::now_v7(),
            to: Identity { scheme: "tel".into(), value: "+1555".into(), scope: None, name: None },
            status: Status::Queued,
            reason: None,
            history: Vec::new(),
            external_ids: external_ids.iter().map(ToString::to_string).collect(),
            expires_at: None,
            pieces: BTreeMap::new(),
        }
    }

    fn report(state: &mut MessageState, piece: &str, status: Status) -> bool {
        state.advance(Some(piece), &StatusChange { status, at: Time::now(), reason: None })
    }

    #[test]
    fn late_reports_change_nothing() {
        let mut message = state(&["a"]);
        assert!(report(&mut message, "a", Status::Delivered));
        assert!(!report(&mut message, "a", Status::Sent));
        assert_eq!((message.status, message.history.len()), (Status::Delivered, 1));
    }

    #[test]
    fn a_message_in_pieces_is_as_far_as_its_slowest() {
        let mut message = state(&["a", "b"]);
        assert!(!report(&mut message, "a", Status::Delivered));
        assert!(report(&mut message, "b", Status::Sent));
        assert_eq!(message.status, Status::Sent);
        assert!(report(&mut message, "b", Status::Read));
        assert_eq!(message.status, Status::Delivered);
    }

    #[test]
    fn one_failed_piece_fails_the_message() {
        let mut message = state(&["a", "b"]);
        assert!(report(&mut message, "a", Status::Failed));
        assert!(!report(&mut message, "b", Status::Sent));
        assert_eq!(message.status, Status::Failed);
    }
}
