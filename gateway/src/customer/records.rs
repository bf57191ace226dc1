use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Link, Suggestion};
use crate::interaction::{ContactRef, ConversationRef, Identity, Time};
use crate::store::{Entry, Key};

/// A person: one member, or several that were found to be the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Contact {
    /// That of the member that leads.
    pub id: Uuid,
    /// The ids under which the log has this person's interactions, the leader's first.
    pub members: Vec<Uuid>,
    pub name: Option<String>,
    /// Of all members, each in order of first sight.
    pub identities: Vec<Identity>,
    /// The conversation that goes on; else the newest one.
    pub conversation: Option<Uuid>,
    pub created_at: Time,
}

/// What is kept of a person under one id. What was once attributed to a member stays with it: that is why joining does
/// not touch the log, and separating finds everything where it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Member {
    pub id: Uuid,
    pub name: Option<String>,
    /// In order of first sight.
    pub identities: Vec<Identity>,
    /// The newest conversation that one of its addresses opened, open or not.
    pub conversation: Option<Uuid>,
    /// The same for each channel, where conversations are grouped by channel.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub threads: BTreeMap<String, Uuid>,
    pub created_at: Time,
    /// Who answers for this member; none for whom nobody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<Uuid>,
    /// Those for whom this member answers, in order of joining.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub followers: Vec<Uuid>,
    /// What holds the person together; kept with the leader.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// From whom this one was separated: no channel's word joins them again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub apart: Vec<Uuid>,
    /// Addresses that somebody claimed and nobody vouched for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suggestions: Vec<Suggestion>,
}

/// A conversation with one contact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    pub id: Uuid,
    /// The member whose address opened it.
    pub contact: Uuid,
    /// In order of first use.
    pub channels: Vec<String>,
    pub opened_at: Time,
    pub closed_at: Option<Time>,
    /// The backend that is in control, where one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<String>,
    /// In what manner.
    #[serde(default, skip_serializing_if = "Held::is_nobody")]
    pub(super) held: Held,
}

/// How control of a conversation came to be where it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Held {
    /// As it was at the beginning: nobody's, or of whom the configuration or the opening gave it to.
    #[default]
    Nobody,
    /// By the route of the newest message: it passes with the next one.
    Route,
    /// Somebody passed it: no route changes that.
    Hand,
    /// Until that backend is back.
    StandIn { back_to: String, held: Box<Held> },
}

impl Held {
    fn is_nobody(&self) -> bool {
        *self == Self::Nobody
    }
}

impl Contact {
    /// Where a member is kept.
    pub fn key(id: Uuid) -> Key {
        Key::of(&["contact", &id.to_string()])
    }

    /// Where all of them are kept.
    pub fn keys() -> String {
        Key::prefix(&["contact"])
    }

    /// Where an address points to its member.
    pub fn identity_key(identity: &Identity) -> Key {
        Self::address_key(&identity.address())
    }

    pub(super) fn address_key(address: &str) -> Key {
        Key::of(&["identity", address])
    }

    /// What events tell of the person.
    pub fn to_ref(&self) -> ContactRef {
        ContactRef {
            id: self.id,
            name: self.name.clone(),
            identities: self.identities.clone(),
            attributes: serde_json::Map::new(),
        }
    }

    /// Whether an address is this person's.
    pub fn has(&self, identity: &Identity) -> bool {
        self.identities.iter().any(|known| known.same_address(identity))
    }
}

impl Member {
    pub(super) fn new(identities: Vec<Identity>, now: Time) -> Self {
        Self {
            id: Uuid::now_v7(),
            name: identities.iter().find_map(|identity| identity.name.clone()),
            identities,
            conversation: None,
            threads: BTreeMap::new(),
            created_at: now,
            leader: None,
            followers: Vec::new(),
            links: Vec::new(),
            apart: Vec::new(),
            suggestions: Vec::new(),
        }
    }

    /// Whether an address says nothing new of this member, its name included.
    pub(super) fn knows(&self, identity: &Identity) -> bool {
        let known = self.identities.iter().find(|known| known.same_address(identity));
        known.is_some_and(|known| identity.name.is_none() || known.name == identity.name)
    }

    /// Learns an address, or a better name for one.
    pub(super) fn learn(&mut self, identity: &Identity) {
        match self.identities.iter_mut().find(|known| known.same_address(identity)) {
            Some(known) => known.name.clone_from(&identity.name),
            None => self.identities.push(identity.clone()),
        }
        if self.name.is_none() {
            self.name.clone_from(&identity.name);
        }
        self.suggestions.retain(|suggestion| !suggestion.identity.same_address(identity));
    }

    /// Whether a conversation is its newest, of all or of a channel.
    pub(super) fn is_newest(&self, conversation: Uuid) -> bool {
        self.conversation == Some(conversation) || self.threads.values().any(|newest| *newest == conversation)
    }

    /// Its newest conversation: of a channel, or of all.
    pub(super) fn thread(&self, channel: Option<&str>) -> Option<Uuid> {
        match channel {
            Some(channel) => self.threads.get(channel).copied(),
            None => self.conversation,
        }
    }

    /// What is kept of a member without claims to some addresses; none if it has no such claim.
    pub(crate) fn unclaimed(entry: &Entry, addresses: &[Identity]) -> Option<Vec<u8>> {
        let is_one = |claimed: &Suggestion| addresses.iter().any(|address| address.same_address(&claimed.identity));
        let mut member: Self = serde_json::from_slice(&entry.value).ok()?;
        let before = member.suggestions.len();
        member.suggestions.retain(|claimed| !is_one(claimed));
        (member.suggestions.len() < before).then(|| serde_json::to_vec(&member).ok()).flatten()
    }
}

impl Conversation {
    pub(super) fn new(contact: Uuid, channel: &str, control: Option<String>, now: Time) -> Self {
        let channels = vec![channel.to_owned()];
        Self { id: Uuid::now_v7(), contact, channels, opened_at: now, closed_at: None, control, held: Held::Nobody }
    }

    /// Where it is kept.
    pub fn key(id: Uuid) -> Key {
        Key::of(&["conversation", &id.to_string()])
    }

    /// What events tell of it.
    pub fn to_ref(&self, new: bool) -> ConversationRef {
        ConversationRef { id: self.id, new, channels: self.channels.clone(), control: self.control.clone() }
    }

    /// Whether a backend may speak in it.
    pub fn allows(&self, backend: Option<&str>) -> bool {
        let (Some(backend), Some(control)) = (backend, self.control.as_deref()) else { return true };
        backend == control
    }
}
