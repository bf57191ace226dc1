use std::sync::Arc;

use axum::extract::State;
use serde::Serialize;
use uuid::Uuid;

use super::Api;
use super::answer::{Answer, ok};
use super::input::{Id, NoParams};
use crate::customer::Conversation;
use crate::edge::Problem;
use crate::interaction::Time;

/// A conversation as callers see it.
#[derive(Serialize)]
pub(super) struct Shown {
    id: Uuid,
    contact_id: Uuid,
    /// In order of first use.
    channels: Vec<String>,
    opened_at: Time,
    closed_at: Option<Time>,
}

impl From<Conversation> for Shown {
    fn from(conversation: Conversation) -> Self {
        let Conversation { id, contact, channels, opened_at, closed_at } = conversation;
        Self { id, contact_id: contact, channels, opened_at, closed_at }
    }
}

/// `GET /v1/conversations/{id}`
pub(super) async fn show(State(api): State<Arc<Api>>, Id(id): Id, _: NoParams) -> Answer {
    ok(Shown::from(find(&api, id).await?))
}

/// One conversation.
///
/// # Errors
/// 404 if it is not there.
pub(super) async fn find(api: &Api, id: Uuid) -> Result<Conversation, Problem> {
    let found = api.directory.conversation(id).await?;
    found.ok_or_else(|| Problem::not_found(format!("there is no conversation {id}")))
}
