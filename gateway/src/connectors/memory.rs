use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::interaction::Time;
use crate::plugin::connecting::{Change, Found, News, Note, Notes, Taken};
use crate::store::{Batch, Entry, Key, Store, StoreError, Write};

/// Rounds until giving up: in each, somebody else got through.
const ROUNDS_MAX: usize = 32;
/// Contacts of ours that are one there, as far as changes reach them.
const SAME_MAX: usize = 100;

/// Where contacts of CRMs lead to ours: the first segment of such keys, whose value is the contact's id.
pub const CONTACTS_THERE: &str = "connected-there";

/// What connectors noted: who a contact is in the CRM, and what the CRM says of the contact.
pub struct Memory {
    store: Arc<dyn Store>,
    /// Notes on conversations and interactions are kept as long as those.
    retention: Duration,
}

/// What an interaction is about, as far as notes go.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    pub contact: Option<Uuid>,
    pub conversation: Option<Uuid>,
    pub interaction: Uuid,
    /// The message that it speaks of.
    pub about: Option<Uuid>,
}

/// What is kept of a contact for one connector.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<Note>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    attributes: Map<String, Value>,
}

impl Memory {
    pub fn new(store: Arc<dyn Store>, retention: Duration) -> Self {
        Self { store, retention }
    }

