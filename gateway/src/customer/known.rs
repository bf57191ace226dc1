//! A person as the store had it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use super::{Contact, Conversation, Member};
use crate::interaction::{Identity, Time};

/// A person, and what only memory needs to know.
#[derive(Debug)]
pub struct Known {
    pub contact: Arc<Contact>,
    /// The leader first.
    pub(super) members: Vec<Kept<Member>>,
    pub(super) threads: Vec<Thread>,
    pub(super) last_inbound: Mutex<Option<Arc<LastInbound>>>,
}

/// What was read, and its version. Shared by all who decide with it, until one of them changes it.
#[derive(Debug)]
pub(super) struct Kept<T> {
    pub(super) value: Arc<T>,
    /// 0: not in the store yet.
    pub(super) version: u64,
}

/// A conversation, and when it was last spoken in.
#[derive(Debug)]
pub(super) struct Thread {
    pub(super) kept: Kept<Conversation>,
    /// Milliseconds; the log holds the truth.
    pub(super) last_activity: AtomicI64,
}

/// The person's newest message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastInbound {
    pub channel: String,
    pub from: Identity,
    pub external_id: Option<String>,
}

impl Known {
    pub(super) fn new(
        members: Vec<Kept<Member>>,
        threads: Vec<Thread>,
        last_inbound: Option<Arc<LastInbound>>,
    ) -> Self {
        let conversations = threads.iter().map(|thread| &*thread.kept.value);
        let contact = Arc::new(contact(members.iter().map(|kept| &*kept.value), conversations));
        Self { contact, members, threads, last_inbound: Mutex::new(last_inbound) }
    }

    /// The ids under which the log has this person's interactions.
    pub fn ids(&self) -> Vec<Uuid> {
        self.contact.members.clone()
    }

    /// A conversation that a message may go on in: the newest of each member.
    pub fn conversation(&self, id: Uuid) -> Option<&Conversation> {
        self.threads.iter().map(|thread| &*thread.kept.value).find(|conversation| conversation.id == id)
    }

    /// What is kept of each member, the leader's first.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().map(|kept| &*kept.value)
    }

    /// The person's newest message, if there was one.
    pub fn last_inbound(&self) -> Option<Arc<LastInbound>> {
        self.last_inbound.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether this was read later than the other: members first, since a change of conversation changes a member.
    pub(super) fn is_newer(&self, other: &Self) -> bool {
        self.versions() > other.versions()
    }

    fn versions(&self) -> (u64, u64) {
        let members = self.members.iter().map(|kept| kept.version).sum();
        (members, self.threads.iter().map(|thread| thread.kept.version).sum())
    }
}

impl<T> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), version: self.version }
    }
}

impl Thread {
    pub(super) fn new(kept: Kept<Conversation>, last_activity: Time) -> Self {
        Self { kept, last_activity: AtomicI64::new(last_activity.ms()) }
    }

    pub(super) fn last_activity(&self) -> Time {
        Time::from_ms(self.last_activity.load(Ordering::Relaxed))
    }
}

/// What members, the leader first, are together.
pub(super) fn contact<'a>(
    members: impl Iterator<Item = &'a Member> + Clone,
    conversations: impl Iterator<Item = &'a Conversation>,
) -> Contact {
    let leader = members.clone().next().unwrap_or_else(|| unreachable!("a person has a member"));
    Contact {
        id: leader.id,
        members: members.clone().map(|member| member.id).collect(),
        name: members.clone().find_map(|member| member.name.clone()),
        identities: members.clone().flat_map(|member| member.identities.iter().cloned()).collect(),
        conversation: current(conversations).map(|conversation| conversation.id),
        created_at: members.map(|member| member.created_at).min().unwrap_or(leader.created_at),
    }
}

/// The one that goes on: what is open before what is closed, then the one that was opened last.
pub(super) fn current<'a>(conversations: impl Iterator<Item = &'a Conversation>) -> Option<&'a Conversation> {
    conversations.max_by_key(|conversation| (conversation.closed_at.is_none(), conversation.opened_at, conversation.id))
}
