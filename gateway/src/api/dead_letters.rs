use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Api;
use super::answer::{Answer, accepted, ok};
use super::input::{Id, NoParams, Params};
use super::interactions::limit;
use crate::accept::{Held, Retried};
use crate::channels::Quarantined;
use crate::deliver::{DeadKind, DeadLetter, RetryError};
use crate::edge::{Problem, Replayed};
use crate::interaction::Time;
use crate::store::StoreError;

/// Which dead letters, and how many.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listing {
    subscriber: Option<String>,
    after: Option<Uuid>,
    limit: Option<usize>,
}

/// A dead letter as callers see it.
#[derive(Serialize)]
struct Shown {
    id: Uuid,
    kind: DeadKind,
    subscriber: String,
    interaction_id: Option<Uuid>,
    attempts: u32,
    reason: String,
    failed_at: Time,
    /// Of a request: enough to know it by. Its body holds what people wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<Value>,
}

impl From<DeadLetter> for Shown {
    fn from(letter: DeadLetter) -> Self {
        Self {
            request: letter.more.get("request").map(outline),
            id: letter.id,
            kind: letter.kind,
            subscriber: letter.subscriber,
            interaction_id: letter.interaction_id,
            attempts: letter.attempts,
            reason: letter.reason,
            failed_at: letter.failed_at,
        }
    }
}

/// Method, path and size of a kept request; the query may hold a token.
fn outline(request: &Value) -> Value {
    let base64 = request["body_base64"].as_str().unwrap_or_default();
    let padding = base64.bytes().rev().take_while(|byte| *byte == b'=').count();
    json!({ "method": request["method"], "path": request["path"], "bytes": base64.len() / 4 * 3 - padding })
}

/// `GET /v1/dead-letters`
pub(super) async fn list(State(api): State<Arc<Api>>, Params(listing): Params<Listing>) -> Answer {
    let limit = limit(listing.limit)?;
    let mut letters = shown(&api, listing.subscriber.as_deref(), listing.after, limit + 1).await?;
    let more = letters.len() > limit;
    letters.truncate(limit);
    let next = letters.last().filter(|_| more).map(|letter| letter.id);
    ok(json!({ "dead_letters": letters, "next": next }))
}

/// Portion by portion: of a request, which may be as large as a mail, its outline alone stays in memory.
async fn shown(
    api: &Api,
    subscriber: Option<&str>,
    mut after: Option<Uuid>,
    limit: usize,
) -> Result<Vec<Shown>, StoreError> {
    let mut all = Vec::new();
    while all.len() < limit {
        let letters = api.dead_letters.list(subscriber, after, limit - all.len()).await?;
        let Some(last) = letters.last() else { break };
        after = Some(last.id);
        all.extend(letters.into_iter().map(Shown::from));
    }
    Ok(all)
}

/// `GET /v1/dead-letters/{id}`
pub(super) async fn show(State(api): State<Arc<Api>>, Id(id): Id, _: NoParams) -> Answer {
    ok(Shown::from(find(&api, id).await?))
}

async fn find(api: &Api, id: Uuid) -> Result<DeadLetter, Problem> {
    api.dead_letters.get(id).await?.ok_or_else(|| Problem::not_found(format!("there is no dead letter {id}")))
}

/// `POST /v1/dead-letters/{id}/retry`
pub(super) async fn retry(State(api): State<Arc<Api>>, Id(id): Id, _: NoParams) -> Answer {
    let letter = find(&api, id).await?;
    match letter.kind {
        DeadKind::Delivery => api.dead_letters.retry(id, &api.deliveries).await?,
        DeadKind::Request => replay(&api, quarantined(&letter)?).await?,
        DeadKind::Message => retry_held(&api, held(&letter)?).await?,
    }
    accepted()
}

async fn replay(api: &Api, kept: Quarantined) -> Result<(), Problem> {
    match api.edge.replay(kept).await? {
        Replayed::Digested => Ok(()),
        Replayed::FailedAgain(reason) => Err(conflict(format!("it failed again and is still kept: {reason}"))),
    }
}

async fn retry_held(api: &Api, held: Held) -> Result<(), Problem> {
    match api.edge.accept.retry_held(held).await? {
        Retried::Done => Ok(()),
        Retried::HeldAgain(reason) => Err(conflict(format!("it failed again and is still held: {reason}"))),
    }
}

/// `DELETE /v1/dead-letters/{id}`
pub(super) async fn drop(State(api): State<Arc<Api>>, Id(id): Id, _: NoParams) -> Answer {
    let letter = find(&api, id).await?;
    match letter.kind {
        DeadKind::Delivery => api.dead_letters.drop(id).await.map(std::mem::drop)?,
        // Those are counted: each channel keeps only so many.
        DeadKind::Request => api.edge.quarantine.release(&quarantined(&letter)?).await?,
        DeadKind::Message => api.edge.accept.drop_held(&held(&letter)?).await?,
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The same entry as its maker wrote it.
fn quarantined(letter: &DeadLetter) -> Result<Quarantined, StoreError> {
    let read = serde_json::to_value(letter).and_then(serde_json::from_value);
    read.map_err(|error| StoreError::Corrupt(format!("kept request {}: {error}", letter.id)))
}

/// The same for a held message.
fn held(letter: &DeadLetter) -> Result<Held, StoreError> {
    let read = serde_json::to_value(letter).and_then(serde_json::from_value);
    read.map_err(|error| StoreError::Corrupt(format!("held message {}: {error}", letter.id)))
}

fn conflict(detail: String) -> Problem {
    Problem::new(StatusCode::CONFLICT, "conflict", detail)
}

impl From<RetryError> for Problem {
    fn from(error: RetryError) -> Self {
        let text = error.to_string();
        match error {
            RetryError::NotFound => Self::not_found(text),
            RetryError::NotADelivery | RetryError::NoSubscriber(_) => conflict(text),
            RetryError::Control(error) => error.into(),
            RetryError::Store(error) => error.into(),
        }
    }
}
