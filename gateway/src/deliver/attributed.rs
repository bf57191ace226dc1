use std::sync::Arc;

use async_trait::async_trait;

use super::target::{Attempt, Outcome, Scope, Target};
use crate::connectors::{Connectors, Lookups, Memory};
use crate::customer::Directory;
use crate::interaction::Event;
use crate::store::{Record, StoreError};

/// A target that hears, with every event, what the connectors of its channel know of the contact. The first event of a conversation waits for
/// them, no longer than each connector's `lookup_timeout`.
pub struct Attributed {
    pub target: Arc<dyn Target>,
    pub connectors: Arc<Connectors>,
    pub lookups: Arc<Lookups>,
    pub memory: Arc<Memory>,
    pub directory: Arc<Directory>,
}

#[async_trait]
impl Target for Attributed {
    async fn deliver(&self, record: &Record, attempt: Attempt) -> Outcome {
        match self.attributed(record).await {
            Ok(Some(attributed)) => self.target.deliver(&attributed, attempt).await,
            Ok(None) => self.target.deliver(record, attempt).await,
            Err(error) => Outcome::Retry { after: None, why: error.to_string(), scope: Scope::Lane },
        }
    }

    fn wants(&self, record: &Record) -> bool {
        self.target.wants(record)
    }

    fn may_get(&self, record: &Record) -> bool {
        self.target.may_get(record)
    }
}

impl Attributed {
    /// The record with what is known; `None` if that is nothing.
    async fn attributed(&self, record: &Record) -> Result<Option<Record>, StoreError> {
        let Some(member) = record.contact else { return Ok(None) };
        let Some(known) = self.directory.person(member).await? else { return Ok(None) };
        let mut event = event(record)?;
        self.lookups.wait(&event.data, known.contact.id).await;
        let connectors = self.connectors.covering(&record.channel);
        let attributes = self.memory.all_attributes(connectors, &known.contact.members).await?;
        let Some(told) = event.data.contact.as_mut().filter(|_| !attributes.is_empty()) else { return Ok(None) };
        told.attributes = attributes;
        let body = serde_json::to_vec(&event).map_err(|error| corrupt(record, &error))?;
        Ok(Some(Record { body: body.into(), ..record.clone() }))
    }
}

pub(super) fn event(record: &Record) -> Result<Event, StoreError> {
    serde_json::from_slice(&record.body).map_err(|error| corrupt(record, &error))
}

fn corrupt(record: &Record, error: &serde_json::Error) -> StoreError {
    StoreError::Corrupt(format!("interaction {}: {error}", record.id))
}
