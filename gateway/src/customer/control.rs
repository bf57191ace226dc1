//! A conversation is closed, opened again, and passed from one backend to another.

use serde_json::{Value, json};
use uuid::Uuid;

use super::draft::{Draft, Talk};
use super::records::Held;
use super::{Conversation, News, Session, Why};
use crate::interaction::{Kind, Time};
use crate::store::StoreError;

/// Why something cannot be done to a conversation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("there is no conversation {0}")]
    Unknown(Uuid),
    #[error("conversation {0} is not the contact's newest: what is said now belongs to another one")]
    Old(Uuid),
    #[error("conversation {open} of the same contact is open: close it first")]
    AnotherOpen { open: Uuid },
    #[error("conversation {0} is closed: open it again first")]
    Closed(Uuid),
    #[error("backend {0} is in control of this conversation: it must pass control first")]
    Controlled(String),
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Close,
    Reopen,
    /// Control to that backend, or to nobody in particular.
    Pass(Option<String>),
}

impl Session<'_> {
    /// Changes a conversation; gives it as it is then. `backend`: on whose behalf, if on that of a backend. What is so already
    /// is no change and no news.
    ///
    /// # Errors
    /// If the store cannot be read; inside: why it cannot be done.
    pub async fn change(
        &mut self,
        id: Uuid,
        what: &Change,
        backend: Option<&str>,
        why: &Why,
    ) -> Result<Result<Conversation, Refused>, StoreError> {
        let Some(conversation) = self.directory.conversation(id).await? else { return Ok(Err(Refused::Unknown(id))) };
        let now = self.now;
        let draft = self.draft(conversation.contact).await?;
        let Some(conversation) = draft.conversation(id).cloned() else {
            let is_so = *what == Change::Close && conversation.closed_at.is_some();
            return Ok(if is_so { Ok(conversation) } else { Err(Refused::Old(id)) });
        };
        if !conversation.allows(backend) {
            let control = conversation.control.unwrap_or_default();
            return Ok(Err(Refused::Controlled(control)));
        }
        let changed = match what {
            Change::Close => Ok(draft.close(id, now, detail(why, json!({})))),
            Change::Reopen => draft.reopen(id, detail(why, json!({ "reopened": true }))),
            Change::Pass(to) => draft.pass(id, to.as_deref(), why),
        };
        let changed = match changed {
            Ok(news) => news,
            Err(refused) => return Ok(Err(refused)),
        };
        let after = draft.conversation(id).cloned().unwrap_or(conversation);
        self.news.extend(changed);
        Ok(Ok(after))
    }
}

fn detail(why: &Why, mut detail: Value) -> Value {
    detail["reason"] = json!(why.reason);
    detail["by"] = json!(why.by);
    detail
}

impl Draft {
    /// `None` if it is closed already.
    pub(super) fn close(&mut self, id: Uuid, now: Time, detail: Value) -> Option<News> {
        let conversation = &mut self.talk(id)?.conversation;
        if conversation.value().closed_at.is_some() {
            return None;
        }
        conversation.change().closed_at = Some(now);
        let closed = conversation.value().clone();
        Some(self.news(Kind::ConversationClosed, closed.contact, &closed, detail))
    }

    fn reopen(&mut self, id: Uuid, detail: Value) -> Result<Option<News>, Refused> {
        let Some(conversation) = self.conversation(id).filter(|conversation| conversation.closed_at.is_some()) else {
            return Ok(None);
        };
        if let Some(open) = self.shares_with(conversation).map(|open| open.id) {
            return Err(Refused::AnotherOpen { open });
        }
        let Some(talk) = self.talk(id) else { return Ok(None) };
        talk.conversation.change().closed_at = None;
        talk.spoken = true;
        let reopened = talk.conversation.value().clone();
        Ok(Some(self.news(Kind::ConversationOpened, reopened.contact, &reopened, detail)))
    }

    /// An open conversation in which the same messages would go on.
    fn shares_with(&self, conversation: &Conversation) -> Option<&Conversation> {
        let threads = |id: Uuid| {
            let member = |m: &super::draft::Changing<super::Member>| {
                let by_channel = m.value().threads.iter().filter(move |(_, there)| **there == id);
                let names: Vec<Option<String>> = by_channel.map(|(name, _)| Some(name.clone())).collect();
                names
            };
            self.members.iter().flat_map(member).collect::<Vec<_>>()
        };
        let of_this = threads(conversation.id);
        let is_shared = |other: &&Conversation| {
            let of_other = threads(other.id);
            of_this.is_empty() || of_other.is_empty() || of_this.iter().any(|name| of_other.contains(name))
        };
        self.conversations().filter(|c| c.closed_at.is_none() && c.id != conversation.id).find(is_shared)
    }

    fn pass(&mut self, id: Uuid, to: Option<&str>, why: &Why) -> Result<Option<News>, Refused> {
        let Some(talk) = self.talk(id) else { return Err(Refused::Unknown(id)) };
        let conversation = &mut talk.conversation;
        if conversation.value().closed_at.is_some() {
            return Err(Refused::Closed(id));
        }
        if conversation.value().control.as_deref() == to {
            return Ok(None);
        }
        Ok(self.hand(id, to, Held::Hand, detail(why, json!({}))))
    }

    pub(super) fn talk(&mut self, id: Uuid) -> Option<&mut Talk> {
        self.threads.iter_mut().find(|talk| talk.conversation.value().id == id)
    }
}
