use bytes::Bytes;
use serde_json::json;
use uuid::Uuid;

use super::envelope::{attributed, blank, by_contact, event, with_message};
use super::{Accept, Rounds, Trace, external_key};
use crate::customer::{LastInbound, Session};
use crate::interaction::{
    Author, AuthorKind, ChannelRef, Direction, Identity, Interaction, Kind, MediaKind, Message, Part, Time,
};
use crate::media::{self, Announced, Source};
use crate::plugin::exchange::{Content, Happening, Inbound, Media, MediaSource, Piece, StatusReport};
use crate::store::{Appended, Batch, DedupeKey, NewEvent, StoreError, Write};

/// What became of a request's happenings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    pub appended: usize,
    pub duplicates: usize,
}

/// What one commit will hold.
#[derive(Default)]
struct Draft {
    events: Vec<NewEvent>,
    writes: Vec<Write>,
    /// The next event speaks of files that must be fetched.
    fetch: bool,
}

/// The circumstances that all happenings of a request share.
struct Scene<'a> {
    channel: &'a ChannelRef,
    raw: Option<&'a Bytes>,
    trace: &'a Trace,
    now: Time,
}

impl Accept {
    /// Appends what happened on a channel: all of it or nothing, durable when it returns.
    ///
    /// `raw` is the request, kept with what is not understood.
    ///
    /// # Errors
    /// As the store's commit.
    pub async fn happened(
        &self,
        channel: &ChannelRef,
        happenings: &[Happening],
        raw: Option<&Bytes>,
        trace: &Trace,
    ) -> Result<Accepted, StoreError> {
        if happenings.is_empty() {
            return Ok(Accepted::default());
        }
        let mut rounds = Rounds::default();
        loop {
            match self.append(&Scene { channel, raw, trace, now: Time::now() }, happenings).await {
                Err(StoreError::Conflict(_)) => self.lost(&mut rounds)?,
                decided => return decided,
            }
        }
    }

    async fn append(&self, scene: &Scene<'_>, happenings: &[Happening]) -> Result<Accepted, StoreError> {
        let (reports, others): (Vec<_>, Vec<_>) = happenings.iter().partition(|h| matches!(h, Happening::Status(_)));
        let mut accepted = self.append_new(scene, others).await?;
        for report in reports {
            if let Happening::Status(report) = report {
                accepted.count(self.report(scene, report).await?);
            }
        }
        Ok(accepted)
    }

    /// The store leaves duplicates out by itself; but one that would open a conversation or make a contact must not get so far.
    async fn append_new(&self, scene: &Scene<'_>, happenings: Vec<&Happening>) -> Result<Accepted, StoreError> {
        let mut session = self.directory.session(scene.now);
        let mut draft = Draft::default();
        for happening in &happenings {
            self.draft(scene, &mut session, &mut draft, happening).await?;
        }
        if session.writes().is_empty() && draft.writes.is_empty() {
            return self.commit(session, draft).await;
        }
        let mut fresh = Vec::new();
        for happening in &happenings {
            if !self.is_duplicate(scene, happening).await? {
                fresh.push(*happening);
            }
        }
        let duplicates = happenings.len() - fresh.len();
        if duplicates == 0 {
            return self.commit(session, draft).await;
        }
        let accepted = Box::pin(self.append_new(scene, fresh)).await?;
        Ok(Accepted { duplicates: accepted.duplicates + duplicates, ..accepted })
    }

    async fn is_duplicate(&self, scene: &Scene<'_>, happening: &Happening) -> Result<bool, StoreError> {
        let Some((kind, id)) = name_of(happening) else { return Ok(false) };
        Ok(self.store.find_duplicate(&dedupe_key(&scene.channel.name, kind, id)).await?.is_some())
    }

    async fn commit(&self, session: Session<'_>, draft: Draft) -> Result<Accepted, StoreError> {
        let mut writes = session.writes();
        let people = writes.len();
        writes.extend(draft.writes);
        let committed = self.store.commit(Batch { events: draft.events, writes, ..Batch::default() }).await?;
        session.committed(&committed.versions[..people]);
        let mut accepted = Accepted::default();
        committed.events.iter().for_each(|appended| accepted.count(matches!(appended, Appended::New { .. })));
        Ok(accepted)
    }

    /// Receipts are folded one by one: each names the version of the message that it changes.
    async fn report(&self, scene: &Scene<'_>, report: &StatusReport) -> Result<bool, StoreError> {
        let mut rounds = Rounds::default();
        loop {
            match self.fold(scene.channel, report, scene.trace, scene.now).await {
                Err(StoreError::Conflict(_)) => self.lost(&mut rounds)?,
                decided => return decided,
            }
        }
    }

