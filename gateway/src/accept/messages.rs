use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Accept;
use super::ways::{Fallback, Way, triggers};
use crate::interaction::{Category, Reason, ReasonCode, Status, StatusChange, Time, Trigger};
use crate::store::{Entry, Key, StoreError};

/// What became of an outbound message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageState {
    pub id: Uuid,
    /// The member that has the address.
    pub contact: Uuid,
    pub conversation: Uuid,
    pub category: Category,
    /// Over all ways: it never goes backwards.
    pub status: Status,
    pub reason: Option<Reason>,
    pub history: Vec<Step>,
    /// In the order in which they were taken; at least one. No two by the same channel.
    pub ways: Vec<Way>,
    /// What is left, the next one first.
    pub fallback: Vec<Fallback>,
    /// Of no use after that.
    pub expires_at: Option<Time>,
}

/// One step in the life of a message, on one of its ways.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub channel: String,
    #[serde(flatten)]
    pub change: StatusChange,
}

/// What a report changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Nothing,
    Moved,
    /// It goes on by another channel: the last of the ways.
    GoesOn,
}

/// Changes kept of one message: providers repeat themselves, and the history must not grow for ever.
const HISTORY_MAX: usize = 32;

impl MessageState {
    /// Where it is kept.
    pub(super) fn key(id: Uuid) -> Key {
        Key::of(&["message", &id.to_string()])
    }

    /// The way that counts: the first that led to the person, else the last that was taken.
    pub fn way(&self) -> &Way {
        let arrived = self.ways.iter().find(|way| matches!(way.status, Status::Delivered | Status::Read));
        arrived.or(self.ways.last()).unwrap_or_else(|| unreachable!("a message has a way from its beginning"))
    }

    /// Its way by a channel.
    pub fn way_by(&self, channel: &str) -> Option<usize> {
        self.ways.iter().position(|way| way.channel.name == channel)
    }

    /// Takes a report about one way, or about one piece of the message on it.
    pub(super) fn advance(&mut self, index: usize, piece: Option<&str>, change: &StatusChange, now: Time) -> Turn {
        let last = index + 1 == self.ways.len();
        let full = self.history.len() >= HISTORY_MAX;
        let Some(way) = self.ways.get_mut(index).filter(|_| !full) else { return Turn::Nothing };
        if !way.advance(piece, change) {
            return Turn::Nothing;
        }
        let status = way.status;
        let step = Step { channel: way.channel.name.clone(), change: StatusChange { status, ..change.clone() } };
        self.history.push(step);
        if status.is_failure() {
            return if last { self.after_failure(status, change, now) } else { Turn::Moved };
        }
        self.reach(status, None);
        Turn::Moved
    }

    /// Writes down why the message is where it is. Tells whether that was not there yet.
    pub(super) fn note(&mut self, index: usize, change: &StatusChange) -> bool {
        let channel = self.ways[index].channel.name.clone();
        let is_known = |step: &Step| step.channel == channel && step.change.reason == change.reason;
        if self.history.len() >= HISTORY_MAX || self.history.iter().any(is_known) {
            return false;
        }
        self.history.push(Step { channel, change: change.clone() });
        true
    }

    /// On, or the end.
    fn after_failure(&mut self, status: Status, change: &StatusChange, now: Time) -> Turn {
        if self.go_on(triggers(change.reason.as_ref()), now) {
            return Turn::GoesOn;
        }
        self.reach(status, change.reason.clone());
        Turn::Moved
    }

    /// Somebody retried what had been given up on this way: its life begins again.
    pub(super) fn revive(&mut self, index: usize) {
        let Some(way) = self.ways.get_mut(index).filter(|way| way.status.is_failure()) else { return };
        way.status = Status::Queued;
        if self.status.is_failure() {
            self.status = Status::Queued;
        }
    }

    fn reach(&mut self, status: Status, reason: Option<Reason>) {
        if self.status.advances_to(status) {
            (self.status, self.reason) = (status, reason);
        }
    }

    /// Takes the next way that one of these calls for; those before it are left out for good.
    fn go_on(&mut self, triggers: &[Trigger], now: Time) -> bool {
        if self.expires_at.is_some_and(|end| end <= now) {
            return false;
        }
        let called = |step: &Fallback| triggers.iter().find(|trigger| step.on.contains(trigger)).copied();
        let Some((index, trigger)) = self.fallback.iter().enumerate().find_map(|(n, step)| Some((n, called(step)?)))
        else {
            return false;
        };
        let next = self.fallback.drain(..=index).next_back();
        let Some(Fallback { channel, to, loss, tells_delivery, .. }) = next else { return false };
        let change = StatusChange { status: Status::Queued, at: now, reason: None };
        self.history.push(Step { channel: channel.name.clone(), change });
        self.ways.push(Way::begin(channel, to, trigger.into(), loss, tells_delivery, now));
        true
    }

    /// The time is over in which the last way should have led to the person: on, if there is a way that waited for that.
    /// What the provider does not have yet, it will not get.
    pub(super) fn overdue(&mut self, now: Time) -> bool {
        let Some(way) = self.ways.last().filter(|way| !way.has_arrived()) else { return false };
        let (index, was_taken) = (self.ways.len() - 1, way.was_taken());
        if way.status.is_failure() || !self.go_on(&[Trigger::NotDelivered], now) {
            return false;
        }
        if !was_taken {
            let text = "it could not be sent in time and went another way".to_owned();
            let reason = Reason { code: ReasonCode::Expired, text, retryable: false, provider_code: None };
            let change = StatusChange { status: Status::Expired, at: now, reason: Some(reason) };
            self.ways[index].advance(None, &change);
            let step = Step { channel: self.ways[index].channel.name.clone(), change };
            self.history.insert(self.history.len() - 1, step);
        }
        true
    }

