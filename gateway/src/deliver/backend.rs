use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::timeout;
use url::Url;

use super::schedule::retry_after;
use super::signature::{InvalidSecret, Signer};
use super::story::passes_control;
use super::target::{Attempt, Outcome, Scope, Target};
use crate::accept::Trace;
use crate::config::Secret;
use crate::egress::{Egress, Error, Reach, Request};
use crate::interaction::{RouteRef, Time};
use crate::routes;
use crate::store::{Record, StoreError};

const CLOUD_EVENT: HeaderValue = HeaderValue::from_static("application/cloudevents+json");
const AGENT: HeaderValue = HeaderValue::from_static(concat!("omnigate/", env!("CARGO_PKG_VERSION")));
const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const REPLAYED: HeaderName = HeaderName::from_static("omnigate-replayed");
/// Of an answer's body, which says nothing to us: so much is read for the sake of the connection, and no longer than this.
const DRAIN_BYTES_MAX: usize = 4 << 10;
const DRAIN_TIME_MAX: Duration = Duration::from_secs(1);

/// Makes what is sent of a record.
#[async_trait]
pub trait Render: Send + Sync {
    /// Whether it is sent at all; the answer must not change.
    fn wants(&self, _: &Record) -> bool {
        true
    }

    /// What is sent.
    ///
    /// # Errors
    /// If the store cannot be read: it is tried again later.
    async fn render(&self, record: &Record) -> Result<Rendered, StoreError>;
}

/// One that needs to look nothing up.
#[async_trait]
impl<F: Fn(&Record) -> Rendered + Send + Sync> Render for F {
    async fn render(&self, record: &Record) -> Result<Rendered, StoreError> {
        Ok(self(record))
    }
}

/// What is sent of a record.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// CloudEvents JSON.
    pub body: Bytes,
    /// W3C Trace Context.
    pub traceparent: Option<HeaderValue>,
}

impl Rendered {
    /// The record as it is in the log.
    pub fn plain(record: &Record) -> Self {
        Self { body: record.body.clone(), traceparent: traceparent(&record.body) }
    }
}

/// A contact-center program that gets signed HTTP requests.
pub struct Backend {
    name: String,
    egress: Arc<Egress>,
    url: Url,
    signer: Signer,
    timeout: Duration,
    render: Arc<dyn Render>,
}

impl Backend {
    /// `url` may lead to a private address: the operator typed it. `timeout` is for a whole exchange.
    ///
    /// # Errors
    /// [`InvalidSecret`].
    pub fn new(
        name: &str,
        egress: Arc<Egress>,
        url: Url,
        secret: &Secret,
        timeout: Duration,
        render: Arc<dyn Render>,
    ) -> Result<Self, InvalidSecret> {
        Ok(Self { name: name.to_owned(), egress, url, signer: Signer::new(secret)?, timeout, render })
    }

    async fn request(&self, record: &Record, attempt: Attempt) -> Result<Request, StoreError> {
        let Rendered { body, traceparent } = self.render.render(record).await?;
        let (id, now) = (record.id.to_string(), Time::now());
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(WEBHOOK_SIGNATURE, value(self.signer.sign(&id, now, &body)));
        headers.insert(WEBHOOK_ID, value(id));
        headers.insert(WEBHOOK_TIMESTAMP, HeaderValue::from(now.seconds()));
        headers.insert(CONTENT_TYPE, CLOUD_EVENT);
        headers.insert(USER_AGENT, AGENT);
        headers.extend(traceparent.map(|trace| (TRACEPARENT, trace)));
        headers.extend(attempt.replayed.then(|| (REPLAYED, HeaderValue::from_static("true"))));
        Ok(Request { method: Method::POST, url: self.url.clone(), headers, body })
    }
}

#[async_trait]
impl Target for Backend {
    async fn deliver(&self, record: &Record, attempt: Attempt) -> Outcome {
        let request = match self.request(record, attempt).await {
            Ok(request) => request,
            Err(error) => return Outcome::Retry { after: None, why: error.to_string(), scope: Scope::Lane },
        };
        let answer = timeout(self.timeout, self.egress.exchange(request, Reach::Granted)).await;
        match answer.unwrap_or(Err(Error::Timeout)) {
            Ok(answer) => {
                let outcome = judge(answer.status(), answer.headers());
                drain(answer).await;
                outcome
            }
            Err(error) => Outcome::Retry { after: None, why: error.to_string(), scope: Scope::Lane },
        }
    }

