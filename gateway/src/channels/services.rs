use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use uuid::Uuid;

use super::Hub;
use super::uploads::{Buckets, Uploads};
use crate::config::{Limits, OAuth2, Secret};
use crate::customer::Directory;
use crate::egress::{TokenError, Tokens};
use crate::interaction::{Event, Identity, Kind, MediaKind, Time};
use crate::media::{Announced, Media, Source};
use crate::plugin::{KeptFile, KvEntry, KvError, Services, Ticket};
use crate::store::{Batch, Entry, Expect, Filter, Key, Order, Record, Store, StoreError, Write};

const KEY_MAX: usize = 256;
/// How long a full memory is believed to be full.
const RECOUNT_AFTER: Duration = Duration::from_secs(60);

/// What plugins get from the gateway.
pub struct GatewayServices {
    store: Arc<dyn Store>,
    hub: Arc<Hub>,
    directory: Arc<Directory>,
    media: Arc<Media>,
    tokens: Arc<Tokens>,
    limits: Limits,
    uploads: Uploads,
    usage: Mutex<HashMap<String, Usage>>,
}

#[derive(Clone, Copy, Debug)]
struct Usage {
    bytes: usize,
    keys: usize,
    counted: Instant,
}

impl GatewayServices {
    pub fn new(
        store: Arc<dyn Store>,
        hub: Arc<Hub>,
        directory: Arc<Directory>,
        media: Arc<Media>,
        tokens: Arc<Tokens>,
        limits: &Limits,
    ) -> Self {
        let uploads = Uploads::new(media.uploads_per_hour(), Arc::default());
        Self { store, hub, directory, media, tokens, limits: limits.clone(), uploads, usage: Mutex::default() }
    }

    /// Goes on with what visitors have left.
    #[must_use]
    pub fn counting(mut self, buckets: Arc<Buckets>) -> Self {
        self.uploads = Uploads::new(self.media.uploads_per_hour(), buckets);
        self
    }

    /// Counted once, then followed.
    async fn usage(&self, channel: &str) -> Result<Usage, KvError> {
        if let Some(usage) = self.usages().get(channel) {
            return Ok(*usage);
        }
        let kept = self.store.usage(&Key::prefix(&["kv", channel])).await.map_err(unavailable)?;
        let usage = Usage { bytes: kept.bytes as usize, keys: kept.entries as usize, counted: Instant::now() };
        Ok(*self.usages().entry(channel.to_owned()).or_insert(usage))
    }

    fn usages(&self) -> std::sync::MutexGuard<'_, HashMap<String, Usage>> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, channel: &str, old: Option<usize>, new: Option<usize>) {
        if let Some(usage) = self.usages().get_mut(channel) {
            usage.bytes = (usage.bytes + new.unwrap_or(0)).saturating_sub(old.unwrap_or(0));
            usage.keys = (usage.keys + usize::from(new.is_some())).saturating_sub(usize::from(old.is_some()));
        }
    }

    /// Counts a value before it is written: many may come at once. A memory that seems full is counted anew now and then,
    /// since values expire.
    async fn make_room(&self, channel: &str, old: Option<&Entry>, bytes: usize) -> Result<(), KvError> {
        self.usage(channel).await?;
        if self.reserve(channel, old, bytes) {
            return Ok(());
        }
        let stale = |usage: &mut Usage| usage.counted.elapsed() >= RECOUNT_AFTER;
        if self.usages().get_mut(channel).is_some_and(stale) {
            self.usages().remove(channel);
            self.usage(channel).await?;
        }
        if self.reserve(channel, old, bytes) { Ok(()) } else { Err(KvError::Quota) }
    }

    fn reserve(&self, channel: &str, old: Option<&Entry>, bytes: usize) -> bool {
        let mut usages = self.usages();
        let Some(usage) = usages.get_mut(channel) else { return false };
        let keys = usage.keys + usize::from(old.is_none());
        let total = usage.bytes.saturating_sub(old.map_or(0, |entry| entry.value.len())) + bytes;
        let fits = (old.is_some() || keys <= self.limits.kv_keys) && total <= self.limits.kv_bytes;
        if fits {
            *usage = Usage { keys, bytes: total, ..*usage };
        }
        fits
    }

    async fn commit(&self, write: Write) -> Result<u64, KvError> {
        let committed = self.store.commit(Batch { writes: vec![write], ..Batch::default() }).await;
        match committed {
            Ok(committed) => Ok(committed.versions.first().copied().unwrap_or_default()),
            Err(StoreError::Conflict(_)) => Err(KvError::Conflict),
            Err(error) => Err(unavailable(error)),
        }
    }
}

fn unavailable(error: StoreError) -> KvError {
    tracing::warn!(%error, "a plugin's memory is not available");
    KvError::Unavailable
}

fn kv_key(channel: &str, key: &str) -> Result<Key, KvError> {
    if key.is_empty() || key.len() > KEY_MAX {
        return Err(KvError::TooLarge);
    }
    Ok(Key::of(&["kv", channel, key]))
}

#[async_trait]
impl Services for GatewayServices {
    async fn kv_get(&self, channel: &str, key: &str) -> Result<Option<KvEntry>, KvError> {
        let entry = self.store.get(&kv_key(channel, key)?).await.map_err(unavailable)?;
        Ok(entry.map(|entry| KvEntry { value: entry.value, version: entry.version }))
    }

