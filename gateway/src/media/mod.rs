//! Files: what was announced, what is stored, and the addresses under which they are served.
//!
//! A file is stored once, under its SHA-256; entries in the table point to it.

mod entry;
mod erasure;
mod files;
mod links;

use std::collections::{BTreeSet, HashSet};
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
        let Stored { sha256, bytes, content_type } = self.files.write(body, max, Some(declared), types).await?;
        Ok(KeptFile { id: Uuid::now_v7(), name, content_type, bytes, sha256 })
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
        Ok(tokio::fs::read(self.path(&stored)).await.map_err(WriteError::from)?)
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
        let stored = self.files.write(body, max, declared, &self.rules.content_types).await?;
        let sha256 = stored.sha256.clone();
        if let Some(entry) = self.settle(id, &State::Stored(stored)).await? {
            return Ok(entry);
        }
        // Whoever it belonged to was erased while it came.
        self.unlink(&BTreeSet::from([sha256])).await?;
        Err(MediaError::NotFound)
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
    pub fn path(&self, stored: &Stored) -> std::path::PathBuf {
        self.files.path(&stored.sha256)
    }

    /// Removes files whose last entry is gone. Returns how many went.
    ///
    /// # Errors
    /// If the store or the folder cannot be read.
    pub async fn sweep(&self) -> anyhow::Result<u64> {
        let used = self.used(|_| true).await?;
        let files = self.files.clone();
        Ok(tokio::task::spawn_blocking(move || files.sweep(|name| used.contains(name), SWEEP_AGE)).await??)
    }

    /// The digests of files that some entry is for, of those that are asked for.
    async fn used(&self, is_asked: impl Fn(&str) -> bool) -> Result<HashSet<String>, StoreError> {
        let (mut used, mut after) = (HashSet::new(), None);
        loop {
            let page = self.store.scan(&Key::prefix(&["media"]), after.as_ref(), PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(used) };
            after = Some(last.clone());
            let entries = page.iter().filter_map(|(_, found)| serde_json::from_slice::<Entry>(&found.value).ok());
            used.extend(entries.filter_map(|entry| match entry.state {
                State::Stored(stored) if is_asked(&stored.sha256) => Some(stored.sha256),
                _ => None,
            }));
        }
    }

    /// An event's body with addresses of files that open for whoever holds it, for a while.
    pub fn render(&self, record: &Record) -> Bytes {
        if record.kind.may_hold_files() { self.links.sign_all(&record.body, Time::now()) } else { record.body.clone() }
    }

    /// Notes how a file ended; `None` if nobody waits for it any more. Meanwhile somebody may send it on: then once more.
    async fn settle(&self, id: Uuid, state: &State) -> Result<Option<Entry>, StoreError> {
        for _ in 0..ROUNDS_MAX {
            let Some((mut entry, version)) = self.versioned(id).await? else { return Ok(None) };
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
    use std::convert::Infallible;

    use futures_util::{StreamExt as _, stream};

    use super::*;
    use crate::config::Config;
    use crate::store::sqlite::SqliteStore;

    #[tokio::test]
    async fn a_file_may_be_sent_on_while_it_comes() {
        let directory = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&directory.path().join("data")).unwrap());
        let config = Config::parse("", directory.path(), &|_| None).unwrap().config;
        let (url, retention) = ("http://gw.example".parse().unwrap(), config.retention());
        let media = Media::open(store.clone(), directory.path(), &url, config.media, retention).await.unwrap();
        let announced = Announced {
            channel: Some("sms".into()),
            source: Source::Reference("x".into()),
            kind: MediaKind::File,
            content_type: None,
            name: None,
            bytes: None,
        };
        let (id, contact) = (media.announce_now(announced).await.unwrap(), Uuid::now_v7());
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
