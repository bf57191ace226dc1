//! A person with the changes of one commit.

use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use serde_json::{Value, json};
use uuid::Uuid;

use super::known::{self, Kept, Known, LastInbound, Thread};
use super::{Contact, Conversation, Member, News};
use crate::config::{Conversations, Grouping};
use crate::interaction::{Identity, Kind, Time};
use crate::store::{Entry, Write};

pub(super) struct Draft {
    /// As it was read; several where persons were joined.
    pub(super) known: Vec<Arc<Known>>,
    /// The leader first.
    pub(super) members: Vec<Changing<Member>>,
    pub(super) threads: Vec<Talk>,
    pub(super) new_identities: Vec<(Identity, Uuid)>,
    /// Addresses that begin anew with another member.
    pub(super) moved: Vec<(Identity, Uuid)>,
    pub(super) inbound: Option<Arc<LastInbound>>,
    /// Joined or separated: what memory has of these members is of no use any more.
    pub(super) regrouped: bool,
}

/// What a conversation goes on by.
pub(super) struct Scene<'a> {
    pub(super) channel: &'a str,
    /// Who controls a new one.
    pub(super) control: Option<String>,
    pub(super) now: Time,
    pub(super) rules: &'a Conversations,
}

/// Something kept, and whether it must be written.
pub(super) struct Changing<T> {
    pub(super) kept: Kept<T>,
    pub(super) changed: bool,
}

/// A conversation of the draft.
pub(super) struct Talk {
    pub(super) conversation: Changing<Conversation>,
    last_activity: Time,
    /// This commit speaks in it.
    pub(super) spoken: bool,
}

impl<T: Clone> Changing<T> {
    fn kept(kept: Kept<T>) -> Self {
        Self { kept, changed: false }
    }

    fn new(value: T) -> Self {
        Self { kept: Kept { value: Arc::new(value), version: 0 }, changed: true }
    }

    pub(super) fn value(&self) -> &T {
        &self.kept.value
    }

    /// To be changed.
    pub(super) fn change(&mut self) -> &mut T {
        self.changed = true;
        Arc::make_mut(&mut self.kept.value)
    }
}

impl Changing<Conversation> {
    /// It goes on by that channel.
    fn meet(&mut self, channel: &str) {
        if !self.value().channels.iter().any(|known| known == channel) {
            self.change().channels.push(channel.to_owned());
        }
    }
}

impl Draft {
    pub(super) fn of(known: Arc<Known>) -> Self {
        let talk = |thread: &Thread| Talk {
            conversation: Changing::kept(thread.kept.clone()),
            last_activity: thread.last_activity(),
            spoken: false,
        };
        Self {
            members: known.members.iter().cloned().map(Changing::kept).collect(),
            threads: known.threads.iter().map(talk).collect(),
            known: vec![known],
            ..Self::empty()
        }
    }

    /// Somebody new.
    pub(super) fn new(member: Member) -> Self {
        let new_identities = member.identities.iter().map(|identity| (identity.clone(), member.id)).collect();
        Self { members: vec![Changing::new(member)], new_identities, ..Self::empty() }
    }

    pub(super) fn empty() -> Self {
        Self {
            known: Vec::new(),
            members: Vec::new(),
            threads: Vec::new(),
            new_identities: Vec::new(),
            moved: Vec::new(),
            inbound: None,
            regrouped: false,
        }
    }

    pub(super) fn leader(&self) -> Uuid {
        self.members[0].value().id
    }

    pub(super) fn member(&mut self, id: Uuid) -> Option<&mut Changing<Member>> {
        self.members.iter_mut().find(|member| member.value().id == id)
    }

    /// The person as it is now.
    pub(super) fn contact(&self) -> Arc<Contact> {
        match self.known.as_slice() {
            [known] if !self.is_changed() => Arc::clone(&known.contact),
            _ => Arc::new(known::contact(self.members.iter().map(Changing::value), self.conversations())),
        }
    }

