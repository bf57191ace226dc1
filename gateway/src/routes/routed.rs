use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Facts, Routes};
use crate::interaction::{Event, Kind, RouteRef};
use crate::store::{Batch, Committed, Key, Layer, NewEvent, Retention, Store, StoreError, Write};

/// A store whose events are given their routes on the way in.
pub struct Routed {
    store: Arc<dyn Store>,
    routes: Routes,
    retention: Retention,
}

/// What was decided for the newest message of a conversation: what else happens in it goes the same way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Decision {
    /// `None`: to every backend.
    route: Option<RouteRef>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    tags: Map<String, Value>,
    /// For the whole conversation.
    #[serde(default)]
    keep: bool,
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
    pub fn new(store: Arc<dyn Store>, routes: Routes, retention: Retention) -> Self {
        Self { store, routes, retention }
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
        let decision = self.evaluate(event)?;
        self.remember(event, before.as_ref(), &decision, decided).await?;
        Ok(decision)
    }

    async fn follow(&self, event: &NewEvent, decided: &mut Decided) -> Result<Decision, StoreError> {
        match self.before(event, decided).await? {
            Some(decision) => Ok(Decision { tags: Map::new(), ..decision }),
            None => {
                let decision = self.evaluate(event)?;
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
        let entry = self.store.get(&decision_key(conversation)).await?;
        Ok(entry.and_then(|entry| serde_json::from_slice(&entry.value).ok()))
    }

    fn evaluate(&self, event: &NewEvent) -> Result<Decision, StoreError> {
        let facts = Facts::read(&event.body).map_err(unreadable)?;
        let taken = self.routes.find(&facts);
        let decision = taken.map(|route| Decision {
            route: Some(self.routes.reference(route)),
            tags: route.tags.clone(),
            keep: route.keep,
        });
        Ok(decision.unwrap_or_default())
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

/// Where it is kept what was decided for a conversation.
pub fn decision_key(conversation: Uuid) -> Key {
    Key::of(&["route", &conversation.to_string()])
}

fn unreadable(error: serde_json::Error) -> StoreError {
    StoreError::Corrupt(format!("an event on its way in: {error}"))
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
