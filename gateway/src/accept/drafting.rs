use std::collections::{BTreeSet, HashMap};

use serde_json::{Value, json};
use uuid::Uuid;

use super::envelope::{attributed, blank, by_contact, event, news_event, with_message};
use super::happened::{One, Scene, Told};
use super::will::{Wish, Word};
use super::{Accept, external_key, id_value, name_key};
use crate::customer::{Attribution, LastInbound, Session, Suggestion};
use crate::interaction::{Author, AuthorKind, Direction, Identity, Interaction, Kind, Message, Part, Time};
use crate::media::{self, Announced, Source};
use crate::plugin::exchange::{Content, Happening, Inbound, Media, MediaSource, Piece};
use crate::store::{DedupeKey, NewEvent, StoreError, Write};

/// One commit in the making: happenings become events, people are found or made.
pub(super) struct Drafting<'a> {
    pub(super) accept: &'a Accept,
    pub(super) scene: &'a Scene<'a>,
    pub(super) session: Session<'a>,
    pub(super) events: Vec<NewEvent>,
    pub(super) writes: Vec<Write>,
    /// Said by people, and not by their provider.
    pub(super) words: Vec<Word>,
    /// The next event speaks of files that must be fetched.
    fetch: bool,
    /// The member that the next event is about.
    owner: Option<Uuid>,
    /// Events that nobody told: the gateway decided them.
    pub(super) decided: usize,
    /// Names of messages of this very commit.
    names: HashMap<String, Uuid>,
    /// Kept files that an event speaks of already.
    kept: BTreeSet<Uuid>,
}

/// Says in `metadata` what wrote a message that no person wrote.
pub(super) const AUTOMATIC: &str = "automatic";

type Drafted<T = ()> = Result<T, StoreError>;

impl<'a> Drafting<'a> {
    pub(super) fn new(accept: &'a Accept, scene: &'a Scene<'a>) -> Self {
        let session = accept.directory.session(scene.now);
        Self {
            accept,
            scene,
            session,
            events: Vec::new(),
            writes: Vec::new(),
            words: Vec::new(),
            fetch: false,
            owner: None,
            decided: 0,
            names: HashMap::new(),
            kept: BTreeSet::new(),
        }
    }

    /// Whether there is nothing but events to write.
    pub(super) fn changes_nothing_else(&self) -> bool {
        self.writes.is_empty() && self.session.writes().is_empty()
    }

    /// Receipts are no matter of a draft.
    pub(super) async fn add(&mut self, One { happening, told }: &One<'_>) -> Drafted {
        match happening {
            Happening::Message(message) => self.message(message, told).await,
            Happening::Echo(message) => self.echo(message, told).await,
            Happening::Edit { id, target, sender, at, content } => {
                self.edit(id, target, (sender, *at), content, told).await
            }
            Happening::Deletion { id, target, sender, at } => {
                let data = self.about(sender, *at, target).await?;
                self.push(Kind::MessageDeleted, data, Some(id));
                Ok(())
            }
            Happening::Reaction { id, target, sender, at, emoji } => {
                let data = self.about(sender, *at, target).await?;
                self.push_detail(Kind::MessageReaction, data, Some(id), json!({ "emoji": emoji }))
            }
            Happening::Typing { sender, on } => self.typing(sender, *on).await,
            Happening::Consent { id, sender, at, granted, category, evidence } => {
                let (category, evidence) = (category.as_deref(), evidence.as_deref());
                self.consent(Wish { id, sender, at: *at, granted: *granted, category, evidence }).await
            }
            Happening::IdentityChange { id, previous, current, at } => {
                self.identity_change(id, previous, current, *at).await
            }
            Happening::Referral { id, sender, at, data: referral } => {
                let data = self.of(sender, *at).await?;
                self.push_detail(Kind::ConversationReferred, data, Some(id), referral.clone())
            }
            Happening::Unsupported { id, what, sender, at } => {
                self.unsupported(id, what, sender.as_ref(), *at, told).await
            }
            Happening::Status(_) => Ok(()),
        }
    }

