use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use serde_json::json;

use super::Api;
use super::answer::{Answer, ok};
use super::input::NoParams;
use crate::edge::Problem;

const PATIENCE: Duration = Duration::from_secs(2);

/// `GET /healthz`: the program runs.
pub(super) async fn alive(_: NoParams) -> Answer {
    ok(json!({ "status": "alive" }))
}

/// `GET /readyz`: what comes in can be written down.
pub(super) async fn ready(State(api): State<Arc<Api>>, _: NoParams) -> Answer {
    match tokio::time::timeout(PATIENCE, api.store.ready(PATIENCE)).await {
        Ok(Ok(())) => ok(json!({ "status": "ready" })),
        Ok(Err(error)) => Err(not_ready(&error.to_string())),
        Err(_) => Err(not_ready("the store does not answer")),
    }
}

/// The cause is for the log: it may name paths.
fn not_ready(why: &str) -> Problem {
    tracing::warn!(why, "not ready");
    Problem::unavailable("nothing can be written down at the moment", PATIENCE)
}
