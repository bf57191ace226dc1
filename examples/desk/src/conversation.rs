//! One conversation and its messages.

use std::collections::VecDeque;

use serde::Serialize;

use crate::event::{Author, Channel, Contact, Event, Message, Reason, Status};

pub(crate) const ITEMS_MAX: usize = 200;
const EARLY_MAX: usize = 50;

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
pub(crate) struct Receipt {
    pub(crate) message: String,
    pub(crate) status: Status,
    pub(crate) reason: Option<Reason>,
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
    pub(crate) channel: Option<Channel>,
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

impl Conversation {
    pub(crate) fn new(summary: Summary) -> Self {
        Self { summary, items: VecDeque::new(), early: VecDeque::new() }
    }

    /// The newest message that an answer would answer.
    pub(crate) fn newest_inbound(&self) -> Option<&str> {
        self.items.iter().rev().find(|item| item.is_message() && !item.outbound).map(|item| item.id.as_str())
    }

    /// Adds an item, or meets the one that is there: our own message comes back as an event, sometimes before the
    /// gateway's answer to our request.
    pub(crate) fn put(&mut self, mut item: Item) -> Item {
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

    pub(crate) fn advance(&mut self, receipt: Receipt) -> Option<Item> {
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
    pub(crate) fn new(id: &str) -> Self {
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
    pub(crate) fn new(event: Event, kind: &str) -> Self {
        let data = event.data;
        let outbound = data.direction == "outbound";
        // What somebody sent in the provider's own app has no receipts here.
        let is_ours = event.kind == "omnigate.message.submitted";
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
            status: is_ours.then_some(data.status.unwrap_or(Status::Queued)),
            reason: data.reason,
        }
    }

    pub(crate) fn is_message(&self) -> bool {
        self.kind == "message"
    }

    pub(crate) fn preview(&self) -> String {
        self.message.as_ref().map(|message| message.text.chars().take(120).collect()).unwrap_or_default()
    }

    pub(crate) fn advance(&mut self, receipt: Receipt) {
        if self.status.is_none_or(|known| known.advances_to(receipt.status)) {
            self.status = Some(receipt.status);
            self.reason = receipt.reason;
        }
    }
}