    async fn message(&mut self, message: &Inbound, told: &Told<'_>) -> Drafted {
        let channel = self.scene.channel;
        let addresses: Vec<&Identity> = std::iter::once(&message.sender).chain(&message.aliases).collect();
        let attribution = self.attribution(&addresses).await?;
        let (from, external_id) = (message.sender.clone(), Some(message.id.clone()));
        self.session.note_inbound(attribution.owner, LastInbound { channel: channel.name.clone(), from, external_id });
        self.claims(attribution.owner, message).await?;
        let mut data = by_contact(channel, &attribution, message.sender.clone(), message.at, self.scene.now);
        data.claims.clone_from(&message.claims);
        if message.automatic.is_some() {
            data.author.kind = AuthorKind::Bot;
            return self.push_message(Kind::MessageReceived, data, message, told).await;
        }
        self.note_word(message);
        if let Some((answer, question)) = self.answer(message).await? {
            data.in_reply_to = Some(question);
            return self.push_message(Kind::MessageReceived, data, &answer, told).await;
        }
        self.push_message(Kind::MessageReceived, data, message, told).await
    }

    /// What a person claims joins nobody: whoever answers may look into it.
    async fn claims(&mut self, owner: Uuid, message: &Inbound) -> Drafted {
        for identity in &message.claims {
            let (identity, at, channel) = (identity.clone(), self.scene.now, self.scene.channel.name.clone());
            let suggestion = Suggestion { identity, at, channel, evidence: message.id.clone() };
            self.session.suggest(owner, suggestion).await?;
        }
        Ok(())
    }

    /// Written in the provider's own app; what we sent ourselves and is only echoed, is in the log already.
    async fn echo(&mut self, message: &Inbound, told: &Told<'_>) -> Drafted {
        let channel = self.scene.channel;
        if self.accept.store.get(&external_key(&channel.name, &message.id)).await?.is_some()
            || self.accept.was_erased(&channel.name, &message.id).await?
        {
            return Ok(());
        }
        let Some(person) = message.recipients.first() else { return Ok(()) };
        let attribution = self.attribution(&[person]).await?;
        let at = message.at.unwrap_or(self.scene.now);
        let mut data = attributed(channel, &attribution, Direction::Outbound, at, self.scene.now);
        data.author = Author { kind: AuthorKind::Agent, name: message.sender.name.clone() };
        data.from = Some(message.sender.clone());
        self.push_message(Kind::MessageEchoed, data, message, told).await
    }

    async fn edit(
        &mut self,
        id: &str,
        target: &str,
        (sender, at): (&Identity, Option<Time>),
        content: &Content,
        told: &Told<'_>,
    ) -> Drafted {
        let data = self.about(sender, at, target).await?;
        let message = self.message_of(content, told).await?;
        self.push(Kind::MessageEdited, with_message(data, message), Some(id));
        Ok(())
    }

    /// Typing opens no conversation and makes no contact.
    async fn typing(&mut self, sender: &Identity, on: bool) -> Drafted {
        let Some(attribution) = self.session.known(sender).await? else { return Ok(()) };
        self.owner = Some(attribution.owner);
        let data = by_contact(self.scene.channel, &attribution, sender.clone(), None, self.scene.now);
        self.push_detail(Kind::ContactTyping, data, None, json!({ "on": on }))
    }

    /// Where somebody separated the two contacts, they stay two, and whoever listens is told.
    async fn identity_change(
        &mut self,
        id: &str,
        previous: &Identity,
        current: &Identity,
        at: Option<Time>,
    ) -> Drafted {
        let attribution = self.attribution(&[previous, current]).await?;
        if self.linked(id) {
            return Ok(());
        }
        let data = by_contact(self.scene.channel, &attribution, current.clone(), at, self.scene.now);
        let detail = json!({ "previous": previous, "current": current, "reason": "told by the channel" });
        if attribution.contact.has(current) {
            return self.push_detail(Kind::ContactLinked, data, Some(id), detail);
        }
        let what = "an address changed to one that belongs to another contact";
        self.push_detail(Kind::ChannelUnsupported, data, Some(id), json!({ "what": what, "change": detail }))
    }

    /// Whether two contacts were joined just now; then their news are the event, and known by its id.
    fn linked(&mut self, id: &str) -> bool {
        let dedupe = dedupe_key(&self.scene.channel.name, Kind::ContactLinked, id);
        let before = self.events.len();
        self.push_news();
        let linked = self.events[before..].iter_mut().find(|event| event.kind == Kind::ContactLinked);
        let Some(linked) = linked else { return false };
        linked.dedupe = Some(dedupe);
        self.decided -= 1;
        true
    }

