use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::preparing::{Ready, Work};
use super::target::{Attempt, Outcome, Scope, Target};
use crate::accept::{Accept, Report};
use crate::channels::{Bound, Channel, ChannelState, count};
use crate::config::OnUncertain;
use crate::customer::Directory;
use crate::interaction::{Kind, Loss, Reason, ReasonCode, Status, StatusChange, Time};
use crate::mail::Post;
use crate::media::Media;
use crate::outbound::Permits;
use crate::plugin::exchange::{Broken, Failure, Fault, FaultKind, Receipt};
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
    pub permits: Arc<Permits>,
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

    /// What was submitted, and what goes on by this channel after another one.
    fn wants(&self, record: &Record) -> bool {
        matches!(record.kind, Kind::MessageSubmitted | Kind::MessageStatus) && record.channel == self.channel.name
    }
}

impl ChannelSender {
    async fn send(&self, record: &Record, attempt: Attempt) -> Result<Outcome, StoreError> {
        let Some(bound) = self.channel.bound() else {
            return Ok(Outcome::Hold { why: "the channel's plugin is not loaded".into() });
        };
        let Some(work) = self.work(record).await? else {
            return Ok(Outcome::Discard { why: "the message or its state is no longer kept".into() });
        };
        if let Some(outcome) = self.settled_before(&work, attempt).await? {
            return Ok(outcome);
        }
        let Ready { message, answered, loss } = match self.ready(&bound, &work).await? {
            Ok(ready) => ready,
            Err(reason) => return self.refuse(work.id, reason).await,
        };
        let result = match &self.post {
            Some(post) => self.post(&bound, post, attempt, message, answered.as_deref()).await?,
            None => bound.plugin.send(&bound.binding, attempt.number, message).await.result,
        };
        match result {
            Ok(receipt) => self.sent(&bound, work.id, receipt, loss).await,
            Err(Failure::Fault(fault)) => self.refused(&bound, work.id, attempt, fault).await,
            Err(Failure::Broken(broken)) => self.broke(&bound, work.id, attempt, broken).await,
            Err(Failure::Busy) => {
                Ok(Outcome::Retry { after: Some(BUSY_PAUSE), why: "no room for the call".into(), scope: Scope::Lane })
            }
        }
    }

    /// What a restart, an operator or the clock decided already.
    async fn settled_before(&self, work: &Work, attempt: Attempt) -> Result<Option<Outcome>, StoreError> {
        let (state, way) = (&work.state, work.way());
        if way.was_taken() {
            return Ok(Some(Outcome::Done));
        }
        if matches!(state.status, Status::Delivered | Status::Read) {
            return self.expire(state.id, "it arrived another way before it could be sent here").await.map(Some);
        }
        if way.status.is_failure() && (way.status == Status::Expired || work.way + 1 < state.ways.len()) {
            return Ok(Some(Outcome::Discard { why: "its time on this channel is over".into() }));
        }
        if state.expires_at.is_some_and(|end| end <= Time::now()) {
            return self.expire(state.id, "it was of no use any more before it could be sent").await.map(Some);
        }
        if attempt.uncertain && self.channel.config.on_uncertain == OnUncertain::Hold {
            return self.held_back(state.id, "the gateway ended while it was being sent").await.map(Some);
        }
        Ok(None)
    }

    async fn expire(&self, id: Uuid, why: &str) -> Result<Outcome, StoreError> {
        let reason = reason(ReasonCode::Expired, why);
        let change = StatusChange { status: Status::Expired, at: Time::now(), reason: Some(reason) };
        self.note(id, change.into()).await?;
        Ok(Outcome::Discard { why: "expired".into() })
    }

    async fn sent(&self, bound: &Bound, id: Uuid, receipt: Receipt, loss: Vec<Loss>) -> Result<Outcome, StoreError> {
        let change = StatusChange { status: receipt.status, at: Time::now(), reason: None };
        let Receipt { external_ids, names, refused, copies, .. } = receipt;
        self.note(id, Report { external_ids, names, change, loss: Some(loss), refused, copies }).await?;
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
            FaultKind::RateLimited => self.again(id, attempt, fault, Scope::Target).await,
            // One mailbox that is full says nothing about the channel.
            FaultKind::Unavailable if fault.reason == Some(ReasonCode::Unreachable) => {
                self.again(id, attempt, fault, Scope::Lane).await
            }
            FaultKind::Unavailable | FaultKind::Internal => {
                self.show_state(bound, ChannelState::Degraded, Some(why)).await;
                self.again(id, attempt, fault, Scope::Lane).await
            }
            FaultKind::Uncertain if self.channel.config.on_uncertain == OnUncertain::Hold => {
                self.held_back(id, &why).await
            }
            FaultKind::Uncertain => self.again(id, attempt, fault, Scope::Lane).await,
            FaultKind::Invalid | FaultKind::NotFound | FaultKind::Rejected | FaultKind::Unsupported => {
                self.fail(id, reason_of(fault, false)).await?;
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
    async fn again(&self, id: Uuid, attempt: Attempt, fault: Fault, scope: Scope) -> Result<Outcome, StoreError> {
        let why = fault.message.clone();
        if attempt.number < self.attempts_max || scope == Scope::Target {
            return Ok(Outcome::Retry { after: fault.retry_after, why, scope });
        }
        let goes_on = self.fail(id, reason_of(fault, true)).await?;
        Ok(ended(goes_on, why))
    }

    /// A person must decide: it may have gone out.
    async fn held_back(&self, id: Uuid, why: &str) -> Result<Outcome, StoreError> {
        let text = format!("nobody knows whether it was sent: {why}");
        let goes_on = self.fail(id, reason(ReasonCode::ProviderError, &text)).await?;
        Ok(ended(goes_on, text))
    }

    /// It never left: whoever sent it hears why.
    async fn refuse(&self, id: Uuid, reason: Reason) -> Result<Outcome, StoreError> {
        let why = reason.text.clone();
        self.fail(id, reason).await?;
        Ok(Outcome::Discard { why })
    }

    /// Tells whether the message goes on by another channel.
    async fn fail(&self, id: Uuid, reason: Reason) -> Result<bool, StoreError> {
        count(&self.channel.counters.failed);
        self.note(id, StatusChange::failed(reason).into()).await
    }

    async fn note(&self, id: Uuid, report: Report) -> Result<bool, StoreError> {
        recorded("a message's status", || self.accept.sent(&self.channel.name, id, &report)).await
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

/// What the provider did cannot be undone: the store is asked again and again to take it.
pub(super) async fn recorded<T, F>(what: &str, mut call: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let deadline = tokio::time::Instant::now() + RECORD_PATIENCE;
    let mut pause = Duration::from_millis(50);
    loop {
        match call().await {
            Err(error) if tokio::time::Instant::now() + pause < deadline => {
                tracing::warn!(%error, "{what} cannot be stored; trying again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(5));
            }
            stored => return stored,
        }
    }
}

/// A dead letter, unless the message goes on elsewhere: retrying it would send it twice.
fn ended(goes_on: bool, why: String) -> Outcome {
    if goes_on { Outcome::Discard { why } } else { Outcome::GiveUp { why } }
}

/// Without a hope that it may be otherwise later.
pub(super) fn final_reason(code: ReasonCode, text: &str) -> Reason {
    Reason { retryable: false, ..reason(code, text) }
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
