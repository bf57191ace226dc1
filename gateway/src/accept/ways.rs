//! The ways of one message: where it goes, where it goes next, and how far it came on each.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::interaction::{ChannelRef, Identity, Loss, Reason, ReasonCode, Status, StatusChange, Time, Trigger, Why};

/// A message on one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    pub channel: ChannelRef,
    pub to: Identity,
    pub why: Why,
    pub began_at: Time,
    pub status: Status,
    pub reason: Option<Reason>,
    pub external_ids: Vec<String>,
    /// What the channel cannot carry of it.
    pub loss: Vec<Loss>,
    /// Whether the channel tells of deliveries.
    pub tells_delivery: bool,
    /// Where one message became several at the provider: the status of each.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pieces: BTreeMap<String, Status>,
    /// Addresses to which copies went.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<String>,
}

/// A way that is taken if the one before does not lead to the person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fallback {
    pub channel: ChannelRef,
    pub to: Identity,
    /// From the beginning of the way before.
    pub after: Duration,
    pub on: Vec<Trigger>,
    pub loss: Vec<Loss>,
    pub tells_delivery: bool,
}

impl Way {
    /// One that begins now.
    pub fn begin(
        channel: ChannelRef,
        to: Identity,
        why: Why,
        loss: Vec<Loss>,
        tells_delivery: bool,
        now: Time,
    ) -> Self {
        Self {
            channel,
            to,
            why,
            began_at: now,
            status: Status::Queued,
            reason: None,
            external_ids: Vec::new(),
            loss,
            tells_delivery,
            pieces: BTreeMap::new(),
            copies: Vec::new(),
        }
    }

    /// Takes a report about the way, or about one piece of the message on it. Tells whether the way's status changed.
    pub(super) fn advance(&mut self, piece: Option<&str>, change: &StatusChange) -> bool {
        let status = self.folded(piece, change.status);
        if !self.status.advances_to(status) {
            return false;
        }
        self.status = status;
        self.reason.clone_from(&change.reason);
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
        let failed = self.pieces.values().find(|status| status.is_failure());
        failed.copied().or(slowest).unwrap_or(status)
    }

    /// What events tell of it, besides the message's own status.
    pub(super) fn told(&self) -> Value {
        let mut told = json!({ "via": self.channel.name, "why": self.why, "status": self.status });
        if !self.loss.is_empty() {
            told["loss"] = json!(self.loss);
        }
        told
    }

    /// Whether the provider has it, also where it only promised to send it.
    pub fn was_taken(&self) -> bool {
        matches!(self.status, Status::Sent | Status::Delivered | Status::Read)
            || (self.status == Status::Queued && !self.external_ids.is_empty())
    }

    /// Whether nothing more can be hoped for: it arrived, or the channel would not tell.
    pub(super) fn has_arrived(&self) -> bool {
        match self.status {
            Status::Delivered | Status::Read => true,
            _ => !self.tells_delivery && self.was_taken(),
        }
    }
}

/// What a failure calls for. Who does not want a message does not want it elsewhere, and what is of no use any more is of
/// no use anywhere.
pub(super) fn triggers(reason: Option<&Reason>) -> &'static [Trigger] {
    match reason.map(|reason| reason.code) {
        Some(ReasonCode::OptedOut | ReasonCode::Expired) => &[],
        Some(ReasonCode::OutsideWindow) => &[Trigger::OutsideWindow, Trigger::Failed],
        _ => &[Trigger::Failed],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(external_ids: &[&str]) -> Way {
        let channel = ChannelRef { name: "c".into(), medium: "sms".into(), adapter: "a".into() };
        let to = Identity { scheme: "tel".into(), value: "+1555".into(), scope: None, name: None };
        let way = Way::begin(channel, to, Why::Asked, Vec::new(), true, Time::now());
        Way { external_ids: external_ids.iter().map(ToString::to_string).collect(), ..way }
    }

    fn report(way: &mut Way, piece: &str, status: Status) -> bool {
        way.advance(Some(piece), &StatusChange { status, at: Time::now(), reason: None })
    }

    #[test]
    fn late_reports_change_nothing() {
        let mut way = way(&["a"]);
        assert!(report(&mut way, "a", Status::Delivered));
        assert!(!report(&mut way, "a", Status::Sent));
        assert_eq!(way.status, Status::Delivered);
    }

    #[test]
    fn a_message_in_pieces_is_as_far_as_its_slowest() {
        let mut way = way(&["a", "b"]);
        assert!(!report(&mut way, "a", Status::Delivered));
        assert!(report(&mut way, "b", Status::Sent));
        assert_eq!(way.status, Status::Sent);
        assert!(report(&mut way, "b", Status::Read));
        assert_eq!(way.status, Status::Delivered);
    }

    #[test]
    fn one_failed_piece_fails_the_message() {
        let mut way = way(&["a", "b"]);
        assert!(report(&mut way, "a", Status::Failed));
        assert!(!report(&mut way, "b", Status::Sent));
        assert_eq!(way.status, Status::Failed);
    }

    #[test]
    fn where_deliveries_are_not_told_sent_is_arrived() {
        let sent = Way { status: Status::Sent, ..way(&["a"]) };
        assert!(!sent.has_arrived());
        assert!(Way { tells_delivery: false, ..sent }.has_arrived());
        assert!(!Way { tells_delivery: false, ..way(&[]) }.has_arrived(), "not even taken");
    }
}
