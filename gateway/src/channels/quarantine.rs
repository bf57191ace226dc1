use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::interaction::Time;
use crate::plugin::exchange::Request;
use crate::store::{Batch, Key, Store, StoreError, Write};

const PAGE: usize = 500;

/// Authentic requests on which an adapter broke, kept as they came. They lie beside the dead letters of deliveries.
pub struct Quarantine {
    store: Arc<dyn Store>,
    max: usize,
    counts: Mutex<HashMap<String, usize>>,
}

/// One of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Quarantined {
    /// `request`, which tells it from a delivery.
    pub kind: String,
    pub id: Uuid,
    /// `requests:{channel}`
    pub subscriber: String,
    /// Name of the channel; of a connector `connector:{name}`.
    pub channel: String,
    pub reason: String,
    /// When it came and first failed; a replay sees this time, since a signature may hold one.
    pub failed_at: Time,
    pub attempts: u32,
    #[serde(with = "as_json")]
    pub request: Request,
}

/// Why a request is not kept.
#[derive(Debug, thiserror::Error)]
pub enum QuarantineError {
    #[error("{0} requests of it are kept already (plugins.limits.quarantine)")]
    Full(usize),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Quarantine {
    /// `max`: kept for one channel.
    pub fn new(store: Arc<dyn Store>, max: usize) -> Self {
        Self { store, max, counts: Mutex::default() }
    }

    /// Keeps a request. Durable when it returns.
    ///
    /// # Errors
    /// If the channel has too many, or the store does not take it.
    pub async fn keep(&self, channel: &str, request: Request, reason: String) -> Result<Uuid, QuarantineError> {
        self.reserve(channel).await?;
        let subscriber = subscriber(channel);
        let (id, failed_at) = (Uuid::now_v7(), Time::now());
        let kept = Quarantined {
            kind: "request".into(),
            id,
            subscriber,
            channel: channel.to_owned(),
            reason,
            failed_at,
            attempts: 1,
            request,
        };
        let committed = self.store.commit(Batch { writes: vec![write(&kept)], ..Batch::default() }).await;
        if committed.is_err()
            && let Some(count) = self.counts().get_mut(channel)
        {
            *count = count.saturating_sub(1);
        }
        committed?;
        Ok(id)
    }

    /// Counted before it is written: many may come at once, and the last place is given once.
    async fn reserve(&self, channel: &str) -> Result<(), QuarantineError> {
        self.count(channel).await?;
        let mut counts = self.counts();
        let count = counts.entry(channel.to_owned()).or_default();
        if *count >= self.max {
            return Err(QuarantineError::Full(self.max));
        }
        *count += 1;
        Ok(())
    }

    /// Notes that another attempt failed.
    ///
    /// # Errors
    /// If the store does not take it.
    pub async fn failed_again(&self, mut kept: Quarantined, reason: String) -> Result<(), StoreError> {
        // Meanwhile somebody may have dropped it, or retried it with success: it must not come back.
        let key = key(&kept.channel, kept.id);
        let Some(entry) = self.store.get(&key).await? else { return Ok(()) };
        kept.attempts += 1;
        kept.reason = reason;
        let writes = vec![Write::over(key, Some(&entry), value(&kept))];
        match self.store.commit(Batch { writes, ..Batch::default() }).await {
            Ok(_) | Err(StoreError::Conflict(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Removes a request that was digested, or is given up.
    ///
    /// # Errors
    /// If the store does not take it.
    pub async fn release(&self, kept: &Quarantined) -> Result<(), StoreError> {
        self.store
            .commit(Batch { writes: vec![Write::delete(key(&kept.channel, kept.id))], ..Batch::default() })
            .await?;
        // Counted anew when next needed: two may release the same request.
        self.counts().remove(&kept.channel);
        Ok(())
    }

    async fn count(&self, channel: &str) -> Result<usize, StoreError> {
        if let Some(count) = self.counts().get(channel) {
            return Ok(*count);
        }
        let (mut count, mut after) = (0, None);
        let prefix = Key::prefix(&["dead", &subscriber(channel)]);
        loop {
            let page = self.store.scan(&prefix, after.as_ref(), PAGE).await?;
            count += page.len();
            match page.last() {
                Some((key, _)) if page.len() == PAGE => after = Some(key.clone()),
                _ => break,
            }
        }
        Ok(*self.counts().entry(channel.to_owned()).or_insert(count))
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, HashMap<String, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn subscriber(channel: &str) -> String {
    format!("requests:{channel}")
}

fn key(channel: &str, id: Uuid) -> Key {
    Key::of(&["dead", &subscriber(channel), &id.to_string()])
}

fn write(kept: &Quarantined) -> Write {
    Write::put(key(&kept.channel, kept.id), value(kept))
}

fn value(kept: &Quarantined) -> Vec<u8> {
    serde_json::to_vec(kept).unwrap_or_else(|error| unreachable!("requests have string keys: {error}"))
}

/// A body of any bytes inside JSON.
mod as_json {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    use super::Request;

    #[derive(Serialize, Deserialize)]
    struct Kept {
        method: String,
        path: String,
        query: String,
        url: String,
        headers: Vec<(String, String)>,
        body_base64: String,
    }

    pub(super) fn serialize<S: Serializer>(request: &Request, serializer: S) -> Result<S::Ok, S::Error> {
        let Request { method, path, query, url, headers, body } = request.clone();
        Kept { method, path, query, url, headers, body_base64: STANDARD.encode(body) }.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Request, D::Error> {
        let Kept { method, path, query, url, headers, body_base64 } = Kept::deserialize(deserializer)?;
        let body = STANDARD.decode(body_base64).map_err(de::Error::custom)?;
        Ok(Request { method, path, query, url, headers, body })
    }
}
