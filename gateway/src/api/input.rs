//! What handlers take from a request, refused as problem details where it is wrong.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::auth::Caller;
use super::{Api, json};
use crate::accept::Trace;
use crate::edge::{Problem, read_body};

/// A JSON body, and its bytes as they came.
pub(super) struct Sent<T> {
    pub(super) value: T,
    pub(super) bytes: Bytes,
}

impl<T: DeserializeOwned> FromRequest<Arc<Api>> for Sent<T> {
    type Rejection = Problem;

    async fn from_request(request: Request<Body>, api: &Arc<Api>) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        check_json(&parts.headers)?;
        let rules = &api.edge.rules;
        let bytes = read_body(&parts.headers, body, rules.request_bytes_max, rules.request_timeout).await?;
        Ok(Self { value: json::parse(&bytes)?, bytes })
    }
}

/// A JSON body, or none.
pub(super) struct SentIfAny<T>(pub(super) T);

impl<T: DeserializeOwned + Default> FromRequest<Arc<Api>> for SentIfAny<T> {
    type Rejection = Problem;

    async fn from_request(request: Request<Body>, api: &Arc<Api>) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let rules = &api.edge.rules;
        let bytes = read_body(&parts.headers, body, rules.request_bytes_max, rules.request_timeout).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        check_json(&parts.headers)?;
        json::parse(&bytes).map(Self)
    }
}

/// The trace that a request belongs to.
pub(super) fn trace(headers: &HeaderMap) -> Trace {
    Trace::from_header(headers.get("traceparent").and_then(|value| value.to_str().ok()))
}

fn check_json(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let detail = "the body must be JSON with content-type: application/json";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-type", detail))
}

/// Parameters of the query; unknown ones are refused.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let read = Query::try_from_uri(&parts.uri);
        read.map(|Query(value)| Self(value)).map_err(|rejection| {
            let text = rejection.body_text();
            let why = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
            unprocessable_query(&json::shortened(why))
        })
    }
}

/// 422 for a parameter.
pub(super) fn unprocessable_query(why: &str) -> Problem {
    let detail = format!("query: {why}");
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail).with("path", "query")
}

/// A call without parameters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// What says that a call has no parameters.
pub(super) type NoParams = Params<Nothing>;

/// The id in a path. What is no id names nothing: 404.
pub(super) struct Id(pub(super) Uuid);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Name(text) = Name::from_request_parts(parts, state).await?;
        let id =
            Uuid::try_parse(&text).map_err(|_| Problem::not_found("ids are UUIDs: there is nothing with this one"));
        id.map(Self)
    }
}

/// A call without parameters that changes what its path names: who makes it, and the trace that it belongs to.
pub(super) struct Asked {
    pub(super) caller: Caller,
    pub(super) id: Uuid,
    pub(super) trace: Trace,
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Extension(caller) = Extension::from_request_parts(parts, state)
            .await
            .unwrap_or_else(|error| unreachable!("whoever let the request through noted its caller: {error}"));
        let Id(id) = Id::from_request_parts(parts, state).await?;
        NoParams::from_request_parts(parts, state).await?;
        Ok(Self { caller, id, trace: trace(&parts.headers) })
    }
}

/// The name in a path.
pub(super) struct Name(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(name)| Self(name)).map_err(|_| Problem::not_found("there is nothing at this path"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        limit: Option<u8>,
    }

    async fn limit(query: &str) -> Result<Option<u8>, String> {
        let (mut parts, ()) = axum::http::Request::get(format!("/x?{query}")).body(()).unwrap().into_parts();
        let read = Params::<Wanted>::from_request_parts(&mut parts, &()).await;
        read.map(|Params(wanted)| wanted.limit).map_err(|problem| problem.detail().to_owned())
    }

    #[tokio::test]
    async fn unknown_and_repeated_parameters_are_refused() {
        assert_eq!(limit("limit=3").await, Ok(Some(3)));
        assert_eq!(limit("limti=3").await, Err("query: limti: unknown field `limti`, expected `limit`".into()));
        assert!(limit("limit=1&limit=2").await.unwrap_err().contains("duplicate field"));
        assert!(limit("limit=256").await.unwrap_err().starts_with("query: limit: "));
    }

    #[test]
    fn only_json_is_json() {
        let of = |text: &'static str| HeaderMap::from_iter([(header::CONTENT_TYPE, text.parse().unwrap())]);
        assert!(check_json(&of("application/json")).is_ok());
        assert!(check_json(&of("Application/JSON; charset=utf-8")).is_ok());
        for other in ["text/plain", "application/jsonp", "application/x-www-form-urlencoded", ""] {
            assert_eq!(check_json(&of(other)).unwrap_err().status(), 415, "{other}");
        }
        assert!(check_json(&HeaderMap::new()).is_err());
    }
}
