//! What is measured.

mod accept;
mod connector;
#[allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "tests have more use for it")]
#[path = "../../../tests/support/dovecot.rs"]
mod dovecot;
mod forward;
mod hostile;
mod mail;
mod outbound;
mod plugin;
mod servers;
mod start;
mod timeline;

use std::time::Duration;

use anyhow::Result;

use crate::table::Row;

/// How much is measured.
pub(crate) struct Plan {
    pub(crate) connections: usize,
    /// Gateway and twin take turns so often; the median counts.
    pub(crate) rounds: usize,
    /// Length of a round under full load.
    pub(crate) closed: Duration,
    /// Length of the run at a fixed rate.
    pub(crate) open: Duration,
    pub(crate) only: Option<Part>,
}

/// Requests per second of the runs that measure latency: far from full, so that it is the way that counts and not the queue.
pub(crate) const MODEST_RATE: usize = 200;

/// What can be measured alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// Webhooks, answered when durable.
    Accept,
    /// From a webhook to a backend.
    Forward,
    /// From the API to a provider.
    Outbound,
    /// One call of a plugin.
    Plugin,
    /// The same after attacks by another plugin.
    Hostile,
    /// Mails that wait in a mailbox.
    Mail,
    /// What waits for a CRM.
    Connector,
    /// Start and memory.
    Start,
    /// Pages of a long history.
    Timeline,
}

/// Every part of the plan.
pub(crate) async fn run(plan: &Plan) -> Result<Vec<Row>> {
    let wanted = |part: Part| plan.only.is_none_or(|only| only == part);
    let mut rows = Vec::new();
    if wanted(Part::Plugin) {
        rows.extend(plugin::measure(plan).await?);
    }
    if wanted(Part::Hostile) {
        rows.extend(hostile::measure(plan).await?);
    }
    if wanted(Part::Start) {
        rows.extend(start::measure(plan)?);
    }
    if wanted(Part::Accept) {
        rows.extend(accept::measure(plan).await?);
    }
    if wanted(Part::Forward) {
        rows.extend(forward::measure(plan).await?);
    }
    if wanted(Part::Outbound) {
        rows.extend(outbound::measure(plan).await?);
    }
    if wanted(Part::Mail) {
        rows.extend(mail::measure(plan)?);
    }
    if wanted(Part::Connector) {
        rows.extend(connector::measure(plan).await?);
    }
    if wanted(Part::Timeline) {
        rows.extend(timeline::measure(plan).await?);
    }
    Ok(rows)
}
