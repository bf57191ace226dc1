//! All that the desk knows, in memory and bounded: the oldest goes first.

use std::collections::{HashMap, HashSet, VecDeque};

use serde::Serialize;
use serde_json::Value;

use crate::conversation::{Conversation, Item, Receipt, Summary};
use crate::event::Event;

const CONVERSATIONS_MAX: usize = 300;
const REACTIONS_MAX: usize = 20;
/// Ids are remembered far longer than messages are shown: the gateway may try again for days.
const IDS_MAX: usize = 100_000;

/// All conversations, and the ids of all events that were taken.
#[derive(Default)]
pub(crate) struct Inbox {
    conversations: HashMap<String, Conversation>,
    taken: Remembered,
    /// Counts changes; orders conversations without trusting anybody's clock.
    clock: u64,
}

/// What an open browser page must hear of.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "lives for one call")]
pub(crate) enum Change {
    Item { conversation: Summary, item: Option<Item> },
    Typing { conversation: String, on: bool },
    Removed { conversations: Vec<String> },
}

impl Inbox {
    /// Takes an event, once: `None` if its id was taken before or if there is nothing to show.
    pub(crate) fn take(&mut self, id: &str, event: Event) -> Option<Change> {
        // The gateway delivers at least once. Its id is the same at every attempt, so a memory of ids makes it exactly once.
        if !self.taken.insert(id) {
            return None;
        }
        match event.kind.strip_prefix("omnigate.").unwrap_or(&event.kind) {
            "message.received" | "message.submitted" | "message.echoed" => self.add(event, "message"),
            "message.status" => self.status(event),
            "message.edited" => self.change(event, |item, event| {
                item.message = event.data.message.clone();
                item.edited = true;
            }),
            "message.deleted" => self.change(event, |item, _| {
                item.message = None;
                item.deleted = true;
            }),
            "message.reaction" => self.change(event, react),
            "contact.typing" => typing(&event),
            "contact.erased" => self.erase(&event),
            // The first message says it.
            "channel.state" | "conversation.opened" => None,
            kind => {
                let kind = kind.to_owned();
                self.add(event, &kind)
            }
        }
    }

    /// Adds a message that the gateway has just accepted from us.
    pub(crate) fn add_own(&mut self, conversation: &str, item: Item) -> Option<Change> {
        let summary = self.conversations.get(conversation)?.summary.clone();
        Some(self.put(summary, item))
    }

    /// Newest first.
    pub(crate) fn list(&self) -> Vec<&Summary> {
        let mut all: Vec<_> = self.conversations.values().map(|conversation| &conversation.summary).collect();
        all.sort_by_key(|summary| std::cmp::Reverse(summary.changed));
        all
    }

    pub(crate) fn conversation(&self, id: &str) -> Option<&Conversation> {
        self.conversations.get(id)
    }

    /// Marks a conversation as read: the id of its newest message from the contact, if there was something unread.
    pub(crate) fn read(&mut self, id: &str) -> Option<(String, Change)> {
        let conversation = self.conversations.get_mut(id)?;
        if std::mem::take(&mut conversation.summary.unread) == 0 {
            return None;
        }
        let newest = conversation.newest_inbound()?.to_owned();
        Some((newest, Change::Item { conversation: conversation.summary.clone(), item: None }))
    }

    fn add(&mut self, event: Event, kind: &str) -> Option<Change> {
        let summary = self.summary_for(&event)?;
        Some(self.put(summary, Item::new(event, kind)))
    }

    /// The conversation's line, brought up to date with what the event knows of the contact.
    fn summary_for(&self, event: &Event) -> Option<Summary> {
        let reference = event.data.conversation.as_ref()?;
        let known = self.conversations.get(&reference.id).map(|conversation| conversation.summary.clone());
        let mut summary = known.unwrap_or_else(|| Summary::new(&reference.id));
        summary.contact = event.data.contact.clone().or(summary.contact);
        summary.channels = reference.channels.clone();
        if let Some(channel) = &event.data.channel {
            summary.medium = channel.medium.clone();
        }
        summary.closed = event.kind.ends_with("conversation.closed");
        Some(summary)
    }

    fn put(&mut self, mut summary: Summary, item: Item) -> Change {
        self.clock += 1;
        summary.changed = self.clock;
        let id = summary.id.clone();
        let conversation = self.conversations.entry(id).or_insert_with(|| Conversation::new(summary.clone()));
        conversation.summary = summary;
        let item = conversation.put(item);
        let change = Change::Item { conversation: conversation.summary.clone(), item: Some(item) };
        self.forget_oldest();
        change
    }

    fn forget_oldest(&mut self) {
        if self.conversations.len() > CONVERSATIONS_MAX
            && let Some(oldest) = self.list().last().map(|summary| summary.id.clone())
        {
            self.conversations.remove(&oldest);
        }
    }

    fn status(&mut self, event: Event) -> Option<Change> {
        let data = event.data;
        let receipt = Receipt { message: data.message_id?, status: data.status?, reason: data.reason };
        let conversation = self.conversations.get_mut(&data.conversation?.id)?;
        let item = Some(conversation.advance(receipt)?);
        Some(Change::Item { conversation: conversation.summary.clone(), item })
    }

    /// Changes the message that the event speaks of. One that we do not hold is no error: it may be older than our memory.
    fn change(&mut self, event: Event, apply: impl FnOnce(&mut Item, &Event)) -> Option<Change> {
        let conversation = self.conversations.get_mut(&event.data.conversation.as_ref()?.id)?;
        let target = event.data.message_id.as_deref()?;
        let item = conversation.items.iter_mut().find(|item| item.id == target)?;
        apply(item, &event);
        let item = Some(item.clone());
        Some(Change::Item { conversation: conversation.summary.clone(), item })
    }

