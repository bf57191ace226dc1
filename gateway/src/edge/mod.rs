//! How the outside reaches us: connections, requests to channels, sockets, files.
//!
//! Knows HTTP, and nothing of what a message means.

mod body;
mod connectors;
mod descriptors;
mod files;
mod patience;
mod problem;
mod reluctant;
mod requests;
mod server;
mod sockets;

use std::sync::Arc;

use axum::Router;
use axum::routing::{any, get, put};
use bytes::Bytes;
use tower_http::compression::CompressionLayer;
use url::Url;

pub use body::read_body;
pub use problem::Problem;
pub use requests::Replayed;
pub use server::{Listening, serve};

use crate::accept::Accept;
use crate::channels::{Channels, Hub, Quarantine};
use crate::config;
use crate::connectors::{Connectors, Memory};
use crate::media::Media;

/// What a path names, told as a problem where it cannot be read.
pub(crate) type Named<T> = Result<axum::extract::Path<T>, axum::extract::rejection::PathRejection>;

/// What the edge works with.
pub struct Edge {
    pub rules: config::Server,
    pub public_url: Url,
    pub channels: Arc<Channels>,
    pub connectors: Arc<Connectors>,
    /// What connectors noted of people.
    pub memory: Arc<Memory>,
    pub accept: Arc<Accept>,
    pub quarantine: Arc<Quarantine>,
    pub hub: Arc<Hub>,
    pub media: Arc<Media>,
}

/// Everything under `/connectors` and `/chat`, and the addresses of files; what is under `/channels` needs no router.
pub fn router(edge: Arc<Edge>) -> Router {
    // The widget is 70 kB of text, and a third of that when it is compressed.
    let pages = Router::new()
        .route("/chat/{channel}", any(requests::handle))
        .route("/chat/{channel}/{*rest}", any(requests::handle))
        .layer(CompressionLayer::new());
    Router::new()
        .route("/connectors/{connector}", any(connectors::handle))
        .route("/connectors/{connector}/{*rest}", any(connectors::handle))
        .route("/chat/{channel}/socket", get(sockets::upgrade))
        .merge(pages)
        .route("/v1/uploads/{id}", put(files::upload).options(files::preflight))
        .with_state(edge)
}

/// A body that is a file of ours.
pub use files::{FileQuery, serve_file};

/// The body of an answer that has none.
pub(crate) const EMPTY: Bytes = Bytes::new();