    async fn kv_put(
        &self,
        channel: &str,
        key: &str,
        value: Vec<u8>,
        expect: Option<u64>,
        ttl: Option<Duration>,
    ) -> Result<u64, KvError> {
        let key = kv_key(channel, key)?;
        let old = self.store.get(&key).await.map_err(unavailable)?;
        self.make_room(channel, old.as_ref(), value.len()).await?;
        let expect = match expect {
            None => Expect::Anything,
            Some(0) => Expect::Absent,
            Some(version) => Expect::Version(version),
        };
        let (before, after) = (old.map(|entry| entry.value.len()), value.len());
        let expires = ttl.map(|ttl| Time::now().plus(ttl));
        let committed = self.commit(Write { key, value: Some(value.into()), expect, expires }).await;
        if committed.is_err() {
            self.note(channel, Some(after), before);
        }
        committed
    }

    async fn kv_delete(&self, channel: &str, key: &str) -> Result<(), KvError> {
        let key = kv_key(channel, key)?;
        let old = self.store.get(&key).await.map_err(unavailable)?;
        self.commit(Write::delete(key)).await?;
        self.note(channel, old.map(|entry| entry.value.len()), None);
        Ok(())
    }

    fn push(&self, channel: &str, address: &str, frame: &str) -> u32 {
        self.hub.push(channel, address, frame)
    }

    async fn history(&self, channel: &str, person: &Identity, after: Option<&str>, limit: usize) -> Vec<Bytes> {
        match self.interactions(channel, person, after, limit).await {
            Ok(bodies) => bodies,
            Err(error) => {
                tracing::warn!(%error, channel, "a person's history cannot be read");
                Vec::new()
            }
        }
    }

    async fn open_upload(&self, channel: &str, name: &str, content_type: &str, bytes: u64) -> Result<Ticket, String> {
        let max = self.media.bytes_max();
        if bytes > max {
            return Err(format!("a file must not have more than {max} bytes"));
        }
        if !self.uploads.take(channel, bytes, Instant::now()) {
            tracing::warn!(channel, "visitors have used up media.uploads_per_hour");
            return Err("too many files at the moment: try again later".into());
        }
        let announced = Announced {
            channel: Some(channel.to_owned()),
            source: Source::Upload,
            kind: kind_of(content_type),
            content_type: Some(content_type.chars().take(128).collect()),
            name: Some(name.chars().filter(|c| !c.is_control()).take(256).collect()),
            bytes: Some(bytes),
        };
        let id =
            self.media.announce_now(announced).await.map_err(|_| "no file can be stored at the moment".to_owned())?;
        Ok(Ticket { id: id.to_string(), url: self.media.links().upload(id, Time::now()) })
    }

    async fn keep_file(&self, name: Option<String>, content_type: &str, content: Vec<u8>) -> Result<KeptFile, String> {
        let name = name.map(|name| name.chars().filter(|c| !c.is_control()).take(256).collect());
        let kept = self.media.keep(name, content_type, content).await;
        kept.map_err(|error| {
            tracing::warn!(%error, "an adapter's file is not kept");
            error.to_string()
        })
    }

    async fn token(&self, source: &OAuth2) -> Result<Secret, TokenError> {
        self.tokens.token(source).await
    }

    fn forget_token(&self, source: &OAuth2, token: &Secret) {
        self.tokens.forget(source, token);
    }

    async fn read_file(&self, id: Uuid, bytes_max: u64) -> Result<Vec<u8>, String> {
        self.media.read(id, bytes_max).await.map_err(|error| format!("the file cannot be read: {error}"))
    }
}

impl GatewayServices {
    /// Without a place to go on from: the newest ones.
    async fn interactions(
        &self,
        channel: &str,
        person: &Identity,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Bytes>, StoreError> {
        let Some(contact) = self.directory.find(person).await? else { return Ok(Vec::new()) };
        let filter = Filter { channel: Some(channel.to_owned()), contacts: vec![contact], ..Filter::default() };
        let resumed = match after.and_then(|id| Uuid::parse_str(id).ok()) {
            Some(id) => Some(self.store.page(&filter, Some(id), Order::OldestFirst, limit).await),
            None => None,
        };
        let records = match resumed {
            Some(Ok(records)) => records,
            // Removed by age, or never ours: begin with the newest.
            Some(Err(StoreError::NotFound(_))) | None => {
                let mut newest = self.store.page(&filter, None, Order::NewestFirst, limit).await?;
                newest.reverse();
                newest
            }
            Some(Err(error)) => return Err(error),
        };
        let mut bodies = Vec::with_capacity(records.len());
        for record in &records {
            bodies.push(self.told(record).await?);
        }
        Ok(bodies)
    }

    /// A message that came to the channel after another one is told as it was submitted.
    async fn told(&self, record: &Record) -> Result<Bytes, StoreError> {
        if record.kind != Kind::MessageStatus || record.target.is_none() {
            return Ok(self.media.render(record));
        }
        let message = serde_json::from_slice::<Event>(&record.body).ok().and_then(|event| event.data.message_id);
        let submitted = match message {
            Some(id) => self.store.find(id).await?,
            None => None,
        };
        Ok(submitted.map_or_else(|| self.media.render(record), |submitted| self.media.render(&submitted)))
    }
}

fn kind_of(content_type: &str) -> MediaKind {
    match content_type.split('/').next() {
        Some("image") => MediaKind::Image,
        Some("audio") => MediaKind::Audio,
        Some("video") => MediaKind::Video,
        _ => MediaKind::File,
    }
}