    async fn draft(
        &self,
        scene: &Scene<'_>,
        session: &mut Session<'_>,
        draft: &mut Draft,
        happening: &Happening,
    ) -> Result<(), StoreError> {
        let channel = scene.channel;
        match happening {
            Happening::Message(message) => self.message_received(scene, session, draft, message).await?,
            Happening::Echo(message) => self.message_echoed(scene, session, draft, message).await?,
            Happening::Edit { id, target, sender, at, content } => {
                let mut data = self.about(scene, session, sender, *at, target).await?;
                data = with_message(data, self.message_of(channel, content, draft));
                self.push(scene, draft, Kind::MessageEdited, data, Some(id));
            }
            Happening::Deletion { id, target, sender, at } => {
                let data = self.about(scene, session, sender, *at, target).await?;
                self.push(scene, draft, Kind::MessageDeleted, data, Some(id));
            }
            Happening::Reaction { id, target, sender, at, emoji } => {
                let mut data = self.about(scene, session, sender, *at, target).await?;
                data.detail = Some(json!({ "emoji": emoji }));
                self.push(scene, draft, Kind::MessageReaction, data, Some(id));
            }
            Happening::Typing { sender, on } => {
                // Typing opens no conversation and makes no contact.
                if let Some(attribution) = session.known(sender).await? {
                    let mut data = by_contact(channel, &attribution, sender.clone(), None, scene.now);
                    data.detail = Some(json!({ "on": on }));
                    self.push(scene, draft, Kind::ContactTyping, data, None);
                }
            }
            Happening::Consent { id, sender, at, granted, category, evidence } => {
                let mut data = self.of(scene, session, sender, *at).await?;
                data.detail = Some(json!({ "granted": granted, "category": category, "evidence": evidence }));
                self.push(scene, draft, Kind::ContactConsent, data, Some(id));
            }
            Happening::IdentityChange { id, previous, current, at } => {
                let attribution = session.attribute(&[previous, current], &channel.name).await?;
                let mut data = by_contact(channel, &attribution, current.clone(), *at, scene.now);
                data.detail =
                    Some(json!({ "previous": previous, "current": current, "reason": "told by the provider" }));
                self.push(scene, draft, Kind::ContactLinked, data, Some(id));
            }
            Happening::Referral { id, sender, at, data: referral } => {
                let mut data = self.of(scene, session, sender, *at).await?;
                data.detail = Some(referral.clone());
                self.push(scene, draft, Kind::ConversationReferred, data, Some(id));
            }
            Happening::Unsupported { id, what, sender, at } => {
                let mut data = match sender {
                    Some(sender) => self.of(scene, session, sender, *at).await?,
                    None => blank(channel, Direction::Inbound, at.unwrap_or(scene.now), scene.now),
                };
                data.detail = Some(json!({ "what": what }));
                self.push(scene, draft, Kind::ChannelUnsupported, data, Some(id));
                if let Some(event) = draft.events.last_mut() {
                    event.raw = scene.raw.cloned();
                }
            }
            Happening::Status(_) => {}
        }
        Ok(())
    }

    async fn message_received(
        &self,
        scene: &Scene<'_>,
        session: &mut Session<'_>,
        draft: &mut Draft,
        message: &Inbound,
    ) -> Result<(), StoreError> {
        let addresses: Vec<&Identity> = std::iter::once(&message.sender).chain(&message.aliases).collect();
        let attribution = session.attribute(&addresses, &scene.channel.name).await?;
        session.note_inbound(
            attribution.contact.id,
            LastInbound {
                channel: scene.channel.name.clone(),
                from: message.sender.clone(),
                external_id: Some(message.id.clone()),
            },
        );
        let data = by_contact(scene.channel, &attribution, message.sender.clone(), message.at, scene.now);
        self.push_message(scene, draft, Kind::MessageReceived, data, message).await
    }

    /// Written in the provider's own app; what we sent ourselves and is only echoed, is in the log already.
    async fn message_echoed(
        &self,
        scene: &Scene<'_>,
        session: &mut Session<'_>,
        draft: &mut Draft,
        message: &Inbound,
    ) -> Result<(), StoreError> {
        if self.store.get(&external_key(&scene.channel.name, &message.id)).await?.is_some() {
            return Ok(());
        }
        let Some(person) = message.recipients.first() else { return Ok(()) };
        let attribution = session.attribute(&[person], &scene.channel.name).await?;
        let at = message.at.unwrap_or(scene.now);
        let mut data = attributed(scene.channel, &attribution, Direction::Outbound, at, scene.now);
        data.author = Author { kind: AuthorKind::Agent, name: message.sender.name.clone() };
        data.from = Some(message.sender.clone());
        self.push_message(scene, draft, Kind::MessageEchoed, data, message).await
    }

