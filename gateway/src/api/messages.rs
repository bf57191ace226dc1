use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::answer::{Answer, ok};
use super::auth::Caller;
use super::choice::Route;
use super::input::{Id, NoParams, Params, Sent};
use super::outgoing::{Checked, NewMessage};
use super::{Api, attachments, choice, contacts};
use crate::accept::{Idempotency, MessageState, Step, Submission, SubmitError, Trace, Way};
use crate::customer::Refused;
use crate::edge::Problem;
use crate::interaction::{Author, Category, Identity, Loss, Message, Reason, Status, Time, Why};

/// Until a processor may work again.
const PAUSE: Duration = Duration::from_secs(5);
/// The header that makes a repeated request the same request.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Parameters of a send.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SendQuery {
    #[serde(default)]
    dry_run: bool,
}

/// `POST /v1/messages`
pub(super) async fn send(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Params(query): Params<SendQuery>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    Sent { value, bytes }: Sent<NewMessage>,
) -> Answer {
    let idempotency = idempotency(&caller, &headers, &[method.as_str(), &uri.to_string()], &bytes)?;
    let accept = &api.edge.accept;
    // Before everything that may have changed since the first request.
    if let Some(answer) = accept.remembered(idempotency.as_ref()).await? {
        return Ok((StatusCode::ACCEPTED, Json(answer)).into_response());
    }
    let mut new = value.checked()?;
    attachments::check(&api.edge.media, &mut new.parts).await?;
    let route = choice::route(&api, &new).await?;
    if query.dry_run {
        let passed = submission(new.clone(), route, None, &headers);
        let Message { subject, parts, .. } = accept.passed(&passed).await?.message.clone();
        (new.subject, new.parts) = (subject, parts);
        return ok(choice::route(&api, &new).await?.shown());
    }
    let submission = Submission { backend: caller.backend.clone(), ..submission(new, route, idempotency, &headers) };
    let submitted = accept.submit(&submission).await?;
    Ok((StatusCode::ACCEPTED, Json(submitted)).into_response())
}

fn submission(new: Checked, route: Route, idempotency: Option<Idempotency>, headers: &HeaderMap) -> Submission {
    let mut metadata = new.metadata;
    metadata.extend(new.tag.map(|tag| ("tag".to_owned(), tag.into())));
    Submission {
        way: route.way,
        fallback: route.fallback,
        category: new.category,
        author: Author { kind: new.author.kind.into(), name: new.author.name },
        message: Message::new(new.subject, new.parts, None),
        in_reply_to: new.in_reply_to,
        expires_in: new.expires_in,
        metadata,
        tags: serde_json::Map::new(),
        idempotency,
        backend: None,
        trace: Trace::from_header(headers.get("traceparent").and_then(|value| value.to_str().ok())),
    }
}

/// `place`: what else makes the request another one.
fn idempotency(
    caller: &Caller,
    headers: &HeaderMap,
    place: &[&str],
    body: &[u8],
) -> Result<Option<Idempotency>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let visible = |key: &&str| (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    let key = value.to_str().ok().filter(visible);
    let key = key.ok_or_else(|| Problem::invalid("Idempotency-Key must be 1 to 255 visible ASCII characters"))?;
    let fingerprint = fingerprint(place, body);
    Ok(Some(Idempotency { caller: caller.name.clone(), key: key.to_owned(), fingerprint }))
}

fn fingerprint(place: &[&str], body: &[u8]) -> String {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    for piece in place.iter().map(|text| text.as_bytes()).chain([body]) {
        context.update(&(piece.len() as u64).to_le_bytes());
        context.update(piece);
    }
    hex::encode(context.finish())
}

impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        let refused = |code, text| Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, text);
        match error {
            SubmitError::KeyReused => refused(
                "idempotency-key-reused",
                "this Idempotency-Key was used for another request in the last 24 hours",
            ),
            SubmitError::Loop(why) => refused("loop", &why),
            SubmitError::UnknownReply(id) => {
                refused("invalid", &format!("in_reply_to: {id} is no interaction with this contact"))
                    .with("path", "in_reply_to")
            }
            SubmitError::Controlled(backend) => Refused::Controlled(backend).into(),
            SubmitError::Dropped { .. } => refused("dropped", &error.to_string()),
            SubmitError::NotProcessed { .. } => Self::unavailable(error.to_string(), PAUSE),
            SubmitError::Store(error) => error.into(),
        }
    }
}

/// A message as callers see it.
#[derive(Serialize)]
pub(super) struct Shown {
    id: Uuid,
    /// Of the way that counts.
    channel: String,
    via: String,
    why: Why,
    contact_id: Uuid,
    conversation_id: Uuid,
    to: Identity,
    category: Category,
    status: Status,
    #[serde(rename = "final")]
    is_final: bool,
    reason: Option<Reason>,
    loss: Vec<Loss>,
    history: Vec<Step>,
    external_ids: Vec<String>,
    ways: Vec<ShownWay>,
    /// Channels that it has not tried.
    fallback: Vec<String>,
}

/// A message on one channel.
#[derive(Serialize)]
struct ShownWay {
    channel: String,
    to: Identity,
    why: Why,
    began_at: Time,
    status: Status,
    reason: Option<Reason>,
    external_ids: Vec<String>,
    loss: Vec<Loss>,
}

impl From<Way> for ShownWay {
    fn from(way: Way) -> Self {
        let Way { channel, to, why, began_at, status, reason, external_ids, loss, .. } = way;
        Self { channel: channel.name, to, why, began_at, status, reason, external_ids, loss }
    }
}

impl From<MessageState> for Shown {
    fn from(state: MessageState) -> Self {
        let way = state.way().clone();
        Self {
            id: state.id,
            channel: way.channel.name.clone(),
            via: way.channel.name,
            why: way.why,
            contact_id: state.contact,
            conversation_id: state.conversation,
            to: way.to,
            category: state.category,
            status: state.status,
            is_final: state.status.is_final(),
            reason: state.reason,
            loss: way.loss,
            history: state.history,
            external_ids: way.external_ids,
            ways: state.ways.into_iter().map(ShownWay::from).collect(),
            fallback: state.fallback.into_iter().map(|step| step.channel.name).collect(),
        }
    }
}

/// `GET /v1/messages/{id}`
pub(super) async fn show(State(api): State<Arc<Api>>, Id(id): Id, _: NoParams) -> Answer {
    let state = api.edge.accept.message(id).await?;
    let state = state.ok_or_else(|| Problem::not_found(format!("there is no outbound message {id}")))?;
    let contact_id = contacts::leader(&api, state.contact).await?;
    ok(Shown { contact_id, ..Shown::from(state) })
}
