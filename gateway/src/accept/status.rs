use bytes::Bytes;
use uuid::Uuid;

use super::envelope::{blank, event};
use super::fallback::due_write;
use super::messages::{MessageState, Turn};
use super::notes::{self, Noted};
use super::{Accept, Rounds, Trace, external_key, id_value, name_key};
use crate::interaction::{
    Author, AuthorKind, ChannelRef, ConversationRef, Direction, Identity, Interaction, Kind, Loss, Reason, Status,
    StatusChange, Time,
};
use crate::plugin::exchange::StatusReport;
use crate::store::{Appended, Batch, DedupeKey, NewEvent, StoreError, Write};

/// A turn of a message, and what made it.
pub(super) struct Turned<'a> {
    pub(super) index: usize,
    pub(super) turn: Turn,
    pub(super) change: &'a StatusChange,
    pub(super) external: Option<&'a str>,
}

/// What a channel made of a message.
#[derive(Clone, Debug)]
pub struct Report {
    pub external_ids: Vec<String>,
    /// Further names by which later reports may call it.
    pub names: Vec<String>,
    pub change: StatusChange,
    /// What the channel could not carry, where it was sent.
    pub loss: Option<Vec<Loss>>,
    /// Who does not get it, while others do.
    pub refused: Vec<(Identity, Reason)>,
    /// Addresses to which copies went.
    pub copies: Vec<String>,
}

impl Accept {
    /// Notes what a channel made of a message: the provider's ids and how far it is. Tells whether the message goes on by
    /// another channel because of it.
    ///
    /// # Errors
    /// As the store's commit.
    pub async fn sent(&self, channel: &str, id: Uuid, report: &Report) -> Result<bool, StoreError> {
        let trace = Trace::from_header(None);
        let mut rounds = Rounds::default();
        loop {
            match self.note_sent(channel, id, report, &trace).await {
                Err(StoreError::Conflict(key)) => self.lost(&key, &mut rounds)?,
                decided => return decided,
            }
        }
    }

    /// Appends that a channel's state changed.
    ///
    /// # Errors
    /// As the store's commit.
    pub async fn channel_state(&self, channel: &ChannelRef, state: &str, why: Option<&str>) -> Result<(), StoreError> {
        let now = Time::now();
        let mut data = blank(Some(channel), Direction::Inbound, now, now);
        data.detail = Some(serde_json::json!({ "state": state, "why": why }));
        let event = event(Kind::ChannelState, None, data, &self.schema_url, &Trace::from_header(None), None, None);
        self.store.commit(Batch { events: vec![event], ..Batch::default() }).await.map(drop)
    }

    async fn note_sent(&self, channel: &str, id: Uuid, report: &Report, trace: &Trace) -> Result<bool, StoreError> {
        let Some((mut state, entry)) = self.message_entry(id).await? else { return Ok(false) };
        let Some(index) = state.way_by(channel) else { return Ok(false) };
        let mut batch = Batch::default();
        let way = &mut state.ways[index];
        for external in report.external_ids.iter().filter(|external| !external.is_empty()) {
            if !way.external_ids.contains(external) {
                way.external_ids.push(external.clone());
            }
            batch.writes.push(self.external_write(channel, external, id));
        }
        let names = report.names.iter().map(|name| Write::put(name_key(channel, name), id_value(id)));
        batch.writes.extend(names.map(|write| write.expiring(Time::now().plus(self.retention.of(channel)))));
        way.copies.clone_from(&report.copies);
        way.loss = report.loss.clone().unwrap_or(std::mem::take(&mut way.loss));
        if !report.change.status.is_failure() {
            state.revive(index);
        }
        let turn = state.advance(index, None, &report.change, Time::now());
        self.turned(&mut batch, &state, Turned { index, turn, change: &report.change, external: None }, trace).await?;
        for (to, reason) in &report.refused {
            batch.events.push(self.refusal(&state, index, to, reason, trace).await?);
        }
        batch.writes.push(self.state_write(&state, Some(&entry)));
        self.store.commit(batch).await?;
        Ok(turn == Turn::GoesOn)
    }

