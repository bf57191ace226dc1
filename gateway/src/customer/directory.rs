use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use lru::LruCache;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::{Contact, Conversation};
use crate::interaction::{Event, Identity, Kind, Time};
use crate::store::{Entry, Filter, Key, Order, Record, Store, StoreError, Write};

/// People kept at hand: about 1 KiB each.
const CACHE_MAX: usize = 20_000;

/// Finds the person behind an address.
pub struct Directory {
    store: Arc<dyn Store>,
    idle: Duration,
    cache: Mutex<Cache>,
}

struct Cache {
    people: LruCache<Uuid, Arc<Known>>,
    addresses: LruCache<String, Uuid>,
}

/// A person as the store had it, and what only memory needs to know.
#[derive(Debug)]
pub struct Known {
    pub contact: Contact,
    pub conversation: Option<Conversation>,
    contact_version: u64,
    conversation_version: u64,
    /// Milliseconds; the log holds the truth.
    last_activity: AtomicI64,
    last_inbound: Mutex<Option<LastInbound>>,
}

/// The person's newest message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastInbound {
    pub channel: String,
    pub from: Identity,
    pub external_id: Option<String>,
}

/// Decisions of one commit: several events may speak of the same people.
pub struct Session<'a> {
    directory: &'a Directory,
    now: Time,
    people: BTreeMap<Uuid, Draft>,
    created: HashMap<String, Uuid>,
}

/// A person with the changes of this commit.
struct Draft {
    known: Arc<Known>,
    contact: Contact,
    conversation: Option<Conversation>,
    contact_changed: bool,
    conversation_changed: bool,
    new_identities: Vec<Identity>,
    inbound: Option<LastInbound>,
}

/// Whom and where an event belongs to.
#[derive(Clone, Debug)]
pub struct Attribution {
    pub contact: Contact,
    pub conversation: Conversation,
    /// This event opened the conversation.
    pub opened: bool,
}

impl Directory {
    /// `idle`: after that long without an interaction the next one opens a new conversation.
    pub fn new(store: Arc<dyn Store>, idle: Duration) -> Self {
        let size = NonZeroUsize::new(CACHE_MAX).unwrap_or(NonZeroUsize::MIN);
        let cache = Cache { people: LruCache::new(size), addresses: LruCache::new(size) };
        Self { store, idle, cache: Mutex::new(cache) }
    }

