use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use uuid::Uuid;

use super::{Edge, Named, Problem};
use crate::interaction::Time;
use crate::media::{Entry, Media, MediaError, State as FileState, Stored, WriteError};

/// How long a reader of a file that is on its way is kept waiting.
const PATIENCE: Duration = Duration::from_secs(10);
const READ_CHUNK: usize = 64 << 10;

/// Shown in a browser; everything else is offered for download, since a page of a stranger must not run on our address.
const SHOWN: [&str; 10] = [
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "audio/mpeg",
    "audio/ogg",
    "audio/mp4",
    "audio/aac",
    "video/mp4",
    "video/webm",
];

/// The end and signature of an address.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct FileQuery {
    pub expires: Option<i64>,
    pub signature: Option<String>,
}

impl FileQuery {
    /// Whether the address is one of ours, for this purpose, and has not ended.
    pub fn permits(&self, media: &Media, action: &str, id: Uuid) -> bool {
        let (Some(expires), Some(signature)) = (self.expires, &self.signature) else { return false };
        media.links().is_valid(action, id, expires, signature, Time::now())
    }
}

/// A file; one that is on its way is waited for.
///
/// # Errors
/// 404 unknown, 410 will not come, 503 not yet there.
pub async fn serve_file(media: &Media, id: Uuid) -> Result<Response, Problem> {
    let missing = || Problem::not_found(format!("there is no file {id}"));
    let entry = media.entry_within(id, PATIENCE).await?.ok_or_else(missing)?;
    match &entry.state {
        FileState::Pending => Err(Problem::unavailable("the file is still being fetched", Duration::from_secs(5))),
        FileState::Failed { why } => {
            Err(Problem::new(StatusCode::GONE, "media-failed", format!("the file could not be fetched: {why}")))
        }
        FileState::Stored(stored) => {
            let file = tokio::fs::File::open(media.path(id, stored)).await.map_err(|_| missing())?;
            Ok((headers(&entry, stored), Body::from_stream(read(file))).into_response())
        }
    }
}

fn headers(entry: &Entry, stored: &Stored) -> HeaderMap {
    let shown = SHOWN.contains(&stored.content_type.as_str());
    let content_type = if shown { &stored.content_type } else { "application/octet-stream" };
    let mut headers = HeaderMap::new();
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(header::CONTENT_TYPE, content_type);
    set(header::CONTENT_LENGTH, &stored.bytes.to_string());
    set(header::CONTENT_DISPOSITION, &disposition(entry.announced.name.as_deref(), shown));
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox");
    set(header::CACHE_CONTROL, "private, max-age=3600, immutable");
    set(HeaderName::from_static("cross-origin-resource-policy"), "cross-origin");
    set(header::ETAG, &format!("\"{}\"", stored.sha256));
    headers
}

/// RFC 6266: the name as UTF-8, percent-encoded.
fn disposition(name: Option<&str>, shown: bool) -> String {
    let kind = if shown { "inline" } else { "attachment" };
    match name {
        Some(name) => format!("{kind}; filename*=UTF-8''{}", utf8_percent_encode(name, NON_ALPHANUMERIC)),
        None => kind.to_owned(),
    }
}

fn read(file: tokio::fs::File) -> impl futures_util::Stream<Item = std::io::Result<bytes::Bytes>> {
    futures_util::stream::unfold(file, async |mut file| {
        let mut chunk = bytes::BytesMut::with_capacity(READ_CHUNK);
        match tokio::io::AsyncReadExt::read_buf(&mut file, &mut chunk).await {
            Ok(0) => None,
            Ok(_) => Some((Ok(chunk.freeze()), file)),
            Err(error) => Some((Err(error), file)),
        }
    })
}

/// A visitor's file, from any page on which the widget lives.
pub(super) async fn upload(
    State(edge): State<Arc<Edge>>,
    id: Named<Uuid>,
    query: Result<Query<FileQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let (Ok(Path(id)), Ok(Query(query))) = (id, query) else {
        return with_cors(Problem::not_found("there is no upload with this address").into_response());
    };
    let stored = edge.receive(id, &query, &headers, body).await;
    with_cors(stored.map_or_else(IntoResponse::into_response, |()| StatusCode::NO_CONTENT.into_response()))
}

/// A browser asks before it uploads from another site.
pub(super) async fn preflight() -> Response {
    with_cors(StatusCode::NO_CONTENT.into_response())
}

/// The right to upload lies in the address, not in cookies: any origin may use it.
fn with_cors(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("PUT"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type"));
    response
}

impl Edge {
    async fn receive(&self, id: Uuid, query: &FileQuery, headers: &HeaderMap, body: Body) -> Result<(), Problem> {
        if !query.permits(&self.media, "put", id) {
            return Err(Problem::forbidden("this address is not valid any more: ask for a new one"));
        }
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let received = self.media.receive(id, content_type, body.into_data_stream().boxed());
        match tokio::time::timeout(self.media.upload_timeout(), received).await {
            Ok(received) => received.map(drop).map_err(Problem::from),
            Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "too-slow", "the upload took too long")),
        }
    }
}

impl From<MediaError> for Problem {
    fn from(error: MediaError) -> Self {
        let text = error.to_string();
        match error {
            MediaError::NotFound => Self::not_found(text),
            MediaError::Stored => Self::new(StatusCode::CONFLICT, "conflict", text),
            MediaError::Write(WriteError::TooLarge(_)) => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", text),
            MediaError::Write(WriteError::ContentType(_)) => {
                Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-type", text)
            }
            MediaError::Write(WriteError::Broken(_)) => Self::invalid(text),
            MediaError::Write(WriteError::Full | WriteError::Io(_)) => {
                tracing::error!(error = text, "a file cannot be stored");
                Self::unavailable("no file can be stored at the moment", Duration::from_secs(5))
            }
            MediaError::Store(error) => error.into(),
        }
    }
}
