//! The REST API of contact-center backends and operators: JSON, bearer keys, problem details, live events.
//!
//! Knows HTTP and the other rooms' doors; neither SQL nor plugins' wire types.

mod answer;
mod attachments;
mod auth;
mod backends;
mod channels;
mod choice;
mod connectors;
mod consent;
mod contacts;
mod conversations;
mod dead_letters;
mod documents;
mod erasure;
mod events;
mod export;
mod health;
mod input;
mod interactions;
mod json;
mod links;
mod media;
mod messages;
mod metrics;
mod outgoing;
mod preferences;
mod recipient;
mod refusals;
mod signals;
mod timeline;

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use tokio_util::sync::CancellationToken;

pub use auth::Keys;

use crate::config::Scope;
use crate::customer::{Consents, Directory};
use crate::deliver::{DeadLetters, Deliveries};
use crate::edge::{Edge, Problem};
use crate::outbound::Permits;
use crate::privacy::Eraser;
use crate::processors::Processors;
use crate::store::Store;

/// What the API works with.
pub struct Api {
    pub keys: Keys,
    pub store: Arc<dyn Store>,
    pub directory: Arc<Directory>,
    pub consents: Arc<Consents>,
    pub permits: Arc<Permits>,
    /// Channels, media, quarantine, and the way into the log.
    pub edge: Arc<Edge>,
    pub deliveries: Arc<Deliveries>,
    pub processors: Arc<Processors>,
    pub dead_letters: DeadLetters,
    /// Backends that may be in control of a conversation.
    pub controllers: Vec<String>,
    /// Cancelled at a shutdown: live events end then.
    pub stop: CancellationToken,
    pub eraser: Arc<Eraser>,
}

type Routes = Router<Arc<Api>>;

/// Everything under `/v1`, and `/healthz`, `/readyz`, `/metrics`. It has the fallback for paths that nobody knows.
pub fn router(api: Arc<Api>) -> Router {
    let guarded = |routes: Routes, scope| routes.route_layer(from_fn_with_state((api.clone(), scope), auth::require));
    open()
        .merge(guarded(for_messages(), Scope::Messages))
        .merge(guarded(for_contacts(), Scope::Contacts))
        .merge(guarded(for_admins(), Scope::Admin))
        .method_not_allowed_fallback(wrong_method)
        .fallback(unknown_path)
        .layer(map_response(with_defaults))
        .with_state(api)
}

/// Without a key. Media open by their signed addresses, too: they look after themselves.
fn open() -> Routes {
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::show))
        .route("/v1/openapi.json", get(documents::openapi))
        .route("/v1/schemas/interaction-1.json", get(documents::interaction_schema))
        .route("/v1/media/{id}", get(media::download))
}

fn for_messages() -> Routes {
    Router::new()
        .route("/v1/messages", post(messages::send))
        .route("/v1/messages/{id}", get(messages::show))
        .route("/v1/interactions", get(interactions::list))
        .route("/v1/interactions/{id}", get(interactions::show))
        .route("/v1/interactions/{id}/read", post(signals::read))
        .route("/v1/conversations/{id}/typing", post(signals::typing))
        .route("/v1/events", get(events::follow))
        .route("/v1/media", post(media::upload))
        .route("/v1/channels", get(channels::list))
        .route("/v1/channels/{name}", get(channels::show))
        .route("/v1/connectors", get(connectors::list))
        .route("/v1/connectors/{name}", get(connectors::show))
}

fn for_contacts() -> Routes {
    Router::new()
        .route("/v1/contacts", get(contacts::find))
        .route("/v1/contacts/{id}", get(contacts::show).delete(erasure::erase))
        .route("/v1/contacts/{id}/export", get(export::export))
        .route("/v1/contacts/{id}/timeline", get(timeline::show))
        .route("/v1/contacts/{id}/link", post(links::link))
        .route("/v1/contacts/{id}/unlink", post(links::unlink))
        .route("/v1/contacts/{id}/preferences", get(preferences::show).put(preferences::keep))
        .route("/v1/contacts/{id}/consent", get(consent::show).put(consent::decide))
        .route("/v1/conversations/{id}", get(conversations::show))
        .route("/v1/conversations/{id}/close", post(conversations::close))
        .route("/v1/conversations/{id}/reopen", post(conversations::reopen))
        .route("/v1/conversations/{id}/control", post(conversations::control))
}

fn for_admins() -> Routes {
    let dead_letter: MethodRouter<Arc<Api>> = get(dead_letters::show).delete(dead_letters::drop);
    Router::new()
        .route("/v1/interactions/{id}/raw", get(interactions::raw))
        .route("/v1/dead-letters", get(dead_letters::list))
        .route("/v1/dead-letters/{id}", dead_letter)
        .route("/v1/dead-letters/{id}/retry", post(dead_letters::retry))
        .route("/v1/backends", get(backends::list))
        .route("/v1/backends/{name}/resume", post(backends::resume))
        .route("/v1/connectors/{name}/resume", post(connectors::resume))
}

async fn unknown_path(uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(100).collect();
    Problem::not_found(format!("there is nothing at {path}; /v1/openapi.json tells what there is"))
}

/// The router itself adds `Allow`.
async fn wrong_method(method: Method) -> Problem {
    let detail = format!("{method} is not possible here; the header Allow tells what is");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail)
}

/// Nobody between us and the caller keeps an answer, and no browser takes it for something else.
async fn with_defaults(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    response
}
