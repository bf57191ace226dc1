use std::collections::HashSet;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Api;
use super::answer::{Answer, event};
use super::input::{Id, NoParams};
use super::{consent, contacts, conversations, messages};
use crate::customer::Preferences;
use crate::edge::Problem;
use crate::interaction::{Event, Kind, Time};
use crate::store::{Filter, Order, Record};

/// Interactions in memory at once.
const PAGE: usize = 100;

/// One line: what it is, and the thing itself.
#[derive(Serialize)]
struct Line<'a, T> {
    kind: &'a str,
    data: T,
}

/// How far an export is.
struct Export {
    api: Arc<Api>,
    filter: Filter,
    after: Option<Uuid>,
    /// Conversations and files that were told.
    told: HashSet<Uuid>,
    interactions: u64,
    /// What goes first.
    head: Option<Vec<u8>>,
    ended: bool,
}

/// `GET /v1/contacts/{id}/export`: everything about a contact as lines of JSON, the interactions oldest first. The line `end`
/// says that nothing is missing; where something fails on the way, the connection breaks off without it.
pub(super) async fn export(State(api): State<Arc<Api>>, Id(id): Id, _: NoParams) -> Answer {
    let known = contacts::find_known(&api, id).await?;
    let mut head = Vec::new();
    put(&mut head, "contact", contacts::shown(&api, id).await?);
    put(&mut head, "consent", consent::all(&api, &known).await?);
    put(&mut head, "preferences", Preferences::of(&*api.store, &known.ids()).await?);
    let filter = Filter { contacts: known.ids(), ..Filter::default() };
    let (told, head) = (HashSet::new(), Some(head));
    let export = Export { api, filter, after: None, told, interactions: 0, head, ended: false };
    let body = Body::from_stream(stream::try_unfold(export, Export::next));
    let name = format!("attachment; filename=\"contact-{id}.ndjson\"");
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, body).into_response())
}

impl Export {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, BrokenOff> {
        if self.ended {
            return Ok(None);
        }
        let mut lines = self.head.take().unwrap_or_default();
        let records = self.api.store.page(&self.filter, self.after, Order::OldestFirst, PAGE).await;
        let records = records.map_err(|error| BrokenOff::because(error.into()))?;
        for record in &records {
            self.tell(record, &mut lines).await.map_err(BrokenOff::because)?;
        }
        self.after = records.last().map(|record| record.id).or(self.after);
        self.ended = records.len() < PAGE;
        if self.ended {
            put(&mut lines, "end", json!({ "interactions": self.interactions }));
        }
        Ok(Some((lines.into(), self)))
    }

    /// The conversation and the files come before the interaction that speaks of them first.
    async fn tell(&mut self, record: &Record, lines: &mut Vec<u8>) -> Result<(), Problem> {
        if let Some(id) = record.conversation.filter(|id| self.told.insert(*id))
            && let Some(conversation) = self.api.directory.conversation(id).await?
        {
            put(lines, "conversation", conversations::shown(&self.api, conversation).await?);
        }
        self.tell_files(record, lines).await?;
        put(lines, "interaction", event(&self.api.edge.media, record)?);
        self.interactions += 1;
        if record.kind == Kind::MessageSubmitted
            && let Some(state) = self.api.edge.accept.message(record.id).await?
        {
            put(lines, "message", messages::Shown::from(state));
        }
        Ok(())
    }

    async fn tell_files(&mut self, record: &Record, lines: &mut Vec<u8>) -> Result<(), Problem> {
        let Ok(event) = serde_json::from_slice::<Event>(&record.body) else { return Ok(()) };
        let media = self.api.edge.media.clone();
        for id in media.ids_in(&event) {
            if self.told.insert(id)
                && let Some(entry) = media.entry(id).await?
            {
                let url = media.links().signed(id, Time::now());
                let file: Value = json!({ "id": id, "announced": entry.announced, "state": entry.state, "url": url });
                put(lines, "media", file);
            }
        }
        Ok(())
    }
}

/// Why an answer ends in the middle. The log has the cause.
#[derive(Debug, thiserror::Error)]
#[error("the export cannot be continued")]
struct BrokenOff;

impl BrokenOff {
    fn because(problem: Problem) -> Self {
        tracing::warn!(status = problem.status().as_u16(), "an export broke off");
        Self
    }
}

fn put(lines: &mut Vec<u8>, kind: &str, data: impl Serialize) {
    serde_json::to_writer(&mut *lines, &Line { kind, data })
        .unwrap_or_else(|error| unreachable!("lines have string keys: {error}"));
    lines.push(b'\n');
}