    /// One of a message's recipients does not get it; the message goes on for the others.
    async fn refusal(
        &self,
        state: &MessageState,
        index: usize,
        to: &Identity,
        reason: &Reason,
        trace: &Trace,
    ) -> Result<NewEvent, StoreError> {
        let mut told = state.clone();
        (told.ways[index].to, told.status) = (to.clone(), Status::Failed);
        let dedupe = DedupeKey::of(&[&state.ways[index].channel.name, "refused", &state.id.to_string(), &to.value]);
        let event = self.status_event(&told, index, &StatusChange::failed(reason.clone()), trace, None, None).await?;
        Ok(NewEvent { dedupe: Some(dedupe), ..event })
    }

    /// The events of a turn, and the clock of the way that it led to.
    pub(super) async fn turned(
        &self,
        batch: &mut Batch,
        state: &MessageState,
        turned: Turned<'_>,
        trace: &Trace,
    ) -> Result<(), StoreError> {
        let Turned { index, turn, change, external } = turned;
        if turn != Turn::Nothing {
            batch.events.push(self.status_event(state, index, change, trace, external, None).await?);
        }
        if turn == Turn::GoesOn {
            self.going_on(batch, state, trace).await?;
        }
        Ok(())
    }

    /// The last way begins: the event is what its channel sends.
    pub(super) async fn going_on(
        &self,
        batch: &mut Batch,
        state: &MessageState,
        trace: &Trace,
    ) -> Result<(), StoreError> {
        let index = state.ways.len() - 1;
        let target = super::target(&state.ways[index].channel.name);
        let change = StatusChange { status: Status::Queued, at: Time::now(), reason: None };
        batch.events.push(self.status_event(state, index, &change, trace, None, Some(target)).await?);
        batch.writes.extend(due_write(state));
        Ok(())
    }

    /// Takes a provider's receipt. Tells whether it was news.
    pub(super) async fn fold(
        &self,
        channel: &ChannelRef,
        report: &StatusReport,
        trace: &Trace,
        now: Time,
    ) -> Result<bool, StoreError> {
        let Some(id) = self.message_of_report(&channel.name, report).await? else {
            let change = StatusChange::of(report, now);
            let external = report.external_id.as_deref().unwrap_or_default();
            if self.was_erased(&channel.name, external).await? {
                return Ok(false);
            }
            return self.unmatched(channel, report, &change, trace, now).await;
        };
        let Some((mut state, entry)) = self.message_entry(id).await? else { return Ok(false) };
        let Some(index) = state.way_by(&channel.name) else { return Ok(false) };
        let report = &notes::of_the_message(&state.ways[index], report);
        let change = StatusChange::of(report, now);
        let mut batch = Batch::default();
        let way = &mut state.ways[index];
        // Found by a further name, a message is meant as a whole.
        let is_name = report.message_id.is_none();
        let named = report.external_id.as_ref().filter(|external| way.external_ids.contains(external) || !is_name);
        if let Some(external) = named.filter(|external| !way.external_ids.contains(external)) {
            // The receipt was faster than the answer to the request that sent it.
            way.external_ids.push(external.clone());
            batch.writes.push(self.external_write(&channel.name, external, id));
        }
        let pieces = way.pieces.clone();
        let external = named.map(String::as_str);
        let turn = state.advance(index, external, &change, now);
        if turn == Turn::Nothing && notes::tells(&state.ways[index], report) {
            return self.note(Noted { state, read: &entry, index, report, change: &change }, trace).await;
        }
        if turn == Turn::Nothing && batch.writes.is_empty() && pieces == state.ways[index].pieces {
            return Ok(false);
        }
        let turned = Turned { index, turn, change: &change, external: report.external_id.as_deref() };
        self.turned(&mut batch, &state, turned, trace).await?;
        batch.writes.push(self.state_write(&state, Some(&entry)));
        self.store.commit(batch).await?;
        Ok(turn != Turn::Nothing)
    }

