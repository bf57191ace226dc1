use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::known::{Kept, Known, LastInbound, Thread};
use super::{Contact, Conversation, Member, Session};
use crate::config::Conversations;
use crate::interaction::{Event, Identity, Kind, Time};
use crate::store::{Entry, Filter, Key, Order, Record, Store, StoreError};

/// People kept at hand: about 1 KiB each.
const CACHE_MAX: usize = 20_000;
/// A person is read piece by piece; so often somebody may regroup it meanwhile.
const READS_MAX: usize = 8;

/// Finds the person behind an address.
pub struct Directory {
    store: Arc<dyn Store>,
    pub(super) rules: Conversations,
    cache: Mutex<Cache>,
}

/// Keys of the table that begin so hold what is kept at hand.
const OF_PEOPLE: [&str; 3] = ["contact", "conversation", "identity"];

/// What was read lately. Whoever reads notes the generation first: if people were regrouped meanwhile, what was read may
/// be wrong in ways that versions do not show, and is not kept.
pub(super) struct Cache {
    people: LruCache<Uuid, Arc<Known>>,
    addresses: LruCache<String, Uuid>,
    generation: u64,
}

impl Directory {
    /// `rules`: when conversations begin and end.
    pub fn new(store: Arc<dyn Store>, rules: Conversations) -> Self {
        let size = NonZeroUsize::new(CACHE_MAX).unwrap_or(NonZeroUsize::MIN);
        let cache = Cache { people: LruCache::new(size), addresses: LruCache::new(size), generation: 0 };
        Self { store, rules, cache: Mutex::new(cache) }
    }

