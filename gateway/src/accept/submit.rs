use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::envelope::{attributed, event, news_event, with_message};
use super::fallback::due_write;
use super::messages::{MessageState, Step};
use super::ways::{Fallback, Way};
use super::{Accept, Rounds, Trace};
use crate::customer::Attribution;
use crate::interaction::{
    Author, Category, ChannelRef, Direction, Event, Identity, Kind, Loss, Message, PassedOver, Status, StatusChange,
    Time, Why,
};
use crate::store::{Batch, Key, StoreError, Write};

/// How long an idempotency key is remembered.
const IDEMPOTENCY: Duration = Duration::from_secs(24 * 3600);

/// A message that somebody wants to be sent; its way was chosen and checked.
#[derive(Clone, Debug)]
pub struct Submission {
    pub way: Chosen,
    /// Ways after that one, the first to be taken first.
    pub fallback: Vec<Fallback>,
    pub category: Category,
    pub author: Author,
    pub message: Message,
    pub in_reply_to: Option<Uuid>,
    pub expires_in: Option<Duration>,
    pub metadata: Map<String, Value>,
    pub tags: Map<String, Value>,
    pub idempotency: Option<Idempotency>,
    /// The backend on whose behalf it is, where the caller speaks for one.
    pub backend: Option<String>,
    pub trace: Trace,
}

/// The way that a message takes first.
#[derive(Clone, Debug)]
pub struct Chosen {
    pub channel: ChannelRef,
    pub to: Identity,
    pub why: Why,
    pub passed_over: Vec<PassedOver>,
    pub loss: Vec<Loss>,
    /// Whether the channel tells of deliveries.
    pub tells_delivery: bool,
}

impl Chosen {
    fn begin(&self, now: Time) -> Way {
        Way::begin(self.channel.clone(), self.to.clone(), self.why, self.loss.clone(), self.tells_delivery, now)
    }
}

impl Submission {
    /// How far it is when it begins.
    fn state(&self, id: Uuid, attribution: &Attribution, begun: Way, now: Time) -> MessageState {
        let change = StatusChange { status: Status::Queued, at: now, reason: None };
        MessageState {
            id,
            contact: attribution.owner,
            conversation: attribution.conversation.id,
            category: self.category,
            status: Status::Queued,
            reason: None,
            history: vec![Step { channel: begun.channel.name.clone(), change }],
            ways: vec![begun],
            fallback: self.fallback.clone(),
            expires_at: self.expires_in.map(|left| now.plus(left)),
        }
    }
}

/// What makes a repeated request the same request.
#[derive(Clone, Debug)]
pub struct Idempotency {
    /// Name of the API key: keys of different callers never meet.
    pub caller: String,
    pub key: String,
    /// Digest of the request.
    pub fingerprint: String,
}

/// The answer to a submission; a repeated one gets the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submitted {
    pub id: Uuid,
    pub status: Status,
    pub conversation_id: Uuid,
    pub contact_id: Uuid,
    /// The channel that it goes by, and why.
    pub via: String,
    pub why: Why,
    pub passed_over: Vec<PassedOver>,
    /// What the channel cannot carry.
    pub loss: Vec<Loss>,
}

/// Whom a message without `to` goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addressed {
    pub channel: String,
    pub to: Identity,
}

/// Why a submission was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    #[error("this idempotency key was used for another request")]
    KeyReused,
    /// Two machines would answer each other.
    #[error("{0}")]
    Loop(String),
    #[error("{0} is no message of this contact")]
    UnknownReply(Uuid),
    #[error("backend {0} is in control of the conversation")]
    Controlled(String),
    #[error("processor {processor} does not let it pass: {reason}")]
    Dropped { processor: String, reason: String },
    #[error("processor {processor} does not work at the moment")]
    NotProcessed { processor: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Serialize, Deserialize)]
struct Remembered {
    fingerprint: String,
    answer: Submitted,
}

impl Accept {
    /// Appends a message for its channel to send, or finds that the same request was answered meanwhile. Durable when it
    /// returns.
    ///
    /// # Errors
    /// See [`SubmitError`].
    pub async fn submit(&self, submission: &Submission) -> Result<Submitted, SubmitError> {
        let submission = &*self.passed(submission).await?;
        let mut rounds = Rounds::default();
        loop {
            match self.append_submission(submission).await {
                Err(SubmitError::Store(StoreError::Conflict(key))) => self.lost(&key, &mut rounds)?,
                answer => return answer,
            }
            if let Some(answer) = self.remembered(submission.idempotency.as_ref()).await? {
                return Ok(answer);
            }
        }
    }

