use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::Request as HttpRequest;
use axum::response::{IntoResponse, Response};

use super::requests::{Incoming, problem_of, response, unreadable_path};
use super::{Edge, Named, Problem, read_body};
use crate::channels::{count, count_by};
use crate::connectors::Connector;
use crate::plugin::exchange::Failure;

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
    /// A 2xx is given when every change is on disk. A CRM tells again what was not taken: nothing is kept in quarantine.
    async fn report(&self, connector: &Connector, request: HttpRequest<Body>) -> Result<Response, Problem> {
        let busy = || Problem::unavailable("the connector has too many requests in hand", Duration::from_secs(1));
        let _permit = connector.requests.try_acquire().map_err(|_| busy())?;
        let missing = || Problem::unavailable("the connector's plugin is not loaded", PAUSE);
        let bound = connector.bound().ok_or_else(missing)?;
        let (parts, body) = request.into_parts();
        let rules = &self.rules;
        let body = read_body(&parts.headers, body, rules.request_bytes_max, rules.request_timeout).await?;
        let request = self.request_of(&Incoming { parts, body });
        let report = bound.plugin.report(&bound.binding, request).await.result;
        let report = report.map_err(|failure| broken(connector, failure))?;
        let news = self.memory.apply(&connector.name, &report.changes).await?;
        count_by(&connector.counters.changes, news);
        Ok(response(report.reply))
    }
}

fn broken(connector: &Connector, failure: Failure) -> Problem {
    if let Failure::Broken(broken) = &failure {
        count(&connector.counters.broken);
        tracing::error!(connector = connector.name, %broken, "the connector broke on a request");
    }
    problem_of(failure)
}
