use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Map;
use tokio::sync::watch;
use uuid::Uuid;

use super::routing::{Decision, Routing, decision_key, unreadable};
use crate::interaction::{Event, Kind, Time};
use crate::store::{
    Batch, Committed, DedupeKey, Durability, Entry, Filter, Horizon, Key, Lease, NewEvent, Order, Partition, Position,
    Progress, Record, Retention, Stats, Store, StoreError, Stream, Words, Write,
};

/// A store whose events are given their routes on the way in; everything else is the store's own.
pub struct Routed {
    store: Arc<dyn Store>,
    routing: Arc<Routing>,
    retention: Retention,
}

/// Decisions of one batch.
#[derive(Default)]
struct Decided {
    /// By conversation.
    known: HashMap<Uuid, Decision>,
    writes: Vec<Write>,
}

impl Routed {
    /// `retention`: as long as the log keeps what belongs to a conversation.
    pub fn new(store: Arc<dyn Store>, routing: Arc<Routing>, retention: Retention) -> Self {
        Self { store, routing, retention }
    }

    /// Messages of people first: what comes with one goes where it goes.
    async fn route(&self, events: &mut [NewEvent]) -> Result<Vec<Write>, StoreError> {
        let mut decided = Decided::default();
        let mut decisions = vec![None; events.len()];
        for (event, decision) in events.iter().zip(&mut decisions).filter(|(event, _)| is_asked(event)) {
            *decision = Some(self.decide(event, &mut decided).await?);
        }
        for (event, decision) in events.iter_mut().zip(decisions) {
            let decision = match decision {
                Some(decision) => decision,
                None => self.follow(event, &mut decided).await?,
            };
            decision.write_into(event)?;
        }
        Ok(decided.writes)
    }

    async fn decide(&self, event: &NewEvent, decided: &mut Decided) -> Result<Decision, StoreError> {
        let before = self.before(event, decided).await?;
        if let Some(kept) = before.as_ref().filter(|decision| decision.keep) {
            return Ok(kept.clone());
        }
        let decision = self.routing.evaluate(&event.body).await?;
        self.remember(event, before.as_ref(), &decision, decided).await?;
        Ok(decision)
    }

    async fn follow(&self, event: &NewEvent, decided: &mut Decided) -> Result<Decision, StoreError> {
        match self.before(event, decided).await? {
            Some(decision) => Ok(Decision { tags: Map::new(), ..decision }),
            None => {
                let decision = self.routing.evaluate(&event.body).await?;
                if matches!(event.kind, Kind::MessageSubmitted | Kind::MessageEchoed) {
                    self.remember(event, None, &decision, decided).await?;
                }
                Ok(decision)
            }
        }
    }

    async fn before(&self, event: &NewEvent, decided: &Decided) -> Result<Option<Decision>, StoreError> {
        let Some(conversation) = event.conversation else { return Ok(None) };
        if let Some(decision) = decided.known.get(&conversation) {
            return Ok(Some(decision.clone()));
        }
        self.routing.decided(conversation).await
    }

    /// A message that comes a second time changes nothing: it was decided when it came first.
    async fn remember(
        &self,
        event: &NewEvent,
        before: Option<&Decision>,
        decision: &Decision,
        decided: &mut Decided,
    ) -> Result<(), StoreError> {
        let Some(conversation) = event.conversation else { return Ok(()) };
        decided.known.insert(conversation, decision.clone());
        if before == Some(decision) || self.is_duplicate(event).await? {
            return Ok(());
        }
        let value =
            serde_json::to_vec(decision).unwrap_or_else(|error| unreachable!("routes have string keys: {error}"));
        let write =
            Write::put(decision_key(conversation), value).expiring(event.time.plus(self.retention.of(&event.channel)));
        decided.writes.push(write);
        Ok(())
    }

    async fn is_duplicate(&self, event: &NewEvent) -> Result<bool, StoreError> {
        match &event.dedupe {
            Some(key) => Ok(self.store.find_duplicate(key).await?.is_some()),
            None => Ok(false),
        }
    }
}