    async fn append_submission(&self, submission: &Submission) -> Result<Submitted, SubmitError> {
        let now = Time::now();
        let mut session = self.directory.session(now).on_behalf_of(submission.backend.as_deref());
        let attribution = session.attribute(&[&submission.way.to], &submission.way.channel.name).await?;
        if !attribution.conversation.allows(submission.backend.as_deref()) {
            return Err(SubmitError::Controlled(attribution.conversation.control.clone().unwrap_or_default()));
        }
        if let Some(reply) = submission.in_reply_to {
            self.check_reply(reply, &attribution.contact.members).await?;
        }
        let counted = self.guard(submission, attribution.conversation.id, now).await?;
        let (new_event, state) = self.submitted_event(submission, &attribution, now);
        let answer = Submitted {
            id: new_event.id,
            status: Status::Queued,
            conversation_id: attribution.conversation.id,
            contact_id: attribution.contact.id,
            via: submission.way.channel.name.clone(),
            why: submission.way.why,
            passed_over: submission.way.passed_over.clone(),
            loss: submission.way.loss.clone(),
        };
        let news = session.take_news().into_iter();
        let (channel, schema_url, trace) = (Some(&submission.way.channel), &self.schema_url, &submission.trace);
        let mut events: Vec<_> = news.map(|news| news_event(news, channel, schema_url, trace, now, None)).collect();
        events.push(new_event);
        let mut writes = session.writes();
        let people = writes.len();
        writes.extend(counted);
        writes.push(self.state_write(&state, None));
        writes.extend(self.file_writes(&submission.message, &state).await?);
        writes.extend(due_write(&state));
        writes.extend(submission.idempotency.as_ref().map(|idempotency| idempotency.write(&answer, now)));
        let committed = self.store.commit(Batch { events, writes, ..Batch::default() }).await?;
        session.committed(&committed.versions[..people]);
        Ok(answer)
    }

    /// Files go with the last message that speaks of them.
    async fn file_writes(&self, message: &Message, state: &MessageState) -> Result<Vec<Write>, StoreError> {
        let mut writes = Vec::new();
        for id in self.media.ids_of(message).into_iter().collect::<std::collections::BTreeSet<_>>() {
            writes.extend(self.media.sending(id, state.contact, &state.way().channel.name).await?);
        }
        Ok(writes)
    }

    fn submitted_event(
        &self,
        submission: &Submission,
        attribution: &Attribution,
        now: Time,
    ) -> (crate::store::NewEvent, MessageState) {
        let begun = submission.way.begin(now);
        let mut data = attributed(&begun.channel, attribution, Direction::Outbound, now, now);
        data.author = submission.author.clone();
        data.to = vec![begun.to.clone()];
        data.in_reply_to = submission.in_reply_to;
        data.metadata.clone_from(&submission.metadata);
        data.tags.clone_from(&submission.tags);
        let mut told = begun.told();
        told["category"] = json!(submission.category);
        data.detail = Some(told);
        let data = with_message(data, submission.message.clone());
        let target = Some(target(&begun.channel.name));
        let (owner, trace) = (Some(attribution.owner), &submission.trace);
        let event = event(Kind::MessageSubmitted, owner, data, &self.schema_url, trace, None, target);
        let state = submission.state(event.id, attribution, begun, now);
        (event, state)
    }

    /// The answer to the same request, if it came before.
    ///
    /// # Errors
    /// [`SubmitError::KeyReused`] if the key belongs to another request.
    pub async fn remembered(&self, idempotency: Option<&Idempotency>) -> Result<Option<Submitted>, SubmitError> {
        let Some(idempotency) = idempotency else { return Ok(None) };
        let Some(entry) = self.store.get(&idempotency.store_key()).await? else { return Ok(None) };
        let remembered: Remembered = serde_json::from_slice(&entry.value)
            .map_err(|error| StoreError::Corrupt(format!("idempotency: {error}")))?;
        if remembered.fingerprint != idempotency.fingerprint {
            return Err(SubmitError::KeyReused);
        }
        Ok(Some(remembered.answer))
    }

    async fn check_reply(&self, reply: Uuid, members: &[Uuid]) -> Result<(), SubmitError> {
        match self.store.find(reply).await? {
            Some(record) if record.contact.is_some_and(|contact| members.contains(&contact)) => Ok(()),
            _ => Err(SubmitError::UnknownReply(reply)),
        }
    }

    /// Where a contact was last heard of: the channel and address of his newest message.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn last_address(&self, contact: Uuid) -> Result<Option<Addressed>, StoreError> {
        let Some(known) = self.directory.person(contact).await? else { return Ok(None) };
        if let Some(inbound) = known.last_inbound() {
            return Ok(Some(Addressed { channel: inbound.channel.clone(), to: inbound.from.clone() }));
        }
        let (contacts, kinds) = (known.ids(), vec![Kind::MessageSubmitted]);
        let filter = crate::store::Filter { contacts, kinds, ..Default::default() };
        let newest = self.store.page(&filter, None, crate::store::Order::NewestFirst, 1).await?;
        let event = newest.first().and_then(|record| serde_json::from_slice::<Event>(&record.body).ok());
        Ok(event.and_then(|event| {
            Some(Addressed { channel: event.data.channel?.name, to: event.data.to.into_iter().next()? })
        }))
    }
}

/// The stream of what a channel must send.
pub fn target(channel: &str) -> String {
    format!("channel:{channel}")
}

impl Idempotency {
    fn store_key(&self) -> Key {
        Key::of(&["idempotency", &self.caller, &self.key])
    }

    fn write(&self, answer: &Submitted, now: Time) -> Write {
        let remembered = Remembered { fingerprint: self.fingerprint.clone(), answer: answer.clone() };
        let value =
            serde_json::to_vec(&remembered).unwrap_or_else(|error| unreachable!("answers have string keys: {error}"));
        Write::create(self.store_key(), Bytes::from(value)).expiring(now.plus(IDEMPOTENCY))
    }
}
