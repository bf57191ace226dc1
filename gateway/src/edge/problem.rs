use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::store::StoreError;

/// An error as RFC 9457 problem details.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    /// Last segment of `type`: stable, for programs.
    code: &'static str,
    detail: String,
    extensions: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[serde(flatten)]
    extensions: &'a Map<String, Value>,
}

impl Problem {
    /// `detail` names the place, the value, the rule and a way out; never a secret.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), extensions: Map::new(), headers: Vec::new() }
    }

    /// 400
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", detail)
    }

    /// 401
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    /// 403
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// 404
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    /// 413
    pub fn too_large(max: usize) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", format!("the body has more than {max} bytes"))
    }

    /// 503: the caller may come again after that long.
    pub fn unavailable(detail: impl Into<String>, retry_after: Duration) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail).retry_after(retry_after)
    }

    /// With `Retry-After` in whole seconds.
    #[must_use]
    pub fn retry_after(self, after: Duration) -> Self {
        self.with_header(header::RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)))
    }

    /// With one more header field.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// With one more member.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extensions.insert(name.to_owned(), value.into());
        self
    }

    /// The status that it is told with.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The last word of its type.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The sentence.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Body {
            r#type: format!("urn:omnigate:problem:{}", self.code),
            title: self.status.canonical_reason().unwrap_or("Problem"),
            status: self.status.as_u16(),
            detail: &self.detail,
            extensions: &self.extensions,
        };
        let text = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = (self.status, [(header::CONTENT_TYPE, "application/problem+json")], text).into_response();
        for (name, value) in self.headers {
            response.headers_mut().append(name, value);
        }
        response
    }
}

/// What the caller of a store that did not do it is told: come again. The cause goes to the log.
impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        const PAUSE: Duration = Duration::from_secs(5);
        match error {
            StoreError::NotFound(id) => Self::not_found(format!("there is no interaction {id}")),
            StoreError::Full => {
                tracing::error!("the disk is full: nothing more is accepted until there is space");
                Self::unavailable("nothing can be stored at the moment", PAUSE)
            }
            StoreError::Refused(why) => Self::unavailable(why, PAUSE),
            error => {
                tracing::error!(%error, "the store failed");
                Self::unavailable("nothing can be stored at the moment", PAUSE)
            }
        }
    }
}
