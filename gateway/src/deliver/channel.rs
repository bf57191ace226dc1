use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::target::{Attempt, Outcome, Scope, Target};
use crate::accept::{Accept, MessageState};
use crate::channels::{Bound, Channel, ChannelState, count};
use crate::config::OnUncertain;
use crate::customer::Directory;
use crate::interaction::{ChannelRef, Event, Kind, Part, Reason, ReasonCode, Status, StatusChange, Time};
use crate::mail::Post;
use crate::media::Media;
use crate::plugin::exchange::{Broken, Failure, Fault, FaultKind, Outbound, Receipt};
use crate::store::{Record, Store, StoreError};

/// How long the store is asked again to take what the provider already did: beyond it, a message may go out twice.
const RECORD_PATIENCE: Duration = Duration::from_secs(60);
const BUSY_PAUSE: Duration = Duration::from_secs(1);

/// Sends a channel's messages through its adapter, and keeps their status.
pub struct ChannelSender {
    pub channel: Arc<Channel>,
    pub accept: Arc<Accept>,
    pub directory: Arc<Directory>,
    pub media: Arc<Media>,
    pub store: Arc<dyn Store>,
    /// Where letters are handed over, if the channel writes any.
    pub post: Option<Post>,
    /// As long as is remembered what became of a message.
    pub retention: Duration,
    /// Attempts until a message is given up.
    pub attempts_max: u32,
}

#[async_trait]
impl Target for ChannelSender {
    async fn deliver(&self, record: &Record, attempt: Attempt) -> Outcome {
        match self.send(record, attempt).await {
            Ok(outcome) => outcome,
            Err(error) => Outcome::Retry { after: None, why: error.to_string(), scope: Scope::Lane },
        }
    }

    fn wants(&self, record: &Record) -> bool {
        record.kind == Kind::MessageSubmitted && record.channel == self.channel.name
    }
}

impl ChannelSender {
    async fn send(&self, record: &Record, attempt: Attempt) -> Result<Outcome, StoreError> {
        let Some(bound) = self.channel.bound() else {
            return Ok(Outcome::Hold { why: "the channel's plugin is not loaded".into() });
        };
        let Some(state) = self.accept.message(record.id).await? else {
            return Ok(Outcome::Discard { why: "the message's state is no longer kept".into() });
        };
        if let Some(outcome) = self.settled_before(&bound, &state, attempt).await? {
            return Ok(outcome);
        }
        let (message, answered) = self.outbound(record, &state).await?;
        let result = match &self.post {
            Some(post) => self.post(&bound, post, attempt, message, answered.as_deref()).await?,
            None => bound.plugin.send(&bound.binding, attempt.number, message).await.result,
        };
        match result {
            Ok(receipt) => self.sent(&bound, record.id, receipt).await,
            Err(Failure::Fault(fault)) => self.refused(&bound, record.id, attempt, fault).await,
            Err(Failure::Broken(broken)) => self.broke(&bound, record.id, attempt, broken).await,
            Err(Failure::Busy) => {
                Ok(Outcome::Retry { after: Some(BUSY_PAUSE), why: "no room for the call".into(), scope: Scope::Lane })
            }
        }
    }

    /// What a restart, an operator or the clock decided already.
    async fn settled_before(
        &self,
        bound: &Bound,
        state: &MessageState,
        attempt: Attempt,
    ) -> Result<Option<Outcome>, StoreError> {
        // An id of the provider's means that it took the message, also where it only promised to send it.
        let taken = state.status == Status::Queued && !state.external_ids.is_empty();
        if taken || matches!(state.status, Status::Sent | Status::Delivered | Status::Read) {
            return Ok(Some(Outcome::Done));
        }
        if state.expires_at.is_some_and(|end| end <= Time::now()) {
            let reason = reason(ReasonCode::Expired, "it was of no use any more before it could be sent");
            let change = StatusChange { status: Status::Expired, at: Time::now(), reason: Some(reason) };
            self.note(&bound.reference, state.id, &Receipt::of(change.status), change).await?;
            return Ok(Some(Outcome::Discard { why: "expired".into() }));
        }
        if attempt.uncertain && self.channel.config.on_uncertain == OnUncertain::Hold {
            return self.held_back(bound, state.id, "the gateway ended while it was being sent").await.map(Some);
        }
        Ok(None)
    }

