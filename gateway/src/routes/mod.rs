//! Who gets what: the first route that matches an interaction names its backends. What was decided is written into the
//! interaction, so that it is the same at every delivery, and at every replay.

mod explain;
mod facts;
mod matching;
mod routed;
mod routing;

pub use explain::{Explained, Verdict};
pub use facts::Facts;
pub use routed::Routed;
pub use routing::{Answering, Routing, decision_key};

use std::sync::Arc;
use std::time::Duration;

use crate::config;
use crate::interaction::{FallbackRef, RouteRef};
use crate::store::{Record, Retention, Store};

/// All routes, in their order.
pub struct Routes {
    routes: Vec<config::Route>,
}

/// The beginning of what a record holds where a route was taken: a quote inside a text is escaped.
const MARK: &[u8] = b"\"route\":{\"name\":";

impl Routes {
    /// Of the configuration.
    pub fn new(routes: &[config::Route]) -> Self {
        Self { routes: routes.to_vec() }
    }

    /// The first route that matches.
    pub fn find(&self, facts: &Facts) -> Option<&config::Route> {
        let mut numbered = self.routes.iter().enumerate();
        numbered.find(|(at, route)| matching::unmet(route, &salt(*at, route), facts).is_none()).map(|(_, route)| route)
    }

    /// What is decided when a route is taken.
    pub fn reference(&self, route: &config::Route) -> RouteRef {
        let number = self.routes.iter().position(|other| std::ptr::eq(other, route)).unwrap_or_default();
        let after = |fallback: &config::Fallback| FallbackRef {
            backend: fallback.backend.clone(),
            after_ms: u64::try_from(fallback.after.as_millis()).unwrap_or(u64::MAX),
        };
        RouteRef {
            name: salt(number, route),
            backends: route.backends.clone(),
            fallback: route.fallback.as_ref().map(after),
        }
    }

    /// Who stands in for whom, after which time: each once.
    pub fn stand_ins(&self) -> Vec<StandIn> {
        let mut all: Vec<StandIn> = Vec::new();
        for route in &self.routes {
            let (Some(fallback), Some(backend)) = (&route.fallback, route.backends.first()) else { continue };
            let one = StandIn { backend: backend.clone(), stands_in: fallback.backend.clone(), after: fallback.after };
            if !all.contains(&one) {
                all.push(one);
            }
        }
        all
    }
}

/// One backend in place of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandIn {
    pub backend: String,
    pub stands_in: String,
    pub after: Duration,
}

impl StandIn {
    /// Whether it concerns what took this route.
    pub fn concerns(&self, route: &RouteRef) -> bool {
        let fallback = route.fallback.as_ref();
        let same = |fallback: &FallbackRef| {
            fallback.backend == self.stands_in && u128::from(fallback.after_ms) == self.after.as_millis()
        };
        route.backends.first() == Some(&self.backend) && fallback.is_some_and(same)
    }
}

/// The name of a route, or its number from 1.
fn salt(at: usize, route: &config::Route) -> String {
    route.name.clone().unwrap_or_else(|| (at + 1).to_string())
}

/// The store as those see it who append: what they append is given its route.
pub fn around(store: &Arc<dyn Store>, routing: &Arc<Routing>, retention: Retention) -> Arc<dyn Store> {
    match routing.is_empty() {
        true => store.clone(),
        false => Arc::new(Routed::new(store.clone(), routing.clone(), retention)),
    }
}

/// The route that a record took; `None`: it is for every backend.
pub fn taken(record: &Record) -> Option<RouteRef> {
    memchr::memmem::find(&record.body, MARK)?;
    facts::route_of(&record.body)
}
