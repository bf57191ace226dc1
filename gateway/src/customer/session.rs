//! The decisions of one commit: several events may speak of the same people.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use uuid::Uuid;

use super::draft::{Draft, Scene};
use super::{Contact, Conversation, Directory, LastInbound, Member, News, Suggestion, Why};
use crate::interaction::{Identity, Time};
use crate::store::{StoreError, Write};

/// Claims kept of one member: whoever claims more is not believed anyway.
const SUGGESTIONS_MAX: usize = 16;

/// What is decided so far.
pub struct Session<'a> {
    pub(super) directory: &'a Directory,
    generation: u64,
    pub(super) now: Time,
    /// By leader. Boxed: a node of the map has room for many.
    pub(super) people: BTreeMap<Uuid, Box<Draft>>,
    /// Where to find a member in `people`.
    pub(super) leaders: HashMap<Uuid, Uuid>,
    /// Addresses that got a member in this session.
    pub(super) addresses: HashMap<String, Uuid>,
    pub(super) news: Vec<News>,
    /// The backend that speaks, if one does: it controls what it opens.
    backend: Option<String>,
}

/// Whom and where an event belongs to.
#[derive(Clone, Debug)]
pub struct Attribution {
    pub contact: Arc<Contact>,
    /// The member whose address it was: under this id it is found in the log.
    pub owner: Uuid,
    pub conversation: Arc<Conversation>,
    /// This event opened the conversation.
    pub opened: bool,
}

impl<'a> Session<'a> {
    pub(super) fn new(directory: &'a Directory, generation: u64, now: Time) -> Self {
        Self {
            directory,
            generation,
            now,
            people: BTreeMap::new(),
            leaders: HashMap::new(),
            addresses: HashMap::new(),
            news: Vec::new(),
            backend: None,
        }
    }

    /// Decisions on behalf of a backend: it controls the conversations that it opens.
    #[must_use]
    pub fn on_behalf_of(self, backend: Option<&str>) -> Self {
        Self { backend: backend.map(str::to_owned), ..self }
    }