    /// What a connector noted that has to do with an interaction.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn recall(&self, connector: &str, subject: &Subject) -> Result<Notes, StoreError> {
        Ok(Notes {
            contact: match subject.contact {
                Some(contact) => self.kept(connector, contact).await?.0.note,
                None => None,
            },
            conversation: self.note(connector, subject.conversation).await?,
            activity: self.note(connector, Some(subject.interaction)).await?,
            about: self.note(connector, subject.about).await?,
        })
    }

    /// Who a contact is in the CRM, if that is known.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn contact(&self, connector: &str, contact: Uuid) -> Result<Option<Note>, StoreError> {
        Ok(self.kept(connector, contact).await?.0.note)
    }

    /// What a connector noted of a conversation.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn conversation(&self, connector: &str, conversation: Uuid) -> Result<Option<Note>, StoreError> {
        self.note(connector, Some(conversation)).await
    }

    /// What a CRM says of a contact.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn attributes(&self, connector: &str, contact: Uuid) -> Result<Map<String, Value>, StoreError> {
        Ok(self.kept(connector, contact).await?.0.attributes)
    }

    /// What all CRMs say of a person, by connector; those that say nothing are left out. Of `members`, the leader first, the first
    /// counts of whom a CRM says something: who was joined lately is known there under the id from before.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn all_attributes<'a>(
        &self,
        connectors: impl Iterator<Item = &'a str>,
        members: &[Uuid],
    ) -> Result<Map<String, Value>, StoreError> {
        let mut all = Map::new();
        for connector in connectors {
            for member in members {
                let known = self.attributes(connector, *member).await?;
                if !known.is_empty() {
                    all.insert(connector.to_owned(), known.into());
                    break;
                }
            }
        }
        Ok(all)
    }

    /// Notes what came of an interaction. Durable when it returns.
    ///
    /// # Errors
    /// As the store's commit.
    pub async fn remember(&self, connector: &str, subject: &Subject, taken: &Taken) -> Result<(), StoreError> {
        let notes = [(subject.conversation, &taken.conversation), (Some(subject.interaction), &taken.activity)];
        let expires = Time::now().plus(self.retention);
        let lasting = notes
            .into_iter()
            .filter_map(|(id, note)| Some(Write::put(key(connector, id?), json(note.as_ref()?)).expiring(expires)));
        let writes: Vec<_> = lasting.collect();
        let Some(contact) = subject.contact.filter(|_| taken.contact.is_some()) else {
            return self.commit(subject.contact, writes).await;
        };
        self.change(connector, contact, &writes, |kept| kept.note.clone_from(&taken.contact)).await.map(drop)
    }

    /// Notes who a contact is, and what the CRM says of it.
    ///
    /// # Errors
    /// As the store's commit.
    pub async fn learn(&self, connector: &str, contact: Uuid, found: &Found) -> Result<(), StoreError> {
        let learn = |kept: &mut Kept| {
            if found.contact.is_some() {
                kept.note.clone_from(&found.contact);
            }
            if let Some(attributes) = &found.attributes {
                kept.attributes.clone_from(attributes);
            }
        };
        self.change(connector, contact, &[], learn).await.map(drop)
    }

    /// Takes over what changed in the CRM. Of contacts that are not known here nothing is noted. Tells of how many contacts it
    /// was news.
    ///
    /// # Errors
    /// As the store's commit.
    pub async fn apply(&self, connector: &str, changes: &[Change]) -> Result<usize, StoreError> {
        let mut of_contact: BTreeMap<&str, Vec<&News>> = BTreeMap::new();
        for change in changes {
            of_contact.entry(&change.contact).or_default().push(&change.what);
        }
        let mut news = 0;
        for (id, changes) in of_contact {
            news += self.apply_to(connector, id, &changes).await?;
        }
        Ok(news)
    }

    /// Several of ours may be one there: somebody of whom we do not know that both addresses are theirs.
    async fn apply_to(&self, connector: &str, id: &str, changes: &[&News]) -> Result<usize, StoreError> {
        let corrupt = |_| StoreError::Corrupt("a note points to no contact".into());
        let mut news = 0;
        for (_, entry) in self.store.scan(&Key::prefix(&[CONTACTS_THERE, connector, id]), None, SAME_MAX).await? {
            let contact = Uuid::from_slice(&entry.value).map_err(corrupt)?;
            let take_over = |kept: &mut Kept| changes.iter().for_each(|news| take_over(kept, news));
            news += usize::from(self.change(connector, contact, &[], take_over).await?);
        }
        Ok(news)
    }

    /// Changes what is kept of a contact, and where its id there leads, together with `writes`. Tells whether it was news: else
    /// it is not written.
    async fn change(
        &self,
        connector: &str,
        contact: Uuid,
        writes: &[Write],
        change: impl Fn(&mut Kept),
    ) -> Result<bool, StoreError> {
        for _ in 0..ROUNDS_MAX {
            let (before, entry) = self.kept(connector, contact).await?;
            let mut after = before.clone();
            change(&mut after);
            let mut writes = writes.to_vec();
            if after != before {
                writes.push(Write::over(key(connector, contact), entry.as_ref(), json(&after)));
                writes.extend(pointers(connector, contact, &before, &after));
            }
            match self.commit(Some(contact), writes).await {
                Err(StoreError::Conflict(_)) => {}
                committed => return committed.map(|()| after != before),
            }
        }
        Err(StoreError::Unavailable("too many changes at once".into()))
    }

    /// An erasure looks for notes after its first commit. What is written after that takes itself back.
    async fn commit(&self, contact: Option<Uuid>, writes: Vec<Write>) -> Result<(), StoreError> {
        if writes.is_empty() {
            return Ok(());
        }
        let undo: Vec<Write> = writes.iter().map(|write| Write::delete(write.key.clone())).collect();
        self.store.commit(Batch { writes, ..Batch::default() }).await?;
        match contact {
            Some(contact) if self.store.is_buried(contact).await? => {
                self.store.commit(Batch { writes: undo, ..Batch::default() }).await.map(drop)
            }
            _ => Ok(()),
        }
    }

    async fn kept(&self, connector: &str, contact: Uuid) -> Result<(Kept, Option<Entry>), StoreError> {
        let entry = self.store.get(&key(connector, contact)).await?;
        let kept = entry.as_ref().map(|entry| read(&entry.value)).transpose()?;
        Ok((kept.unwrap_or_default(), entry))
    }

    async fn note(&self, connector: &str, id: Option<Uuid>) -> Result<Option<Note>, StoreError> {
        let Some(id) = id else { return Ok(None) };
        let entry = self.store.get(&key(connector, id)).await?;
        entry.map(|entry| read(&entry.value)).transpose()
    }
}

