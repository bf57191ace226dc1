//! `GET /metrics`: Prometheus text. Labels are names of the configuration: never addresses, texts or ids.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::answer::Answer;
use super::input::NoParams;
use super::{Api, channels, connectors};
use crate::channels::{Channel, ChannelState};
use crate::deliver::{Status, SubscriberState};
use crate::edge::Problem;
use crate::processors::{Figure, Processors};
use crate::store::{Stats, StoreError};

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels = Vec<(&'static str, String)>;

/// Without a key, since scrapers rarely have one: a gateway on a public address keeps this path behind its proxy.
pub(super) async fn show(State(api): State<Arc<Api>>, _: NoParams) -> Answer {
    let stats = api.store.stats().await?;
    let mut figures = snapshot(&api, &stats);
    quarantine(&mut figures, &api).await?;
    let mut text = String::new();
    encode(&mut text, &figures).map_err(unwritable)?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response())
}

fn unwritable(error: std::fmt::Error) -> Problem {
    StoreError::Unavailable(format!("the figures cannot be written: {error}")).into()
}

/// The figures of this moment: they are kept where they arise, and gathered when somebody asks.
fn snapshot(api: &Api, stats: &Stats) -> Registry {
    let mut registry = Registry::with_prefix("omnigate");
    of_channels(&mut registry, api);
    of_connectors(&mut registry, api);
    processors(&mut registry, &api.processors);
    subscribers(&mut registry, &api.deliveries.states());
    store(&mut registry, stats);
    gauge(
        &mut registry,
        "erasures_stuck",
        "Erasures that failed when they were last tried",
        None,
        api.eraser.stuck() as u64,
    );
    if let Some(bytes) = resident_bytes() {
        gauge(&mut registry, "process_resident_memory", "Memory of the process", Some(Unit::Bytes), bytes);
    }
    registry
}

fn of_channels(registry: &mut Registry, api: &Api) {
    let happened = counters(registry, "channel_events", "What happened on a channel since start, by what it was");
    let states = gauges(registry, "channel_state", "1 for the state that a channel is in");
    let sockets = gauges(registry, "channel_sockets", "Open sockets");
    let waiting = gauges(registry, "channel_mails_waiting", "Mails in a mailbox that are not taken yet");
    for channel in api.edge.channels.iter() {
        let of = |label, value: &str| vec![("channel", channel.name.clone()), (label, value.to_owned())];
        for (name, value) in channels::figures(&channel.counters) {
            happened.get_or_create(&of("event", name)).inc_by(value);
        }
        for state in STATES {
            states.get_or_create(&of("state", state.as_str())).set(i64::from(is_in(channel, state)));
        }
        let plain = vec![("channel", channel.name.clone())];
        sockets.get_or_create(&plain).set(signed(api.edge.hub.count(&channel.name)));
        waiting.get_or_create(&plain).set(signed(channel.waiting.load(Ordering::Relaxed)));
    }
}

async fn quarantine(registry: &mut Registry, api: &Api) -> Result<(), StoreError> {
    let entries = gauges(registry, "channel_quarantine_entries", "Requests and messages that wait for a mended plugin");
    let bytes = gauges(registry, "channel_quarantine_bytes", "What they take in the store");
    let full =
        gauges(registry, "channel_quarantine_full", "1 where no more are kept, and providers are told to try again");
    for channel in api.edge.channels.iter() {
        for (what, (usage, is_full)) in channels::kept(api, channel).await? {
            let labels = vec![("channel", channel.name.clone()), ("kind", what.to_owned())];
            entries.get_or_create(&labels).set(signed(usage.entries));
            bytes.get_or_create(&labels).set(signed(usage.bytes));
            full.get_or_create(&labels).set(i64::from(is_full));
        }
    }
    let entries = gauges(registry, "connector_quarantine_entries", "Requests that wait for a mended plugin");
    let bytes = gauges(registry, "connector_quarantine_bytes", "What they take in the store");
    let full =
        gauges(registry, "connector_quarantine_full", "1 where no more are kept, and the CRM is told to try again");
    for connector in api.edge.connectors.iter() {
        let (usage, is_full) = connectors::kept(api, connector).await?;
        let labels = vec![("connector", connector.name.clone())];
        entries.get_or_create(&labels).set(signed(usage.entries));
        bytes.get_or_create(&labels).set(signed(usage.bytes));
        full.get_or_create(&labels).set(i64::from(is_full));
    }
    Ok(())
}

