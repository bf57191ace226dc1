//! What people allow and refuse: by a word, by the provider, by the API.

use serde_json::{Value, json};
use uuid::Uuid;

use super::drafting::Drafting;
use super::envelope::{blank, event};
use super::{Accept, Rounds, Trace};
use crate::customer::{Decision, Source, Subject};
use crate::interaction::{Author, AuthorKind, Category, ChannelRef, Direction, Identity, Kind, Part, Time};
use crate::outbound::OpenList;
use crate::plugin::exchange::{Content, Inbound, Piece};
use crate::store::{Batch, StoreError};

/// A decision of a person that a caller of the API tells.
#[derive(Clone, Debug)]
pub struct Will {
    pub contact: Uuid,
    /// On which channel; without one, on all.
    pub channel: Option<ChannelRef>,
    pub category: Category,
    pub granted: bool,
    pub evidence: Option<String>,
    /// Name of the API key.
    pub by: String,
}

/// A word that means something about messages.
pub(super) struct Word {
    id: String,
    sender: Identity,
    aliases: Vec<Identity>,
    at: Option<Time>,
    granted: bool,
    text: String,
}

impl Accept {
    /// Writes a decision down, and tells of it. False if there is no such contact.
    ///
    /// # Errors
    /// As the store's commit.
    pub async fn decide(&self, will: &Will) -> Result<bool, StoreError> {
        let mut rounds = Rounds::default();
        loop {
            match self.append_will(will).await {
                Err(StoreError::Conflict(key)) => self.lost(&key, &mut rounds)?,
                decided => return decided,
            }
        }
    }

    async fn append_will(&self, will: &Will) -> Result<bool, StoreError> {
        let Some(known) = self.directory.person(will.contact).await? else { return Ok(false) };
        let now = Time::now();
        let decision = Decision {
            channel: will.channel.as_ref().map(|channel| channel.name.clone()),
            category: will.category,
            granted: will.granted,
            at: now,
            source: Source::Api,
            by: Some(will.by.clone()),
            evidence: will.evidence.clone(),
        };
        let write = self.consents.with(&Subject::Contact(known.contact.id), std::slice::from_ref(&decision)).await?;
        let mut data = blank(will.channel.as_ref(), Direction::Inbound, now, now);
        data.contact = Some(known.contact.to_ref());
        let conversation = known.contact.conversation.and_then(|id| known.conversation(id));
        data.conversation = conversation.map(|conversation| conversation.to_ref(false));
        data.author = Author { kind: AuthorKind::System, name: Some(will.by.clone()) };
        data.detail = Some(json!(decision));
        let event = event(
            Kind::ContactConsent,
            Some(known.contact.id),
            data,
            &self.schema_url,
            &Trace::from_header(None),
            None,
            None,
        );
        self.store.commit(Batch { events: vec![event], writes: vec![write], ..Batch::default() }).await?;
        Ok(true)
    }
}

impl Drafting<'_> {
    /// A message whose words pick from a list that was asked becomes the choice; `typed` keeps the words.
    pub(super) async fn answer(&mut self, message: &Inbound) -> Result<Option<(Inbound, Uuid)>, StoreError> {
        let Some(text) = only_text(&message.content) else { return Ok(None) };
        let (store, channel) = (&*self.accept.store, &self.scene.channel.name);
        let Some((list, picked, close)) = OpenList::answered(store, channel, &message.sender, text).await? else {
            return Ok(None);
        };
        let mut answer = message.clone();
        answer.metadata.insert("typed".into(), text.into());
        answer.content.parts = vec![Piece::Part(Part::Choice { id: picked.id, title: picked.title })];
        self.writes.push(close);
        Ok(Some((answer, list.message)))
    }

    /// Notes a message that is nothing but a word about messages.
    pub(super) fn note_word(&mut self, message: &Inbound) {
        let Some(text) = only_text(&message.content) else { return };
        if let Some(granted) = self.accept.consents.meaning(self.scene.channel, text) {
            self.words.push(Word {
                id: format!("{}:word", message.id),
                sender: message.sender.clone(),
                aliases: message.aliases.clone(),
                at: message.at,
                granted,
                text: text.to_owned(),
            });
        }
    }

    /// What the provider says of a person's will.
    pub(super) async fn consent(&mut self, wish: Wish<'_>) -> Result<(), StoreError> {
        self.words.retain(|word| !word.sender.same_address(wish.sender));
        let detail = json!({
            "granted": wish.granted, "category": wish.category, "evidence": wish.evidence, "source": Source::Provider,
        });
        let decisions = self.decisions(wish.category.map(category), wish.granted, Source::Provider, wish.evidence);
        self.decided(&[wish.sender], &decisions).await?;
        self.push_consent(wish.sender, wish.at, wish.id, detail).await
    }

    /// Words count where the provider itself said nothing.
    pub(super) async fn finish(&mut self) -> Result<(), StoreError> {
        for word in std::mem::take(&mut self.words) {
            let decisions = self.decisions(None, word.granted, Source::Keyword, Some(&word.text));
            let addresses: Vec<_> = std::iter::once(&word.sender).chain(&word.aliases).collect();
            self.decided(&addresses, &decisions).await?;
            let detail = json!({
                "granted": word.granted, "category": null, "evidence": word.text, "source": Source::Keyword,
            });
            self.push_consent(&word.sender, word.at, &word.id, detail).await?;
        }
        Ok(())
    }

    fn decisions(
        &self,
        category: Option<Category>,
        granted: bool,
        source: Source,
        evidence: Option<&str>,
    ) -> Vec<Decision> {
        Decision::heard(&self.scene.channel.name, category, granted, self.scene.now, source, evidence)
    }

    async fn decided(&mut self, addresses: &[&Identity], decisions: &[Decision]) -> Result<(), StoreError> {
        for address in addresses {
            self.writes.push(self.accept.consents.with(&Subject::Address(address), decisions).await?);
        }
        Ok(())
    }

    async fn push_consent(
        &mut self,
        sender: &Identity,
        at: Option<Time>,
        id: &str,
        detail: Value,
    ) -> Result<(), StoreError> {
        let data = self.of(sender, at).await?;
        self.push_detail(Kind::ContactConsent, data, Some(id), detail)
    }
}

/// What is no service is advertising, whatever the provider calls it.
fn category(word: &str) -> Category {
    if word == Category::Service.as_str() { Category::Service } else { Category::Marketing }
}

/// A person's will in the provider's words.
pub(super) struct Wish<'a> {
    pub(super) id: &'a str,
    pub(super) sender: &'a Identity,
    pub(super) at: Option<Time>,
    pub(super) granted: bool,
    pub(super) category: Option<&'a str>,
    pub(super) evidence: Option<&'a str>,
}

/// The text of a message that is nothing else.
fn only_text(content: &Content) -> Option<&str> {
    match &content.parts[..] {
        [Piece::Part(Part::Text { text, .. })] => Some(text),
        _ => None,
    }
}