    async fn push_message(
        &self,
        scene: &Scene<'_>,
        draft: &mut Draft,
        kind: Kind,
        mut data: Interaction,
        message: &Inbound,
    ) -> Result<(), StoreError> {
        data.to.clone_from(&message.recipients);
        data.external_ids = vec![message.id.clone()];
        data.metadata.clone_from(&message.metadata);
        if let Some(target) = &message.in_reply_to {
            data.in_reply_to = self.interaction_of(&scene.channel.name, target).await?;
            data.metadata.insert("in_reply_to_external".into(), target.clone().into());
        }
        let data = with_message(data, self.message_of(scene.channel, &message.content, draft));
        self.push(scene, draft, kind, data, Some(&message.id));
        Ok(())
    }

    /// Something that a person did.
    async fn of(
        &self,
        scene: &Scene<'_>,
        session: &mut Session<'_>,
        sender: &Identity,
        at: Option<Time>,
    ) -> Result<Interaction, StoreError> {
        let attribution = session.attribute(&[sender], &scene.channel.name).await?;
        Ok(by_contact(scene.channel, &attribution, sender.clone(), at, scene.now))
    }

    /// Something that a person did to an earlier message.
    async fn about(
        &self,
        scene: &Scene<'_>,
        session: &mut Session<'_>,
        sender: &Identity,
        at: Option<Time>,
        target: &str,
    ) -> Result<Interaction, StoreError> {
        let mut data = self.of(scene, session, sender, at).await?;
        data.message_id = self.interaction_of(&scene.channel.name, target).await?;
        data.external_ids = vec![target.to_owned()];
        Ok(data)
    }

    /// The interaction that a provider's id belongs to: sent by us, or received.
    async fn interaction_of(&self, channel: &str, external_id: &str) -> Result<Option<Uuid>, StoreError> {
        if let Some(entry) = self.store.get(&external_key(channel, external_id)).await? {
            return Ok(Uuid::from_slice(&entry.value).ok());
        }
        self.store.find_duplicate(&dedupe_key(channel, Kind::MessageReceived, external_id)).await
    }

    fn push(&self, scene: &Scene<'_>, draft: &mut Draft, kind: Kind, data: Interaction, id: Option<&String>) {
        let dedupe = id.map(|id| dedupe_key(&scene.channel.name, kind, id));
        let target = std::mem::take(&mut draft.fetch).then(|| media::TARGET.to_owned());
        draft.events.push(event(kind, data, &self.schema_url, scene.trace, dedupe, target));
    }

    fn message_of(&self, channel: &ChannelRef, content: &Content, draft: &mut Draft) -> Message {
        let parts = content.parts.iter().map(|piece| match piece {
            Piece::Part(part) => part.clone(),
            Piece::Media(file) => self.file_part(channel, file, draft),
        });
        Message::new(content.subject.clone(), parts.collect(), content.quoted_text.clone())
    }

    fn file_part(&self, channel: &ChannelRef, file: &Media, draft: &mut Draft) -> Part {
        let url = match &file.source {
            MediaSource::Url(url) => url.clone(),
            MediaSource::Stored(id) => Uuid::parse_str(id).map(|id| self.media.links().plain(id)).unwrap_or_default(),
            MediaSource::Reference(reference) => {
                let (id, write) = self.media.announce(Announced {
                    channel: Some(channel.name.clone()),
                    source: Source::Reference(reference.clone()),
                    kind: file.kind,
                    content_type: file.content_type.clone(),
                    name: file.name.clone(),
                    bytes: file.bytes,
                });
                draft.writes.push(write);
                draft.fetch = true;
                self.media.links().plain(id)
            }
        };
        media_part(file.kind, url, file)
    }
}

fn media_part(kind: MediaKind, url: String, file: &Media) -> Part {
    Part::Media {
        kind,
        url,
        content_type: file.content_type.clone(),
        name: file.name.clone(),
        bytes: file.bytes,
        caption: file.caption.clone(),
    }
}

impl Accepted {
    fn count(&mut self, is_new: bool) {
        if is_new { self.appended += 1 } else { self.duplicates += 1 }
    }
}

/// What tells one happening from another, where anything does.
fn name_of(happening: &Happening) -> Option<(Kind, &str)> {
    Some(match happening {
        Happening::Message(message) => (Kind::MessageReceived, &message.id),
        Happening::Echo(message) => (Kind::MessageEchoed, &message.id),
        Happening::Edit { id, .. } => (Kind::MessageEdited, id),
        Happening::Deletion { id, .. } => (Kind::MessageDeleted, id),
        Happening::Reaction { id, .. } => (Kind::MessageReaction, id),
        Happening::Consent { id, .. } => (Kind::ContactConsent, id),
        Happening::IdentityChange { id, .. } => (Kind::ContactLinked, id),
        Happening::Referral { id, .. } => (Kind::ConversationReferred, id),
        Happening::Unsupported { id, .. } => (Kind::ChannelUnsupported, id),
        Happening::Status(_) | Happening::Typing { .. } => return None,
    })
}

/// The same thing that happened, however often it is told.
fn dedupe_key(channel: &str, kind: Kind, id: &str) -> DedupeKey {
    DedupeKey::of(&[channel, kind.as_str(), id])
}
