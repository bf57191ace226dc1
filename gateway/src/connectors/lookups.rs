use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use uuid::Uuid;

use super::{Connector, Connectors, Memory};
use crate::channels::{ChannelState, count};
use crate::config;
use crate::customer::Directory;
use crate::interaction::{Interaction, Time};
use crate::plugin::connecting::Person;
use crate::plugin::exchange::{Failure, FaultKind};
use crate::store::StoreError;

/// Questions at once, of one connector: what waits for a CRM takes places of the sandbox.
const AT_ONCE: usize = 8;
/// Conversations of which it is known that somebody asked.
const ASKED_MAX: usize = 20_000;
/// How long nobody asks a CRM that did not answer: who comes first pays for the others.
const QUIET: Duration = Duration::from_secs(5);
/// The same where it refused our credentials.
const LOCKED_OUT: Duration = Duration::from_secs(60);
/// Where a CRM at its limit does not say how long.
const REST: Duration = Duration::from_secs(10);

/// Asks CRMs who somebody is, once for each conversation, whoever wants to know first.
pub struct Lookups {
    asking: Vec<Arc<Asking>>,
    directory: Arc<Directory>,
    memory: Arc<Memory>,
}

/// One CRM that can be asked.
struct Asking {
    connector: Arc<Connector>,
    places: Semaphore,
    asked: Mutex<LruCache<Uuid, watch::Receiver<bool>>>,
    quiet: Mutex<Option<tokio::time::Instant>>,
}

impl Lookups {
    /// For all connectors that may be asked.
    pub fn new(connectors: &Connectors, directory: Arc<Directory>, memory: Arc<Memory>) -> Self {
        let asked = connectors.iter().filter(|connector| !connector.config.lookup_timeout.is_zero());
        let asking = asked.map(|connector| Arc::new(Asking::of(connector.clone()))).collect();
        Self { asking, directory, memory }
    }

    /// Asks those who hear of a conversation for the first time who takes part in it, unless somebody did; waits for nothing.
    pub fn begin(&self, data: &Interaction, contact: Uuid) {
        for (asking, conversation) in self.first_hearing(data) {
            drop(self.ask(asking, conversation, contact, Duration::ZERO));
        }
    }

    /// The same, and waits for every answer: until `lookup_timeout` after the reception at the latest.
    pub async fn wait(&self, data: &Interaction, contact: Uuid) {
        let waits = self.first_hearing(data).map(|(asking, conversation)| {
            let limit = asking.connector.config.lookup_timeout;
            let patience = data.received_at.plus(limit).since(Time::now()).min(limit);
            let answer = self.ask(asking, conversation, contact, patience);
            async move {
                if let Some(mut answer) = answer
                    && timeout(patience, answer.wait_for(|answered| *answered)).await.is_err()
                {
                    count(&asking.connector.counters.lookups_late);
                }
            }
        });
        futures_util::future::join_all(waits).await;
    }

    fn first_hearing(&self, data: &Interaction) -> impl Iterator<Item = (&Arc<Asking>, Uuid)> {
        self.asking.iter().filter_map(|asking| Some((asking, first_heard(&asking.connector.config, data)?)))
    }

    /// Begins to ask, or joins who began; `None` where it is of no use now.
    fn ask(
        &self,
        asking: &Arc<Asking>,
        conversation: Uuid,
        contact: Uuid,
        patience: Duration,
    ) -> Option<watch::Receiver<bool>> {
        let mut asked = asking.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = asked.get(&conversation) {
            return Some(answer.clone());
        }
        if asking.is_quiet() {
            return None;
        }
        let (answered, answer) = watch::channel(false);
        asked.put(conversation, answer.clone());
        let (asking, directory, memory) = (asking.clone(), self.directory.clone(), self.memory.clone());
        tokio::spawn(async move {
            asking.look_up(contact, patience, &directory, &memory).await;
            answered.send_replace(true);
        });
        Some(answer)
    }
}

impl Asking {
    fn of(connector: Arc<Connector>) -> Self {
        let asked = LruCache::new(NonZeroUsize::new(ASKED_MAX).unwrap_or(NonZeroUsize::MIN));
        Self { connector, places: Semaphore::new(AT_ONCE), asked: Mutex::new(asked), quiet: Mutex::default() }
    }

    fn is_quiet(&self) -> bool {
        let quiet = *self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        quiet.is_some_and(|until| until > tokio::time::Instant::now()) || self.connector.resting().is_some()
    }

    fn be_quiet(&self, pause: Duration) {
        *self.quiet.lock().unwrap_or_else(PoisonError::into_inner) = Some(tokio::time::Instant::now() + pause);
    }

    /// Who gets no place in time is not asked for: at a rush, the CRM is told of the person anyway.
    async fn look_up(&self, contact: Uuid, patience: Duration, directory: &Directory, memory: &Memory) {
        let Ok(Ok(_place)) = timeout(patience.max(QUIET), self.places.acquire()).await else { return };
        if let Err(error) = self.answer(contact, directory, memory).await {
            tracing::warn!(%error, connector = self.connector.name, "what the CRM knows of a contact is not noted");
        }
    }

    async fn answer(&self, contact: Uuid, directory: &Directory, memory: &Memory) -> Result<(), StoreError> {
        let Some(bound) = self.connector.bound() else { return Ok(()) };
        let Some(person) = person(directory, contact).await? else { return Ok(()) };
        let known = memory.contact(&self.connector.name, person.id).await?;
        count(&self.connector.counters.lookups);
        let id = person.id;
        match bound.plugin.find(&bound.binding, person, known).await.result {
            Ok(found) => memory.learn(&self.connector.name, id, &found).await,
            Err(failure) => {
                self.failed(failure);
                Ok(())
            }
        }
    }

    fn failed(&self, failure: Failure) {
        count(&self.connector.counters.lookups_failed);
        let fault = match failure {
            Failure::Fault(fault) => fault,
            Failure::Broken(broken) => {
                count(&self.connector.counters.broken);
                tracing::error!(connector = self.connector.name, %broken, "the connector broke in a lookup");
                return self.be_quiet(QUIET);
            }
            Failure::Busy => return self.be_quiet(QUIET),
        };
        tracing::warn!(connector = self.connector.name, why = fault.message, "a lookup failed");
        match fault.kind {
            FaultKind::RateLimited => self.connector.rest(fault.retry_after.unwrap_or(REST)),
            FaultKind::Unauthorized => {
                self.connector.set_state(ChannelState::BadCredentials, Some(fault.message));
                self.be_quiet(LOCKED_OUT);
            }
            _ => self.be_quiet(QUIET),
        }
    }
}

/// The conversation, if a connector hears of it now. One that began on a channel that does not concern it is new to it with
/// whatever comes first on one that does; whoever asks twice is told that somebody did.
fn first_heard(connector: &config::Connector, data: &Interaction) -> Option<Uuid> {
    let conversation = data.conversation.as_ref()?;
    let channel = data.channel.as_ref().map_or("", |channel| channel.name.as_str());
    let began_here = conversation.channels.first().is_none_or(|first| connector.covers(first));
    (connector.covers(channel) && (conversation.new || !began_here)).then_some(conversation.id)
}

/// A contact as connectors get it.
///
/// # Errors
/// If the store cannot be read.
pub(crate) async fn person(directory: &Directory, contact: Uuid) -> Result<Option<Person>, StoreError> {
    let Some(known) = directory.person(contact).await? else { return Ok(None) };
    let contact = &known.contact;
    Ok(Some(Person { id: contact.id, name: contact.name.clone(), identities: contact.identities.clone() }))
}