    async fn unsupported(
        &mut self,
        id: &str,
        what: &str,
        sender: Option<&Identity>,
        at: Option<Time>,
        told: &Told<'_>,
    ) -> Drafted {
        let (channel, now) = (self.scene.channel, self.scene.now);
        let data = match sender {
            Some(sender) => self.of(sender, at).await?,
            None => blank(Some(channel), Direction::Inbound, at.unwrap_or(now), now),
        };
        self.push_detail(Kind::ChannelUnsupported, data, Some(id), json!({ "what": what }))?;
        if let Some(event) = self.events.last_mut() {
            event.raw = told.raw.cloned();
        }
        Ok(())
    }

    async fn attribution(&mut self, addresses: &[&Identity]) -> Drafted<Attribution> {
        let attribution = self.session.attribute(addresses, &self.scene.channel.name).await?;
        self.owner = Some(attribution.owner);
        Ok(attribution)
    }

    /// Something that a person did.
    pub(super) async fn of(&mut self, sender: &Identity, at: Option<Time>) -> Drafted<Interaction> {
        let attribution = self.attribution(&[sender]).await?;
        Ok(by_contact(self.scene.channel, &attribution, sender.clone(), at, self.scene.now))
    }

    /// Something that a person did to an earlier message.
    async fn about(&mut self, sender: &Identity, at: Option<Time>, target: &str) -> Drafted<Interaction> {
        let mut data = self.of(sender, at).await?;
        data.message_id = self.interaction_of(target).await?;
        data.external_ids = vec![target.to_owned()];
        Ok(data)
    }

    /// The interaction that a provider's id belongs to: sent by us, or received.
    async fn interaction_of(&self, external_id: &str) -> Drafted<Option<Uuid>> {
        if let Some(id) = self.names.get(external_id) {
            return Ok(Some(*id));
        }
        let (store, channel) = (&self.accept.store, &self.scene.channel.name);
        for key in [external_key(channel, external_id), name_key(channel, external_id)] {
            if let Some(entry) = store.get(&key).await? {
                return Ok(Uuid::from_slice(&entry.value).ok());
            }
        }
        store.find_duplicate(&dedupe_key(channel, Kind::MessageReceived, external_id)).await
    }

    async fn push_message(&mut self, kind: Kind, mut data: Interaction, message: &Inbound, told: &Told<'_>) -> Drafted {
        data.to.clone_from(&message.recipients);
        data.external_ids = std::iter::once(&message.id).chain(&message.known_as).cloned().collect();
        data.metadata.clone_from(&message.metadata);
        data.tags.clone_from(&message.tags);
        if let Some(what) = &message.automatic {
            data.metadata.insert(AUTOMATIC.into(), what.clone().into());
        }
        self.answering(&mut data, &message.in_reply_to).await?;
        let content = self.message_of(&message.content, told).await?;
        let mut data = with_message(data, content);
        if kind == Kind::MessageReceived {
            self.control(&mut data).await?;
        }
        let id = self.push(kind, data, Some(&message.id));
        self.name(id, message);
        Ok(())
    }

    /// Who is to answer by the message's route is in control, unless somebody else was given it.
    async fn control(&mut self, data: &mut Interaction) -> Drafted {
        let Some(routing) = &self.accept.routing else { return Ok(()) };
        let Some(answering) = routing.answering(data).await? else { return Ok(()) };
        let Some(conversation) = &mut data.conversation else { return Ok(()) };
        if let Some(given) = self.session.answered_by(conversation.id, &answering.backend, &answering.route) {
            conversation.control = given.control;
        }
        Ok(())
    }

    /// The first that is known counts; if none is, the nearest is told as the provider named it.
    async fn answering(&mut self, data: &mut Interaction, candidates: &[String]) -> Drafted {
        let Some(mut target) = candidates.first() else { return Ok(()) };
        for candidate in candidates {
            data.in_reply_to = self.interaction_of(candidate).await?;
            if data.in_reply_to.is_some() {
                target = candidate;
                break;
            }
        }
        data.metadata.insert("in_reply_to_external".into(), target.clone().into());
        Ok(())
    }