    async fn message_of_report(&self, channel: &str, report: &StatusReport) -> Result<Option<Uuid>, StoreError> {
        if report.message_id.is_some() {
            return Ok(report.message_id);
        }
        let Some(external) = &report.external_id else { return Ok(None) };
        for key in [external_key(channel, external), name_key(channel, external)] {
            let entry = self.store.get(&key).await?;
            // A name may be that of a message that was received.
            if let Some(id) = entry.and_then(|entry| Uuid::from_slice(&entry.value).ok())
                && self.message(id).await?.is_some()
            {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// A receipt for a message that was not sent by us, or not yet known to be: kept, since it was acknowledged.
    async fn unmatched(
        &self,
        channel: &ChannelRef,
        report: &StatusReport,
        change: &StatusChange,
        trace: &Trace,
        now: Time,
    ) -> Result<bool, StoreError> {
        let mut data = blank(Some(channel), Direction::Outbound, change.at, now);
        data.external_ids.extend(report.external_id.clone());
        data.to.extend(report.recipient.clone());
        fill(&mut data, None, change);
        let name = serde_json::to_string(&change.status).unwrap_or_default();
        let external = report.external_id.as_deref().unwrap_or_default();
        let dedupe = DedupeKey::of(&[&channel.name, Kind::MessageStatus.as_str(), external, &name]);
        let event = event(Kind::MessageStatus, None, data, &self.schema_url, trace, Some(dedupe), None);
        let committed = self.store.commit(Batch { events: vec![event], ..Batch::default() }).await?;
        Ok(matches!(committed.events.first(), Some(Appended::New { .. })))
    }

    /// `target`: who must do something because of it.
    pub(super) async fn status_event(
        &self,
        state: &MessageState,
        index: usize,
        change: &StatusChange,
        trace: &Trace,
        external: Option<&str>,
        target: Option<String>,
    ) -> Result<NewEvent, StoreError> {
        let (way, now) = (&state.ways[index], Time::now());
        let mut data = blank(Some(&way.channel), Direction::Outbound, change.at, now);
        let known = self.directory.person(state.contact).await?;
        data.contact = known.as_ref().map(|known| known.contact.to_ref());
        data.conversation = known
            .and_then(|known| known.conversation(state.conversation).map(|conversation| conversation.to_ref(false)))
            .or_else(|| Some(past(state)));
        data.author = Author { kind: AuthorKind::System, name: None };
        data.to = vec![way.to.clone()];
        data.external_ids = external.map_or_else(|| way.external_ids.clone(), |external| vec![external.to_owned()]);
        data.detail = Some(way.told());
        fill(&mut data, Some(state.id), &StatusChange { status: state.status, ..change.clone() });
        Ok(event(Kind::MessageStatus, Some(state.contact), data, &self.schema_url, trace, None, target))
    }

    pub(super) fn state_write(&self, state: &MessageState, read: Option<&crate::store::Entry>) -> Write {
        let value = serde_json::to_vec(state).unwrap_or_else(|error| unreachable!("states have string keys: {error}"));
        Write::over(MessageState::key(state.id), read, Bytes::from(value)).expiring(self.end_of(state))
    }

    fn external_write(&self, channel: &str, external_id: &str, id: Uuid) -> Write {
        let end = Time::now().plus(self.retention.of(channel));
        Write::put(external_key(channel, external_id), id_value(id)).expiring(end)
    }

    /// What became of a message goes with the message itself.
    fn end_of(&self, state: &MessageState) -> Time {
        let submitted = state.ways.first().map_or_else(Time::now, |way| way.began_at);
        let channels = state.ways.iter().map(|way| self.retention.of(&way.channel.name));
        submitted.plus(channels.max().unwrap_or(self.retention.rest))
    }
}

/// A conversation that is no longer its contact's newest.
fn past(state: &MessageState) -> ConversationRef {
    let channels = state.ways.iter().map(|way| way.channel.name.clone()).collect();
    ConversationRef { id: state.conversation, new: false, channels, control: None }
}

fn fill(data: &mut Interaction, message: Option<Uuid>, change: &StatusChange) {
    data.message_id = message;
    data.status = Some(change.status);
    data.is_final = Some(change.status.is_final());
    data.reason.clone_from(&change.reason);
}

/// A change and no more.
impl From<StatusChange> for Report {
    fn from(change: StatusChange) -> Self {
        Self {
            external_ids: Vec::new(),
            names: Vec::new(),
            change,
            loss: None,
            refused: Vec::new(),
            copies: Vec::new(),
        }
    }
}

/// A change without a reason.
impl From<Status> for StatusChange {
    fn from(status: Status) -> Self {
        Self { status, at: Time::now(), reason: None }
    }
}

impl StatusChange {
    /// What a provider reports.
    fn of(report: &StatusReport, now: Time) -> Self {
        Self { status: report.status, at: report.at.unwrap_or(now), reason: report.reason.clone() }
    }

    /// A failure, from now on.
    pub fn failed(reason: Reason) -> Self {
        Self { status: Status::Failed, at: Time::now(), reason: Some(reason) }
    }
}
