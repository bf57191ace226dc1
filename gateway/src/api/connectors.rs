use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Api;
use super::answer::{Answer, accepted, ok};
use super::backends::Progress;
use super::channels::{kept_aside, version};
use super::input::{Name, NoParams};
use crate::channels::StateInfo;
use crate::connectors::{Connector, Counters, subscriber};
use crate::edge::Problem;
use crate::store::{StoreError, Usage};

/// A connector as callers see it.
#[derive(Serialize)]
struct Shown {
    name: String,
    /// Null until it is loaded.
    plugin: Option<Value>,
    #[serde(flatten)]
    state: StateInfo,
    counts: Map<String, Value>,
    deliveries: Option<Progress>,
    quarantine: Value,
}

/// `GET /v1/connectors`
pub(super) async fn list(State(api): State<Arc<Api>>, _: NoParams) -> Answer {
    let mut connectors = Vec::new();
    for connector in api.edge.connectors.iter() {
        connectors.push(shown(&api, connector).await?);
    }
    ok(json!({ "connectors": connectors }))
}

/// `GET /v1/connectors/{name}`
pub(super) async fn show(State(api): State<Arc<Api>>, Name(name): Name, _: NoParams) -> Answer {
    ok(shown(&api, api.edge.connectors.get(&name).ok_or_else(missing)?).await?)
}

/// `POST /v1/connectors/{name}/resume`
pub(super) async fn resume(State(api): State<Arc<Api>>, Name(name): Name, _: NoParams) -> Answer {
    api.deliveries.get(&subscriber(&name)).ok_or_else(missing)?.resume().await?;
    accepted()
}

fn missing() -> Problem {
    Problem::not_found("there is no connector with this name")
}

/// What is kept of it because its plugin failed, and whether there is room for more.
pub(super) async fn kept(api: &Api, connector: &Connector) -> Result<(Usage, bool), StoreError> {
    api.edge.quarantine.usage(&subscriber(&connector.name)).await
}

async fn shown(api: &Api, connector: &Connector) -> Result<Shown, StoreError> {
    let counts = figures(&connector.counters).into_iter().map(|(name, value)| (name.to_owned(), value.into()));
    Ok(Shown {
        name: connector.name.clone(),
        plugin: connector.bound().map(|bound| version(&bound.plugin)),
        state: connector.state(),
        counts: counts.collect(),
        deliveries: api.deliveries.get(&subscriber(&connector.name)).map(|handle| handle.state().into()),
        quarantine: kept_aside(kept(api, connector).await?),
    })
}

/// A connector's figures since start, by name.
pub(super) fn figures(counters: &Counters) -> [(&'static str, u64); 10] {
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    [
        ("taken", read(&counters.taken)),
        ("calls", read(&counters.calls)),
        ("failed", read(&counters.failed)),
        ("lookups", read(&counters.lookups)),
        ("lookups_failed", read(&counters.lookups_failed)),
        ("lookups_late", read(&counters.lookups_late)),
        ("changes", read(&counters.changes)),
        ("refused", read(&counters.refused)),
        ("quarantined", read(&counters.quarantined)),
        ("broken", read(&counters.broken)),
    ]
}
