use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::{Bytes, BytesMut};
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
    match tokio::time::timeout(timeout, whole(Limited::new(body, max))).await {
        Err(_) => {
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "too-slow", format!("the body took longer than {timeout:?}")))
        }
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::too_large(max)),
        Ok(Err(_)) => Err(Problem::invalid("the body breaks off")),
        Ok(Ok(body)) => Ok(body),
    }
}

/// What comes in one piece is taken as it is; of many pieces the bytes alone are kept, since each byte may be a piece of its own.
async fn whole(mut body: Limited<Body>) -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>> {
    let (mut first, mut all) = (None, BytesMut::new());
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        match first.take() {
            None if all.is_empty() => first = Some(data),
            None => all.extend_from_slice(&data),
            Some(earlier) => {
                all.extend_from_slice(&earlier);
                all.extend_from_slice(&data);
            }
        }
    }
    Ok(first.unwrap_or_else(|| all.freeze()))
}

fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
