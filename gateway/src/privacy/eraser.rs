use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::sync::Notify;
use uuid::Uuid;

use super::Person;
use super::job::{Job, Kept, Receipt, Removed, Scrubbed};
use super::person::Farewell;
use crate::accept::Accept;
use crate::customer::Directory;
use crate::interaction::Time;
use crate::media::Media;
use crate::store::{Batch, Entry, Key, Store, StoreError, Write};

/// Between attempts, while the store fails.
const PAUSE: Duration = Duration::from_secs(5);
/// The same while single erasures fail.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Rounds until giving up: in each, somebody else got through.
const ROUNDS_MAX: usize = 32;
/// Erasures that are read at once.
const PAGE: usize = 100;

/// Erases people, one after the other.
pub struct Eraser {
    pub(super) store: Arc<dyn Store>,
    pub(super) accept: Arc<Accept>,
    pub(super) media: Arc<Media>,
    pub(super) directory: Arc<Directory>,
    scrub_bytes_max: u64,
    /// Something is to be done.
    asked: Notify,
    /// An erasure came further.
    progressed: Notify,
    stuck: AtomicUsize,
}

/// Why nobody is erased.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    #[error("there is no contact {0}")]
    NotFound(Uuid),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Eraser {
    /// `scrub_bytes_max`: a larger database is not written anew.
    pub fn new(
        store: Arc<dyn Store>,
        accept: Arc<Accept>,
        media: Arc<Media>,
        directory: Arc<Directory>,
        scrub_bytes_max: u64,
    ) -> Self {
        let (asked, progressed) = (Notify::new(), Notify::new());
        let stuck = AtomicUsize::default();
        Self { store, accept, media, directory, scrub_bytes_max, asked, progressed, stuck }
    }

    /// Begins to erase a contact, durable when it returns; gives the receipt as it is. Asked again, it gives the same receipt.
    ///
    /// # Errors
    /// See [`EraseError`].
    pub async fn erase(&self, contact: Uuid, by: &str) -> Result<Receipt, EraseError> {
        for _ in 0..ROUNDS_MAX {
            if let Some(receipt) = self.receipt(contact).await? {
                return Ok(receipt);
            }
            let known = self.directory.person(contact).await?.ok_or(EraseError::NotFound(contact))?;
            match self.begin(Person::of(&known.contact), known.contact.id, by).await {
                Err(StoreError::Conflict(_)) => self.directory.forget(),
                begun => {
                    begun?;
                    self.directory.forget();
                    self.asked.notify_one();
                }
            }
        }
        Err(StoreError::Unavailable("too many changes at once".into()).into())
    }

    /// Waits until an erasure has ended, at most so long; gives the receipt as it is then.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn ended(&self, contact: Uuid, patience: Duration) -> Result<Option<Receipt>, StoreError> {
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let progressed = self.progressed.notified();
            tokio::pin!(progressed);
            progressed.as_mut().enable();
            let receipt = self.receipt(contact).await?;
            let ended = receipt.as_ref().is_none_or(Receipt::is_final);
            if ended || tokio::time::timeout_at(deadline, progressed).await.is_err() {
                return Ok(receipt);
            }
        }
    }

    /// The receipt of an erasure, by any id that the person had.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn receipt(&self, contact: Uuid) -> Result<Option<Receipt>, StoreError> {
        let entry = self.store.get(&Receipt::key(contact)).await?;
        entry.map(|entry| read(&entry.value)).transpose()
    }

    /// Does what is to be done, from the first start on: what a crash interrupted goes on.
    pub async fn run(self: Arc<Self>) {
        let mut pause = PAUSE;
        loop {
            let asked = self.asked.notified();
            match self.work().await {
                Ok(0) => asked.await,
                Ok(_) => {
                    // One that fails for ever must not keep the machine busy, nor the next one waiting.
                    let _ = tokio::time::timeout(pause, asked).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                    continue;
                }
                Err(error) => {
                    tracing::error!(%error, "erasures cannot be read and will be tried again");
                    tokio::time::sleep(PAUSE).await;
                }
            }
            pause = PAUSE;
        }
    }

    /// Erasures that failed when they were last tried, or cannot be read: somebody must look at them.
    pub fn stuck(&self) -> usize {
        self.stuck.load(Ordering::Relaxed)
    }

    async fn begin(&self, person: Person, contact: Uuid, by: &str) -> Result<(), StoreError> {
        let farewell = person.farewell(&*self.store).await?;
        let Farewell { mut writes, contacts, identities, conversations } = farewell;
        let removed = Removed { contacts, identities, conversations, ..Removed::default() };
        let receipt = Receipt {
            id: Uuid::now_v7(),
            contact_id: contact,
            contact_ids: person.members.clone(),
            by: by.to_owned(),
            requested_at: Time::now(),
            removed,
            erased_at: None,
            scrubbed: None,
            scrubbed_at: None,
        };
        let burials = person.members.clone();
        writes.extend(receipt.writes());
        writes.push(Job { person, receipt }.create());
        self.store.commit(Batch { writes, burials, ..Batch::default() }).await.map(drop)
    }

    /// All that there are, one after the other; one that fails is told, and the others go on. Gives how many failed.
    async fn work(&self) -> Result<usize, StoreError> {
        let (mut failed, mut after) = (0, None);
        loop {
            let jobs = self.store.scan(&Job::prefix(), after.as_ref(), PAGE).await?;
            let Some((last, _)) = jobs.last() else { break };
            after = Some(last.clone());
            for (key, entry) in jobs {
                failed += usize::from(!self.tried(&key, entry).await?);
            }
        }
        self.stuck.store(failed, Ordering::Relaxed);
        self.scrub().await.map(|()| failed)
    }

    /// Whether an erasure is finished.
    async fn tried(&self, key: &Key, entry: Entry) -> Result<bool, StoreError> {
        let mut next = Some(entry);
        while let Some(entry) = next {
            let finished = match read(&entry.value) {
                Ok(value) => self.finish(Kept { value, entry }).await,
                Err(unreadable) => Err(unreadable),
            };
            match finished {
                Ok(()) => return Ok(true),
                // Somebody changed what was just being removed.
                Err(StoreError::Conflict(_)) => next = self.store.get(key).await?,
                Err(error) => {
                    let contact = key.0.rsplit('/').next().unwrap_or_default();
                    tracing::error!(%error, contact, "an erasure is not finished and will be tried again");
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    async fn finish(&self, mut job: Kept<Job>) -> Result<(), StoreError> {
        self.remove_records(&mut job).await?;
        self.remove_mentions(&mut job).await?;
        self.remove_files(&mut job).await?;
        let Kept { value: Job { mut receipt, person }, entry } = job;
        receipt.erased_at = Some(Time::now());
        let events = vec![self.accept.erased_event(receipt.contact_id, &receipt.contact_ids)];
        let mut writes = receipt.writes();
        writes.push(Write::put(receipt.unscrubbed(), Vec::new()));
        writes.push(Job { receipt, person }.end(&entry));
        self.store.commit(Batch { events, writes, ..Batch::default() }).await?;
        self.progressed.notify_waiters();
        tracing::info!("a contact is erased");
        Ok(())
    }

    /// Once for all erasures that have ended.
    async fn scrub(&self) -> Result<(), StoreError> {
        let due = self.store.scan(&Receipt::unscrubbed_prefix(), None, PAGE).await?;
        if due.is_empty() {
            return Ok(());
        }
        let rewritten = self.store.scrub(self.scrub_bytes_max).await?;
        let scrubbed = if rewritten { Scrubbed::Rewritten } else { Scrubbed::Overwritten };
        let mut writes = Vec::new();
        for (key, _) in due {
            let receipt = self.scrubbed_receipt(&key).await.or_else(told_if_damaged)?;
            if let Some(mut receipt) = receipt {
                (receipt.scrubbed, receipt.scrubbed_at) = (Some(scrubbed), Some(Time::now()));
                writes.extend(receipt.writes());
            }
            writes.push(Write::delete(key));
        }
        self.store.commit(Batch { writes, ..Batch::default() }).await?;
        self.progressed.notify_waiters();
        Box::pin(self.scrub()).await
    }

    async fn scrubbed_receipt(&self, key: &Key) -> Result<Option<Receipt>, StoreError> {
        match key.0.rsplit_once('/').and_then(|(_, id)| id.parse().ok()) {
            Some(contact) => self.receipt(contact).await,
            None => Ok(None),
        }
    }

    /// Commits a step with its count. Somebody who changed what it touches makes it a conflict: it is tried again.
    pub(super) async fn commit_step(
        &self,
        job: &mut Kept<Job>,
        mut batch: Batch,
        count: impl FnOnce(&mut Removed),
    ) -> Result<(), StoreError> {
        if batch.removals.is_empty() && batch.writes.is_empty() {
            return Ok(());
        }
        let mut next = job.value.clone();
        count(&mut next.receipt.removed);
        batch.writes.push(next.over(&job.entry));
        batch.burials.clone_from(&next.person.members);
        let committed = self.store.commit(batch).await?;
        job.entry.version = committed.versions.last().copied().unwrap_or_default();
        job.value = next;
        Ok(())
    }
}

/// Nothing can be noted in a receipt that cannot be read; the others' are.
fn told_if_damaged(error: StoreError) -> Result<Option<Receipt>, StoreError> {
    match error {
        StoreError::Corrupt(_) => {
            tracing::error!(%error, "the receipt of an erasure stays without the note that the files were scrubbed");
            Ok(None)
        }
        error => Err(error),
    }
}

fn read<T: DeserializeOwned>(value: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(value).map_err(|error| StoreError::Corrupt(format!("erasure: {error}")))
}