    /// The person asked to be forgotten: that holds here as well.
    fn erase(&mut self, event: &Event) -> Option<Change> {
        let contact = &event.data.contact.as_ref()?.id;
        let is_theirs = |summary: &Summary| summary.contact.as_ref().is_some_and(|known| known.id == *contact);
        let conversations: Vec<_> =
            self.list().into_iter().filter(|summary| is_theirs(summary)).map(|summary| summary.id.clone()).collect();
        self.conversations.retain(|id, _| !conversations.contains(id));
        Some(Change::Removed { conversations })
    }
}

fn react(item: &mut Item, event: &Event) {
    match event.data.detail.get("emoji").and_then(Value::as_str) {
        Some(emoji) if item.reactions.len() < REACTIONS_MAX => item.reactions.push(emoji.chars().take(8).collect()),
        Some(_) => {}
        None => item.reactions.clear(),
    }
}

fn typing(event: &Event) -> Option<Change> {
    let conversation = event.data.conversation.as_ref()?.id.clone();
    let on = event.data.detail.get("on").and_then(Value::as_bool).unwrap_or(true);
    Some(Change::Typing { conversation, on })
}

/// The newest ids, first in first out.
#[derive(Default)]
struct Remembered {
    ids: HashSet<String>,
    order: VecDeque<String>,
}

impl Remembered {
    /// Whether the id is new.
    fn insert(&mut self, id: &str) -> bool {
        if !self.ids.insert(id.to_owned()) {
            return false;
        }
        self.order.push_back(id.to_owned());
        if self.order.len() > IDS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::conversation::ITEMS_MAX;
    use crate::event::Status;

    fn event(id: &str, kind: &str, more: Value) -> Event {
        let mut data = json!({
            "direction": "inbound", "channel": {"name": "website", "medium": "webchat"},
            "contact": {"id": "ann", "name": "Ann", "identities": []},
            "conversation": {"id": "c1", "channels": ["website"]}, "author": {"kind": "contact"},
        });
        data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let event =
            json!({"id": id, "type": format!("omnigate.{kind}"), "time": "2026-01-01T00:00:00.000Z", "data": data});
        serde_json::from_value(event).unwrap()
    }

    fn text(text: &str) -> Value {
        json!({"message": {"text": text, "parts": [{"type": "text", "text": text}]}})
    }

    fn take(inbox: &mut Inbox, id: &str, kind: &str, more: Value) -> bool {
        inbox.take(id, event(id, kind, more)).is_some()
    }

    #[test]
    fn an_event_counts_once() {
        let mut inbox = Inbox::default();
        assert!(take(&mut inbox, "1", "message.received", text("hi")));
        assert!(!take(&mut inbox, "1", "message.received", text("hi")));
        assert_eq!(inbox.conversation("c1").unwrap().items.len(), 1);
        assert_eq!(inbox.conversation("c1").unwrap().summary.unread, 1);
    }

    #[test]
    fn a_status_follows_its_message_and_never_goes_back() {
        let mut inbox = Inbox::default();
        let mut outbound = text("hello");
        outbound["direction"] = "outbound".into();
        take(&mut inbox, "1", "message.submitted", outbound);
        for (id, status, shown) in [
            ("2", "delivered", Status::Delivered),
            ("3", "sent", Status::Delivered),
            ("4", "failed", Status::Delivered),
            ("5", "read", Status::Read),
        ] {
            take(&mut inbox, id, "message.status", json!({"message_id": "1", "status": status}));
            assert_eq!(inbox.conversation("c1").unwrap().items[0].status, Some(shown), "{status}");
        }
    }

    #[test]
    fn a_status_may_overtake_the_answer_to_our_request() {
        let mut inbox = Inbox::default();
        take(&mut inbox, "1", "message.received", text("hi"));
        take(&mut inbox, "2", "message.status", json!({"message_id": "own", "status": "delivered"}));
        let mut outbound = text("hello");
        outbound["direction"] = "outbound".into();
        inbox.add_own("c1", Item::new(event("own", "message.submitted", outbound), "message"));
        assert_eq!(inbox.conversation("c1").unwrap().items[1].status, Some(Status::Delivered));
    }

    #[test]
    fn reading_tells_which_message_was_read_and_only_once() {
        let mut inbox = Inbox::default();
        take(&mut inbox, "1", "message.received", text("one"));
        take(&mut inbox, "2", "message.received", text("two"));
        assert_eq!(inbox.read("c1").unwrap().0, "2");
        assert!(inbox.read("c1").is_none());
    }

    #[test]
    fn an_erased_contact_leaves_nothing() {
        let mut inbox = Inbox::default();
        take(&mut inbox, "1", "message.received", text("hi"));
        assert!(take(&mut inbox, "2", "contact.erased", json!({"conversation": null})));
        assert!(inbox.list().is_empty());
    }

    #[test]
    fn memory_is_bounded() {
        let mut inbox = Inbox::default();
        for n in 0..CONVERSATIONS_MAX + 5 {
            let mut more = text("hi");
            more["conversation"] = json!({"id": format!("c{n}")});
            take(&mut inbox, &n.to_string(), "message.received", more);
        }
        assert_eq!(inbox.list().len(), CONVERSATIONS_MAX);
        assert!(inbox.conversation("c4").is_none() && inbox.conversation("c5").is_some());
        for n in 0..ITEMS_MAX + 5 {
            let mut more = text("hi");
            more["conversation"] = json!({"id": "c9"});
            take(&mut inbox, &format!("more{n}"), "message.received", more);
        }
        assert_eq!(inbox.conversation("c9").unwrap().items.len(), ITEMS_MAX);
    }
}
