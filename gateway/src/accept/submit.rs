use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::envelope::{attributed, event, with_message};
use super::messages::MessageState;
use super::{Accept, Rounds, Trace};
use crate::customer::Attribution;
use crate::interaction::{Author, ChannelRef, Direction, Event, Identity, Kind, Message, Status, StatusChange, Time};
use crate::store::{Batch, Key, StoreError, Write};

/// How long an idempotency key is remembered.
const IDEMPOTENCY: Duration = Duration::from_secs(24 * 3600);

/// A message that somebody wants to be sent; its channel and its abilities were checked.
#[derive(Clone, Debug)]
pub struct Submission {
    pub channel: ChannelRef,
    pub to: Identity,
    pub author: Author,
    pub message: Message,
    pub in_reply_to: Option<Uuid>,
    pub expires_in: Option<Duration>,
    pub metadata: Map<String, Value>,
    pub tags: Map<String, Value>,
    pub idempotency: Option<Idempotency>,
    pub trace: Trace,
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
    /// What the channel cannot carry, in words; nothing yet is sent at a loss.
    pub loss: Vec<String>,
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
    #[error("{0} is no message of this contact")]
    UnknownReply(Uuid),
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
    /// Appends a message for its channel to send. Durable when it returns.
    ///
    /// # Errors
    /// See [`SubmitError`].
    pub async fn submit(&self, submission: &Submission) -> Result<Submitted, SubmitError> {
        let submission = &*self.passed(submission).await?;
        let mut rounds = Rounds::default();
        loop {
            if let Some(answer) = self.remembered(submission).await? {
                return Ok(answer);
            }
            match self.append_submission(submission).await {
                Err(SubmitError::Store(StoreError::Conflict(_))) => self.lost(&mut rounds)?,
                answer => return answer,
            }
        }
    }

    async fn append_submission(&self, submission: &Submission) -> Result<Submitted, SubmitError> {
        let now = Time::now();
        let mut session = self.directory.session(now);
        let attribution = session.attribute(&[&submission.to], &submission.channel.name).await?;
        if let Some(reply) = submission.in_reply_to {
            self.check_reply(reply, attribution.contact.id).await?;
        }
        let (new_event, state) = self.submitted_event(submission, &attribution, now);
        let answer = Submitted {
            id: new_event.id,
            status: Status::Queued,
            conversation_id: attribution.conversation.id,
            contact_id: attribution.contact.id,
            loss: Vec::new(),
        };
        let mut writes = session.writes();
        let people = writes.len();
        writes.push(self.state_write(&state, None));
        writes.extend(submission.idempotency.as_ref().map(|idempotency| idempotency.write(&answer, now)));
        let committed = self.store.commit(Batch { events: vec![new_event], writes, ..Batch::default() }).await?;
        session.committed(&committed.versions[..people]);
        Ok(answer)
    }

    fn submitted_event(
        &self,
        submission: &Submission,
        attribution: &Attribution,
        now: Time,
    ) -> (crate::store::NewEvent, MessageState) {
        let mut data = attributed(&submission.channel, attribution, Direction::Outbound, now, now);
        data.author = submission.author.clone();
        data.to = vec![submission.to.clone()];
        data.in_reply_to = submission.in_reply_to;
        data.metadata.clone_from(&submission.metadata);
        data.tags.clone_from(&submission.tags);
        let data = with_message(data, submission.message.clone());
        let target = Some(target(&submission.channel.name));
        let event = event(Kind::MessageSubmitted, data, &self.schema_url, &submission.trace, None, target);
        let state = MessageState {
            id: event.id,
            channel: submission.channel.name.clone(),
            contact: attribution.contact.id,
            conversation: attribution.conversation.id,
            to: submission.to.clone(),
            status: Status::Queued,
            reason: None,
            history: vec![StatusChange { status: Status::Queued, at: now, reason: None }],
            external_ids: Vec::new(),
            expires_at: submission.expires_in.map(|left| now.plus(left)),
            pieces: std::collections::BTreeMap::new(),
        };
        (event, state)
    }

    pub(super) async fn remembered(&self, submission: &Submission) -> Result<Option<Submitted>, SubmitError> {
        let Some(idempotency) = &submission.idempotency else { return Ok(None) };
        let Some(entry) = self.store.get(&idempotency.store_key()).await? else { return Ok(None) };
        let remembered: Remembered = serde_json::from_slice(&entry.value)
            .map_err(|error| StoreError::Corrupt(format!("idempotency: {error}")))?;
        if remembered.fingerprint != idempotency.fingerprint {
            return Err(SubmitError::KeyReused);
        }
        Ok(Some(remembered.answer))
    }

    async fn check_reply(&self, reply: Uuid, contact: Uuid) -> Result<(), SubmitError> {
        match self.store.find(reply).await? {
            Some(record) if record.contact == Some(contact) => Ok(()),
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
            return Ok(Some(Addressed { channel: inbound.channel, to: inbound.from }));
        }
        let filter =
            crate::store::Filter { contact: Some(contact), kind: Some(Kind::MessageSubmitted), ..Default::default() };
        let newest = self.store.page(&filter, None, crate::store::Order::NewestFirst, 1).await?;
        let event = newest.first().and_then(|record| serde_json::from_slice::<Event>(&record.body).ok());
        Ok(event.and_then(|event| {
            Some(Addressed { channel: event.data.channel.name, to: event.data.to.into_iter().next()? })
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