    /// The contact behind these addresses and the conversation that goes on with it. Whoever is not known yet becomes a
    /// contact. That all of them are one person's, the channel vouches for: contacts that were two are joined.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn attribute(&mut self, addresses: &[&Identity], channel: &str) -> Result<Attribution, StoreError> {
        let members = self.find_all(addresses).await?;
        let owner = match members.iter().flatten().next() {
            Some(owner) => *owner,
            None => self.create(addresses),
        };
        for (identity, member) in addresses.iter().zip(members) {
            self.vouched(owner, identity, member, channel).await?;
        }
        let (rules, now) = (&self.directory.rules, self.now);
        let control = self.backend.clone().or_else(|| rules.control.clone());
        let mut news = Vec::new();
        let draft = self.draft(owner).await?;
        let scene = Scene { channel, control, now, rules };
        let (conversation, opened) = draft.converse(owner, &scene, &mut news);
        let contact = draft.contact();
        self.news.extend(news);
        Ok(Attribution { contact, owner, conversation, opened })
    }

    /// The contact behind an address and its conversation, if both are there already; opens nothing.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn known(&mut self, identity: &Identity) -> Result<Option<Attribution>, StoreError> {
        let Some(owner) = self.find(identity).await? else { return Ok(None) };
        let draft = self.draft(owner).await?;
        let contact = draft.contact();
        let current = draft.current().cloned().map(Arc::new);
        Ok(current.map(|conversation| Attribution { contact, owner, conversation, opened: false }))
    }

    /// Notes the newest message of a member.
    pub fn note_inbound(&mut self, owner: Uuid, inbound: LastInbound) {
        if let Some(draft) = self.leaders.get(&owner).and_then(|leader| self.people.get_mut(leader)) {
            draft.inbound = Some(Arc::new(inbound));
        }
    }

    /// Keeps an address that a person claimed to have, unless it is his already. It joins nobody.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn suggest(&mut self, owner: Uuid, suggestion: Suggestion) -> Result<(), StoreError> {
        let draft = self.draft(owner).await?;
        if draft.has(&suggestion.identity) {
            return Ok(());
        }
        let Some(member) = draft.member(owner) else { return Ok(()) };
        if member.value().suggestions.iter().any(|there| there.identity.same_address(&suggestion.identity)) {
            return Ok(());
        }
        let suggestions = &mut member.change().suggestions;
        suggestions.push(suggestion);
        let surplus = suggestions.len().saturating_sub(SUGGESTIONS_MAX);
        suggestions.drain(..surplus);
        Ok(())
    }

    /// The person that a member belongs to, as decided so far.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn contact(&mut self, member: Uuid) -> Result<Arc<Contact>, StoreError> {
        Ok(self.draft(member).await?.contact())
    }

    /// What the gateway decided by itself since this was asked last; it goes into the log before what caused it.
    pub fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    /// What must be written together with the events.
    pub fn writes(&self) -> Vec<Write> {
        self.people.values().flat_map(|draft| draft.writes()).collect()
    }

    /// After the commit: `versions` are those of `writes`, in their order.
    pub fn committed(self, versions: &[u64]) {
        let mut versions = versions.iter().copied();
        let mut cache = self.directory.cache();
        let mut generation = self.generation;
        if self.people.values().any(|draft| draft.regrouped) {
            generation = cache.regroup(generation, self.leaders.keys(), self.addresses.keys());
        }
        for draft in self.people.into_values() {
            let regrouped = draft.regrouped;
            if let Some(known) = draft.finished(&mut versions, self.now).filter(|_| !regrouped) {
                cache.keep(generation, &Arc::new(known));
            }
        }
        for (address, member) in self.addresses {
            cache.keep_address(generation, address, member);
        }
    }

    /// A channel's word that an address, which is a member's or nobody's yet, belongs to a person.
    async fn vouched(
        &mut self,
        owner: Uuid,
        identity: &Identity,
        member: Option<Uuid>,
        channel: &str,
    ) -> Result<(), StoreError> {
        let Some(other) = member else {
            self.learn(owner, identity).await?;
            self.addresses.insert(identity.address(), owner);
            return Ok(());
        };
        if self.draft(owner).await?.member(other).is_some() {
            return self.learn(owner, identity).await;
        }
        if self.were_separated(owner, other).await? {
            return Ok(());
        }
        let why = Why {
            by: format!("channel:{channel}"),
            reason: "the channel says that both addresses are one person's".into(),
            evidence: Some("told by the provider in one message".into()),
        };
        let (older, younger) = if other < owner { (other, owner) } else { (owner, other) };
        self.link(older, younger, why).await.map(drop)
    }

    async fn learn(&mut self, owner: Uuid, identity: &Identity) -> Result<(), StoreError> {
        self.draft(owner).await?.learn(owner, identity);
        Ok(())
    }

    /// Whether somebody decided that these are two.
    async fn were_separated(&mut self, one: Uuid, other: Uuid) -> Result<bool, StoreError> {
        let other = self.draft(other).await?.contact();
        let apart = |draft: &Draft| {
            draft.members.iter().any(|member| member.value().apart.iter().any(|apart| other.members.contains(apart)))
        };
        Ok(apart(self.draft(one).await?))
    }

    /// The member of each address, in their order.
    async fn find_all(&self, addresses: &[&Identity]) -> Result<Vec<Option<Uuid>>, StoreError> {
        let mut members = Vec::with_capacity(addresses.len());
        for identity in addresses {
            members.push(self.find(identity).await?);
        }
        Ok(members)
    }

    pub(super) async fn find(&self, identity: &Identity) -> Result<Option<Uuid>, StoreError> {
        let address = identity.address();
        match self.addresses.get(&address) {
            Some(id) => Ok(Some(*id)),
            None => self.directory.find_by(address).await,
        }
    }

    /// The same address may be named twice.
    fn create(&mut self, addresses: &[&Identity]) -> Uuid {
        let mut identities: Vec<Identity> = Vec::with_capacity(addresses.len());
        for identity in addresses {
            if !identities.iter().any(|known| known.same_address(identity)) {
                identities.push((*identity).clone());
            }
        }
        self.found(identities)
    }

    /// A new member.
    pub(super) fn found(&mut self, identities: Vec<Identity>) -> Uuid {
        let member = Member::new(identities, self.now);
        let id = member.id;
        self.addresses.extend(member.identities.iter().map(|identity| (identity.address(), id)));
        self.put(Draft::new(member));
        id
    }

    pub(super) fn put(&mut self, draft: impl Into<Box<Draft>>) {
        let draft = draft.into();
        let leader = draft.leader();
        self.leaders.extend(draft.members.iter().map(|member| (member.value().id, leader)));
        self.people.insert(leader, draft);
    }

    /// The person that a member belongs to.
    ///
    /// # Errors
    /// If the store cannot be read; that there is such a member, the caller knows.
    pub(super) async fn draft(&mut self, member: Uuid) -> Result<&mut Draft, StoreError> {
        let missing = || StoreError::Corrupt("an identity points to a contact that is not there".into());
        if !self.leaders.contains_key(&member) {
            let known = self.directory.person(member).await?.ok_or_else(missing)?;
            self.put(Draft::of(known));
        }
        let leader = self.leaders.get(&member);
        leader.and_then(|leader| self.people.get_mut(leader)).map(|draft| &mut **draft).ok_or_else(missing)
    }
}
