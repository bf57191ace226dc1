//! Who is in control by its route, and who stands in meanwhile.

use serde_json::{Value, json};
use uuid::Uuid;

use super::draft::{Draft, Talk};
use super::records::Held;
use super::{Conversation, News, Session};
use crate::interaction::Kind;
use crate::store::StoreError;

/// A backend takes the place of another one, or gives it back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    Takes { from: String, to: String },
    Gives { back_to: String },
}

impl Session<'_> {
    /// A message took a route by which `backend` is to answer: it is in control of a conversation that nobody holds, or that
    /// another route gave to another backend. Gives the conversation if that changed it.
    pub fn answered_by(&mut self, conversation: Uuid, backend: &str, route: &str) -> Option<Conversation> {
        let draft = self.people.values_mut().find(|draft| draft.conversation(conversation).is_some())?;
        let detail = json!({ "by": format!("route:{route}"), "reason": "it is to answer what came" });
        let news = draft.give(conversation, backend, detail)?;
        let given = draft.conversation(conversation).cloned();
        let opening = self.news.iter_mut().filter(|news| news.kind == Kind::ConversationOpened);
        let mut opening = opening.filter_map(|news| news.conversation.as_mut());
        match opening.find(|opened| opened.id == conversation) {
            // What opens it tells it.
            Some(opened) => opened.control = Some(backend.to_owned()),
            None => self.news.push(news),
        }
        given
    }

    /// Control passes to who stands in for the backend that holds it, or back; nothing where neither is so any more.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn stand_in(&mut self, id: Uuid, what: &Standing) -> Result<(), StoreError> {
        let Some(conversation) = self.directory.conversation(id).await? else { return Ok(()) };
        let draft = self.draft(conversation.contact).await?;
        let news = match what {
            Standing::Takes { from, to } => draft.take(id, from, to),
            Standing::Gives { back_to } => draft.give_back(id, back_to),
        };
        self.news.extend(news);
        Ok(())
    }
}

impl Draft {
    /// `None` where somebody holds it, or was given it by hand.
    fn give(&mut self, id: Uuid, to: &str, detail: Value) -> Option<News> {
        let conversation = self.open_talk(id)?.conversation.value();
        let is_free = conversation.held == Held::Nobody && conversation.control.is_none();
        let is_routed = conversation.held == Held::Route && conversation.control.as_deref() != Some(to);
        (is_free || is_routed).then(|| self.hand(id, Some(to), Held::Route, detail))?
    }

    fn take(&mut self, id: Uuid, from: &str, to: &str) -> Option<News> {
        let conversation = self.open_talk(id)?.conversation.value();
        if conversation.control.as_deref() != Some(from) {
            return None;
        }
        let held = Held::StandIn { back_to: from.to_owned(), held: Box::new(conversation.held.clone()) };
        let detail = json!({ "by": format!("backend:{to}"), "reason": "it stands in for one that is away" });
        self.hand(id, Some(to), held, detail)
    }

    fn give_back(&mut self, id: Uuid, to: &str) -> Option<News> {
        let Held::StandIn { back_to, held } = self.open_talk(id)?.conversation.value().held.clone() else {
            return None;
        };
        let detail = json!({ "by": format!("backend:{to}"), "reason": "it is back" });
        (back_to == to).then(|| self.hand(id, Some(to), *held, detail))?
    }

    /// Gives control to somebody, in that manner.
    pub(super) fn hand(&mut self, id: Uuid, to: Option<&str>, held: Held, mut detail: Value) -> Option<News> {
        let conversation = self.talk(id)?.conversation.change();
        let from = std::mem::replace(&mut conversation.control, to.map(str::to_owned));
        conversation.held = held;
        let passed = conversation.clone();
        detail["from"] = json!(from);
        detail["to"] = json!(to);
        Some(self.news(Kind::ConversationControl, passed.contact, &passed, detail))
    }

    fn open_talk(&mut self, id: Uuid) -> Option<&mut Talk> {
        self.talk(id).filter(|talk| talk.conversation.value().closed_at.is_none())
    }
}