    pub(super) fn conversations(&self) -> impl Iterator<Item = &Conversation> {
        self.threads.iter().map(|talk| talk.conversation.value())
    }

    pub(super) fn conversation(&self, id: Uuid) -> Option<&Conversation> {
        self.conversations().find(|conversation| conversation.id == id)
    }

    /// The conversation that goes on, or did last.
    pub(super) fn current(&self) -> Option<&Conversation> {
        known::current(self.conversations())
    }

    /// Whether any address of the person is this one.
    pub(super) fn has(&self, identity: &Identity) -> bool {
        let has = |member: &Changing<Member>| member.value().identities.iter().any(|i| i.same_address(identity));
        self.members.iter().any(has)
    }

    /// A member learns an address, or a better name for it.
    pub(super) fn learn(&mut self, member: Uuid, identity: &Identity) {
        let is_new = !self.has(identity);
        let owner = |m: &&mut Changing<Member>| match is_new {
            true => m.value().id == member,
            false => m.value().identities.iter().any(|known| known.same_address(identity)),
        };
        let Some(owner) = self.members.iter_mut().find(owner) else { return };
        if !owner.value().knows(identity) {
            owner.change().learn(identity);
        }
        if is_new {
            self.new_identities.push((identity.clone(), member));
        }
    }

    /// The conversation that a message of a member on a channel belongs to, and whether it is a new one.
    pub(super) fn converse(
        &mut self,
        owner: Uuid,
        scene: &Scene<'_>,
        news: &mut Vec<News>,
    ) -> (Arc<Conversation>, bool) {
        let going_on = self.current_on(scene.rules.group_by, scene.channel);
        if let Some(index) = going_on
            && self.goes_on(index, scene, owner, news)
        {
            self.threads[index].spoken = true;
            return (Arc::clone(&self.threads[index].conversation.kept.value), false);
        }
        (Arc::new(self.open(owner, scene, news)), true)
    }

    /// Where among its conversations the one stands that this channel shares.
    fn current_on(&self, group_by: Grouping, channel: &str) -> Option<usize> {
        let channel = (group_by == Grouping::Channel).then_some(channel);
        let shared: Vec<Uuid> = self.members.iter().filter_map(|member| member.value().thread(channel)).collect();
        let current = known::current(self.conversations().filter(|conversation| shared.contains(&conversation.id)))?.id;
        self.conversations().position(|conversation| conversation.id == current)
    }

    /// One that was idle for too long ends here; one that was closed a short while ago is opened again.
    fn goes_on(&mut self, index: usize, scene: &Scene<'_>, owner: Uuid, news: &mut Vec<News>) -> bool {
        let Scene { channel, now, rules, .. } = scene;
        let talk = &mut self.threads[index];
        let conversation = &mut talk.conversation;
        match conversation.value().closed_at {
            None if conversation.changed || now.since(talk.last_activity) < rules.idle => {
                conversation.meet(channel);
                true
            }
            None => {
                let id = conversation.value().id;
                news.extend(self.close(id, *now, json!({ "reason": "idle" })));
                false
            }
            Some(at) if now.since(at) < rules.reopen_within => {
                conversation.change().closed_at = None;
                conversation.meet(channel);
                let reopened = conversation.value().clone();
                let detail = json!({ "reopened": true, "reason": "message" });
                news.push(self.news(Kind::ConversationOpened, owner, &reopened, detail));
                true
            }
            Some(_) => false,
        }
    }

    fn open(&mut self, owner: Uuid, scene: &Scene<'_>, news: &mut Vec<News>) -> Conversation {
        let Scene { channel, control, now, rules } = scene;
        let conversation = Conversation::new(owner, channel, control.clone(), *now);
        if let Some(member) = self.member(owner) {
            let member = member.change();
            member.conversation = Some(conversation.id);
            if rules.group_by == Grouping::Channel {
                member.threads.insert((*channel).to_owned(), conversation.id);
            }
        }
        self.threads.push(Talk {
            conversation: Changing::new(conversation.clone()),
            last_activity: *now,
            spoken: true,
        });
        let mut opened = self.news(Kind::ConversationOpened, owner, &conversation, json!({ "reopened": false }));
        opened.opened = true;
        news.push(opened);
        conversation
    }