    /// Begins the decisions of one commit.
    pub fn session(&self, now: Time) -> Session<'_> {
        Session { directory: self, now, people: BTreeMap::new(), created: HashMap::new() }
    }

    /// The person with that id.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn person(&self, id: Uuid) -> Result<Option<Arc<Known>>, StoreError> {
        if let Some(known) = self.cache().people.get(&id) {
            return Ok(Some(known.clone()));
        }
        let Some((contact, contact_version)) = self.load::<Contact>(&Contact::key(id)).await? else { return Ok(None) };
        let known = Arc::new(self.complete(contact, contact_version).await?);
        self.cache().people.put(id, known.clone());
        Ok(Some(known))
    }

    /// The contact that an address belongs to.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn find(&self, identity: &Identity) -> Result<Option<Uuid>, StoreError> {
        let address = identity.address();
        if let Some(id) = self.cache().addresses.get(&address) {
            return Ok(Some(*id));
        }
        let Some(entry) = self.store.get(&Contact::identity_key(identity)).await? else { return Ok(None) };
        let id = Uuid::from_slice(&entry.value)
            .map_err(|_| StoreError::Corrupt("an identity points to no contact".into()))?;
        self.cache().addresses.put(address, id);
        Ok(Some(id))
    }

    /// One conversation.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn conversation(&self, id: Uuid) -> Result<Option<Conversation>, StoreError> {
        Ok(self.load(&Conversation::key(id)).await?.map(|(conversation, _)| conversation))
    }

    /// Forgets what was read: somebody else changed it.
    pub fn forget(&self) {
        let mut cache = self.cache();
        cache.people.clear();
        cache.addresses.clear();
    }

    async fn complete(&self, contact: Contact, contact_version: u64) -> Result<Known, StoreError> {
        let conversation = match contact.conversation {
            Some(id) => self.load::<Conversation>(&Conversation::key(id)).await?,
            None => None,
        };
        let (conversation, conversation_version) = conversation.map_or((None, 0), |(c, version)| (Some(c), version));
        let newest = Filter { conversation: contact.conversation, ..Filter::default() };
        let last_activity = match contact.conversation {
            Some(_) => self.newest(&newest).await?.map_or(0, |record| record.time.ms()),
            None => 0,
        };
        let received = Filter { contact: Some(contact.id), kind: Some(Kind::MessageReceived), ..Filter::default() };
        let last_inbound = self.newest(&received).await?.and_then(|record| last_inbound(&record));
        Ok(Known {
            contact,
            conversation,
            contact_version,
            conversation_version,
            last_activity: AtomicI64::new(last_activity),
            last_inbound: Mutex::new(last_inbound),
        })
    }

    async fn newest(&self, filter: &Filter) -> Result<Option<Arc<Record>>, StoreError> {
        Ok(self.store.page(filter, None, Order::NewestFirst, 1).await?.into_iter().next())
    }

    async fn load<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<(T, u64)>, StoreError> {
        let Some(Entry { value, version }) = self.store.get(key).await? else { return Ok(None) };
        let read = serde_json::from_slice(&value).map_err(|error| StoreError::Corrupt(format!("{key:?}: {error}")))?;
        Ok(Some((read, version)))
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn last_inbound(record: &Record) -> Option<LastInbound> {
    let event: Event = serde_json::from_slice(&record.body).ok()?;
    let external_id = event.data.external_ids.into_iter().next();
    Some(LastInbound { channel: event.data.channel.name, from: event.data.from?, external_id })
}

impl Known {
    /// The person's newest message, if there was one.
    pub fn last_inbound(&self) -> Option<LastInbound> {
        self.last_inbound.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Session<'_> {
    /// The contact behind these addresses (the first decides if they disagree) and the conversation that goes on with it.
    /// Whoever is not known yet becomes a contact.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn attribute(&mut self, addresses: &[&Identity], channel: &str) -> Result<Attribution, StoreError> {
        let id = match self.find(addresses).await? {
            Some(id) => id,
            None => self.create(addresses),
        };
        let directory = self.directory;
        let now = self.now;
        let draft = self.draft(id).await?;
        for identity in addresses {
            learn(directory, draft, identity).await?;
        }
        let opened = draft.converse(channel, now, directory.idle);
        let conversation = draft.conversation.clone().unwrap_or_else(|| unreachable!("converse leaves a conversation"));
        Ok(Attribution { contact: draft.contact.clone(), conversation, opened })
    }

    /// The contact behind an address and its conversation, if both are there already; opens nothing.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn known(&mut self, identity: &Identity) -> Result<Option<Attribution>, StoreError> {
        let Some(id) = self.find(&[identity]).await? else { return Ok(None) };
        let draft = self.draft(id).await?;
        let contact = draft.contact.clone();
        Ok(draft.conversation.clone().map(|conversation| Attribution { contact, conversation, opened: false }))
    }

    /// Notes the person's newest message.
    pub fn note_inbound(&mut self, contact: Uuid, inbound: LastInbound) {
        if let Some(draft) = self.people.get_mut(&contact) {
            draft.inbound = Some(inbound);
        }
    }

    /// What must be written together with the events.
    pub fn writes(&self) -> Vec<Write> {
        self.people.values().flat_map(Draft::writes).collect()
    }

    /// After the commit: `versions` are those of `writes`, in their order.
    pub fn committed(self, versions: &[u64]) {
        let mut versions = versions.iter().copied();
        let mut cache = self.directory.cache();
        for (id, draft) in self.people {
            draft.known.last_activity.fetch_max(self.now.ms(), Ordering::Relaxed);
            if let Some(inbound) = &draft.inbound {
                *draft.known.last_inbound.lock().unwrap_or_else(PoisonError::into_inner) = Some(inbound.clone());
            }
            if let Some(known) = draft.finished(&mut versions, self.now) {
                cache.people.put(id, Arc::new(known));
            }
        }
        for (address, id) in self.created {
            cache.addresses.put(address, id);
        }
    }

    async fn find(&self, addresses: &[&Identity]) -> Result<Option<Uuid>, StoreError> {
        for identity in addresses {
            if let Some(id) = self.created.get(&identity.address()) {
                return Ok(Some(*id));
            }
            if let Some(id) = self.directory.find(identity).await? {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    fn create(&mut self, addresses: &[&Identity]) -> Uuid {
        let identities: Vec<Identity> = addresses.iter().map(|identity| (*identity).clone()).collect();
        let contact = Contact::new(identities.clone(), self.now);
        let id = contact.id;
        let known = Known {
            contact: contact.clone(),
            conversation: None,
            contact_version: 0,
            conversation_version: 0,
            last_activity: AtomicI64::new(0),
            last_inbound: Mutex::new(None),
        };
        self.created.extend(identities.iter().map(|identity| (identity.address(), id)));
        let mut draft = Draft::of(Arc::new(known));
        draft.contact_changed = true;
        draft.new_identities = identities;
        self.people.insert(id, draft);
        id
    }

    async fn draft(&mut self, id: Uuid) -> Result<&mut Draft, StoreError> {
        if !self.people.contains_key(&id) {
            let known = self.directory.person(id).await?;
            let known =
                known.ok_or_else(|| StoreError::Corrupt("an identity points to a contact that is not there".into()))?;
            self.people.insert(id, Draft::of(known));
        }
        self.people.get_mut(&id).ok_or_else(|| StoreError::Corrupt("a draft vanished".into()))
    }
}

/// An address that belongs to somebody else stays there: joining people takes more than one message.
async fn learn(directory: &Directory, draft: &mut Draft, identity: &Identity) -> Result<(), StoreError> {
    let is_new = !draft.contact.identities.iter().any(|known| known.same_address(identity));
    if is_new && directory.find(identity).await?.is_some() {
        return Ok(());
    }
    if draft.contact.learn(identity) {
        draft.contact_changed = true;
    }
    if is_new {
        draft.new_identities.push(identity.clone());
    }
    Ok(())
}

impl Draft {
    fn of(known: Arc<Known>) -> Self {
        Self {
            contact: known.contact.clone(),
            conversation: known.conversation.clone(),
            known,
            contact_changed: false,
            conversation_changed: false,
            new_identities: Vec::new(),
            inbound: None,
        }
    }

    /// Goes on with the conversation or opens a new one; tells whether it did.
    fn converse(&mut self, channel: &str, now: Time, idle: Duration) -> bool {
        let last = Time::from_ms(self.known.last_activity.load(Ordering::Relaxed));
        let fresh = self.conversation_changed || now.since(last) < idle;
        match &mut self.conversation {
            Some(conversation) if conversation.closed_at.is_none() && fresh => {
                if !conversation.channels.iter().any(|known| known == channel) {
                    conversation.channels.push(channel.to_owned());
                    self.conversation_changed = true;
                }
                false
            }
            _ => {
                let conversation = Conversation::new(self.contact.id, channel, now);
                self.contact.conversation = Some(conversation.id);
                self.conversation = Some(conversation);
                (self.contact_changed, self.conversation_changed) = (true, true);
                true
            }
        }
    }

    fn writes(&self) -> Vec<Write> {
        let mut writes = Vec::new();
        if self.contact_changed {
            let key = Contact::key(self.contact.id);
            writes.push(Write::over(key, entry(self.known.contact_version).as_ref(), json(&self.contact)));
        }
        if let Some(conversation) = self.conversation.as_ref().filter(|_| self.conversation_changed) {
            let key = Conversation::key(conversation.id);
            writes.push(Write::over(key, entry(self.conversation_version()).as_ref(), json(conversation)));
        }
        let id = Bytes::copy_from_slice(self.contact.id.as_bytes());
        writes.extend(self.new_identities.iter().map(|i| Write::create(Contact::identity_key(i), id.clone())));
        writes
    }

    /// 0 for a conversation that this commit opens.
    fn conversation_version(&self) -> u64 {
        let same = self.known.conversation.as_ref().map(|c| c.id) == self.conversation.as_ref().map(|c| c.id);
        if same { self.known.conversation_version } else { 0 }
    }

    /// The person as it is now, if anything changed; takes as many versions as `writes` gave writes.
    fn finished(self, versions: &mut impl Iterator<Item = u64>, now: Time) -> Option<Known> {
        if !self.contact_changed && !self.conversation_changed && self.new_identities.is_empty() {
            return None;
        }
        let contact_version =
            if self.contact_changed { versions.next() } else { None }.unwrap_or(self.known.contact_version);
        let before = self.conversation_version();
        let conversation_version = if self.conversation_changed { versions.next() } else { None }.unwrap_or(before);
        versions.by_ref().take(self.new_identities.len()).for_each(drop);
        let last_inbound = self.inbound.or_else(|| self.known.last_inbound());
        Some(Known {
            contact: self.contact,
            conversation: self.conversation,
            contact_version,
            conversation_version,
            last_activity: AtomicI64::new(now.ms()),
            last_inbound: Mutex::new(last_inbound),
        })
    }
}

fn entry(version: u64) -> Option<Entry> {
    (version > 0).then(|| Entry { value: Bytes::new(), version })
}

fn json(value: &impl serde::Serialize) -> Bytes {
    serde_json::to_vec(value).map(Bytes::from).unwrap_or_else(|error| unreachable!("records have string keys: {error}"))
}