/// What people write is routed by itself.
fn is_asked(event: &NewEvent) -> bool {
    event.kind == Kind::MessageReceived
}

impl Decision {
    fn write_into(self, event: &mut NewEvent) -> Result<(), StoreError> {
        let Some(route) = self.route else { return Ok(()) };
        let mut written: Event = serde_json::from_slice(&event.body).map_err(unreadable)?;
        written.data.route = Some(route);
        written.data.tags.extend(self.tags);
        event.body = serde_json::to_vec(&written).map_err(unreadable)?.into();
        Ok(())
    }
}

#[async_trait]
impl Store for Routed {
    /// The writes of routes come last, so that the versions of the others are where they were.
    async fn commit(&self, mut batch: Batch) -> Result<Committed, StoreError> {
        let writes = batch.writes.len();
        let routes = self.route(&mut batch.events).await?;
        batch.writes.extend(routes);
        let mut committed = self.store.commit(batch).await?;
        committed.versions.truncate(writes);
        Ok(committed)
    }

    fn durability(&self) -> Durability {
        self.store.durability()
    }

    fn partitions(&self) -> u16 {
        self.store.partitions()
    }

    async fn read(
        &self,
        partition: Partition,
        stream: &Stream,
        after: Position,
        limit: usize,
    ) -> Result<(Vec<Arc<Record>>, Position), StoreError> {
        self.store.read(partition, stream, after, limit).await
    }

    async fn read_lane(
        &self,
        partition: Partition,
        stream: &Stream,
        lane: Uuid,
        from: Position,
        limit: usize,
    ) -> Result<Vec<Arc<Record>>, StoreError> {
        self.store.read_lane(partition, stream, lane, from, limit).await
    }

    async fn find(&self, id: Uuid) -> Result<Option<Arc<Record>>, StoreError> {
        self.store.find(id).await
    }

    async fn find_duplicate(&self, key: &DedupeKey) -> Result<Option<Uuid>, StoreError> {
        self.store.find_duplicate(key).await
    }

    async fn raw(&self, id: Uuid) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.raw(id).await
    }

    async fn unattributed(&self, after: Position, limit: usize) -> Result<Vec<Arc<Record>>, StoreError> {
        self.store.unattributed(after, limit).await
    }

    async fn is_buried(&self, contact: Uuid) -> Result<bool, StoreError> {
        self.store.is_buried(contact).await
    }

    async fn page(
        &self,
        filter: &Filter,
        after: Option<Uuid>,
        order: Order,
        limit: usize,
    ) -> Result<Vec<Arc<Record>>, StoreError> {
        self.store.page(filter, after, order, limit).await
    }

    async fn search(
        &self,
        filter: &Filter,
        words: &Words,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Arc<Record>>, StoreError> {
        self.store.search(filter, words, after, limit).await
    }

    fn watch(&self, partition: Partition, stream: &Stream) -> watch::Receiver<Position> {
        self.store.watch(partition, stream)
    }

    async fn claim(&self, partition: Partition) -> Result<Option<Lease>, StoreError> {
        self.store.claim(partition).await
    }

    async fn renew(&self, lease: &Lease) -> Result<(), StoreError> {
        self.store.renew(lease).await
    }

    async fn progress(&self, lease: &Lease, subscriber: &str) -> Result<Progress, StoreError> {
        self.store.progress(lease, subscriber).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        self.store.get(key).await
    }

    async fn scan(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Entry)>, StoreError> {
        self.store.scan(prefix, after, limit).await
    }

    async fn trim(&self, horizon: &Horizon, dedupe_before: Time) -> Result<u64, StoreError> {
        self.store.trim(horizon, dedupe_before).await
    }

    async fn scrub(&self, bytes_max: u64) -> Result<bool, StoreError> {
        self.store.scrub(bytes_max).await
    }

    async fn ready(&self, timeout: Duration) -> Result<(), StoreError> {
        self.store.ready(timeout).await
    }

    async fn stats(&self) -> Result<Stats, StoreError> {
        self.store.stats().await
    }
}
