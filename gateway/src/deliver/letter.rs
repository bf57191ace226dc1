use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use super::channel::{ChannelSender, recorded};
use super::target::Attempt;
use crate::channels::Bound;
use crate::interaction::{Identity, Reason, ReasonCode, Status, Time};
use crate::mail::{Post, Posted, ascii_where_possible};
use crate::plugin::exchange::{Failure, Fault, FaultKind, Letter, Outbound, Receipt};
use crate::store::{Batch, Key, Record, Store, StoreError, Write};

/// Who got a letter in an earlier attempt, where others may get it later.
type Taken = Vec<String>;

/// Where it is kept who of a letter's recipients has it.
pub fn letter_key(message: Uuid) -> Key {
    Key::of(&["letter", &message.to_string()])
}

impl ChannelSender {
    /// Has the adapter write a letter and posts it.
    pub(super) async fn post(
        &self,
        bound: &Bound,
        post: &Post,
        attempt: Attempt,
        message: Outbound,
        answered: Option<&Record>,
    ) -> Result<Result<Receipt, Failure>, StoreError> {
        let id = message.id;
        let answered = answered.map(|record| String::from_utf8_lossy(&self.media.render(record)).into_owned());
        let called = bound.plugin.compose(&bound.binding, attempt.number, message, answered).await;
        let mut letter = match called.result {
            Ok(letter) => letter,
            Err(failure) => return Ok(Err(failure)),
        };
        // In one form: who has it is found again by it.
        letter.recipients.iter_mut().for_each(|to| *to = ascii_where_possible(to));
        let key = letter_key(id);
        let taken = self.taken(&key).await?;
        let missing: Vec<String> = letter.recipients.iter().filter(|to| !taken.contains(to)).cloned().collect();
        let posted = match post.send(&letter, &missing).await {
            Ok(posted) => posted,
            Err(fault) => return Ok(Err(Failure::Fault(fault))),
        };
        let is_last = attempt.number >= self.attempts_max;
        self.conclude(&key, taken, letter, posted, is_last).await
    }

    /// Whoever is left gets it in another attempt, if there is one; nobody gets it twice.
    async fn conclude(
        &self,
        key: &Key,
        mut taken: Taken,
        letter: Letter,
        mut posted: Posted,
        is_last: bool,
    ) -> Result<Result<Receipt, Failure>, StoreError> {
        let new = std::mem::take(&mut posted.taken);
        let is_new = !new.is_empty();
        taken.extend(new);
        if let Some(fault) = obstacle(&letter, &posted, is_last) {
            if is_new {
                remember(&*self.store, key, &taken, self.retention).await?;
            }
            return Ok(Err(Failure::Fault(fault)));
        }
        let mut ids = letter.external_ids.into_iter();
        let external_ids = ids.next().into_iter().collect();
        let names = ids.chain(posted.queue_id).collect();
        let refused = posted.refused.into_iter().chain(posted.deferred);
        let refused = refused.map(|(to, fault)| (address(&to), reason(fault))).collect();
        let copies = letter.recipients.into_iter().skip(1).collect();
        Ok(Ok(Receipt { external_ids, status: Status::Sent, names, refused, copies }))
    }

    async fn taken(&self, key: &Key) -> Result<Taken, StoreError> {
        let Some(entry) = self.store.get(key).await? else { return Ok(Taken::new()) };
        serde_json::from_slice(&entry.value).map_err(|error| StoreError::Corrupt(format!("letter: {error}")))
    }
}

/// The letter is out: a store that fails now would have it sent to the same people again.
async fn remember(store: &dyn Store, key: &Key, taken: &Taken, retention: Duration) -> Result<(), StoreError> {
    let write = Write::put(key.clone(), Value::from(taken.clone()).to_string());
    let batch = Batch { writes: vec![write.expiring(Time::now().plus(retention))], ..Batch::default() };
    recorded("who has got a letter", || store.commit(batch.clone())).await.map(drop)
}

/// What keeps the message from being sent: somebody may still get it, or the person it is for does not. That a copy is refused
/// does not.
fn obstacle(letter: &Letter, posted: &Posted, is_last: bool) -> Option<Fault> {
    let Some(person) = letter.recipients.first() else { return Some(nobody()) };
    let waiting = posted.deferred.first().filter(|_| !is_last);
    let missing = || posted.refused.iter().chain(&posted.deferred).find(|(to, _)| to == person);
    waiting.or_else(missing).map(|(_, fault)| fault.clone())
}

fn address(to: &str) -> Identity {
    Identity { scheme: "email".into(), value: to.to_owned(), scope: None, name: None }
}

fn reason(fault: Fault) -> Reason {
    let code = fault.reason.unwrap_or(ReasonCode::Rejected);
    let retryable = matches!(fault.kind, FaultKind::Unavailable | FaultKind::RateLimited);
    Reason { code, text: fault.message, retryable, provider_code: fault.code }
}

fn nobody() -> Fault {
    let message = "the letter has no recipient".to_owned();
    Fault { kind: FaultKind::Internal, message, reason: None, code: None, retry_after: None }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use async_trait::async_trait;

    use super::*;
    use crate::store::sqlite::SqliteStore;
    use crate::store::{Committed, Layer};

    /// Takes nothing so many times.
    struct Failing {
        inner: Arc<dyn Store>,
        left: AtomicU32,
    }

    #[async_trait]
    impl Layer for Failing {
        fn inner(&self) -> &dyn Store {
            &*self.inner
        }

        async fn commit(&self, batch: Batch) -> Result<Committed, StoreError> {
            match self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
                Ok(_) => Err(StoreError::Unavailable("scripted".into())),
                Err(_) => self.inner.commit(batch).await,
            }
        }
    }

    #[tokio::test]
    async fn who_got_a_letter_is_remembered_by_a_store_that_failed_at_first() {
        let directory = tempfile::tempdir().unwrap();
        let inner: Arc<dyn Store> = Arc::new(SqliteStore::open(directory.path()).unwrap());
        let store = Failing { inner: inner.clone(), left: AtomicU32::new(2) };
        let (key, taken) = (letter_key(Uuid::now_v7()), vec!["ann@example.com".to_owned()]);
        remember(&store, &key, &taken, Duration::from_secs(60)).await.unwrap();
        let kept = inner.get(&key).await.unwrap().unwrap();
        assert_eq!(serde_json::from_slice::<Taken>(&kept.value).unwrap(), taken);
    }
}
