use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::interaction::Time;
use crate::plugin::exchange::Request;
use crate::store::{Batch, Full, Key, Quota, Store, StoreError, Usage, Write};

/// Authentic requests on which an adapter broke, kept as they came. They lie beside the dead letters of deliveries.
pub struct Quarantine {
    store: Arc<dyn Store>,
    quota: Quota,
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
    #[error("{0}: plugins.limits.quarantine and quarantine_bytes bound the requests on which a plugin failed")]
    Full(#[from] Full),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Quarantine {
    /// `max`: kept for one channel.
    pub fn new(store: Arc<dyn Store>, max: Usage) -> Self {
        Self { quota: Quota::new(store.clone(), max), store }
    }

    /// Keeps a request. Durable when it returns.
    ///
    /// # Errors
    /// If the channel has too many, or the store does not take it.
    pub async fn keep(&self, channel: &str, request: Request, reason: String) -> Result<Uuid, QuarantineError> {
        let (id, failed_at) = (Uuid::now_v7(), Time::now());
        let kept = Quarantined {
            kind: "request".into(),
            id,
            subscriber: subscriber(channel),
            channel: channel.to_owned(),
            reason,
            failed_at,
            attempts: 1,
            request,
        };
        let value = value(&kept);
        let place = self.quota.reserve(prefix(channel), value.len()).await??;
        let writes = vec![Write::put(key(channel, id), value)];
        self.store.commit(Batch { writes, ..Batch::default() }).await?;
        place.fill();
        Ok(id)
    }

    /// What is kept of a channel, and whether that is all that may be.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn usage(&self, channel: &str) -> Result<(Usage, bool), StoreError> {
        let usage = self.quota.usage(&prefix(channel)).await?;
        Ok((usage, self.quota.is_full(usage)))
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
        self.quota.forget(&prefix(&kept.channel));
        Ok(())
    }
}

fn subscriber(channel: &str) -> String {
    format!("requests:{channel}")
}

fn key(channel: &str, id: Uuid) -> Key {
    Key::of(&["dead", &subscriber(channel), &id.to_string()])
}

fn prefix(channel: &str) -> String {
    Key::prefix(&["dead", &subscriber(channel)])
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
