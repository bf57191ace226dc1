use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Request as HttpRequest, StatusCode};
use axum::response::{IntoResponse, Response};

use super::requests::{Incoming, broken_reason, problem_of, response, unreadable_path, why};
use super::{Edge, Named, Problem, read_body};
use crate::channels::{Quarantined, count, count_by};
use crate::connectors::{Connector, subscriber};
use crate::plugin::connecting::Report;
use crate::plugin::exchange::{Failure, Request};
use crate::store::StoreError;

const PAUSE: Duration = Duration::from_secs(5);

/// A request to a connector: the CRM tells what changed there.
pub(super) async fn handle(
    State(edge): State<Arc<Edge>>,
    path: Named<Vec<(String, String)>>,
    request: HttpRequest<Body>,
) -> Response {
    let Ok(Path(path)) = path else { return unreadable_path() };
    let name = path.first().map(|(_, value)| value.as_str()).unwrap_or_default();
    let Some(connector) = edge.connectors.get(name) else {
        return Problem::not_found(format!("there is no connector {name:?}")).into_response();
    };
    edge.report(connector, request).await.unwrap_or_else(|problem| {
        count(&connector.counters.refused);
        let (status, reason) = (problem.status().as_u16(), problem.detail());
        tracing::warn!(connector = connector.name, status, reason, "request refused");
        problem.into_response()
    })
}

impl Edge {
    /// A 2xx is given when every change is on disk, or the request itself, because the plugin failed on it.
    async fn report(&self, connector: &Connector, request: HttpRequest<Body>) -> Result<Response, Problem> {
        let busy = || Problem::unavailable("the connector has too many requests in hand", Duration::from_secs(1));
        let _permit = connector.requests.try_acquire().map_err(|_| busy())?;
        let missing = || Problem::unavailable("the connector's plugin is not loaded", PAUSE);
        let bound = connector.bound().ok_or_else(missing)?;
        let (parts, body) = request.into_parts();
        let timeout = self.body_patience(&connector.requests);
        let body = read_body(&parts.headers, body, self.rules.request_bytes_max, timeout).await?;
        let request = self.request_of(&Incoming { parts, body });
        let called = bound.plugin.report(&bound.binding, request.clone()).await;
        let failure = match called.result {
            Ok(report) => {
                self.apply(connector, &report).await?;
                return Ok(response(report.reply));
            }
            Err(failure) => failure,
        };
        if let Failure::Broken(broken) = &failure {
            count(&connector.counters.broken);
            tracing::error!(connector = connector.name, %broken, authentic = called.authentic, "the connector broke on a request");
        }
        match broken_reason(&failure) {
            Some(reason) if called.authentic => self.keep_report(connector, request, reason).await,
            _ => Err(problem_of(failure)),
        }
    }

    async fn apply(&self, connector: &Connector, report: &Report) -> Result<(), StoreError> {
        let news = self.memory.apply(&connector.name, &report.changes).await?;
        count_by(&connector.counters.changes, news);
        Ok(())
    }

    /// CRMs give up after some tries, and a plugin is mended later than that: the request is ours now.
    async fn keep_report(&self, connector: &Connector, request: Request, reason: String) -> Result<Response, Problem> {
        let id = self.quarantine.keep(&subscriber(&connector.name), request, reason).await?;
        count(&connector.counters.quarantined);
        tracing::error!(connector = connector.name, %id, "an authentic request is kept in quarantine; retry it once the plugin is mended");
        Ok(StatusCode::OK.into_response())
    }

    /// Tries a kept request again, as if it came at the time when it first came; tells why it failed, if it did.
    pub(super) async fn report_again(&self, name: &str, kept: &Quarantined) -> Result<Result<(), String>, Problem> {
        let missing = || Problem::unavailable(format!("connector {name} has no plugin at the moment"), PAUSE);
        let connector = self.connectors.get(name).ok_or_else(missing)?;
        let bound = connector.bound().ok_or_else(missing)?;
        let mut binding = (*bound.binding).clone();
        binding.clock = Some(kept.failed_at);
        match bound.plugin.report(&Arc::new(binding), kept.request.clone()).await.result {
            Ok(report) => Ok(Ok(self.apply(connector, &report).await?)),
            Err(failure) => Ok(Err(why(failure))),
        }
    }
}
