//! Contacts and conversations, in memory; new ones are written down.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use omnigate::interaction::{ContactRef, ConversationRef, Identity};
use omnigate::store::{Key, Write};
use uuid::Uuid;

#[derive(Default)]
pub(super) struct People(Mutex<HashMap<String, Person>>);

#[derive(Clone)]
pub(super) struct Person {
    pub(super) contact: ContactRef,
    pub(super) conversation: ConversationRef,
}

impl People {
    /// Whoever has the first of these addresses, and what must be written if that is somebody new.
    pub(super) fn of(&self, identities: &[Identity], channel: &str) -> (Person, Vec<Write>) {
        let address = identities.first().map(Identity::address).unwrap_or_default();
        let mut people = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = people.get(&address) {
            return (known.clone(), Vec::new());
        }
        let person = Person::new(identities, channel);
        let writes = person.writes();
        let known = ConversationRef { new: false, ..person.conversation.clone() };
        people.insert(address, Person { conversation: known, ..person.clone() });
        (person, writes)
    }
}

impl Person {
    fn new(identities: &[Identity], channel: &str) -> Self {
        let name = identities.iter().find_map(|identity| identity.name.clone());
        Self {
            contact: ContactRef {
                id: Uuid::now_v7(),
                name,
                identities: identities.to_vec(),
                attributes: Default::default(),
            },
            conversation: ConversationRef {
                id: Uuid::now_v7(),
                new: true,
                channels: vec![channel.to_owned()],
                control: None,
            },
        }
    }

    fn writes(&self) -> Vec<Write> {
        let (contact, conversation) = (&self.contact, &self.conversation);
        let id = Bytes::copy_from_slice(contact.id.as_bytes());
        let addresses = contact.identities.iter().map(|identity| Key::of(&["identity", &identity.address()]));
        let records = [
            Write::put(Key::of(&["contact", &contact.id.to_string()]), json(contact)),
            Write::put(Key::of(&["conversation", &conversation.id.to_string()]), json(conversation)),
        ];
        records.into_iter().chain(addresses.map(|key| Write::put(key, id.clone()))).collect()
    }
}

fn json(value: &impl serde::Serialize) -> Bytes {
    serde_json::to_vec(value).map(Bytes::from).unwrap_or_else(|error| unreachable!("records have string keys: {error}"))
}
