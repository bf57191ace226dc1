use bytes::Bytes;
use uuid::Uuid;

use super::envelope::{blank, event};
use super::messages::MessageState;
use super::{Accept, Rounds, Trace, external_key, id_value, name_key};
use crate::interaction::{
    Author, AuthorKind, ChannelRef, ConversationRef, Direction, Identity, Interaction, Kind, Reason, Status,
    StatusChange, Time,
};
use crate::plugin::exchange::{Receipt, StatusReport};
use crate::store::{Appended, Batch, DedupeKey, NewEvent, StoreError, Write};

impl Accept {
    /// Notes what a channel made of a message: the provider's ids and how far it is.
    ///
    /// # Errors
    /// As the store's commit.
    pub async fn sent(
        &self,
        channel: &ChannelRef,
        id: Uuid,
        receipt: &Receipt,
        change: StatusChange,
    ) -> Result<(), StoreError> {
        let trace = Trace::from_header(None);
        let mut rounds = Rounds::default();
        loop {
            match self.note_sent(channel, id, receipt, &change, &trace).await {
                Err(StoreError::Conflict(_)) => self.lost(&mut rounds)?,
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

    /// Appends that one of a message's recipients does not get it, while others do.
    ///
    /// # Errors
    /// As the store's commit.
    pub async fn recipient_refused(
        &self,
        channel: &ChannelRef,
        id: Uuid,
        to: Identity,
        reason: Reason,
    ) -> Result<(), StoreError> {
        let Some(state) = self.message(id).await? else { return Ok(()) };
        let change = StatusChange::failed(reason);
        let told = MessageState { to: to.clone(), status: Status::Failed, ..state };
        let mut event = self.status_event(channel, &told, &change, &Trace::from_header(None), None).await?;
        event.dedupe = Some(DedupeKey::of(&[&channel.name, "refused", &id.to_string(), &to.value]));
        self.store.commit(Batch { events: vec![event], ..Batch::default() }).await.map(drop)
    }

    async fn note_sent(
        &self,
        channel: &ChannelRef,
        id: Uuid,
        receipt: &Receipt,
        change: &StatusChange,
        trace: &Trace,
    ) -> Result<(), StoreError> {
        let Some((mut state, entry)) = self.message_entry(id).await? else { return Ok(()) };
        let mut batch = Batch::default();
        for external in receipt.external_ids.iter().filter(|external| !external.is_empty()) {
            if !state.external_ids.contains(external) {
                state.external_ids.push(external.clone());
            }
            batch.writes.push(self.external_write(&channel.name, external, id));
        }
        let names = receipt.names.iter().map(|name| Write::put(name_key(&channel.name, name), id_value(id)));
        batch.writes.extend(names.map(|write| write.expiring(Time::now().plus(self.retention.of(&channel.name)))));
        if state.status == Status::Failed && change.status != Status::Failed {
            // Somebody retried what had been given up: its life begins again.
            state.status = Status::Queued;
        }
        if state.advance(None, change) {
            batch.events.push(self.status_event(channel, &state, change, trace, None).await?);
        }
        batch.writes.push(self.state_write(&state, Some(&entry)));
        self.store.commit(batch).await.map(drop)
    }

    /// Takes a provider's receipt. Tells whether it was news.
    pub(super) async fn fold(
        &self,
        channel: &ChannelRef,
        report: &StatusReport,
        trace: &Trace,
        now: Time,
    ) -> Result<bool, StoreError> {
        let change =
            StatusChange { status: report.status, at: report.at.unwrap_or(now), reason: report.reason.clone() };
        let Some(id) = self.message_of_report(&channel.name, report).await? else {
            let external = report.external_id.as_deref().unwrap_or_default();
            if self.was_erased(&channel.name, external).await? {
                return Ok(false);
            }
            return self.unmatched(channel, report, &change, trace, now).await;
        };
        let Some((mut state, entry)) = self.message_entry(id).await? else { return Ok(false) };
        if state.channel != channel.name {
            return Ok(false);
        }
        let mut writes = Vec::new();
        // Found by a further name, a message is meant as a whole.
        let is_name = report.message_id.is_none();
        let named = report.external_id.as_ref().filter(|external| state.external_ids.contains(external) || !is_name);
        if let Some(external) = named.filter(|external| !state.external_ids.contains(external)) {
            // The receipt was faster than the answer to the request that sent it.
            state.external_ids.push(external.clone());
            writes.push(self.external_write(&channel.name, external, id));
        }
        let pieces = state.pieces.clone();
        let is_news = state.advance(named.map(String::as_str), &change);
        if !is_news && writes.is_empty() && pieces == state.pieces {
            return Ok(false);
        }
        let mut events = Vec::new();
        if is_news {
            events.push(self.status_event(channel, &state, &change, trace, report.external_id.as_deref()).await?);
        }
        writes.push(self.state_write(&state, Some(&entry)));
        self.store.commit(Batch { events, writes, ..Batch::default() }).await?;
        Ok(is_news)
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

    async fn status_event(
        &self,
        channel: &ChannelRef,
        state: &MessageState,
        change: &StatusChange,
        trace: &Trace,
        external: Option<&str>,
    ) -> Result<NewEvent, StoreError> {
        let now = Time::now();
        let mut data = blank(Some(channel), Direction::Outbound, change.at, now);
        let known = self.directory.person(state.contact).await?;
        data.contact = known.as_ref().map(|known| known.contact.to_ref());
        data.conversation = known
            .and_then(|known| known.conversation(state.conversation).map(|conversation| conversation.to_ref(false)))
            .or_else(|| Some(past(state, channel)));
        data.author = Author { kind: AuthorKind::System, name: None };
        data.to = vec![state.to.clone()];
        data.external_ids = external.map_or_else(|| state.external_ids.clone(), |external| vec![external.to_owned()]);
        fill(&mut data, Some(state.id), &StatusChange { status: state.status, ..change.clone() });
        Ok(event(Kind::MessageStatus, Some(state.contact), data, &self.schema_url, trace, None, None))
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
        let submitted = state.history.first().map_or_else(Time::now, |change| change.at);
        submitted.plus(self.retention.of(&state.channel))
    }
}

/// A conversation that is no longer its contact's newest.
fn past(state: &MessageState, channel: &ChannelRef) -> ConversationRef {
    ConversationRef { id: state.conversation, new: false, channels: vec![channel.name.clone()], control: None }
}

fn fill(data: &mut Interaction, message: Option<Uuid>, change: &StatusChange) {
    data.message_id = message;
    data.status = Some(change.status);
    data.is_final = Some(change.status.is_final());
    data.reason.clone_from(&change.reason);
}

/// A change without a reason.
impl From<Status> for StatusChange {
    fn from(status: Status) -> Self {
        Self { status, at: Time::now(), reason: None }
    }
}

impl StatusChange {
    /// A failure, from now on.
    pub fn failed(reason: Reason) -> Self {
        Self { status: Status::Failed, at: Time::now(), reason: Some(reason) }
    }
}