fn processors(registry: &mut Registry, processors: &Processors) {
    let messages =
        counters(registry, "processor_messages", "Messages at a processor since start, by what became of them");
    for processor in processors.iter() {
        for figure in Figure::ALL {
            let labels = vec![("processor", processor.config.name.clone()), ("result", figure.as_str().to_owned())];
            messages.get_or_create(&labels).inc_by(processor.counters.get(figure));
        }
    }
}

const STATES: [ChannelState; 4] =
    [ChannelState::Connected, ChannelState::Degraded, ChannelState::BadCredentials, ChannelState::Stopped];

fn is_in(channel: &Channel, state: ChannelState) -> bool {
    channel.state().state == state
}

fn of_connectors(registry: &mut Registry, api: &Api) {
    let happened = counters(registry, "connector_events", "What happened on a connector since start, by what it was");
    let states = gauges(registry, "connector_state", "1 for the state that a connector is in");
    for connector in api.edge.connectors.iter() {
        let of = |label, value: &str| vec![("connector", connector.name.clone()), (label, value.to_owned())];
        for (name, value) in connectors::figures(&connector.counters) {
            happened.get_or_create(&of("event", name)).inc_by(value);
        }
        for state in STATES {
            let is_in = connector.state().state == state;
            states.get_or_create(&of("state", state.as_str())).set(i64::from(is_in));
        }
    }
}

fn subscribers(registry: &mut Registry, states: &[SubscriberState]) {
    let attempts = counters(registry, "deliveries", "Deliveries since start, by how they ended");
    let status = gauges(registry, "subscriber_status", "1 for the status that a subscriber has");
    let lag = gauges(registry, "subscriber_lag", "Records that a subscriber has not come to yet");
    let in_flight = gauges(registry, "subscriber_in_flight", "Deliveries under way");
    let waiting = gauges(registry, "subscriber_lanes_waiting", "Conversations that wait for another attempt");
    for state in states {
        let of = |label, value: &str| vec![("subscriber", state.name.clone()), (label, value.to_owned())];
        let plain = vec![("subscriber", state.name.clone())];
        for (result, count) in [("delivered", state.delivered), ("failed", state.failed), ("dead", state.dead)] {
            attempts.get_or_create(&of("result", result)).inc_by(count);
        }
        for name in ["running", "paused", "held", "stopped"] {
            status.get_or_create(&of("status", name)).set(i64::from(name == status_name(&state.status)));
        }
        lag.get_or_create(&plain).set(signed(state.head.saturating_sub(state.position)));
        in_flight.get_or_create(&plain).set(signed(state.in_flight));
        waiting.get_or_create(&plain).set(signed(state.lanes_waiting));
    }
}

fn status_name(status: &Status) -> &'static str {
    match status {
        Status::Running => "running",
        Status::Paused { .. } => "paused",
        Status::Held { .. } => "held",
        Status::Stopped { .. } => "stopped",
    }
}

fn store(registry: &mut Registry, stats: &Stats) {
    gauge(registry, "store_events", "Interactions in the log", None, stats.events);
    gauge(registry, "store_size", "Size of the store", Some(Unit::Bytes), stats.bytes);
    for (name, help, value) in [
        ("store_commits", "Commits since start", stats.commits),
        ("store_jobs", "Jobs that the commits carried", stats.jobs),
    ] {
        let counter: Counter = Counter::default();
        counter.inc_by(value);
        registry.register(name, help, counter);
    }
}

fn gauge(registry: &mut Registry, name: &str, help: &str, unit: Option<Unit>, value: u64) {
    let gauge: Gauge = Gauge::default();
    gauge.set(signed(value));
    match unit {
        Some(unit) => registry.register_with_unit(name, help, unit, gauge),
        None => registry.register(name, help, gauge),
    }
}

fn counters(registry: &mut Registry, name: &str, help: &str) -> Family<Labels, Counter> {
    let family = Family::<Labels, Counter>::default();
    registry.register(name, help, family.clone());
    family
}

fn gauges(registry: &mut Registry, name: &str, help: &str) -> Family<Labels, Gauge> {
    let family = Family::<Labels, Gauge>::default();
    registry.register(name, help, family.clone());
    family
}

fn signed(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

/// From Linux's own file, in KiB; elsewhere there is none.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}
