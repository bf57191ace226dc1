//! Files: what was announced, what is stored, and the addresses under which they are served.
//!
//! Equal content is stored once; each entry in the table has its own name for it.

mod entry;
mod erasure;
mod files;
mod links;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::Notify;
use url::Url;
use uuid::Uuid;

pub use entry::{Announced, Entry, Sent, Source, State};
pub use files::{Stored, WriteError};
pub use links::Links;

use crate::config;
use crate::interaction::{MediaKind, Time};
use crate::plugin::KeptFile;
use crate::store::{Batch, Expect, Key, Record, Retention, Store, StoreError, Write};

/// A file younger than this may belong to an entry that is just being written.
const SWEEP_AGE: Duration = Duration::from_secs(24 * 3600);

/// Entries read at once.
const PAGE: usize = 500;
/// Rounds until giving up: in each, somebody else got through.
const ROUNDS_MAX: usize = 32;

/// Name of the stream that holds work for the fetcher.
pub const TARGET: &str = "media";

/// All files.
pub struct Media {
    store: Arc<dyn Store>,
    files: Arc<files::Files>,
    links: Links,
    rules: config::Media,
    retention: Retention,
    changed: Notify,
}

/// Why a file was not taken.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    #[error("no such file")]
    NotFound,
    #[error("the file is there already")]
    Stored,
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Media {
    /// Opens the folder `media` of the store's directory.
    ///
    /// # Errors
    /// If the folder or the signing key cannot be made.
    pub async fn open(
        store: Arc<dyn Store>,
        directory: &Path,
        public_url: &Url,
        rules: config::Media,
        retention: Retention,
    ) -> anyhow::Result<Self> {
        let files = Arc::new(files::Files::open(&directory.join("media"), rules.disk_reserve)?);
        let links = Links::open(&*store, public_url, rules.url_lifetime).await?;
        Ok(Self { store, files, links, rules, retention, changed: Notify::new() })
    }

    /// Addresses with an end.
    pub fn links(&self) -> &Links {
        &self.links
    }

    /// Largest file that is taken, in bytes.
    pub fn bytes_max(&self) -> u64 {
        self.rules.bytes_max
    }

    /// Bytes that visitors of one channel may upload in an hour.
    pub fn uploads_per_hour(&self) -> u64 {
        self.rules.uploads_per_hour
    }

    /// For one upload, from its first byte to its last.
    pub fn upload_timeout(&self) -> Duration {
        self.rules.upload_timeout
    }

    /// An id and the write that announces the file: to be committed together with the event that speaks of it.
    pub fn announce(&self, announced: Announced) -> (Uuid, Write) {
        let id = Uuid::now_v7();
        (id, self.write(id, &Entry { announced, state: State::Pending, sent: Sent::default() }, Expect::Absent))
    }

    /// Announces a file right away.
    ///
    /// # Errors
    /// If the store does not take it.
    pub async fn announce_now(&self, announced: Announced) -> Result<Uuid, StoreError> {
        let (id, write) = self.announce(announced);
        self.store.commit(Batch { writes: vec![write], ..Batch::default() }).await?;
        Ok(id)
    }

    /// Writes a file that is here whole already; no entry speaks of it yet.
    ///
    /// # Errors
    /// If a limit is met, or the disk is full.
    pub async fn keep(&self, name: Option<String>, declared: &str, content: Vec<u8>) -> Result<KeptFile, WriteError> {
        let body = futures_util::stream::iter([Ok::<_, std::convert::Infallible>(Bytes::from(content))]);
        let (max, types) = (self.rules.bytes_max, &self.rules.content_types);
        let id = Uuid::now_v7();
        let Stored { sha256, bytes, content_type } = self.files.write(id, body, max, Some(declared), types).await?;
        Ok(KeptFile { id, name, content_type, bytes, sha256 })
    }

    /// The write that makes a kept file one of the channel's: to be committed together with the event that speaks of it.
    pub fn kept(&self, file: &KeptFile, channel: &str, kind: MediaKind) -> Write {
        let KeptFile { id, name, content_type, bytes, sha256 } = file.clone();
        let announced = Announced {
            channel: Some(channel.to_owned()),
            source: Source::Upload,
            kind,
            content_type: Some(content_type.clone()),
            name,
            bytes: Some(bytes),
        };
        let entry =
            Entry { announced, state: State::Stored(Stored { sha256, bytes, content_type }), sent: Sent::default() };
        self.write(id, &entry, Expect::Absent)
    }

    /// A stored file, whole: of `bytes_max` at most.
    ///
    /// # Errors
    /// If it is not there, is larger, or cannot be read.
    pub async fn read(&self, id: Uuid, bytes_max: u64) -> Result<Vec<u8>, MediaError> {
        let entry = self.entry(id).await?.ok_or(MediaError::NotFound)?;
        let State::Stored(stored) = entry.state else { return Err(MediaError::NotFound) };
        if stored.bytes > bytes_max {
            return Err(WriteError::TooLarge(bytes_max).into());
        }
        Ok(tokio::fs::read(self.path(id, &stored)).await.map_err(WriteError::from)?)
    }

    /// What is known of a file.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn entry(&self, id: Uuid) -> Result<Option<Entry>, StoreError> {
        Ok(self.versioned(id).await?.map(|(entry, _)| entry))
    }

    async fn versioned(&self, id: Uuid) -> Result<Option<(Entry, u64)>, StoreError> {
        let Some(found) = self.store.get(&key(id)).await? else { return Ok(None) };
        let entry =
            serde_json::from_slice(&found.value).map_err(|error| StoreError::Corrupt(format!("media: {error}")))?;
        Ok(Some((entry, found.version)))
    }

    /// The write that keeps a file as long as a message that goes to a contact on this channel; `None` for a file that is not
    /// there.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn sending(&self, id: Uuid, contact: Uuid, channel: &str) -> Result<Option<Write>, StoreError> {
        let Some((mut entry, version)) = self.versioned(id).await? else { return Ok(None) };
        entry.sent.add(contact);
        let kept = self.retention.of(channel).max(self.kept_for(&entry));
        let write = self.write(id, &entry, Expect::Version(version)).expiring(Time::now().plus(kept));
        Ok(Some(write))
    }

    /// The same, waiting for a file that is on its way.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn entry_within(&self, id: Uuid, patience: Duration) -> Result<Option<Entry>, StoreError> {
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let entry = self.entry(id).await?;
            let pending = entry.as_ref().is_some_and(|entry| entry.state == State::Pending);
            if !pending || tokio::time::timeout_at(deadline, changed).await.is_err() {
                return Ok(entry);
            }
        }
    }

    /// Stores the body of an announced file.
    ///
    /// # Errors
    /// If nothing was announced, a limit is met, the body breaks off, or the disk is full; it stays announced then.
    pub async fn receive<E: std::fmt::Display>(
        &self,
        id: Uuid,
        content_type: Option<&str>,
        body: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> Result<Entry, MediaError> {
        let entry = self.entry(id).await?.ok_or(MediaError::NotFound)?;
        if matches!(entry.state, State::Stored(_)) {
            return Err(MediaError::Stored);
        }
        let declared = content_type.or(entry.announced.content_type.as_deref());
        let max = self.bytes_max_of(&entry.announced);
        let stored = self.files.write(id, body, max, declared, &self.rules.content_types).await?;
        let name = files::Name { sha256: stored.sha256.clone(), id };
        let state = State::Stored(stored);
        let (error, others) = match self.settle(id, &state).await? {
            Some(entry) if entry.state == state => return Ok(entry),
            // Another file came first.
            Some(entry) => (MediaError::Stored, entry.name(id)),
            // Whoever it belonged to was erased while it came.
            None => (MediaError::NotFound, None),
        };
        if others.as_ref() != Some(&name) {
            self.files.remove(&name).await?;
        }
        Err(error)
    }

    /// A visitor uploads what he announced, and no more; what a provider says of a size may be wrong.
    fn bytes_max_of(&self, announced: &Announced) -> u64 {
        let said = announced.bytes.filter(|_| announced.source == Source::Upload);
        said.map_or(self.rules.bytes_max, |said| said.min(self.rules.bytes_max))
    }

    /// Notes that a file will not come.
    ///
    /// # Errors
    /// If the store does not take it.
    pub async fn give_up(&self, id: Uuid, why: &str) -> Result<(), StoreError> {
        self.settle(id, &State::Failed { why: why.to_owned() }).await.map(drop)
    }

    /// The file's place on disk.
    pub fn path(&self, id: Uuid, stored: &Stored) -> std::path::PathBuf {
        self.files.path(&files::Name { sha256: stored.sha256.clone(), id })
    }

    /// Removes files whose entry is gone. Returns how many went.
    ///
    /// # Errors
    /// If the store or the folder cannot be read.
    pub async fn sweep(&self) -> anyhow::Result<u64> {
        let used = self.used().await?;
        let is_used = move |name: &files::Name| {
            used.get(&name.id).is_some_and(|stored| stored.as_ref().is_none_or(|stored| stored == name))
        };
        let files = self.files.clone();
        Ok(tokio::task::spawn_blocking(move || files.sweep(is_used, SWEEP_AGE)).await??)
    }

    /// The file of each entry; `None` where it is on its way.
    async fn used(&self) -> Result<HashMap<Uuid, Option<files::Name>>, StoreError> {
        let (mut used, mut after) = (HashMap::new(), None);
        loop {
            let page = self.store.scan(&Key::prefix(&["media"]), after.as_ref(), PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(used) };
            after = Some(last.clone());
            for (key, found) in &page {
                let Some(id) = key.0.rsplit('/').next().and_then(|id| id.parse().ok()) else { continue };
                // What cannot be read is not known to be of no use.
                let file =
                    serde_json::from_slice::<Entry>(&found.value).map_or(Some(None), |entry| match entry.state {
                        State::Failed { .. } => None,
                        _ => Some(entry.name(id)),
                    });
                used.extend(file.map(|name| (id, name)));
            }
        }
    }

    /// An event's body with addresses of files that open for whoever holds it, for a while.
    pub fn render(&self, record: &Record) -> Bytes {
        if record.kind.may_hold_files() { self.links.sign_all(&record.body, Time::now()) } else { record.body.clone() }
    }

    /// Notes how a file ended, unless it is there already; `None` if nobody waits for it any more. Meanwhile somebody may send it on: then once more.
    async fn settle(&self, id: Uuid, state: &State) -> Result<Option<Entry>, StoreError> {
        for _ in 0..ROUNDS_MAX {
            let Some((mut entry, version)) = self.versioned(id).await? else { return Ok(None) };
            if matches!((&entry.state, state), (State::Stored(_), State::Stored(_))) {
                return Ok(Some(entry));
            }
            entry.state = state.clone();
            let writes = vec![self.write(id, &entry, Expect::Version(version))];
            match self.store.commit(Batch { writes, ..Batch::default() }).await {
                Err(StoreError::Conflict(_)) => {}
                committed => {
                    committed?;
                    self.changed.notify_waiters();
                    return Ok(Some(entry));
                }
            }
        }
        Err(StoreError::Unavailable("too many changes at once".into()))
    }

    fn write(&self, id: Uuid, entry: &Entry, expect: Expect) -> Write {
        let value = serde_json::to_vec(entry).unwrap_or_else(|error| unreachable!("entries have string keys: {error}"));
        let expires = Some(Time::now().plus(self.kept_for(entry)));
        Write { key: key(id), value: Some(value.into()), expect, expires }
    }

    fn kept_for(&self, entry: &Entry) -> Duration {
        entry.announced.channel.as_deref().map_or(self.retention.rest, |channel| self.retention.of(channel))
    }
}

