use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::customer::{Contact, Conversation, Member};
use crate::interaction::Identity;
use crate::store::{Entry, Expect, Key, Store, StoreError, Write};

/// Shorter values would be found everywhere.
const NEEDLE_MIN: usize = 4;

/// Who is erased: ids and addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The contact's id and those of others that were joined with it.
    pub members: Vec<Uuid>,
    pub identities: Vec<Identity>,
}

impl Person {
    /// Of a contact.
    pub fn of(contact: &Contact) -> Self {
        Self { members: contact.members.clone(), identities: contact.identities.clone() }
    }

    /// Whether an id is his.
    pub fn has(&self, contact: Uuid) -> bool {
        self.members.contains(&contact)
    }

    /// Removes what leads to him, as it is now: somebody who changes it meanwhile makes the commit a conflict.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub(super) async fn farewell(&self, store: &dyn Store) -> Result<Farewell, StoreError> {
        let mut farewell = Farewell::default();
        for id in &self.members {
            let key = Contact::key(*id);
            if let Some(entry) = store.get(&key).await? {
                farewell.remove(key, &entry);
                farewell.contacts += 1;
                for conversation in conversations(&entry.value) {
                    let key = Conversation::key(conversation);
                    if let Some(entry) = store.get(&key).await? {
                        farewell.remove(key, &entry);
                        farewell.conversations += 1;
                    }
                }
            }
        }
        for identity in &self.identities {
            let key = Contact::identity_key(identity);
            let entry = store.get(&key).await?;
            let theirs = |value: &[u8]| Uuid::from_slice(value).is_ok_and(|id| self.has(id));
            if let Some(entry) = entry.filter(|entry| theirs(&entry.value)) {
                farewell.remove(key, &entry);
                farewell.identities += 1;
            }
        }
        Ok(farewell)
    }

    /// What to search for where nothing says whom it is about.
    pub(super) fn needles(&self) -> Needles {
        let mut needles: Vec<Vec<u8>> = Vec::new();
        for Identity { scheme, value, .. } in &self.identities {
            let plain = if scheme == "tel" { value.trim_start_matches('+') } else { value };
            if plain.len() >= NEEDLE_MIN {
                needles.push(plain.to_ascii_lowercase().into_bytes());
            }
        }
        Needles(needles)
    }
}

/// What must go for a contact to be unknown.
#[derive(Debug, Default)]
pub(super) struct Farewell {
    pub(super) writes: Vec<Write>,
    pub(super) contacts: u64,
    pub(super) identities: u64,
    /// The newest ones; older ones are found with their interactions.
    pub(super) conversations: u64,
}

impl Farewell {
    /// What changed meanwhile is read again.
    fn remove(&mut self, key: Key, read: &Entry) {
        self.writes.push(Write { key, value: None, expect: Expect::Version(read.version), expires: None });
    }
}

fn conversations(member: &[u8]) -> BTreeSet<Uuid> {
    let member = serde_json::from_slice::<Member>(member).ok();
    member.into_iter().flat_map(|member| member.conversation.into_iter().chain(member.threads.into_values())).collect()
}

/// Addresses to search for.
#[derive(Debug)]
pub(super) struct Needles(Vec<Vec<u8>>);

impl Needles {
    /// Whether one of them is in there, as it is or percent-encoded, in any case; not as a part of a longer one.
    pub(super) fn are_in(&self, text: &[u8]) -> bool {
        let plain = text.to_ascii_lowercase();
        let decoded: Vec<u8> = percent_encoding::percent_decode(&plain).collect();
        let is_in = |needle: &Vec<u8>| stands_in(&plain, needle) || stands_in(&decoded.to_ascii_lowercase(), needle);
        self.0.iter().any(is_in)
    }
}

fn stands_in(text: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find_iter(text, needle).any(|start| {
        let before = start.checked_sub(1).and_then(|index| text.get(index));
        let after = text.get(start + needle.len());
        !goes_on(before, needle.first()) && !goes_on(after, needle.last())
    })
}

/// Whether a neighbour belongs to the same run of digits or letters.
fn goes_on(neighbour: Option<&u8>, edge: Option<&u8>) -> bool {
    let (Some(neighbour), Some(edge)) = (neighbour, edge) else { return false };
    (neighbour.is_ascii_digit() && edge.is_ascii_digit())
        || (neighbour.is_ascii_alphabetic() && edge.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needles(identities: &[(&str, &str)]) -> Needles {
        let identity = |(scheme, value): &(&str, &str)| Identity {
            scheme: (*scheme).into(),
            value: (*value).into(),
            scope: None,
            name: None,
        };
        Person { members: Vec::new(), identities: identities.iter().map(identity).collect() }.needles()
    }

    #[test]
    fn addresses_are_found_in_every_form() {
        let needles = needles(&[("tel", "+15551234567"), ("email", "Ann@example.com")]);
        for text in [
            r#"{"from":"15551234567"}"#,
            "From=%2B15551234567&Body=x",
            "From=+15551234567",
            r#"{"wa_id":15551234567}"#,
            "From: Ann <ANN@example.com>",
            "from=ann%40example.com",
        ] {
            assert!(needles.are_in(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn nobody_else_is_found() {
        let needles = needles(&[("tel", "+15551234567"), ("email", "ann@example.com"), ("network", "12")]);
        for text in ["155512345678", "+4915551234567", "joann@example.com", "ann@example.common", "12", ""] {
            assert!(!needles.are_in(text.as_bytes()), "{text}");
        }
    }
}
