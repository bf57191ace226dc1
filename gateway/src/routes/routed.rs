use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Map;
use uuid::Uuid;

use super::routing::{Decision, Routing, decision_key, unreadable};
use crate::interaction::{Event, Kind};
use crate::store::{Batch, Committed, Layer, NewEvent, Retention, Store, StoreError, Write};

/// A store whose events are given their routes on the way in.
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
impl Layer for Routed {
    fn inner(&self) -> &dyn Store {
        &*self.store
    }

    /// The writes of routes come last, so that the versions of the others are where they were.
    async fn commit(&self, mut batch: Batch) -> Result<Committed, StoreError> {
        let writes = batch.writes.len();
        let routes = self.route(&mut batch.events).await?;
        batch.writes.extend(routes);
        let mut committed = self.store.commit(batch).await?;
        committed.versions.truncate(writes);
        Ok(committed)
    }
}
