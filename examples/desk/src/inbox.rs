//! Everything the desk knows, in memory and bounded: the oldest goes first.

use std::collections::{HashMap, HashSet, VecDeque};

use serde::Serialize;
use serde_json::Value;

use crate::event::{Author, Channel, Contact, Event, Message, Reason, Status};

const CONVERSATIONS_MAX: usize = 300;
const ITEMS_MAX: usize = 200;
const REACTIONS_MAX: usize = 20;
const EARLY_MAX: usize = 50;
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

/// One conversation in full.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Conversation {
    #[serde(flatten)]
    pub(crate) summary: Summary,
    pub(crate) items: VecDeque<Item>,
    /// Statuses that overtook the answer to our own request.
    #[serde(skip)]
    early: VecDeque<Receipt>,
}

/// How far a message came.
#[derive(Clone, Debug)]
struct Receipt {
    message: String,
    status: Status,
    reason: Option<Reason>,
}

/// A line in the list of conversations.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) id: String,
    pub(crate) contact: Option<Contact>,
    pub(crate) channels: Vec<String>,
    pub(crate) medium: String,
    pub(crate) unread: usize,
    pub(crate) preview: String,
    pub(crate) at: String,
    pub(crate) closed: bool,
    /// Larger is newer.
    pub(crate) changed: u64,
}

/// One message, or a note such as "conversation closed".
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Item {
    pub(crate) id: String,
    /// `message`, or the event's type.
    pub(crate) kind: String,
    pub(crate) at: String,
    pub(crate) outbound: bool,
    pub(crate) channel: Channel,
    pub(crate) author: Author,
    pub(crate) message: Option<Message>,
    pub(crate) in_reply_to: Option<String>,
    pub(crate) edited: bool,
    pub(crate) deleted: bool,
    pub(crate) reactions: Vec<String>,
    /// Of our own messages only.
    pub(crate) status: Option<Status>,
    pub(crate) reason: Option<Reason>,
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
            "channel.state" => None,
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
        summary.medium = event.data.channel.medium.clone();
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

impl Conversation {
    fn new(summary: Summary) -> Self {
        Self { summary, items: VecDeque::new(), early: VecDeque::new() }
    }

    /// The newest message that an answer would answer.
    pub(crate) fn newest_inbound(&self) -> Option<&str> {
        self.items.iter().rev().find(|item| item.is_message() && !item.outbound).map(|item| item.id.as_str())
    }

    /// Adds an item, or meets the one that is there: our own message comes back as an event, sometimes before the
    /// gateway's answer to our request.
    fn put(&mut self, mut item: Item) -> Item {
        if let Some(known) = self.items.iter().find(|known| known.id == item.id) {
            return known.clone();
        }
        if item.is_message() {
            self.summary.preview = item.preview();
            self.summary.at = item.at.clone();
            self.summary.unread += usize::from(!item.outbound);
        }
        for receipt in &self.early {
            if receipt.message == item.id {
                item.advance(receipt.clone());
            }
        }
        self.items.push_back(item.clone());
        if self.items.len() > ITEMS_MAX {
            self.items.pop_front();
        }
        item
    }

    fn advance(&mut self, receipt: Receipt) -> Option<Item> {
        if let Some(item) = self.items.iter_mut().find(|item| item.id == receipt.message) {
            item.advance(receipt);
            return Some(item.clone());
        }
        self.early.push_back(receipt);
        if self.early.len() > EARLY_MAX {
            self.early.pop_front();
        }
        None
    }
}

impl Summary {
    fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            contact: None,
            channels: Vec::new(),
            medium: String::new(),
            unread: 0,
            preview: String::new(),
            at: String::new(),
            closed: false,
            changed: 0,
        }
    }
}

impl Item {
    fn new(event: Event, kind: &str) -> Self {
        let data = event.data;
        let outbound = data.direction == "outbound";
        Self {
            id: event.id,
            kind: kind.to_owned(),
            at: event.time,
            outbound,
            channel: data.channel,
            author: data.author,
            message: data.message,
            in_reply_to: data.in_reply_to,
            edited: false,
            deleted: false,
            reactions: Vec::new(),
            status: (outbound && kind == "message").then_some(data.status.unwrap_or(Status::Queued)),
            reason: data.reason,
        }
    }

    fn is_message(&self) -> bool {
        self.kind == "message"
    }

    fn preview(&self) -> String {
        self.message.as_ref().map(|message| message.text.chars().take(120).collect()).unwrap_or_default()
    }

    fn advance(&mut self, receipt: Receipt) {
        if self.status.is_none_or(|known| known.advances_to(receipt.status)) {
            self.status = Some(receipt.status);
            self.reason = receipt.reason;
        }
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