fn key(id: Uuid) -> Key {
    Key::of(&["media", &id.to_string()])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::convert::Infallible;
    use std::sync::Mutex;

    use async_trait::async_trait;
    use futures_util::future::BoxFuture;
    use futures_util::{StreamExt as _, stream};

    use super::erasure::Forgotten;
    use super::*;
    use crate::config::Config;
    use crate::store::sqlite::SqliteStore;
    use crate::store::{Committed, Layer};

    async fn media(store: &Arc<dyn Store>, directory: &Path) -> Media {
        let config = Config::parse("", directory, &|_| None).unwrap().config;
        let (url, retention) = ("http://gw.example".parse().unwrap(), config.retention());
        Media::open(store.clone(), directory, &url, config.media, retention).await.unwrap()
    }

    fn announced() -> Announced {
        Announced {
            channel: Some("sms".into()),
            source: Source::Reference("x".into()),
            kind: MediaKind::File,
            content_type: None,
            name: None,
            bytes: None,
        }
    }

    fn content() -> impl Stream<Item = Result<Bytes, Infallible>> + Unpin {
        stream::iter([Ok(Bytes::from_static(b"content"))])
    }

    /// Lets something happen in the moment before the next commit.
    struct Meddling {
        inner: Arc<dyn Store>,
        before: Mutex<Option<BoxFuture<'static, ()>>>,
    }

    #[async_trait]
    impl Layer for Meddling {
        fn inner(&self) -> &dyn Store {
            &*self.inner
        }

        async fn commit(&self, batch: Batch) -> Result<Committed, StoreError> {
            let before = self.before.lock().unwrap().take();
            if let Some(before) = before {
                before.await;
            }
            self.inner.commit(batch).await
        }
    }

    #[tokio::test]
    async fn a_file_that_comes_while_its_like_is_erased_stays() {
        let directory = tempfile::tempdir().unwrap();
        let inner: Arc<dyn Store> = Arc::new(SqliteStore::open(&directory.path().join("data")).unwrap());
        let meddling = Arc::new(Meddling { inner, before: Mutex::default() });
        let store: Arc<dyn Store> = meddling.clone();
        let media = Arc::new(media(&store, directory.path()).await);
        let [erased, comes] =
            [media.announce_now(announced()).await.unwrap(), media.announce_now(announced()).await.unwrap()];
        media.receive(erased, None, content()).await.unwrap();
        let (eraser, inner) = (media.clone(), meddling.inner.clone());
        *meddling.before.lock().unwrap() = Some(Box::pin(async move {
            let Forgotten { write, file, gone } = eraser.forget(erased, &[]).await.unwrap().unwrap();
            assert!(gone);
            inner.commit(Batch { writes: vec![write], ..Batch::default() }).await.unwrap();
            assert_eq!(eraser.unlink(&[&file.unwrap()]).await.unwrap(), 0, "it is somebody else's, too");
        }));
        media.receive(comes, None, content()).await.unwrap();
        assert!(media.read(erased, 100).await.is_err());
        assert_eq!(media.read(comes, 100).await.unwrap(), b"content");
    }

    #[tokio::test]
    async fn of_two_files_for_one_entry_the_first_counts_and_the_other_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&directory.path().join("data")).unwrap());
        let media = media(&store, directory.path()).await;
        let id = media.announce_now(announced()).await.unwrap();
        let late = stream::once(async {
            media.receive(id, None, content()).await.unwrap();
            Ok::<_, Infallible>(Bytes::from_static(b"another"))
        });
        assert!(matches!(media.receive(id, None, late.boxed()).await, Err(MediaError::Stored)));
        assert_eq!(media.read(id, 100).await.unwrap(), b"content");
        let folders = std::fs::read_dir(directory.path().join("media")).unwrap().flatten();
        let files: usize = folders.map(|folder| std::fs::read_dir(folder.path()).unwrap().count()).sum();
        assert_eq!(files, 2, "its own name and the one that its like will link to");
    }

    #[tokio::test]
    async fn a_file_may_be_sent_on_while_it_comes() {
        let directory = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&directory.path().join("data")).unwrap());
        let media = media(&store, directory.path()).await;
        let (id, contact) = (media.announce_now(announced()).await.unwrap(), Uuid::now_v7());
        let body = stream::once(async {
            let write = media.sending(id, contact, "sms").await.unwrap().unwrap();
            store.commit(Batch { writes: vec![write], ..Batch::default() }).await.unwrap();
            Ok::<_, Infallible>(Bytes::from_static(b"content"))
        });
        let entry = media.receive(id, None, body.boxed()).await.unwrap();
        assert_eq!(media.read(id, 100).await.unwrap(), b"content");
        assert_eq!(entry.sent, Sent::To(BTreeSet::from([contact])), "nor is that forgotten");
    }
}