    pub(super) fn news(&self, kind: Kind, owner: Uuid, conversation: &Conversation, detail: Value) -> News {
        let contact = self.contact();
        News { kind, contact, owner, conversation: Some(conversation.clone()), opened: false, detail }
    }

    /// In the order in which `finished` takes their versions.
    pub(super) fn writes(&self) -> Vec<Write> {
        let mut writes = Vec::new();
        for member in self.members.iter().filter(|member| member.changed) {
            let key = Contact::key(member.value().id);
            writes.push(Write::over(key, entry(member.kept.version).as_ref(), json_of(member.value())));
        }
        for talk in self.threads.iter().filter(|talk| talk.conversation.changed) {
            let Kept { value, version } = &talk.conversation.kept;
            writes.push(Write::over(Conversation::key(value.id), entry(*version).as_ref(), json_of(&**value)));
        }
        let pointer = |member: &Uuid| Bytes::copy_from_slice(member.as_bytes());
        let new = self.new_identities.iter();
        writes.extend(new.map(|(i, member)| Write::create(Contact::identity_key(i), pointer(member))));
        // The version of the member that loses the address guards this.
        writes.extend(self.moved.iter().map(|(i, member)| Write::put(Contact::identity_key(i), pointer(member))));
        writes
    }

    pub(super) fn is_changed(&self) -> bool {
        self.regrouped
            || self.members.iter().any(|member| member.changed)
            || self.threads.iter().any(|talk| talk.conversation.changed)
            || !self.new_identities.is_empty()
    }

    /// What memory shall know from now on, if anything changed; takes as many versions as `writes` gave writes.
    pub(super) fn finished(mut self, versions: &mut impl Iterator<Item = u64>, now: Time) -> Option<Known> {
        self.note(now);
        if !self.is_changed() {
            return None;
        }
        let mut committed = |version: &mut u64, changed: bool| {
            if changed {
                *version = versions.next().unwrap_or(*version);
            }
        };
        for member in &mut self.members {
            committed(&mut member.kept.version, member.changed);
        }
        for talk in &mut self.threads {
            committed(&mut talk.conversation.kept.version, talk.conversation.changed);
        }
        versions.by_ref().take(self.new_identities.len() + self.moved.len()).for_each(drop);
        let last_inbound = self.inbound.or_else(|| self.known.iter().find_map(|known| known.last_inbound()));
        let thread =
            |talk: Talk| Thread::new(talk.conversation.kept, if talk.spoken { now } else { talk.last_activity });
        let members: Vec<Kept<Member>> = self.members.into_iter().map(|member| member.kept).collect();
        // As when they are read: what a newer one has replaced is not kept at hand.
        let is_newest = |talk: &Talk| members.iter().any(|m| m.value.is_newest(talk.conversation.value().id));
        let threads = self.threads.into_iter().filter(is_newest).map(thread).collect();
        Some(Known::new(members, threads, last_inbound))
    }

    /// What changes with every message is noted where everybody sees it.
    fn note(&self, now: Time) {
        let spoken: Vec<Uuid> =
            self.threads.iter().filter(|talk| talk.spoken).map(|talk| talk.conversation.value().id).collect();
        for known in &self.known {
            for thread in known.threads.iter().filter(|thread| spoken.contains(&thread.kept.value.id)) {
                thread.last_activity.fetch_max(now.ms(), Ordering::Relaxed);
            }
            if let Some(inbound) = &self.inbound {
                *known.last_inbound.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(inbound));
            }
        }
    }
}

fn entry(version: u64) -> Option<Entry> {
    (version > 0).then(|| Entry { value: Bytes::new(), version })
}

fn json_of(value: &impl serde::Serialize) -> Bytes {
    serde_json::to_vec(value).map(Bytes::from).unwrap_or_else(|error| unreachable!("records have string keys: {error}"))
}