    /// What later messages may call it. Duplicates are known for days only, a name for as long as the message.
    fn name(&mut self, id: Uuid, message: &Inbound) {
        self.names.insert(message.id.clone(), id);
        if message.known_as.is_empty() {
            return;
        }
        let expires = self.scene.now.plus(self.accept.retention.of(&self.scene.channel.name));
        for name in std::iter::once(&message.id).chain(&message.known_as) {
            self.names.insert(name.clone(), id);
            let write = Write::put(name_key(&self.scene.channel.name, name), id_value(id));
            self.writes.push(write.expiring(expires));
        }
    }

    pub(super) fn push_detail(
        &mut self,
        kind: Kind,
        mut data: Interaction,
        id: Option<&str>,
        detail: Value,
    ) -> Drafted {
        data.detail = Some(detail);
        self.push(kind, data, id);
        Ok(())
    }

    fn push(&mut self, kind: Kind, data: Interaction, id: Option<&str>) -> Uuid {
        let dedupe = id.map(|id| dedupe_key(&self.scene.channel.name, kind, id));
        let target = std::mem::take(&mut self.fetch).then(|| media::TARGET.to_owned());
        let owner = self.owner.take();
        self.push_news();
        let event = event(kind, owner, data, &self.accept.schema_url, self.scene.trace, dedupe, target);
        let id = event.id;
        self.events.push(event);
        id
    }

    /// What was decided on the way goes before what caused it.
    fn push_news(&mut self) {
        let Scene { channel, trace, now, .. } = self.scene;
        let schema_url = &self.accept.schema_url;
        let news = self.session.take_news().into_iter();
        self.decided += news.len();
        self.events.extend(news.map(|news| news_event(news, Some(channel), schema_url, trace, *now, None)));
    }

    async fn message_of(&mut self, content: &Content, told: &Told<'_>) -> Drafted<Message> {
        let mut parts = Vec::with_capacity(content.parts.len());
        for piece in &content.parts {
            parts.push(match piece {
                Piece::Part(part) => part.clone(),
                Piece::Media(file) => self.file_part(file, told).await?,
            });
        }
        Ok(Message::new(content.subject.clone(), parts, content.quoted_text.clone()))
    }

    async fn file_part(&mut self, file: &Media, told: &Told<'_>) -> Drafted<Part> {
        let url = match &file.source {
            MediaSource::Url(url) => url.clone(),
            MediaSource::Stored(id) => self.stored_url(id, file, told).await?,
            MediaSource::Reference(reference) => self.announce(file, reference),
        };
        let Media { kind, content_type, name, bytes, caption, .. } = file.clone();
        Ok(Part::Media { kind, url, content_type, name, bytes, caption })
    }

    /// Nobody opens a file of another channel by naming it: such a name leads nowhere.
    async fn stored_url(&mut self, id: &str, file: &Media, told: &Told<'_>) -> Drafted<String> {
        let media = &self.accept.media;
        let Ok(id) = Uuid::parse_str(id) else { return Ok(media.links().plain(Uuid::nil())) };
        if let Some(kept) = told.files.iter().find(|kept| kept.id == id) {
            if self.kept.insert(id) {
                self.writes.push(media.kept(kept, &self.scene.channel.name, file.kind));
            }
            return Ok(media.links().plain(id));
        }
        let entry = media.entry(id).await?;
        let ours = entry.is_some_and(|entry| entry.announced.channel.as_deref() == Some(&self.scene.channel.name));
        Ok(media.links().plain(if ours { id } else { Uuid::nil() }))
    }

    /// The file is announced with the event that speaks of it, and fetched from then on.
    fn announce(&mut self, file: &Media, reference: &str) -> String {
        let Media { kind, content_type, name, bytes, .. } = file.clone();
        let (channel, source) = (Some(self.scene.channel.name.clone()), Source::Reference(reference.to_owned()));
        let (id, write) = self.accept.media.announce(Announced { channel, source, kind, content_type, name, bytes });
        self.writes.push(write);
        self.fetch = true;
        self.accept.media.links().plain(id)
    }
}

/// The same thing that happened, however often it is told.
pub(super) fn dedupe_key(channel: &str, kind: Kind, id: &str) -> DedupeKey {
    DedupeKey::of(&[channel, kind.as_str(), id])
}
