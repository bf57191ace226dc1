use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Request as HttpRequest, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use tokio::sync::Semaphore;

use super::patience::patience;
use super::{Edge, Named, Problem, read_body};
use crate::accept::{Told, Trace};
use crate::channels::{Bound, Channel, QuarantineError, Quarantined, count, count_by};
use crate::connectors::of_subscriber;
use crate::mail;
use crate::plugin::exchange::{Broken, Called, Failure, Fault, FaultKind, Outcome, Reply, Request};
use crate::store::StoreError;

const PAUSE: Duration = Duration::from_secs(5);

/// Headers of an answer that are the server's and not the adapter's.
const RESERVED: [HeaderName; 6] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::DATE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::SET_COOKIE,
];

/// A request for a channel's pages.
pub(super) async fn handle(
    State(edge): State<Arc<Edge>>,
    path: Named<Vec<(String, String)>>,
    request: HttpRequest<Body>,
) -> Response {
    let Ok(Path(path)) = path else { return unreadable_path() };
    let name = path.first().map(|(_, value)| value.as_str()).unwrap_or_default();
    answer(&edge, name, request).await
}

/// What is no text after decoding names nothing here.
pub(super) fn unreadable_path() -> Response {
    Problem::not_found("there is nothing at this path").into_response()
}

/// A request to a channel. A 2xx is given when everything that happened is on disk, and not before.
pub(super) async fn answer(edge: &Edge, name: &str, request: HttpRequest<Body>) -> Response {
    let Some(channel) = edge.channels.get(name) else {
        return Problem::not_found(format!("there is no channel {name:?}")).into_response();
    };
    match edge.serve(channel, request).await {
        Ok(response) => response,
        Err(problem) => {
            count(&channel.counters.refused);
            tracing::warn!(
                channel = channel.name,
                status = problem.status().as_u16(),
                reason = problem.detail(),
                "request refused"
            );
            problem.into_response()
        }
    }
}

/// A request that was read to its end.
pub(super) struct Incoming {
    pub(super) parts: Parts,
    pub(super) body: Bytes,
}

/// What became of a kept request that was tried again.
#[derive(Debug)]
pub enum Replayed {
    /// It was digested and is kept no longer.
    Digested,
    /// It failed again, for this reason, and is still kept.
    FailedAgain(String),
}

impl Edge {
    async fn serve(&self, channel: &Channel, request: HttpRequest<Body>) -> Result<Response, Problem> {
        let busy = || Problem::unavailable("the channel has too many requests in hand", Duration::from_secs(1));
        let _permit = channel.requests.try_acquire().map_err(|_| busy())?;
        let bound = channel.bound().ok_or_else(|| Problem::unavailable("the channel's plugin is not loaded", PAUSE))?;
        let trace = Trace::from_header(request.headers().get("traceparent").and_then(|value| value.to_str().ok()));
        let incoming = self.read(channel, request).await?;
        let called = bound.plugin.handle_request(&bound.binding, self.request_of(&incoming)).await;
        self.conclude(channel, &bound, called, &incoming, &trace).await
    }

    async fn read(&self, channel: &Channel, request: HttpRequest<Body>) -> Result<Incoming, Problem> {
        let (parts, body) = request.into_parts();
        let timeout = self.body_patience(&channel.requests);
        let body = read_body(&parts.headers, body, self.rules.request_bytes_max, timeout).await?;
        tracing::trace!(channel = channel.name, bytes = body.len(), "request to a channel");
        Ok(Incoming { parts, body })
    }

    /// How long a body is waited for, by the places that are left.
    pub(super) fn body_patience(&self, places: &Semaphore) -> Duration {
        let max = self.rules.channel_requests_max;
        patience(self.rules.request_timeout, max.saturating_sub(places.available_permits()), max)
    }

    /// What the plugin gets, and quarantine keeps if an adapter breaks on it.
    pub(super) fn request_of(&self, Incoming { parts, body }: &Incoming) -> Request {
        let path = parts.uri.path();
        let below = path.splitn(4, '/').nth(3).map_or("/".to_owned(), |rest| format!("/{rest}"));
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let whole = parts.uri.path_and_query().map_or(path, |whole| whole.as_str());
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = parts.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
        Request {
            method: parts.method.as_str().to_owned(),
            path: below,
            query,
            url: format!("{}{whole}", self.public_url.as_str().trim_end_matches('/')),
            headers,
            body: body.to_vec(),
        }
    }

    async fn conclude(
        &self,
        channel: &Channel,
        bound: &Bound,
        called: Called<Outcome>,
        incoming: &Incoming,
        trace: &Trace,
    ) -> Result<Response, Problem> {
        let failure = match called.result {
            Ok(outcome) => {
                self.append(channel, bound, &outcome, &incoming.body, trace).await?;
                return Ok(response(outcome.reply));
            }
            Err(failure) => failure,
        };
        if let Failure::Broken(broken) = &failure {
            count(&channel.counters.broken);
            tracing::error!(channel = channel.name, plugin = channel.config.adapter, %broken, authentic = called.authentic, "the adapter broke");
        }
        match broken_reason(&failure) {
            Some(reason) if called.authentic && self.accept.let_keep(&channel.name) => {
                self.keep(channel, self.request_of(incoming), reason).await
            }
            _ => Err(problem_of(failure)),
        }
    }

