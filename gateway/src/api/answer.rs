//! Shapes that several calls answer with.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::edge::Problem;
use crate::media::Media;
use crate::store::{Record, StoreError};

/// What a handler gives back.
pub(super) type Answer = Result<Response, Problem>;

/// 200 with a JSON body.
pub(super) fn ok(body: impl Serialize) -> Answer {
    Ok(Json(body).into_response())
}

/// 202: it was asked for.
pub(super) fn accepted() -> Answer {
    Ok((StatusCode::ACCEPTED, Json(serde_json::Map::new())).into_response())
}

/// Interactions, as they are in the log, and where the next page begins.
#[derive(Serialize)]
pub(super) struct Page {
    interactions: Vec<Box<RawValue>>,
    next: Option<Uuid>,
}

impl Page {
    /// Of records that were read one beyond `limit`, to see whether there is more.
    pub(super) fn of(media: &Media, mut records: Vec<std::sync::Arc<Record>>, limit: usize) -> Result<Self, Problem> {
        let more = records.len() > limit;
        records.truncate(limit);
        let next = records.last().filter(|_| more).map(|record| record.id);
        let interactions = records.iter().map(|record| event(media, record)).collect::<Result<_, _>>()?;
        Ok(Self { interactions, next })
    }
}

/// An interaction's JSON, its media addresses signed.
pub(super) fn event(media: &Media, record: &Record) -> Result<Box<RawValue>, Problem> {
    let corrupt = |what: String| Problem::from(StoreError::Corrupt(what));
    let text = String::from_utf8(media.render(record).to_vec());
    let text = text.map_err(|_| corrupt(format!("interaction {} is not UTF-8", record.id)))?;
    RawValue::from_string(text).map_err(|_| corrupt(format!("interaction {} is not JSON", record.id)))
}
