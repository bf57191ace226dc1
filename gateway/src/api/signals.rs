//! Typing and reading, shown to the person.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;

use super::answer::{Answer, accepted};
use super::input::{Id, NoParams, Sent};
use super::{Api, conversations, interactions};
use crate::channels::{Bound, count};
use crate::edge::Problem;
use crate::interaction::{Event, Identity, Kind};
use crate::plugin::Capabilities;
use crate::plugin::exchange::{Failure, Fault, Signal};
use crate::store::{Filter, Order, Record, StoreError};

/// Whether somebody writes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Typing {
    on: bool,
}

/// A message that came: where, from whom, and the provider's id of it.
struct Heard {
    channel: String,
    from: Identity,
    external_id: Option<String>,
}

/// `POST /v1/conversations/{id}/typing`
pub(super) async fn typing(
    State(api): State<Arc<Api>>,
    Id(id): Id,
    _: NoParams,
    Sent { value, .. }: Sent<Typing>,
) -> Answer {
    conversations::find(&api, id).await?;
    let filter = Filter { conversation: Some(id), kinds: vec![Kind::MessageReceived], ..Filter::default() };
    let newest = api.store.page(&filter, None, Order::NewestFirst, 1).await?;
    let silent = || refused("nothing-received", "no message came in this conversation: nobody can be shown anything");
    let heard = heard(newest.first().ok_or_else(silent)?)?;
    show(&api, heard, Signal::Typing(value.on)).await
}

/// `POST /v1/interactions/{id}/read`
pub(super) async fn read(State(api): State<Arc<Api>>, Id(id): Id, _: NoParams) -> Answer {
    let record = interactions::find(&api, id).await?;
    if record.kind != Kind::MessageReceived {
        return Err(refused("not-received", "only a message that came (message.received) can be marked as read"));
    }
    let heard = heard(&record)?;
    let unnamed = || refused("unsupported", "the provider gave this message no id by which it could be marked");
    let external_id = heard.external_id.clone().ok_or_else(unnamed)?;
    show(&api, heard, Signal::Read(external_id)).await
}

fn heard(record: &Record) -> Result<Heard, Problem> {
    let corrupt = |why: String| StoreError::Corrupt(format!("interaction {}: {why}", record.id));
    let event: Event = serde_json::from_slice(&record.body).map_err(|error| corrupt(error.to_string()))?;
    let from = event.data.from.ok_or_else(|| corrupt("it has no sender".into()))?;
    let external_id = event.data.external_ids.into_iter().next();
    let channel = event.data.channel.ok_or_else(|| corrupt("it has no channel".into()))?;
    Ok(Heard { channel: channel.name, from, external_id })
}

async fn show(api: &Api, heard: Heard, signal: Signal) -> Answer {
    let name = &heard.channel;
    let gone = || Problem::unavailable(format!("channel {name} is not there at the moment"), Duration::from_secs(5));
    let channel = api.edge.channels.get(name).ok_or_else(gone)?;
    let bound = channel.bound().ok_or_else(gone)?;
    check_ability(&bound, &signal)?;
    let shown = bound.plugin.show(&bound.binding, heard.from, heard.external_id.as_deref(), signal).await;
    match shown.result {
        Ok(()) => accepted(),
        Err(failure) => {
            if let Failure::Broken(broken) = &failure {
                count(&channel.counters.broken);
                tracing::error!(channel = name, %broken, "the adapter broke on a signal");
            }
            Err(problem_of(failure))
        }
    }
}

fn check_ability(bound: &Bound, signal: &Signal) -> Result<(), Problem> {
    let Capabilities { typing, read_marks, .. } = bound.abilities;
    let (able, ability) = match signal {
        Signal::Typing(_) => (typing, "typing"),
        Signal::Read(_) => (read_marks, "read_marks"),
    };
    if able {
        return Ok(());
    }
    let channel = &bound.reference.name;
    let problem = refused("unsupported", &format!("channel {channel} has no {ability}"));
    Err(problem.with("channel", channel.as_str()).with("ability", ability))
}

fn refused(code: &'static str, detail: &str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
}

fn problem_of(failure: Failure) -> Problem {
    match failure {
        Failure::Fault(Fault { message, retry_after, .. }) => {
            let problem = Problem::new(StatusCode::BAD_GATEWAY, "provider", message);
            retry_after.map_or(problem.clone(), |after| problem.retry_after(after))
        }
        Failure::Broken(_) => Problem::new(StatusCode::BAD_GATEWAY, "provider", "the channel's plugin failed"),
        Failure::Busy => Problem::unavailable("the gateway has too much to do", Duration::from_secs(1)),
    }
}
