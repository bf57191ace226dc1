use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;

use super::Api;
use super::answer::Answer;
use super::input::Asked;
use crate::edge::Problem;
use crate::privacy::EraseError;

/// As long as a caller waits for the end; the erasure goes on without him.
const PATIENCE: Duration = Duration::from_secs(20);

/// `DELETE /v1/contacts/{id}`: 200 with the receipt, or 202 with what is known of it so far. The same call asks for it later.
pub(super) async fn erase(State(api): State<Arc<Api>>, Asked { caller, id, .. }: Asked) -> Answer {
    let begun = api.eraser.erase(id, &caller.name).await?;
    let receipt = api.eraser.ended(begun.contact_id, PATIENCE).await?.unwrap_or(begun);
    let status = if receipt.is_final() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(receipt)).into_response())
}

impl From<EraseError> for Problem {
    fn from(error: EraseError) -> Self {
        match error {
            EraseError::NotFound(_) => Self::not_found(error.to_string()),
            EraseError::Store(error) => error.into(),
        }
    }
}
