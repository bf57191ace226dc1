use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::handle::{ControlError, Deliveries};
use super::settle::Buried;
use crate::interaction::Time;
use crate::store::{Entry, Key, Store, StoreError, Write};

const PREFIX: &str = "dead";
/// Entries read at once, at most.
pub const PAGE_MAX: usize = 1000;
/// Bytes after which a page ends.
const PORTION: usize = 4 << 20;

/// Work given up: kept, visible, can be retried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    pub id: Uuid,
    #[serde(default)]
    pub kind: DeadKind,
    /// Whose work it was: `backend:desk`, `channel:support-sms`.
    pub subscriber: String,
    #[serde(default)]
    pub interaction_id: Option<Uuid>,
    #[serde(default)]
    pub lane: Option<Uuid>,
    #[serde(default)]
    pub attempts: u32,
    /// What happened at the last attempt.
    #[serde(default)]
    pub reason: String,
    pub failed_at: Time,
    /// What else belongs to its kind.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// What was given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadKind {
    /// An interaction on its way to a subscriber.
    #[default]
    Delivery,
    /// A request on which an adapter failed.
    Request,
    /// A message on which a processor failed.
    Message,
}

/// All dead letters.
#[derive(Clone)]
pub struct DeadLetters {
    store: Arc<dyn Store>,
}

