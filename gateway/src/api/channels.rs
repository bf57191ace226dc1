use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State;
use serde::Serialize;
use serde_json::{Value, json};

use super::Api;
use super::answer::{Answer, ok};
use super::backends::Progress;
use super::input::{Name, NoParams};
use crate::accept::target;
use crate::channels::{Channel, Counters, StateInfo};
use crate::edge::Problem;
use crate::plugin::Plugin;

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
    sender: Option<Progress>,
}

/// `GET /v1/channels`
pub(super) async fn list(State(api): State<Arc<Api>>, _: NoParams) -> Answer {
    let channels: Vec<Shown> = api.edge.channels.iter().map(|channel| shown(&api, channel)).collect();
    ok(json!({ "channels": channels }))
}

/// `GET /v1/channels/{name}`
pub(super) async fn show(State(api): State<Arc<Api>>, Name(name): Name, _: NoParams) -> Answer {
    let channel = api.edge.channels.get(&name);
    ok(shown(&api, channel.ok_or_else(|| Problem::not_found("there is no channel with this name"))?))
}

fn shown(api: &Api, channel: &Channel) -> Shown {
    let bound = channel.bound();
    let plugin = bound.as_ref().map(|bound| &*bound.plugin);
    Shown {
        name: channel.name.clone(),
        medium: bound.as_ref().map(|bound| bound.reference.medium.clone()),
        adapter: channel.config.adapter.clone(),
        plugin: plugin.map(version),
        capabilities: bound.as_ref().map(|bound| json!(bound.abilities)),
        state: channel.state(),
        counts: counts(&channel.counters),
        sockets: api.edge.hub.count(&channel.name),
        waiting: channel.waiting.load(Ordering::Relaxed),
        sender: api.deliveries.get(&target(&channel.name)).map(|handle| handle.state().into()),
    }
}

pub(super) fn version(plugin: &Plugin) -> Value {
    let manifest = plugin.manifest();
    json!({ "id": manifest.id, "version": manifest.version, "digest": plugin.digest() })
}

fn counts(counters: &Counters) -> Value {
    figures(counters)
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Value::from(value)))
        .collect::<serde_json::Map<_, _>>()
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
