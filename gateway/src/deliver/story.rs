//! What one backend gets of a record: which ones, and with which history.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Value;

use super::backend::{Render, Rendered};
use crate::config::{self, Receives};
use crate::customer::Directory;
use crate::interaction::Kind;
use crate::media::Media;
use crate::store::{Filter, Order, Record, Store, StoreError};

/// Of the history that travels with an event: what is older is left out.
const HISTORY_BYTES_MAX: usize = 256 << 10;

/// A backend's view of the log: the very event, with fresh addresses of its files; with the first one of a conversation, what
/// was said before.
pub struct Story {
    name: String,
    receives: Receives,
    history: usize,
    media: Arc<Media>,
    store: Arc<dyn Store>,
    directory: Arc<Directory>,
}

impl Story {
    /// For the backend of that name.
    pub fn new(
        name: &str,
        backend: &config::Backend,
        media: Arc<Media>,
        store: Arc<dyn Store>,
        directory: Arc<Directory>,
    ) -> Self {
        let (receives, history) = (backend.receives, backend.history);
        Self { name: name.to_owned(), receives, history, media, store, directory }
    }

    /// What was said with the person before, oldest first.
    async fn earlier(&self, record: &Record) -> Result<Vec<Value>, StoreError> {
        let Some(contact) = record.contact else { return Ok(Vec::new()) };
        let known = self.directory.person(contact).await?;
        let filter = Filter {
            contacts: known.map_or_else(|| vec![contact], |known| known.ids()),
            kinds: Kind::ALL.into_iter().filter(|kind| kind.is_message()).collect(),
            ..Filter::default()
        };
        let records = match self.store.page(&filter, Some(record.id), Order::NewestFirst, self.history).await {
            // A dead letter outlives what it was made of.
            Err(StoreError::NotFound(_)) => return Ok(Vec::new()),
            records => records?,
        };
        Ok(self.fitting(&records))
    }

    fn fitting(&self, newest_first: &[Arc<Record>]) -> Vec<Value> {
        let mut left = HISTORY_BYTES_MAX;
        let mut fitting = Vec::new();
        for record in newest_first {
            let body = self.media.render(record);
            let Some(rest) = left.checked_sub(body.len()) else { break };
            left = rest;
            fitting.extend(serde_json::from_slice::<Value>(&body));
        }
        fitting.reverse();
        fitting
    }
}

#[async_trait]
impl Render for Story {
    fn wants(&self, record: &Record) -> bool {
        self.receives == Receives::All || concerns(record, &self.name)
    }

    async fn render(&self, record: &Record) -> Result<Rendered, StoreError> {
        let mut rendered = Rendered { body: self.media.render(record), ..Rendered::plain(record) };
        if self.history == 0 || !opens(record) {
            return Ok(rendered);
        }
        let corrupt = |error| StoreError::Corrupt(format!("interaction {}: {error}", record.id));
        let mut event: Value = serde_json::from_slice(&rendered.body).map_err(corrupt)?;
        event["data"]["history"] = self.earlier(record).await?.into();
        rendered.body = serde_json::to_vec(&event).map_err(corrupt)?.into();
        Ok(rendered)
    }
}

/// What an event says of its conversation.
#[derive(Deserialize)]
struct Said {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    conversation: Option<Conversation>,
    detail: Option<Passed>,
}

#[derive(Deserialize)]
struct Conversation {
    new: bool,
    control: Option<String>,
}

/// Of a detail, from whom to whom control passed.
#[derive(Deserialize)]
#[serde(untagged)]
enum Passed {
    Control { from: Option<String>, to: Option<String> },
    Other(serde::de::IgnoredAny),
}

fn data(record: &Record) -> Option<Data> {
    serde_json::from_slice::<Said>(&record.body).ok().map(|said| said.data)
}

/// Whether it is the first event of a conversation, or what opened it.
fn opens(record: &Record) -> bool {
    data(record).and_then(|data| data.conversation).is_some_and(|conversation| conversation.new)
}

/// Whether a backend was in control when it happened, or lost control by it.
fn concerns(record: &Record, backend: &str) -> bool {
    let controls = data(record).and_then(|data| data.conversation).and_then(|conversation| conversation.control);
    controls.as_deref() == Some(backend) || passes_control(record, backend)
}

/// Whether control passes to a backend, or from it: that it hears, whatever the route.
pub(super) fn passes_control(record: &Record, backend: &str) -> bool {
    if record.kind != Kind::ConversationControl {
        return false;
    }
    let Some(Data { detail: Some(Passed::Control { from, to }), .. }) = data(record) else { return false };
    [from, to].iter().flatten().any(|name| name == backend)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use uuid::Uuid;

    use super::*;
    use crate::interaction::Time;
    use crate::store::{Partition, Position};

    fn record(kind: Kind, data: &str) -> Record {
        let id = Uuid::now_v7();
        Record {
            partition: Partition(0),
            position: Position(1),
            id,
            kind,
            lane: id,
            conversation: Some(id),
            contact: None,
            channel: "sms".into(),
            target: None,
            time: Time::now(),
            body: Bytes::from(format!(r#"{{"data":{data}}}"#)),
        }
    }

    #[test]
    fn who_controls_hears_of_it_and_who_did() {
        let said =
            record(Kind::MessageReceived, r#"{"conversation":{"new":false,"control":"a"},"detail":{"from":"b"}}"#);
        assert!(concerns(&said, "a") && !concerns(&said, "b"));
        let passed = r#"{"conversation":{"new":false,"control":"a"},"detail":{"from":"b","to":"a"}}"#;
        let passed = record(Kind::ConversationControl, passed);
        assert!(concerns(&passed, "a") && concerns(&passed, "b") && !concerns(&passed, "c"));
        assert!(passes_control(&passed, "a") && passes_control(&passed, "b") && !passes_control(&said, "b"));
        let nowhere = record(Kind::ChannelState, r#"{"conversation":null,"detail":{"state":"connected"}}"#);
        assert!(!concerns(&nowhere, "a"));
    }

    #[test]
    fn the_first_event_of_a_conversation_is_told_by_itself() {
        assert!(opens(&record(Kind::MessageReceived, r#"{"conversation":{"new":true}}"#)));
        assert!(!opens(&record(Kind::MessageReceived, r#"{"conversation":{"new":false}}"#)));
        assert!(!opens(&record(Kind::ChannelState, r#"{"conversation":null}"#)));
    }
}