    async fn append(
        &self,
        channel: &Channel,
        bound: &Bound,
        outcome: &Outcome,
        raw: &Bytes,
        trace: &Trace,
    ) -> Result<(), StoreError> {
        let told = Told { happenings: &outcome.happenings, files: &outcome.files, raw: Some(raw) };
        let accepted = self.accept.happened(&bound.reference, &[told], &[], trace).await?;
        count_by(&channel.counters.received, accepted.appended);
        count_by(&channel.counters.duplicates, accepted.duplicates);
        Ok(())
    }

    /// The provider has done its part, and may not send it again: the request is ours now.
    async fn keep(&self, channel: &Channel, request: Request, reason: String) -> Result<Response, Problem> {
        let id = self.quarantine.keep(&channel.name, request, reason).await?;
        count(&channel.counters.quarantined);
        tracing::error!(channel = channel.name, %id, "an authentic request is kept in quarantine; retry it once the plugin is mended");
        Ok(StatusCode::OK.into_response())
    }

    /// Tries a kept request again, as if it came at the time when it first came: a signature may hold a time.
    ///
    /// # Errors
    /// If the store fails, or the channel or connector has no plugin.
    pub async fn replay(&self, kept: Quarantined) -> Result<Replayed, Problem> {
        let again = match of_subscriber(&kept.channel) {
            Some(connector) => self.report_again(connector, &kept).await?,
            None => self.happen_again(&kept).await?,
        };
        match again {
            Ok(()) => {
                self.quarantine.release(&kept).await?;
                Ok(Replayed::Digested)
            }
            Err(reason) => {
                self.quarantine.failed_again(kept, reason.clone()).await?;
                Ok(Replayed::FailedAgain(reason))
            }
        }
    }

    async fn happen_again(&self, kept: &Quarantined) -> Result<Result<(), String>, Problem> {
        let missing = || Problem::unavailable(format!("channel {} has no plugin at the moment", kept.channel), PAUSE);
        let channel = self.channels.get(&kept.channel).ok_or_else(missing)?;
        let bound = channel.bound().ok_or_else(missing)?;
        let mut binding = (*bound.binding).clone();
        binding.clock = Some(kept.failed_at);
        let binding = Arc::new(binding);
        let result = match mail::arrived(&kept.request) {
            Some(mail) => bound.plugin.receive(&binding, mail).await.result.map(Outcome::of_mail),
            None => bound.plugin.handle_request(&binding, kept.request.clone()).await.result,
        };
        match result {
            Ok(outcome) => {
                let raw = kept.request.body.clone().into();
                self.append(channel, &bound, &outcome, &raw, &Trace::from_header(None)).await?;
                Ok(Ok(()))
            }
            Err(failure) => Ok(Err(why(failure))),
        }
    }
}

/// Why a kept request failed again.
pub(super) fn why(failure: Failure) -> String {
    match failure {
        Failure::Fault(fault) => fault.message,
        Failure::Broken(broken) => broken.to_string(),
        Failure::Busy => "no room for the call".to_owned(),
    }
}

impl From<QuarantineError> for Problem {
    fn from(error: QuarantineError) -> Self {
        match error {
            QuarantineError::Store(error) => error.into(),
            QuarantineError::Full(_) => Self::unavailable(error.to_string(), PAUSE),
        }
    }
}

/// Why the plugin could not do its work, if it is to blame.
pub(super) fn broken_reason(failure: &Failure) -> Option<String> {
    match failure {
        Failure::Broken(broken) => Some(broken.to_string()),
        Failure::Fault(Fault { kind: FaultKind::Internal, message, .. }) => Some(message.clone()),
        _ => None,
    }
}

pub(super) fn problem_of(failure: Failure) -> Problem {
    match failure {
        Failure::Fault(fault) => problem_of_fault(fault),
        Failure::Broken(Broken::WallLimit) => Problem::unavailable("the plugin took too long", PAUSE),
        Failure::Broken(_) => Problem::unavailable("the plugin failed", PAUSE),
        Failure::Busy => Problem::unavailable("the gateway has too much to do", Duration::from_secs(1)),
    }
}

fn problem_of_fault(fault: Fault) -> Problem {
    let pause = fault.retry_after.unwrap_or(PAUSE);
    match fault.kind {
        FaultKind::Invalid => Problem::invalid(fault.message),
        FaultKind::Unauthorized => Problem::unauthorized(fault.message),
        FaultKind::NotFound => Problem::not_found(fault.message),
        FaultKind::Rejected => Problem::forbidden(fault.message),
        FaultKind::Unsupported => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "unsupported", fault.message),
        FaultKind::RateLimited => {
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate-limited", fault.message).retry_after(pause)
        }
        FaultKind::Unavailable | FaultKind::Uncertain | FaultKind::Internal => {
            Problem::unavailable(fault.message, pause)
        }
    }
}

pub(super) fn response(reply: Reply) -> Response {
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    for (name, value) in &reply.headers {
        let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) else { continue };
        if !RESERVED.contains(&name) {
            headers.append(name, value);
        }
    }
    headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    response
}
