use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::interaction::{ContactRef, ConversationRef, Identity, Time};
use crate::store::Key;

/// A person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contact {
    pub id: Uuid,
    pub name: Option<String>,
    /// In order of first sight.
    pub identities: Vec<Identity>,
    /// The newest conversation, open or not.
    pub conversation: Option<Uuid>,
    pub created_at: Time,
}

/// A conversation with one contact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    pub id: Uuid,
    pub contact: Uuid,
    /// In order of first use.
    pub channels: Vec<String>,
    pub opened_at: Time,
    pub closed_at: Option<Time>,
}

impl Contact {
    pub(super) fn new(identities: Vec<Identity>, now: Time) -> Self {
        let name = identities.iter().find_map(|identity| identity.name.clone());
        Self { id: Uuid::now_v7(), name, identities, conversation: None, created_at: now }
    }

    /// Where it is kept.
    pub fn key(id: Uuid) -> Key {
        Key::of(&["contact", &id.to_string()])
    }

    /// Where an address points to its contact.
    pub fn identity_key(identity: &Identity) -> Key {
        Key::of(&["identity", &identity.address()])
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

    /// Learns an address, or a better name for one. Tells whether anything is new.
    pub(super) fn learn(&mut self, identity: &Identity) -> bool {
        let known = self.identities.iter_mut().find(|known| known.same_address(identity));
        let changed = match known {
            None => {
                self.identities.push(identity.clone());
                true
            }
            Some(known) if identity.name.is_some() && known.name != identity.name => {
                known.name.clone_from(&identity.name);
                true
            }
            Some(_) => false,
        };
        if self.name.is_none() {
            self.name.clone_from(&identity.name);
        }
        changed
    }
}

impl Conversation {
    pub(super) fn new(contact: Uuid, channel: &str, now: Time) -> Self {
        Self { id: Uuid::now_v7(), contact, channels: vec![channel.to_owned()], opened_at: now, closed_at: None }
    }

    /// Where it is kept.
    pub fn key(id: Uuid) -> Key {
        Key::of(&["conversation", &id.to_string()])
    }

    /// What events tell of it.
    pub fn to_ref(&self, new: bool) -> ConversationRef {
        ConversationRef { id: self.id, new, channels: self.channels.clone() }
    }
}