fn take_over(kept: &mut Kept, news: &News) {
    match news {
        News::Attributes(changed) => {
            for (name, value) in changed {
                match value {
                    Value::Null => drop(kept.attributes.remove(name)),
                    value => drop(kept.attributes.insert(name.clone(), value.clone())),
                }
            }
        }
        News::Merged(into) => kept.note = Some(Note { id: into.clone(), data: None }),
        News::Removed => *kept = Kept::default(),
    }
}

/// From the id in the CRM to the contact.
fn pointers(connector: &str, contact: Uuid, before: &Kept, after: &Kept) -> Vec<Write> {
    let id = |kept: &Kept| kept.note.as_ref().map(|note| note.id.clone());
    let (before, after) = (id(before), id(after));
    if before == after {
        return Vec::new();
    }
    let gone = before.map(|id| Write::delete(there(connector, &id, contact)));
    let come = after.map(|id| Write::put(there(connector, &id, contact), contact.as_bytes().to_vec()));
    gone.into_iter().chain(come).collect()
}

/// The prefix of everything that connectors noted of a contact, a conversation or an interaction.
pub fn notes_of(id: Uuid) -> String {
    Key::prefix(&["connected", &id.to_string()])
}

/// Below the contact, the conversation or the interaction, so that whatever is noted of one is found together.
fn key(connector: &str, id: Uuid) -> Key {
    Key::of(&["connected", &id.to_string(), connector])
}

fn there(connector: &str, id: &str, contact: Uuid) -> Key {
    Key::of(&[CONTACTS_THERE, connector, id, &contact.to_string()])
}

