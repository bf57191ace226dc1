use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Api;
use super::answer::{Answer, ok};
use super::backends::Progress;
use super::input::{Name, NoParams};
use crate::accept::target;
use crate::channels::{Channel, Counters, StateInfo};
use crate::edge::Problem;
use crate::plugin::Plugin;
use crate::store::{StoreError, Usage};

/// A channel as callers see it.
#[derive(Serialize)]
struct Shown {
    name: String,
    /// Null until a plugin serves it.
    medium: Option<String>,
    adapter: String,
    plugin: Option<Value>,
    capabilities: Option<Value>,
    #[serde(flatten)]
    state: StateInfo,
    counts: Value,
    sockets: usize,
    /// Mails in its mailbox that are not taken yet.
    waiting: u64,
    quarantine: Value,
    sender: Option<Progress>,
}

/// `GET /v1/channels`
pub(super) async fn list(State(api): State<Arc<Api>>, _: NoParams) -> Answer {
    let mut channels = Vec::new();
    for channel in api.edge.channels.iter() {
        channels.push(shown(&api, channel).await?);
    }
    ok(json!({ "channels": channels }))
}

/// `GET /v1/channels/{name}`
pub(super) async fn show(State(api): State<Arc<Api>>, Name(name): Name, _: NoParams) -> Answer {
    let channel = api.edge.channels.get(&name);
    let channel = channel.ok_or_else(|| Problem::not_found("there is no channel with this name"))?;
    ok(shown(&api, channel).await?)
}

async fn shown(api: &Api, channel: &Channel) -> Result<Shown, StoreError> {
    let bound = channel.bound();
    let plugin = bound.as_ref().map(|bound| &*bound.plugin);
    Ok(Shown {
        name: channel.name.clone(),
        medium: bound.as_ref().map(|bound| bound.reference.medium.clone()),
        adapter: channel.config.adapter.clone(),
        plugin: plugin.map(version),
        capabilities: bound.as_ref().map(|bound| json!(bound.abilities)),
        state: channel.state(),
        counts: counts(&channel.counters),
        sockets: api.edge.hub.count(&channel.name),
        waiting: channel.waiting.load(Ordering::Relaxed),
        quarantine: quarantine(api, channel).await?,
        sender: api.deliveries.get(&target(&channel.name)).map(|handle| handle.state().into()),
    })
}

async fn quarantine(api: &Api, channel: &Channel) -> Result<Value, StoreError> {
    let kept = kept(api, channel).await?;
    Ok(kept.into_iter().map(|(what, kept)| (what.to_owned(), kept_aside(kept))).collect::<Map<_, _>>().into())
}

/// As callers see it.
pub(super) fn kept_aside((usage, full): (Usage, bool)) -> Value {
    json!({ "entries": usage.entries, "bytes": usage.bytes, "full": full })
}

/// What waits for a mended plugin, by what it is, and whether there is room for more.
pub(super) async fn kept(api: &Api, channel: &Channel) -> Result<[(&'static str, (Usage, bool)); 2], StoreError> {
    let requests = api.edge.quarantine.usage(&channel.name).await?;
    let messages = api.edge.accept.held_of(&channel.name).await?;
    Ok([("requests", requests), ("messages", messages)])
}

pub(super) fn version(plugin: &Plugin) -> Value {
    let manifest = plugin.manifest();
    json!({ "id": manifest.id, "version": manifest.version, "digest": plugin.digest() })
}

fn counts(counters: &Counters) -> Value {
    figures(counters)
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Value::from(value)))
        .collect::<Map<_, _>>()
        .into()
}

/// A channel's figures since start, by name.
pub(super) fn figures(counters: &Counters) -> [(&'static str, u64); 7] {
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    [
        ("received", read(&counters.received)),
        ("duplicates", read(&counters.duplicates)),
        ("refused", read(&counters.refused)),
        ("quarantined", read(&counters.quarantined)),
        ("sent", read(&counters.sent)),
        ("failed", read(&counters.failed)),
        ("broken", read(&counters.broken)),
    ]
}
