//! The two doors: `/interactions` for the gateway, the rest for the agent's browser.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{IntoResponse, Response, sse};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::Stream;
use futures_util::stream::unfold;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;

use crate::Desk;
use crate::conversation::{Conversation, Item};
use crate::event::{Author, Channel, Event, Message, Status};
use crate::gateway::{FILE_BYTES_MAX, Refusal};

const EVENT_BYTES_MAX: usize = 4 << 20;

type Shared = State<Arc<Desk>>;

/// Everything the desk answers to.
pub fn router(desk: Arc<Desk>) -> Router {
    let browser = Router::new()
        .route("/api/conversations", get(list))
        .route("/api/conversations/{id}", get(show))
        .route("/api/conversations/{id}/messages", post(reply))
        .route("/api/conversations/{id}/typing", post(typing))
        .route("/api/conversations/{id}/read", post(read))
        .route("/api/media", post(upload).layer(DefaultBodyLimit::max(FILE_BYTES_MAX as usize)))
        .route("/api/media/{id}", get(media))
        .route("/api/live", get(live))
        .layer(middleware::from_fn(only_our_page));
    Router::new()
        .route("/", get(|| async { page("text/html; charset=utf-8", include_str!("../web/index.html")) }))
        .route("/desk.js", get(|| async { page("text/javascript; charset=utf-8", include_str!("../web/desk.js")) }))
        .route("/parts.js", get(|| async { page("text/javascript; charset=utf-8", include_str!("../web/parts.js")) }))
        .route("/desk.css", get(|| async { page("text/css; charset=utf-8", include_str!("../web/desk.css")) }))
        .route("/interactions", post(take).layer(DefaultBodyLimit::max(EVENT_BYTES_MAX)))
        .merge(browser)
        .with_state(desk)
}

/// The gateway delivers an event. Whatever is not answered with 2xx comes again, for days if need be.
async fn take(State(desk): Shared, headers: HeaderMap, body: Bytes) -> Response {
    // First of all: is it from the gateway? The signature covers the raw bytes, so nothing is parsed before.
    let id = match desk.secret.verify(&headers, &body, unix_seconds()) {
        Ok(id) => id,
        Err(untrusted) => return (StatusCode::UNAUTHORIZED, untrusted.to_string()).into_response(),
    };
    let event: Event = match serde_json::from_slice(&body) {
        Ok(event) => event,
        Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    };
    let change = desk.inbox().take(id, event);
    // Only now, as it is stored, may it be acknowledged: after a 2xx the gateway never sends it again. This desk stores in
    // memory; with a database, commit here. An event seen before is acknowledged too, or it would come for ever.
    if let Some(change) = change {
        desk.publish(&change);
    }
    StatusCode::NO_CONTENT.into_response()
}

async fn list(State(desk): Shared) -> Response {
    Json(desk.inbox().list()).into_response()
}

