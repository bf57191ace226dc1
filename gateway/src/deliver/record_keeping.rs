use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::dead_letters::DeadLetter;
use super::handle::Done;
use super::settle::Changes;
use crate::store::{Batch, Key, Lease, ProgressWrite, Store, StoreError, Write};

const BACKOFF_FIRST: Duration = Duration::from_millis(50);
const BACKOFF_LAST: Duration = Duration::from_secs(5);

/// What is kept of a stopped subscription.
#[derive(Serialize, Deserialize)]
struct Stopped {
    why: String,
}

/// A commit that came through.
pub(super) struct Settled {
    pub(super) announced: Vec<Uuid>,
    pub(super) asked: Vec<Done>,
}

/// Writes changes down, as often as it takes: unchanged, for nobody knows whether a failed attempt was one.
pub(super) fn settle(
    store: &Arc<dyn Store>,
    lease: Lease,
    subscriber: &str,
    mut changes: Changes,
    mut writes: Vec<Write>,
    asked: Vec<Done>,
) -> impl Future<Output = Result<Settled, StoreError>> + Send + 'static {
    let store = Arc::clone(store);
    let announced = std::mem::take(&mut changes.announced);
    writes.extend(table_writes(subscriber, &mut changes));
    let progress = progress_writes(lease, subscriber, changes);
    let batch = Batch { writes, progress, ..Batch::default() };
    async move {
        patiently("write progress", || store.commit(batch.clone())).await?;
        Ok(Settled { announced, asked })
    }
}

/// Why a subscription is stopped.
pub(super) async fn stopped(store: &dyn Store, subscriber: &str) -> Result<Option<String>, StoreError> {
    let key = stopped_key(subscriber);
    let entry = patiently("read the state", || store.get(&key)).await?;
    // What cannot be read still says that it is stopped.
    let why = |value: &[u8]| serde_json::from_slice(value).map_or_else(|_| "stopped".to_owned(), |s: Stopped| s.why);
    Ok(entry.map(|entry| why(&entry.value)))
}

/// Repeats a call to the store until it succeeds; the lost lease alone ends it.
pub(super) async fn patiently<T, F>(what: &str, mut call: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut pause = BACKOFF_FIRST;
    loop {
        match call().await {
            Err(error) if !matches!(error, StoreError::Fenced { .. }) => {
                tracing::warn!(%error, "cannot {what}");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(BACKOFF_LAST);
            }
            result => return result,
        }
    }
}

fn table_writes(subscriber: &str, changes: &mut Changes) -> Vec<Write> {
    let letters =
        std::mem::take(&mut changes.dead).into_iter().map(|buried| DeadLetter::of(subscriber, buried).write());
    let stopped = changes.stopped.take().map(|why| stopped_write(subscriber, why));
    letters.chain(stopped).collect()
}

fn stopped_write(subscriber: &str, why: Option<String>) -> Write {
    match why {
        Some(why) => Write::put(stopped_key(subscriber), serde_json::json!(Stopped { why }).to_string()),
        None => Write::delete(stopped_key(subscriber)),
    }
}

fn stopped_key(subscriber: &str) -> Key {
    Key::of(&["deliver", "stopped", subscriber])
}

fn progress_writes(lease: Lease, subscriber: &str, changes: Changes) -> Vec<ProgressWrite> {
    let name = || subscriber.to_owned();
    let cursor = changes.cursor.into_iter().map(|cursor| ProgressWrite::Cursor { lease, subscriber: name(), cursor });
    let put = changes.put.into_iter().map(|lane| ProgressWrite::PutLane { lease, subscriber: name(), lane });
    let drop = changes.drop.into_iter();
    let drop = drop.map(|(lane, single)| ProgressWrite::DropLane { lease, subscriber: name(), lane, single });
    cursor.chain(put).chain(drop).collect()
}