    fn wants(&self, record: &Record) -> bool {
        let is_named = || routes::taken(record).is_none_or(|route| route.backends.contains(&self.name));
        (passes_control(record, &self.name) || is_named()) && self.render.wants(record)
    }

    fn may_get(&self, record: &Record) -> bool {
        let stands_in =
            |route: &RouteRef| route.fallback.as_ref().is_some_and(|fallback| fallback.backend == self.name);
        self.wants(record) || routes::taken(record).as_ref().is_some_and(stands_in)
    }
}

fn judge(status: StatusCode, headers: &HeaderMap) -> Outcome {
    if status.is_success() {
        return Outcome::Done;
    }
    let why = format!("the backend answered {}", status.as_u16());
    if status == StatusCode::GONE {
        return Outcome::Stop { why };
    }
    let after = headers.get(RETRY_AFTER).and_then(|value| retry_after(value.to_str().ok()?, SystemTime::now()));
    let busy = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    let scope = if busy && after.is_some() { Scope::Target } else { Scope::Lane };
    Outcome::Retry { after, why, scope }
}

/// Reads a short body to its end, so that the connection can be used again; a long or slow one closes it. The status has been
/// given: nothing that happens here changes it.
async fn drain(answer: Response<Incoming>) {
    let mut body = answer.into_body();
    let read = async {
        let mut left = DRAIN_BYTES_MAX;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(length) {
                Some(rest) => left = rest,
                None => break,
            }
        }
    };
    let _ = timeout(DRAIN_TIME_MAX, read).await;
}

/// A header's value from what is known to be ASCII.
fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or_else(|_| unreachable!("identifiers and base64 are ASCII"))
}

/// The trace from the beginning of an event, where the envelope has it. The quotes keep it apart from what people wrote, in
/// which a quote is escaped.
fn traceparent(body: &[u8]) -> Option<HeaderValue> {
    const NAME: &[u8] = b"\"traceparent\":\"";
    const ENVELOPE_BYTES: usize = 768;
    let envelope = &body[..body.len().min(ENVELOPE_BYTES)];
    let start = memchr::memmem::find(envelope, NAME)? + NAME.len();
    let value = envelope.get(start..start + 55)?;
    let valid = std::str::from_utf8(value).is_ok_and(Trace::is_valid);
    valid.then(|| HeaderValue::from_bytes(value).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trace_is_that_of_the_envelope() {
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let body = |trace: &str| format!(r#"{{"specversion":"1.0","traceparent":"{trace}","data":{{}}}}"#);
        assert_eq!(traceparent(body(trace).as_bytes()).unwrap(), trace);
        for wrong in [&trace[1..], &trace.replace('-', "_"), &trace.to_uppercase(), "", "x\r\ny"] {
            assert_eq!(traceparent(body(wrong).as_bytes()), None, "{wrong}");
        }
        assert_eq!(traceparent(br#"{"data":{"text":"\"traceparent\":\"00-"}}"#), None);
    }

    #[test]
    fn answers_are_judged_by_status_and_retry_after() {
        let judged = |status: u16, after: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.extend(after.map(|after| (RETRY_AFTER, HeaderValue::from_static(after))));
            judge(StatusCode::from_u16(status).unwrap(), &headers)
        };
        for status in [200, 202, 204, 299] {
            assert_eq!(judged(status, Some("5")), Outcome::Done);
        }
        assert!(matches!(judged(410, None), Outcome::Stop { .. }));
        let five = Some(Duration::from_secs(5));
        for (status, after, expected, whom) in [
            (429, Some("5"), five, Scope::Target),
            (503, Some("5"), five, Scope::Target),
            (429, None, None, Scope::Lane),
            (503, Some("soon"), None, Scope::Lane),
            (500, Some("5"), five, Scope::Lane),
            (302, None, None, Scope::Lane),
            (404, None, None, Scope::Lane),
        ] {
            let outcome = judged(status, after);
            assert!(matches!(outcome, Outcome::Retry { after, scope, .. } if after == expected && scope == whom));
        }
    }
}