/// Why a dead letter was not retried.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    #[error("there is no such dead letter")]
    NotFound,
    /// Its retry is the matter of whoever made it.
    #[error("it is not a delivery")]
    NotADelivery,
    /// Its subscriber is not in the configuration.
    #[error("there is no subscriber {0}")]
    NoSubscriber(String),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl DeadLetters {
    /// Those in a store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// A page, ordered by id, which is by time, oldest first: of one subscriber or of all, after an id (exclusive), whether that
    /// letter is still there or not; at most [`PAGE_MAX`]. As with [`Store::scan`], only an empty answer is the end.
    ///
    /// # Errors
    /// As [`Store::scan`]; [`StoreError::Corrupt`] if an entry is no dead letter.
    pub async fn list(
        &self,
        subscriber: Option<&str>,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let limit = limit.min(PAGE_MAX);
        let Some(name) = subscriber else { return self.merged(after, limit).await };
        let entries = self.next(&Key::of(&[PREFIX, name]).0, after, limit).await?;
        entries.iter().map(|(key, entry)| read(key, &entry.value)).collect()
    }

    /// Of all subscribers together; of what waits to be merged the ids alone are held.
    async fn merged(&self, mut after: Option<Uuid>, limit: usize) -> Result<Vec<DeadLetter>, StoreError> {
        let (mut heads, mut letters, mut bytes) = (BTreeMap::new(), Vec::new(), 0);
        for folder in self.folders().await? {
            heads.extend(self.head(folder, after).await?);
        }
        while letters.len() < limit
            && bytes < PORTION
            && let Some((id, folder)) = heads.pop_first()
        {
            after = Some(id);
            let key = Key(format!("{folder}/{id}"));
            if let Some(entry) = self.store.get(&key).await? {
                bytes += entry.value.len();
                letters.push(read(&key, &entry.value)?);
            }
            heads.extend(self.head(folder, after).await?);
        }
        Ok(letters)
    }

    async fn head(&self, folder: String, after: Option<Uuid>) -> Result<Option<(Uuid, String)>, StoreError> {
        let first = self.next(&folder, after, 1).await?;
        Ok(first.first().and_then(|(key, _)| Some((key.0.rsplit('/').next()?.parse().ok()?, folder))))
    }

    async fn next(&self, folder: &str, after: Option<Uuid>, limit: usize) -> Result<Vec<(Key, Entry)>, StoreError> {
        let after = after.map(|id| Key(format!("{folder}/{id}")));
        self.store.scan(&format!("{folder}/"), after.as_ref(), limit).await
    }

    /// Where each subscriber's lie.
    async fn folders(&self) -> Result<Vec<String>, StoreError> {
        let (mut folders, mut after) = (Vec::new(), None);
        while let Some((first, _)) = self.store.scan(&Key::prefix(&[PREFIX]), after.as_ref(), 1).await?.pop() {
            let folder = first.0.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
            // Behind everything of this subscriber: '0' follows '/'.
            after = Some(Key(format!("{folder}0")));
            folders.push(folder);
        }
        Ok(folders)
    }

    /// One, by its id alone: each subscriber that has letters is asked for it.
    ///
    /// # Errors
    /// As [`Store::scan`].
    pub async fn get(&self, id: Uuid) -> Result<Option<DeadLetter>, StoreError> {
        for folder in self.folders().await? {
            let key = Key(format!("{folder}/{id}"));
            if let Some(entry) = self.store.get(&key).await? {
                return read(&key, &entry.value).map(Some);
            }
        }
        Ok(None)
    }

    /// Removes one; false if it is not there.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn drop(&self, id: Uuid) -> Result<bool, StoreError> {
        let Some(letter) = self.get(id).await? else { return Ok(false) };
        let writes = vec![Write::delete(letter.key())];
        self.store.commit(crate::store::Batch { writes, ..Default::default() }).await?;
        Ok(true)
    }

    /// Removes deliveries whose interaction is gone from the log: nobody can retry them. Returns how many went.
    ///
    /// # Errors
    /// As [`Store::scan`] and [`Store::commit`].
    pub async fn sweep(&self) -> Result<u64, StoreError> {
        let (mut removed, mut after) = (0, None);
        loop {
            let entries = self.store.scan(&Key::prefix(&[PREFIX]), after.as_ref(), PAGE_MAX).await?;
            let Some((last, _)) = entries.last() else { return Ok(removed) };
            after = Some(last.clone());
            let mut writes = Vec::new();
            for (key, entry) in &entries {
                if self.is_orphan(&read(key, &entry.value)?).await? {
                    writes.push(Write::delete(key.clone()));
                }
            }
            removed += writes.len() as u64;
            if !writes.is_empty() {
                self.store.commit(crate::store::Batch { writes, ..Default::default() }).await?;
            }
        }
    }

    async fn is_orphan(&self, letter: &DeadLetter) -> Result<bool, StoreError> {
        match letter.interaction_id.filter(|_| letter.kind == DeadKind::Delivery) {
            Some(id) => Ok(self.store.find(id).await?.is_none()),
            None => Ok(false),
        }
    }

    /// Puts the interaction back for its subscriber and removes the letter, both at once.
    ///
    /// # Errors
    /// See [`RetryError`].
    pub async fn retry(&self, id: Uuid, deliveries: &Deliveries) -> Result<(), RetryError> {
        let letter = self.get(id).await?.ok_or(RetryError::NotFound)?;
        let interaction = letter.interaction_id.filter(|_| letter.kind == DeadKind::Delivery);
        let interaction = interaction.ok_or(RetryError::NotADelivery)?;
        let Some(handle) = deliveries.get(&letter.subscriber) else {
            return Err(RetryError::NoSubscriber(letter.subscriber));
        };
        Ok(handle.retry(interaction, Write::delete(letter.key())).await?)
    }
}

impl DeadLetter {
    /// Where it is kept.
    pub fn key(&self) -> Key {
        key(&self.subscriber, self.id)
    }

    /// How it is kept.
    pub fn write(&self) -> Write {
        // Its fields are text, numbers and JSON: there is nothing that could not be written.
        let json = serde_json::to_vec(self).unwrap_or_default();
        Write::put(self.key(), Bytes::from(json))
    }

    pub(super) fn of(subscriber: &str, buried: Buried) -> Self {
        Self {
            id: Uuid::now_v7(),
            kind: DeadKind::Delivery,
            subscriber: subscriber.to_owned(),
            interaction_id: Some(buried.record.id),
            lane: Some(buried.record.lane),
            attempts: buried.attempts,
            reason: buried.why,
            failed_at: buried.at,
            more: Map::new(),
        }
    }
}

fn key(subscriber: &str, id: Uuid) -> Key {
    Key::of(&[PREFIX, subscriber, &id.to_string()])
}

fn read(key: &Key, value: &[u8]) -> Result<DeadLetter, StoreError> {
    serde_json::from_slice(value).map_err(|error| StoreError::Corrupt(format!("dead letter {}: {error}", key.0)))
}
