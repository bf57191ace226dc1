use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::target::{Attempt, Outcome, Scope, Target};
use crate::accept::{Accept, MessageState, Report, Way};
use crate::channels::{Bound, Channel, ChannelState, count};
use crate::config::OnUncertain;
use crate::customer::Directory;
use crate::interaction::{Event, Kind, Loss, Part, Reason, ReasonCode, Status, StatusChange, Time};
use crate::media::Media;
use crate::outbound::{OpenList, Permits, Refusal, Request, render};
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
    pub permits: Arc<Permits>,
    pub store: Arc<dyn Store>,
    /// Attempts until a message is given up.
    pub attempts_max: u32,
}

/// A message on its way by this channel.
struct Work {
    id: Uuid,
    state: MessageState,
    /// Index of this channel's way.
    way: usize,
    event: Event,
}

impl Work {
    fn way(&self) -> &Way {
        &self.state.ways[self.way]
    }
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
        let (message, loss) = match self.ready(&bound, &work).await? {
            Ok(ready) => ready,
            Err(reason) => return self.refuse(work.id, reason).await,
        };
        let called = bound.plugin.send(&bound.binding, attempt.number, message).await;
        match called.result {
            Ok(receipt) => self.sent(&bound, work.id, receipt, loss).await,
            Err(Failure::Fault(fault)) => self.refused(&bound, work.id, attempt, fault).await,
            Err(Failure::Broken(broken)) => self.broke(&bound, work.id, attempt, broken).await,
            Err(Failure::Busy) => {
                Ok(Outcome::Retry { after: Some(BUSY_PAUSE), why: "no room for the call".into(), scope: Scope::Lane })
            }
        }
    }

    /// A message that goes on by this channel is told by a status: its content is where it was submitted.
    async fn work(&self, record: &Record) -> Result<Option<Work>, StoreError> {
        let mut event = read(record)?;
        let id = match record.kind {
            Kind::MessageSubmitted => record.id,
            _ => event.data.message_id.unwrap_or(record.id),
        };
        if id != record.id {
            let Some(submitted) = self.store.find(id).await? else { return Ok(None) };
            event = read(&submitted)?;
        }
        let Some(state) = self.accept.message(id).await? else { return Ok(None) };
        Ok(state.way_by(&self.channel.name).map(|way| Work { id, state, way, event }))
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

    /// The message as the channel carries it, with what is lost; or why it must not or cannot be sent.
    async fn ready(&self, bound: &Bound, work: &Work) -> Result<Result<(Outbound, Vec<Loss>), Reason>, StoreError> {
        let Some(message) = &work.event.data.message else {
            return Err(StoreError::Corrupt("a submitted message without a message".into()));
        };
        let links = self.media.links();
        let rendered = match render(&bound.abilities, &message.parts, |url| links.lasting(url, Time::now())) {
            Ok(rendered) => rendered,
            Err(unsendable) => return Ok(Err(final_reason(ReasonCode::Unsupported, &unsendable.lack.why))),
        };
        if let Some(refusal) = self.refusal(bound, work, &rendered.parts).await? {
            return Ok(Err(refusal));
        }
        if !rendered.list.is_empty() {
            let list = OpenList::of(work.id, rendered.list);
            list.open(&*self.store, &self.channel.name, &work.way().to).await?;
        }
        let outbound = self.outbound(work, message.subject.clone(), rendered.parts).await?;
        Ok(Ok((outbound, rendered.loss)))
    }

    async fn outbound(&self, work: &Work, subject: Option<String>, parts: Vec<Part>) -> Result<Outbound, StoreError> {
        let data = &work.event.data;
        let in_reply_to = match data.in_reply_to {
            Some(id) => self.external_id(id).await?,
            None => None,
        };
        let mut files = BTreeMap::new();
        let parts = parts.into_iter().map(|part| self.reachable(part, &mut files)).collect();
        Ok(Outbound {
            id: work.id,
            recipient: work.way().to.clone(),
            author: data.author.kind,
            in_reply_to,
            last_inbound: self.last_inbound(work.state.contact).await?,
            subject,
            parts,
            expires_in: work.state.expires_at.map(|end| end.since(Time::now())),
            metadata: data.metadata.clone(),
            files,
        })
    }

    /// The person may have said stop, and the window may have closed, while the message waited.
    async fn refusal(&self, bound: &Bound, work: &Work, parts: &[Part]) -> Result<Option<Reason>, StoreError> {
        let request = Request {
            channel: &self.channel.name,
            window: bound.abilities.window.as_ref(),
            contacts: &[work.state.contact],
            to: &work.way().to,
            category: work.state.category,
            parts,
            tag: work.event.data.metadata.get("tag").and_then(|tag| tag.as_str()),
        };
        Ok(self.permits.refusal(request, Time::now()).await?.map(|refusal| match refusal {
            Refusal::OptedOut(_) => final_reason(ReasonCode::OptedOut, "the person does not want such messages here"),
            Refusal::OutsideWindow { .. } => {
                final_reason(ReasonCode::OutsideWindow, "the time for free answers on this channel is over")
            }
        }))
    }

    async fn last_inbound(&self, contact: Uuid) -> Result<Option<String>, StoreError> {
        let known = self.directory.person(contact).await?;
        let inbound = known.and_then(|known| known.last_inbound());
        Ok(inbound.filter(|inbound| inbound.channel == self.channel.name).and_then(|inbound| inbound.external_id))
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
    async fn external_id(&self, id: Uuid) -> Result<Option<String>, StoreError> {
        if let Some(state) = self.accept.message(id).await? {
            let way = state.ways.into_iter().find(|way| way.channel.name == self.channel.name);
            return Ok(way.and_then(|way| way.external_ids.into_iter().next()));
        }
        let Some(record) = self.store.find(id).await?.filter(|record| record.channel == self.channel.name) else {
            return Ok(None);
        };
        Ok(read(&record).ok().and_then(|event| event.data.external_ids.into_iter().next()))
    }

    async fn sent(&self, bound: &Bound, id: Uuid, receipt: Receipt, loss: Vec<Loss>) -> Result<Outcome, StoreError> {
        let change = StatusChange { status: receipt.status, at: Time::now(), reason: None };
        self.note(id, Report { external_ids: receipt.external_ids, change, loss: Some(loss) }).await?;
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

    /// What the provider did cannot be undone: the store is asked again and again to take it.
    async fn note(&self, id: Uuid, report: Report) -> Result<bool, StoreError> {
        let deadline = tokio::time::Instant::now() + RECORD_PATIENCE;
        let mut pause = Duration::from_millis(50);
        loop {
            match self.accept.sent(&self.channel.name, id, &report).await {
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

fn read(record: &Record) -> Result<Event, StoreError> {
    serde_json::from_slice(&record.body).map_err(|error| StoreError::Corrupt(format!("interaction: {error}")))
}

/// A dead letter, unless the message goes on elsewhere: retrying it would send it twice.
fn ended(goes_on: bool, why: String) -> Outcome {
    if goes_on { Outcome::Discard { why } } else { Outcome::GiveUp { why } }
}

/// Without a hope that it may be otherwise later.
fn final_reason(code: ReasonCode, text: &str) -> Reason {
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