    /// What is to be sent, and what it answers.
    async fn outbound(
        &self,
        record: &Record,
        state: &MessageState,
    ) -> Result<(Outbound, Option<Arc<Record>>), StoreError> {
        let event: Event = serde_json::from_slice(&record.body)
            .map_err(|error| StoreError::Corrupt(format!("interaction: {error}")))?;
        let data = event.data;
        let message =
            data.message.ok_or_else(|| StoreError::Corrupt("a submitted message without a message".into()))?;
        let answered = match data.in_reply_to {
            Some(id) => self.store.find(id).await?,
            None => None,
        };
        let in_reply_to = match &answered {
            Some(answered) => self.external_id(answered).await?,
            None => None,
        };
        let known = self.directory.person(state.contact).await?;
        let inbound =
            known.and_then(|known| known.last_inbound()).filter(|inbound| inbound.channel == self.channel.name);
        let mut files = BTreeMap::new();
        let parts = message.parts.into_iter().map(|part| self.reachable(part, &mut files)).collect();
        let outbound = Outbound {
            id: record.id,
            recipient: state.to.clone(),
            author: data.author.kind,
            in_reply_to,
            last_inbound: inbound.and_then(|inbound| inbound.external_id),
            subject: message.subject,
            parts,
            expires_in: state.expires_at.map(|end| end.since(Time::now())),
            metadata: data.metadata,
            files,
        };
        Ok((outbound, answered))
    }

    /// Files of ours get an address that the provider can open, and the adapter may read them.
    fn reachable(&self, part: Part, files: &mut BTreeMap<String, Uuid>) -> Part {
        match part {
            Part::Media { kind, url, content_type, name, bytes, caption } => {
                let links = self.media.links();
                let id = links.id_in(&url);
                let url = id.map_or(url, |id| links.signed(id, Time::now()));
                files.extend(id.map(|id| (url.clone(), id)));
                Part::Media { kind, url, content_type, name, bytes, caption }
            }
            other => other,
        }
    }

    /// The provider's id of an interaction: one that was received tells it, one that was sent learnt it.
    async fn external_id(&self, record: &Record) -> Result<Option<String>, StoreError> {
        if let Some(state) = self.accept.message(record.id).await? {
            return Ok(state.external_ids.into_iter().next());
        }
        if record.channel != self.channel.name {
            return Ok(None);
        }
        let event = serde_json::from_slice::<Event>(&record.body).ok();
        Ok(event.and_then(|event| event.data.external_ids.into_iter().next()))
    }

    async fn sent(&self, bound: &Bound, id: Uuid, receipt: Receipt) -> Result<Outcome, StoreError> {
        let change = StatusChange { status: receipt.status, at: Time::now(), reason: None };
        self.note(&bound.reference, id, &receipt, change).await?;
        for (to, reason) in receipt.refused {
            self.accept.recipient_refused(&bound.reference, id, to, reason).await?;
        }
        count(&self.channel.counters.sent);
        self.show_state(bound, ChannelState::Connected, None).await;
        Ok(Outcome::Done)
    }

    async fn refused(&self, bound: &Bound, id: Uuid, attempt: Attempt, fault: Fault) -> Result<Outcome, StoreError> {
        let why = fault.message.clone();
        match fault.kind {
            FaultKind::Unauthorized => {
                self.show_state(bound, ChannelState::BadCredentials, Some(why.clone())).await;
                Ok(Outcome::Hold { why })
            }
            FaultKind::RateLimited => self.again(bound, id, attempt, fault, Scope::Target).await,
            // One mailbox that is full says nothing about the channel.
            FaultKind::Unavailable if fault.reason == Some(ReasonCode::Unreachable) => {
                self.again(bound, id, attempt, fault, Scope::Lane).await
            }
            FaultKind::Unavailable | FaultKind::Internal => {
                self.show_state(bound, ChannelState::Degraded, Some(why)).await;
                self.again(bound, id, attempt, fault, Scope::Lane).await
            }
            FaultKind::Uncertain if self.channel.config.on_uncertain == OnUncertain::Hold => {
                self.held_back(bound, id, &why).await
            }
            FaultKind::Uncertain => self.again(bound, id, attempt, fault, Scope::Lane).await,
            FaultKind::Invalid | FaultKind::NotFound | FaultKind::Rejected | FaultKind::Unsupported => {
                self.fail(bound, id, reason_of(fault, false)).await?;
                Ok(Outcome::Discard { why })
            }
        }
    }

