use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::json;

use super::Api;
use super::answer::{Answer, accepted, ok};
use super::input::{Name, NoParams};
use crate::deliver::{ControlError, Status, SubscriberState};
use crate::edge::Problem;

/// What a backend's subscriber is called before its name.
const PREFIX: &str = "backend:";

/// How far and how well a subscriber is.
#[derive(Serialize)]
pub(super) struct Progress {
    #[serde(flatten)]
    status: Status,
    /// Records of its stream that it has not come to yet, at most.
    lag: u64,
    in_flight: usize,
    lanes_waiting: usize,
    delivered: u64,
    failed: u64,
    dead: u64,
}

impl From<SubscriberState> for Progress {
    fn from(state: SubscriberState) -> Self {
        Self {
            status: state.status,
            lag: state.head.saturating_sub(state.position),
            in_flight: state.in_flight,
            lanes_waiting: state.lanes_waiting,
            delivered: state.delivered,
            failed: state.failed,
            dead: state.dead,
        }
    }
}

/// A backend as callers see it.
#[derive(Serialize)]
struct Shown {
    name: String,
    #[serde(flatten)]
    progress: Progress,
}

/// `GET /v1/backends`
pub(super) async fn list(State(api): State<Arc<Api>>, _: NoParams) -> Answer {
    let backends: Vec<Shown> = api.deliveries.states().into_iter().filter_map(shown).collect();
    ok(json!({ "backends": backends }))
}

fn shown(state: SubscriberState) -> Option<Shown> {
    let name = state.name.strip_prefix(PREFIX)?.to_owned();
    Some(Shown { name, progress: state.into() })
}

/// `POST /v1/backends/{name}/resume`
pub(super) async fn resume(State(api): State<Arc<Api>>, Name(name): Name, _: NoParams) -> Answer {
    let handle = api.deliveries.get(&format!("{PREFIX}{name}"));
    let handle = handle.ok_or_else(|| Problem::not_found("there is no backend with this name"))?;
    handle.resume().await?;
    accepted()
}

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Self {
        let text = error.to_string();
        match error {
            ControlError::Ended => Self::unavailable(text, Duration::from_secs(5)),
            ControlError::Busy => Self::unavailable(text, Duration::from_secs(30)),
            ControlError::NotFound(_) | ControlError::NotForIt(_) => Self::new(StatusCode::CONFLICT, "conflict", text),
            ControlError::Store(error) => error.into(),
        }
    }
}
