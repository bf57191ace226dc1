use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::store::{Batch, Key, Store, StoreError, Write};

/// How a person wants to be reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preferences {
    /// By name, the best first; empty where nothing is preferred.
    pub channels: Vec<String>,
}

impl Preferences {
    /// Where a member's are kept.
    pub fn key(contact: Uuid) -> Key {
        Key::of(&["preferences", &contact.to_string()])
    }

    /// Those of a person, the first that are found under one of these ids.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn of(store: &dyn Store, contacts: &[Uuid]) -> Result<Self, StoreError> {
        for contact in contacts {
            if let Some(entry) = store.get(&Self::key(*contact)).await? {
                let read = serde_json::from_slice(&entry.value);
                return read.map_err(|error| StoreError::Corrupt(format!("preferences: {error}")));
            }
        }
        Ok(Self::default())
    }

    /// Keeps them instead of what was there; also that nothing is preferred, for it counts before what another member said.
    ///
    /// # Errors
    /// As the store's commit.
    pub async fn keep(&self, store: &dyn Store, contact: Uuid) -> Result<(), StoreError> {
        let value = serde_json::to_vec(self).unwrap_or_else(|error| unreachable!("a list is JSON: {error}"));
        let writes = vec![Write::put(Self::key(contact), value)];
        store.commit(Batch { writes, ..Batch::default() }).await.map(drop)
    }
}