    async fn broke(&self, bound: &Bound, id: Uuid, attempt: Attempt, broken: Broken) -> Result<Outcome, StoreError> {
        count(&self.channel.counters.broken);
        let (channel, plugin) = (&self.channel.name, &self.channel.config.adapter);
        tracing::error!(channel, plugin, %broken, message = %id, "the adapter broke while sending");
        let kind = if broken == Broken::WallLimit { FaultKind::Uncertain } else { FaultKind::Internal };
        let message = format!("the adapter failed: {broken}");
        let fault = Fault { kind, message, reason: None, code: None, retry_after: None };
        Box::pin(self.refused(bound, id, attempt, fault)).await
    }

    /// Another attempt, or the end: whoever sent the message must hear of it.
    async fn again(
        &self,
        bound: &Bound,
        id: Uuid,
        attempt: Attempt,
        fault: Fault,
        scope: Scope,
    ) -> Result<Outcome, StoreError> {
        let why = fault.message.clone();
        if attempt.number < self.attempts_max || scope == Scope::Target {
            return Ok(Outcome::Retry { after: fault.retry_after, why, scope });
        }
        self.fail(bound, id, reason_of(fault, true)).await?;
        Ok(Outcome::GiveUp { why })
    }

    /// A person must decide: it may have gone out.
    async fn held_back(&self, bound: &Bound, id: Uuid, why: &str) -> Result<Outcome, StoreError> {
        let text = format!("nobody knows whether it was sent: {why}");
        self.fail(bound, id, reason(ReasonCode::ProviderError, &text)).await?;
        Ok(Outcome::GiveUp { why: text })
    }

    async fn fail(&self, bound: &Bound, id: Uuid, reason: Reason) -> Result<(), StoreError> {
        count(&self.channel.counters.failed);
        self.note(&bound.reference, id, &Receipt::of(Status::Failed), StatusChange::failed(reason)).await
    }

    /// What the provider did cannot be undone: the store is asked again and again to take it.
    async fn note(
        &self,
        channel: &ChannelRef,
        id: Uuid,
        receipt: &Receipt,
        change: StatusChange,
    ) -> Result<(), StoreError> {
        let deadline = tokio::time::Instant::now() + RECORD_PATIENCE;
        let mut pause = Duration::from_millis(50);
        loop {
            match self.accept.sent(channel, id, receipt, change.clone()).await {
                Err(error) if tokio::time::Instant::now() + pause < deadline => {
                    tracing::warn!(%error, message = %id, "a message's status cannot be stored; trying again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(5));
                }
                noted => return noted,
            }
        }
    }

    async fn show_state(&self, bound: &Bound, state: ChannelState, why: Option<String>) {
        if !self.channel.set_state(state, why.clone()) {
            return;
        }
        tracing::warn!(channel = self.channel.name, state = state.as_str(), why, "the channel's state changed");
        if let Err(error) = self.accept.channel_state(&bound.reference, state.as_str(), why.as_deref()).await {
            tracing::warn!(%error, channel = self.channel.name, "the change of state is not in the log");
        }
    }
}

fn reason(code: ReasonCode, text: &str) -> Reason {
    Reason { code, text: text.to_owned(), retryable: true, provider_code: None }
}

fn reason_of(fault: Fault, retryable: bool) -> Reason {
    let code = fault.reason.unwrap_or(match fault.kind {
        FaultKind::Unsupported => ReasonCode::Unsupported,
        FaultKind::NotFound => ReasonCode::InvalidRecipient,
        FaultKind::RateLimited => ReasonCode::RateLimited,
        FaultKind::Rejected => ReasonCode::Rejected,
        FaultKind::Unauthorized => ReasonCode::Credentials,
        _ => ReasonCode::ProviderError,
    });
    Reason { code, text: fault.message, retryable, provider_code: fault.code }
}