    /// Begins the decisions of one commit.
    pub fn session(&self, now: Time) -> Session<'_> {
        let generation = self.cache().generation;
        Session::new(self, generation, now)
    }

    /// The person with that id: its own, or that of any member.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn person(&self, id: Uuid) -> Result<Option<Arc<Known>>, StoreError> {
        let generation = {
            let mut cache = self.cache();
            if let Some(known) = cache.people.get(&id) {
                return Ok(Some(known.clone()));
            }
            cache.generation
        };
        let Some(members) = self.members(id).await? else { return Ok(None) };
        let known = Arc::new(self.complete(members).await?);
        self.cache().keep(generation, &known);
        Ok(Some(known))
    }

    /// The member that an address belongs to.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn find(&self, identity: &Identity) -> Result<Option<Uuid>, StoreError> {
        self.find_by(identity.address()).await
    }

    pub(super) async fn find_by(&self, address: String) -> Result<Option<Uuid>, StoreError> {
        let generation = {
            let mut cache = self.cache();
            if let Some(id) = cache.addresses.get(&address) {
                return Ok(Some(*id));
            }
            cache.generation
        };
        let Some(entry) = self.store.get(&Contact::address_key(&address)).await? else { return Ok(None) };
        let id = Uuid::from_slice(&entry.value)
            .map_err(|_| StoreError::Corrupt("an identity points to no contact".into()))?;
        self.cache().keep_address(generation, address, id);
        Ok(Some(id))
    }

    /// One conversation.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn conversation(&self, id: Uuid) -> Result<Option<Conversation>, StoreError> {
        Ok(self.load(&Conversation::key(id)).await?.map(|kept| Arc::unwrap_or_clone(kept.value)))
    }

    /// Forgets what was read if the key that somebody else changed is one of people; of anything else nothing is at hand.
    pub fn forget_if(&self, key: &str) {
        if OF_PEOPLE.contains(&key.split('/').next().unwrap_or_default()) {
            self.forget();
        }
    }

    /// Forgets what was read: somebody else changed it.
    pub fn forget(&self) {
        let mut cache = self.cache();
        cache.generation += 1;
        cache.people.clear();
        cache.addresses.clear();
    }

    /// The leader first. Somebody may regroup them while they are read: then once more.
    async fn members(&self, id: Uuid) -> Result<Option<Vec<Kept<Member>>>, StoreError> {
        for _ in 0..READS_MAX {
            let Some(first) = self.member(id).await? else { return Ok(None) };
            let leader = match first.value.leader {
                Some(leader) => self.member(leader).await?,
                None => Some(first),
            };
            let Some(leader) = leader.filter(|leader| leader.value.leader.is_none()) else { continue };
            if let Some(members) = self.followed(leader).await?
                && members.iter().any(|member| member.value.id == id)
            {
                return Ok(Some(members));
            }
        }
        Err(StoreError::Unavailable("a contact is being joined and separated all the time".into()))
    }

    async fn followed(&self, leader: Kept<Member>) -> Result<Option<Vec<Kept<Member>>>, StoreError> {
        let (id, followers) = (leader.value.id, leader.value.followers.clone());
        let mut members = vec![leader];
        for follower in followers {
            match self.member(follower).await? {
                Some(member) if member.value.leader == Some(id) => members.push(member),
                _ => return Ok(None),
            }
        }
        Ok(Some(members))
    }

    async fn member(&self, id: Uuid) -> Result<Option<Kept<Member>>, StoreError> {
        self.load(&Contact::key(id)).await
    }

    async fn complete(&self, members: Vec<Kept<Member>>) -> Result<Known, StoreError> {
        let ids: Vec<Uuid> = members.iter().map(|member| member.value.id).collect();
        let mut conversations: Vec<Uuid> = members
            .iter()
            .flat_map(|member| member.value.conversation.iter().chain(member.value.threads.values()).copied())
            .collect();
        conversations.sort_unstable();
        conversations.dedup();
        let mut threads = Vec::with_capacity(conversations.len());
        for id in conversations {
            threads.extend(self.thread(id).await?);
        }
        let received = Filter { contacts: ids, kinds: vec![Kind::MessageReceived], ..Filter::default() };
        let last_inbound = self.newest(&received).await?.and_then(|record| last_inbound(&record)).map(Arc::new);
        Ok(Known::new(members, threads, last_inbound))
    }

    async fn thread(&self, id: Uuid) -> Result<Option<Thread>, StoreError> {
        let Some(kept) = self.load::<Conversation>(&Conversation::key(id)).await? else { return Ok(None) };
        let newest = self.newest(&Filter { conversation: Some(id), ..Filter::default() }).await?;
        let last_activity = newest.map_or(kept.value.opened_at, |record| record.time);
        Ok(Some(Thread::new(kept, last_activity)))
    }

    async fn newest(&self, filter: &Filter) -> Result<Option<Arc<Record>>, StoreError> {
        Ok(self.store.page(filter, None, Order::NewestFirst, 1).await?.into_iter().next())
    }

    async fn load<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<Kept<T>>, StoreError> {
        let Some(Entry { value, version }) = self.store.get(key).await? else { return Ok(None) };
        let value = serde_json::from_slice(&value).map_err(|error| StoreError::Corrupt(format!("{key:?}: {error}")))?;
        Ok(Some(Kept { value: Arc::new(value), version }))
    }

    pub(super) fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cache {
    /// Keeps a person under the id of every member, unless something newer is there.
    pub(super) fn keep(&mut self, generation: u64, known: &Arc<Known>) {
        if self.generation != generation {
            return;
        }
        for member in &known.contact.members {
            if self.people.peek(member).is_none_or(|there| known.is_newer(there)) {
                self.people.put(*member, known.clone());
            }
        }
    }

    pub(super) fn keep_address(&mut self, generation: u64, address: String, member: Uuid) {
        if self.generation == generation {
            self.addresses.put(address, member);
        }
    }

    /// People were joined or separated; what anybody is reading at this moment may be wrong. Gives the generation under
    /// which the caller, who began in `generation`, may keep things.
    pub(super) fn regroup<'a>(
        &mut self,
        generation: u64,
        members: impl Iterator<Item = &'a Uuid>,
        addresses: impl Iterator<Item = &'a String>,
    ) -> u64 {
        for member in members {
            self.people.pop(member);
        }
        for address in addresses {
            self.addresses.pop(address);
        }
        let undisturbed = self.generation == generation;
        self.generation += 1;
        if undisturbed { self.generation } else { generation }
    }
}

fn last_inbound(record: &Record) -> Option<LastInbound> {
    let event: Event = serde_json::from_slice(&record.body).ok()?;
    let external_id = event.data.external_ids.into_iter().next();
    Some(LastInbound { channel: event.data.channel?.name, from: event.data.from?, external_id })
}
