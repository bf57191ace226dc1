//! A message made ready for its channel: read from the log, put as the channel carries it, and checked once more.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use super::channel::{ChannelSender, final_reason};
use crate::accept::{MessageState, Way};
use crate::channels::Bound;
use crate::interaction::{Event, Kind, Loss, Part, Reason, ReasonCode, Time};
use crate::outbound::{OpenList, Refusal, Request, render};
use crate::plugin::exchange::Outbound;
use crate::store::{Record, StoreError};

/// A message on its way by this channel.
pub(super) struct Work {
    pub(super) id: Uuid,
    pub(super) state: MessageState,
    /// Index of this channel's way.
    pub(super) way: usize,
    event: Event,
}

/// A message as it goes to the adapter.
pub(super) struct Ready {
    pub(super) message: Outbound,
    /// What it answers.
    pub(super) answered: Option<Arc<Record>>,
    pub(super) loss: Vec<Loss>,
}

impl Work {
    pub(super) fn way(&self) -> &Way {
        &self.state.ways[self.way]
    }
}

impl ChannelSender {
    /// A message that goes on by this channel is told by a status: its content is where it was submitted.
    pub(super) async fn work(&self, record: &Record) -> Result<Option<Work>, StoreError> {
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

    /// The message as the channel carries it; or why it must not or cannot be sent.
    pub(super) async fn ready(&self, bound: &Bound, work: &Work) -> Result<Result<Ready, Reason>, StoreError> {
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
        let (message, answered) = self.outbound(work, message.subject.clone(), rendered.parts).await?;
        Ok(Ok(Ready { message, answered, loss: rendered.loss }))
    }

    /// The person may have said stop, and the window may have closed, while the message waited.
    async fn refusal(&self, bound: &Bound, work: &Work, parts: &[Part]) -> Result<Option<Reason>, StoreError> {
        let known = self.directory.person(work.state.contact).await?;
        let contacts = known.map_or_else(|| vec![work.state.contact], |known| known.ids());
        let request = Request {
            channel: &self.channel.name,
            window: bound.abilities.window.as_ref(),
            contacts: &contacts,
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

    /// What is to be sent, and what it answers.
    async fn outbound(
        &self,
        work: &Work,
        subject: Option<String>,
        parts: Vec<Part>,
    ) -> Result<(Outbound, Option<Arc<Record>>), StoreError> {
        let data = &work.event.data;
        let answered = match data.in_reply_to {
            Some(id) => self.store.find(id).await?,
            None => None,
        };
        let in_reply_to = match &answered {
            Some(answered) => self.external_id(answered).await?,
            None => None,
        };
        let mut files = BTreeMap::new();
        let parts = parts.into_iter().map(|part| self.reachable(part, &mut files)).collect();
        let outbound = Outbound {
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
        };
        Ok((outbound, answered))
    }

    async fn last_inbound(&self, contact: Uuid) -> Result<Option<String>, StoreError> {
        let known = self.directory.person(contact).await?;
        let inbound = known.and_then(|known| known.last_inbound());
        Ok(inbound
            .filter(|inbound| inbound.channel == self.channel.name)
            .and_then(|inbound| inbound.external_id.clone()))
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
            let way = state.ways.into_iter().find(|way| way.channel.name == self.channel.name);
            return Ok(way.and_then(|way| way.external_ids.into_iter().next()));
        }
        if record.channel != self.channel.name {
            return Ok(None);
        }
        Ok(read(record).ok().and_then(|event| event.data.external_ids.into_iter().next()))
    }
}

fn read(record: &Record) -> Result<Event, StoreError> {
    serde_json::from_slice(&record.body).map_err(|error| StoreError::Corrupt(format!("interaction: {error}")))
}