async fn show(State(desk): Shared, Path(id): Path<String>) -> Response {
    match desk.inbox().conversation(&id) {
        Some(conversation) => Json(conversation).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// What the agent wrote.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reply {
    /// Made by the browser, once per message: see [`crate::Gateway::send`].
    key: String,
    parts: Vec<Value>,
    /// Plain text of the parts, for the preview.
    #[serde(default)]
    text: String,
    in_reply_to: Option<String>,
}

async fn reply(State(desk): Shared, Path(id): Path<String>, Json(reply): Json<Reply>) -> Result<Response, Refusal> {
    let Some(conversation) = desk.inbox().conversation(&id).cloned() else {
        return Ok(StatusCode::NOT_FOUND.into_response());
    };
    // An answer names the message that it answers: e-mail needs it for the thread, chat networks show it as a quotation.
    let in_reply_to = reply.in_reply_to.as_deref().or(conversation.newest_inbound()).map(str::to_owned);
    let body = json!({ "conversation_id": id, "message": { "parts": reply.parts }, "in_reply_to": in_reply_to });
    let accepted = desk.gateway.send(reply.key.clone(), body).await?;
    if let Some(item) = own_item(&conversation, reply, &accepted, in_reply_to)
        && let Some(change) = desk.inbox().add_own(&id, item)
    {
        desk.publish(&change);
    }
    Ok((StatusCode::ACCEPTED, Json(accepted)).into_response())
}

/// Shown at once; its statuses follow as events that carry the id which the gateway gave it.
fn own_item(conversation: &Conversation, reply: Reply, accepted: &Value, in_reply_to: Option<String>) -> Option<Item> {
    let channel = conversation.summary.channels.last().cloned().unwrap_or_default();
    Some(Item {
        id: accepted["id"].as_str()?.to_owned(),
        kind: "message".into(),
        at: jiff::Timestamp::now().to_string(),
        outbound: true,
        channel: Some(Channel { name: channel, medium: conversation.summary.medium.clone() }),
        author: Author { kind: "agent".into(), name: None },
        message: Some(Message { subject: None, text: reply.text, quoted_text: None, parts: reply.parts }),
        in_reply_to,
        edited: false,
        deleted: false,
        reactions: Vec::new(),
        status: Some(serde_json::from_value(accepted["status"].clone()).unwrap_or(Status::Queued)),
        reason: None,
    })
}

#[derive(Deserialize)]
struct Typing {
    on: bool,
}

async fn typing(
    State(desk): Shared,
    Path(id): Path<String>,
    Json(typing): Json<Typing>,
) -> Result<StatusCode, Refusal> {
    desk.gateway.typing(&id, typing.on).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn read(State(desk): Shared, Path(id): Path<String>) -> Result<StatusCode, Refusal> {
    let read = desk.inbox().read(&id);
    if let Some((newest, change)) = read {
        desk.publish(&change);
        desk.gateway.read(&newest).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct FileName {
    name: String,
}

async fn upload(
    State(desk): Shared,
    Query(file): Query<FileName>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or("application/octet-stream").to_owned();
    Ok(Json(desk.gateway.upload(&file.name, content_type, body.into()).await?))
}

/// A stranger's file under our own address: shown only if it is of a harmless kind, never as a page.
async fn media(State(desk): Shared, Path(id): Path<String>) -> Result<Response, Refusal> {
    let file = desk.gateway.media(&id).await?;
    let kind = file.content_type.split([';', '/']).next().unwrap_or_default().trim();
    let shown = matches!(kind, "image" | "audio" | "video") && !file.content_type.contains("svg");
    let (content_type, disposition) =
        if shown { (file.content_type, "inline") } else { ("application/octet-stream".into(), "attachment") };
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_DISPOSITION, disposition.into()),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox".into()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".into()),
        (header::CACHE_CONTROL, "private, max-age=3600".into()),
    ];
    Ok((headers, file.bytes).into_response())
}

/// Every change, as it happens. A page that was too slow is told to load everything again.
async fn live(State(desk): Shared) -> Sse<impl Stream<Item = Result<sse::Event, Infallible>>> {
    let changes = unfold(desk.live.subscribe(), |mut changes| async {
        let event = match changes.recv().await {
            Ok(change) => sse::Event::default().data(change),
            Err(RecvError::Lagged(_)) => sse::Event::default().data(r#"{"type":"reload"}"#),
            Err(RecvError::Closed) => return None,
        };
        Some((Ok(event), changes))
    });
    Sse::new(changes).keep_alive(KeepAlive::default())
}

/// There is no login, so at least no other site may use the agent's browser to get in: changes need a header that a
/// foreign page cannot send, and on a loopback address the host must be named as such (DNS rebinding).
async fn only_our_page(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let foreign = request.method() != Method::GET && !headers.contains_key("x-desk");
    let cross_site = headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none");
    if foreign || cross_site || !is_plausible_host(headers.get(header::HOST)) {
        return StatusCode::FORBIDDEN.into_response();
    }
    next.run(request).await
}

/// What rebinding needs is a public name, and that has a dot.
fn is_plausible_host(host: Option<&HeaderValue>) -> bool {
    let Some(host) = host.and_then(|host| host.to_str().ok()) else { return false };
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    !name.contains('.') || name.parse::<Ipv4Addr>().is_ok()
}

fn page(content_type: &'static str, text: &'static str) -> Response {
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                  img-src 'self' data: http: https:; media-src 'self' http: https:; \
                  base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, text).into_response()
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_GATEWAY);
        (status, Json(json!({ "detail": self.detail }))).into_response()
    }
}

fn unix_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