fn read<T: DeserializeOwned>(value: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(value).map_err(|error| StoreError::Corrupt(format!("a connector's note: {error}")))
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_else(|error| unreachable!("notes have string keys: {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::sqlite::SqliteStore;

    fn memory(directory: &std::path::Path) -> Memory {
        Memory::new(Arc::new(SqliteStore::open(directory).unwrap()), Duration::from_secs(3600))
    }

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn note(id: &str) -> Option<Note> {
        Some(Note { id: id.into(), data: None })
    }

    #[tokio::test]
    async fn what_the_crm_says_is_found_by_its_own_id_and_moves_with_it() {
        let directory = tempfile::tempdir().unwrap();
        let (memory, contact) = (memory(directory.path()), Uuid::now_v7());
        let found = Found { contact: note("17"), attributes: Some(object(json!({"owner": "Ann", "vip": true}))) };
        memory.learn("crm", contact, &found).await.unwrap();
        let change = |id: &str, what| vec![Change { contact: id.into(), what }];
        let changed = News::Attributes(object(json!({"vip": null, "owner": "Bob"})));
        assert_eq!(memory.apply("crm", &change("17", changed.clone())).await.unwrap(), 1);
        assert_eq!(memory.apply("crm", &change("17", changed.clone())).await.unwrap(), 0, "an echo is no news");
        assert_eq!(memory.apply("crm", &change("18", changed)).await.unwrap(), 0, "nobody we know");
        assert_eq!(memory.attributes("crm", contact).await.unwrap(), object(json!({"owner": "Bob"})));
        memory.apply("crm", &change("17", News::Merged("99".into()))).await.unwrap();
        assert_eq!(memory.contact("crm", contact).await.unwrap(), note("99"));
        assert_eq!(memory.apply("crm", &change("17", News::Removed)).await.unwrap(), 0, "the old id leads nowhere");
        memory.apply("crm", &change("99", News::Removed)).await.unwrap();
        assert_eq!(memory.contact("crm", contact).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_change_of_one_there_reaches_all_who_are_that_one() {
        let directory = tempfile::tempdir().unwrap();
        let (memory, by_sms, by_mail) = (memory(directory.path()), Uuid::now_v7(), Uuid::now_v7());
        for contact in [by_sms, by_mail] {
            let found = Found { contact: note("17"), attributes: Some(object(json!({"owner": "Ann"}))) };
            memory.learn("crm", contact, &found).await.unwrap();
        }
        let change = |id: &str, what| vec![Change { contact: id.into(), what }];
        memory.learn("crm", Uuid::now_v7(), &Found { contact: note("171"), attributes: None }).await.unwrap();
        let news = memory.apply("crm", &change("17", News::Attributes(object(json!({"owner": "Bob"}))))).await;
        assert_eq!(news.unwrap(), 2);
        for contact in [by_sms, by_mail] {
            assert_eq!(memory.attributes("crm", contact).await.unwrap(), object(json!({"owner": "Bob"})));
        }
        // One of them is somebody else now.
        memory.learn("crm", by_mail, &Found { contact: note("18"), attributes: None }).await.unwrap();
        assert_eq!(memory.apply("crm", &change("17", News::Removed)).await.unwrap(), 1);
        assert_eq!(memory.contact("crm", by_mail).await.unwrap(), note("18"));
    }

    #[tokio::test]
    async fn what_is_known_of_whom_was_joined_counts_until_more_is_known_of_the_leader() {
        let directory = tempfile::tempdir().unwrap();
        let (memory, leader, joined) = (memory(directory.path()), Uuid::now_v7(), Uuid::now_v7());
        let says = |owner: &str| Found { contact: note(owner), attributes: Some(object(json!({ "owner": owner }))) };
        let all = async || memory.all_attributes(["crm", "erp"].into_iter(), &[leader, joined]).await.unwrap();
        memory.learn("crm", joined, &says("Ann")).await.unwrap();
        assert_eq!(all().await, object(json!({"crm": {"owner": "Ann"}})));
        memory.learn("crm", leader, &says("Bob")).await.unwrap();
        assert_eq!(all().await, object(json!({"crm": {"owner": "Bob"}})));
    }

    #[tokio::test]
    async fn of_whom_was_erased_nothing_is_noted() {
        let directory = tempfile::tempdir().unwrap();
        let (memory, contact, other) = (memory(directory.path()), Uuid::now_v7(), Uuid::now_v7());
        let found = |id: &str| Found { contact: note(id), attributes: Some(object(json!({"owner": "Ann"}))) };
        let subject = |contact| Subject {
            contact: Some(contact),
            conversation: Some(Uuid::now_v7()),
            interaction: Uuid::now_v7(),
            about: None,
        };
        let taken = Taken { contact: note("17"), activity: note("a"), conversation: note("c") };
        memory.store.commit(Batch { burials: vec![contact], ..Batch::default() }).await.unwrap();
        // What was on its way when the erasure began, and ends after it.
        memory.learn("crm", contact, &found("17")).await.unwrap();
        memory.remember("crm", &subject(contact), &taken).await.unwrap();
        memory.remember("crm", &subject(contact), &Taken { contact: None, ..taken.clone() }).await.unwrap();
        assert!(memory.store.scan("", None, 10).await.unwrap().is_empty());
        memory.learn("crm", other, &found("18")).await.unwrap();
        assert_eq!(memory.contact("crm", other).await.unwrap(), note("18"));
    }

    #[tokio::test]
    async fn many_who_note_at_once_lose_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let (memory, contact) = (memory(directory.path()), Uuid::now_v7());
        let subject = |interaction| Subject { contact: Some(contact), conversation: None, interaction, about: None };
        let ids: Vec<Uuid> = (0..8).map(|_| Uuid::now_v7()).collect();
        let all = ids.iter().map(|id| {
            let taken = Taken { contact: note("17"), activity: note(&id.to_string()), conversation: None };
            let (memory, subject) = (&memory, subject(*id));
            async move { memory.remember("crm", &subject, &taken).await.unwrap() }
        });
        futures_util::future::join_all(all).await;
        for id in &ids {
            let notes = memory.recall("crm", &subject(*id)).await.unwrap();
            assert_eq!((notes.contact, notes.activity), (note("17"), note(&id.to_string())));
        }
    }
}