    /// When the last way should have led to the person, if a way waits for that.
    pub(super) fn due_at(&self) -> Option<Time> {
        let waiting = self.fallback.iter().find(|step| step.on.contains(&Trigger::NotDelivered))?;
        Some(self.ways.last()?.began_at.plus(waiting.after))
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
    use std::time::Duration;

    use super::*;
    use crate::interaction::{ChannelRef, Identity, Why};

    const NOW: Time = Time::EPOCH;

    fn channel(name: &str) -> ChannelRef {
        ChannelRef { name: name.into(), medium: "sms".into(), adapter: "a".into() }
    }

    fn to() -> Identity {
        Identity { scheme: "tel".into(), value: "+1555".into(), scope: None, name: None }
    }

    fn message(steps: &[(&str, &[Trigger])]) -> MessageState {
        let fallback = |(name, on): &(&str, &[Trigger])| Fallback {
            channel: channel(name),
            to: to(),
            after: Duration::from_secs(60),
            on: on.to_vec(),
            loss: Vec::new(),
            tells_delivery: true,
        };
        MessageState {
            id: Uuid::now_v7(),
            contact: Uuid::now_v7(),
            conversation: Uuid::now_v7(),
            category: Category::Service,
            status: Status::Queued,
            reason: None,
            history: Vec::new(),
            ways: vec![Way::begin(channel("first"), to(), Why::Asked, Vec::new(), true, NOW)],
            fallback: steps.iter().map(fallback).collect(),
            expires_at: None,
        }
    }

    fn report(state: &mut MessageState, way: usize, status: Status) -> Turn {
        state.advance(way, None, &StatusChange { status, at: NOW, reason: None }, NOW)
    }

    fn failure(code: ReasonCode) -> StatusChange {
        let reason = Reason { code, text: String::new(), retryable: false, provider_code: None };
        StatusChange { status: Status::Failed, at: NOW, reason: Some(reason) }
    }

    #[test]
    fn a_failure_leads_on_until_no_way_is_left() {
        let mut state = message(&[("second", &[Trigger::Failed])]);
        assert_eq!(state.advance(0, None, &failure(ReasonCode::Rejected), NOW), Turn::GoesOn);
        assert_eq!(
            (state.status, state.way().channel.name.as_str(), state.way().why),
            (Status::Queued, "second", Why::Failed)
        );
        assert_eq!(state.advance(1, None, &failure(ReasonCode::Rejected), NOW), Turn::Moved);
        assert_eq!(state.status, Status::Failed);
        let channels: Vec<_> = state.history.iter().map(|step| (step.channel.as_str(), step.change.status)).collect();
        let expected = [("first", Status::Failed), ("second", Status::Queued), ("second", Status::Failed)];
        assert_eq!(channels, expected);
    }

    #[test]
    fn only_what_waits_for_it_is_taken() {
        let steps: &[(&str, &[Trigger])] =
            &[("second", &[Trigger::NotDelivered]), ("third", &[Trigger::OutsideWindow])];
        let mut state = message(steps);
        assert_eq!(state.advance(0, None, &failure(ReasonCode::OutsideWindow), NOW), Turn::GoesOn);
        assert_eq!((state.way().channel.name.as_str(), state.way().why), ("third", Why::OutsideWindow));
        assert!(state.fallback.is_empty());
    }

    #[test]
    fn who_wants_no_message_gets_it_nowhere() {
        let mut state = message(&[("second", &[Trigger::Failed])]);
        assert_eq!(state.advance(0, None, &failure(ReasonCode::OptedOut), NOW), Turn::Moved);
        assert_eq!((state.status, state.ways.len()), (Status::Failed, 1));
    }

    #[test]
    fn what_is_overdue_and_still_here_is_withdrawn() {
        let mut state = message(&[("second", &[Trigger::NotDelivered])]);
        assert_eq!(state.due_at(), Some(NOW.plus(Duration::from_secs(60))));
        assert!(state.overdue(NOW));
        assert_eq!(
            (state.status, state.ways[0].status, state.ways[1].status),
            (Status::Queued, Status::Expired, Status::Queued)
        );
        assert!(!state.overdue(NOW), "no way is left");
        assert_eq!(state.due_at(), None);
    }

    #[test]
    fn a_late_delivery_by_the_first_way_is_told_and_counts() {
        let mut state = message(&[("second", &[Trigger::NotDelivered])]);
        report(&mut state, 0, Status::Sent);
        assert!(state.overdue(NOW));
        assert_eq!((state.status, state.ways[0].status), (Status::Sent, Status::Sent));
        report(&mut state, 0, Status::Delivered);
        assert_eq!((state.status, state.way().channel.name.as_str()), (Status::Delivered, "first"));
        assert_eq!(state.advance(1, None, &failure(ReasonCode::Rejected), NOW), Turn::Moved);
        assert_eq!(state.status, Status::Delivered, "it arrived");
    }

    #[test]
    fn what_arrived_is_not_overdue() {
        let mut state = message(&[("second", &[Trigger::NotDelivered])]);
        report(&mut state, 0, Status::Delivered);
        assert!(!state.overdue(NOW));
    }

    #[test]
    fn what_is_of_no_use_any_more_goes_no_further() {
        let mut state = MessageState { expires_at: Some(NOW), ..message(&[("second", &[Trigger::Failed])]) };
        assert_eq!(state.advance(0, None, &failure(ReasonCode::Rejected), NOW), Turn::Moved);
        assert_eq!(state.status, Status::Failed);
    }
}
