use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::Problem;

/// Reads a body up to a limit; a body that announces more is refused before it is read.
///
/// # Errors
/// 413 for too much, 408 for too slow, 400 for a connection that breaks off.
pub async fn read_body(headers: &HeaderMap, body: Body, max: usize, timeout: Duration) -> Result<Bytes, Problem> {
    if announced_length(headers).is_some_and(|length| length > max as u64) {
        return Err(Problem::too_large(max));
    }
    let collected = tokio::time::timeout(timeout, Limited::new(body, max).collect()).await;
    match collected {
        Err(_) => {
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "too-slow", format!("the body took longer than {timeout:?}")))
        }
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::too_large(max)),
        Ok(Err(_)) => Err(Problem::invalid("the body breaks off")),
        Ok(Ok(body)) => Ok(body.to_bytes()),
    }
}

fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
