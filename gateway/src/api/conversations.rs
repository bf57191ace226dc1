use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::answer::{Answer, ok};
use super::input::{Asked, Id, NoParams, Sent, SentIfAny};
use super::json::{check_text, shortened, unprocessable};
use super::links::REASON_MAX;
use super::{Api, contacts};
use crate::customer::{Change, Conversation, Why};
use crate::edge::Problem;
use crate::interaction::{ChannelRef, Time};

const NO_REASON: &str = "asked for";

/// A conversation as callers see it.
#[derive(Serialize)]
pub(super) struct Shown {
    id: Uuid,
    contact_id: Uuid,
    /// In order of first use.
    channels: Vec<String>,
    opened_at: Time,
    closed_at: Option<Time>,
    /// The backend that is in control, where one is.
    control: Option<String>,
}

/// `GET /v1/conversations/{id}`
pub(super) async fn show(State(api): State<Arc<Api>>, Id(id): Id, _: NoParams) -> Answer {
    let conversation = find(&api, id).await?;
    answer(&api, conversation).await
}

async fn answer(api: &Api, conversation: Conversation) -> Answer {
    ok(shown(api, conversation).await?)
}

pub(super) async fn shown(api: &Api, conversation: Conversation) -> Result<Shown, Problem> {
    let Conversation { id, contact, channels, opened_at, closed_at, control, .. } = conversation;
    let contact_id = contacts::leader(api, contact).await?;
    Ok(Shown { id, contact_id, channels, opened_at, closed_at, control })
}

/// One conversation.
///
/// # Errors
/// 404 if it is not there.
pub(super) async fn find(api: &Api, id: Uuid) -> Result<Conversation, Problem> {
    let found = api.directory.conversation(id).await?;
    found.ok_or_else(|| Problem::not_found(format!("there is no conversation {id}")))
}

/// Why.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Grounds {
    reason: Option<String>,
}

/// Who is to be in control; nobody in particular by null.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Passing {
    #[serde(deserialize_with = "Option::deserialize")]
    backend: Option<String>,
    reason: Option<String>,
}

/// `POST /v1/conversations/{id}/close`
pub(super) async fn close(State(api): State<Arc<Api>>, asked: Asked, SentIfAny(grounds): SentIfAny<Grounds>) -> Answer {
    change(&api, &asked, &Change::Close, grounds.reason).await
}

/// `POST /v1/conversations/{id}/reopen`
pub(super) async fn reopen(
    State(api): State<Arc<Api>>,
    asked: Asked,
    SentIfAny(grounds): SentIfAny<Grounds>,
) -> Answer {
    change(&api, &asked, &Change::Reopen, grounds.reason).await
}

/// `POST /v1/conversations/{id}/control`
pub(super) async fn control(State(api): State<Arc<Api>>, asked: Asked, Sent { value, .. }: Sent<Passing>) -> Answer {
    if let Some(name) = &value.backend {
        check_controller(&api, name)?;
    }
    change(&api, &asked, &Change::Pass(value.backend), value.reason).await
}

fn check_controller(api: &Api, name: &str) -> Result<(), Problem> {
    if api.controllers.iter().any(|known| known == name) {
        return Ok(());
    }
    let known = api.controllers.join(", ");
    let detail = format!("backend: {:?} is no backend that may be in control; there are: {known}", shortened(name));
    Err(unprocessable(detail, "backend"))
}

async fn change(api: &Api, asked: &Asked, change: &Change, reason: Option<String>) -> Answer {
    let Asked { caller, id, trace } = asked;
    check_text("reason", reason.as_deref(), REASON_MAX)?;
    let why = Why { by: caller.signature(), reason: reason.unwrap_or_else(|| NO_REASON.into()), evidence: None };
    let channel = last_channel(api, &find(api, *id).await?);
    let (accept, backend) = (&api.edge.accept, caller.backend.as_deref());
    let changed = accept.change_conversation(*id, change, backend, &why, channel.as_ref(), trace).await?;
    answer(api, changed).await
}

/// The channel that came last into the conversation, if it is still there.
fn last_channel(api: &Api, conversation: &Conversation) -> Option<ChannelRef> {
    let channel = api.edge.channels.get(conversation.channels.last()?)?;
    channel.bound().map(|bound| bound.reference.clone())
}
