use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::IntoResponse;
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::Api;
use super::answer::Answer;
use super::input::{Id, Params, unprocessable_query};
use crate::config::Scope;
use crate::edge::{FileQuery, Problem, serve_file};
use crate::interaction::{MediaKind, Time};
use crate::media::{Announced, Entry, Media, MediaError, Source, State as FileState, WriteError};

const NAME_MAX: usize = 255;

/// What a file is called, and what it is for the person.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UploadQuery {
    name: Option<String>,
    kind: Option<MediaKind>,
}

/// `POST /v1/media`
pub(super) async fn upload(
    State(api): State<Arc<Api>>,
    Params(query): Params<UploadQuery>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let media = &api.edge.media;
    let announced = announced(query, &headers)?;
    check_length(media, announced.bytes)?;
    let id = media.announce_now(announced).await?;
    let entry = receive(media, id, body).await?;
    let place = [(header::LOCATION, media.links().plain(id))];
    Ok((StatusCode::CREATED, place, Json(shown(media, id, &entry))).into_response())
}

fn announced(query: UploadQuery, headers: &HeaderMap) -> Result<Announced, Problem> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let content_type = text(header::CONTENT_TYPE).map(str::to_owned);
    Ok(Announced {
        channel: None,
        source: Source::Upload,
        kind: query.kind.unwrap_or_else(|| kind_of(content_type.as_deref())),
        name: query.name.map(checked_name).transpose()?,
        bytes: text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok()),
        content_type,
    })
}

fn checked_name(name: String) -> Result<String, Problem> {
    let plain = !name.chars().any(|c| c.is_control() || matches!(c, '/' | '\\'));
    if plain && (1..=NAME_MAX).contains(&name.chars().count()) {
        return Ok(name);
    }
    Err(unprocessable_query("name: must have 1 to 255 characters, without slashes and control characters"))
}

fn kind_of(content_type: Option<&str>) -> MediaKind {
    match content_type.unwrap_or_default().split('/').next() {
        Some("image") => MediaKind::Image,
        Some("audio") => MediaKind::Audio,
        Some("video") => MediaKind::Video,
        _ => MediaKind::File,
    }
}

/// What announces that it is too much is refused before it comes.
fn check_length(media: &Media, bytes: Option<u64>) -> Result<(), Problem> {
    let max = media.bytes_max();
    if bytes.is_none_or(|bytes| bytes <= max) {
        Ok(())
    } else {
        Err(MediaError::Write(WriteError::TooLarge(max)).into())
    }
}

/// A file that did not come whole is not waited for.
async fn receive(media: &Media, id: Uuid, body: Body) -> Result<Entry, Problem> {
    let received =
        tokio::time::timeout(media.upload_timeout(), media.receive(id, None, body.into_data_stream().boxed())).await;
    let problem = match received {
        Ok(Ok(entry)) if is_empty(&entry) => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "the body is the file: it must not be empty")
        }
        Ok(Ok(entry)) => return Ok(entry),
        Ok(Err(error)) => Problem::from(error),
        Err(_) => Problem::new(StatusCode::REQUEST_TIMEOUT, "too-slow", "the upload took too long"),
    };
    media.give_up(id, problem.detail()).await?;
    Err(problem)
}

fn is_empty(entry: &Entry) -> bool {
    matches!(&entry.state, FileState::Stored(stored) if stored.bytes == 0)
}

fn shown(media: &Media, id: Uuid, entry: &Entry) -> serde_json::Value {
    let stored = match &entry.state {
        FileState::Stored(stored) => Some(stored),
        FileState::Pending | FileState::Failed { .. } => None,
    };
    json!({
        "id": id,
        "url": media.links().signed(id, Time::now()),
        "kind": entry.announced.kind,
        "content_type": stored.map(|stored| &stored.content_type),
        "bytes": stored.map(|stored| stored.bytes),
        "name": entry.announced.name,
    })
}

/// The end and signature of an address.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DownloadQuery {
    expires: Option<i64>,
    signature: Option<String>,
}

/// `GET /v1/media/{id}`: for holders of a key, and of a signed address.
pub(super) async fn download(
    State(api): State<Arc<Api>>,
    Id(id): Id,
    Params(DownloadQuery { expires, signature }): Params<DownloadQuery>,
    headers: HeaderMap,
) -> Answer {
    let media = &api.edge.media;
    let signed = signature.is_some();
    if !(FileQuery { expires, signature }).permits(media, "get", id) {
        if signed && !headers.contains_key(header::AUTHORIZATION) {
            return Err(Problem::forbidden(
                "this address is not valid, or not any more: read the interaction again for a new one",
            ));
        }
        api.keys.permit(&headers, Scope::Messages)?;
    }
    serve_file(media, id).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_no_paths() {
        assert_eq!(checked_name("Übersicht 1.pdf".into()).unwrap(), "Übersicht 1.pdf");
        for bad in ["", "../x", "a\\b", "a\r\nb", &"x".repeat(256)] {
            assert_eq!(checked_name(bad.into()).unwrap_err().status(), 422, "{bad:?}");
        }
    }

    #[test]
    fn the_type_tells_the_kind() {
        assert_eq!(kind_of(Some("image/png")), MediaKind::Image);
        assert_eq!(kind_of(Some("application/pdf")), MediaKind::File);
        assert_eq!(kind_of(None), MediaKind::File);
    }
}
