use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::answer::{Answer, ok};
use super::auth::Caller;
use super::input::{Id, NoParams, Params, Sent};
use super::outgoing::NewMessage;
use super::{Api, abilities, attachments, recipient};
use crate::accept::{Idempotency, MessageState, Submission, SubmitError, Trace};
use crate::edge::Problem;
use crate::interaction::{Author, Identity, Message, Reason, Status, StatusChange};

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
    let submission = submission(&api, value, idempotency, &headers).await?;
    if query.dry_run {
        let Submission { channel, to, message, .. } = api.edge.accept.passed(&submission).await?.into_owned();
        return ok(json!({ "channel": channel.name, "to": to, "parts": message.parts, "loss": [] }));
    }
    let submitted = api.edge.accept.submit(&submission).await?;
    Ok((StatusCode::ACCEPTED, Json(submitted)).into_response())
}

/// Checked: nothing is wrong with it that can be told before the provider is asked.
async fn submission(
    api: &Api,
    new: NewMessage,
    idempotency: Option<Idempotency>,
    headers: &HeaderMap,
) -> Result<Submission, Problem> {
    let new = new.checked()?;
    let found = recipient::find(api, &new).await?;
    let mut parts = new.parts;
    attachments::check(&api.edge.media, &mut parts).await?;
    abilities::check(&found.bound.reference.name, &found.bound.plugin.manifest().capabilities, &parts)?;
    Ok(Submission {
        channel: found.bound.reference.clone(),
        to: found.to,
        author: Author { kind: new.author.kind.into(), name: new.author.name },
        message: Message::new(new.subject, parts, None),
        in_reply_to: new.in_reply_to,
        expires_in: new.expires_in,
        metadata: new.metadata,
        tags: serde_json::Map::new(),
        idempotency,
        trace: Trace::from_header(headers.get("traceparent").and_then(|value| value.to_str().ok())),
    })
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
            SubmitError::UnknownReply(id) => {
                refused("invalid", &format!("in_reply_to: {id} is no interaction with this contact"))
                    .with("path", "in_reply_to")
            }
            SubmitError::Dropped { .. } => refused("dropped", &error.to_string()),
            SubmitError::NotProcessed { .. } => Self::unavailable(error.to_string(), PAUSE),
            SubmitError::Store(error) => error.into(),
        }
    }
}

/// A message as callers see it.
#[derive(Serialize)]
struct Shown {
    id: Uuid,
    channel: String,
    contact_id: Uuid,
    conversation_id: Uuid,
    to: Identity,
    status: Status,
    #[serde(rename = "final")]
    is_final: bool,
    reason: Option<Reason>,
    history: Vec<StatusChange>,
    external_ids: Vec<String>,
}

impl From<MessageState> for Shown {
    fn from(state: MessageState) -> Self {
        Self {
            id: state.id,
            channel: state.channel,
            contact_id: state.contact,
            conversation_id: state.conversation,
            to: state.to,
            status: state.status,
            is_final: state.status.is_final(),
            reason: state.reason,
            history: state.history,
            external_ids: state.external_ids,
        }
    }
}

/// `GET /v1/messages/{id}`
pub(super) async fn show(State(api): State<Arc<Api>>, Id(id): Id, _: NoParams) -> Answer {
    let state = api.edge.accept.message(id).await?;
    ok(Shown::from(state.ok_or_else(|| Problem::not_found(format!("there is no outbound message {id}")))?))
}
