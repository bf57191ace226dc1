use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::config::scalar;
use crate::interaction::{RouteRef, Time};

/// What routes ask about an interaction. Whatever is absent matches nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Facts {
    pub channel: Option<Channel>,
    pub contact: Option<Contact>,
    pub conversation: Option<Conversation>,
    pub message: Option<Message>,
    pub tags: Map<String, Value>,
    pub metadata: Map<String, Value>,
    pub received_at: Option<Time>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Channel {
    pub name: String,
    pub medium: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Contact {
    pub attributes: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
pub struct Conversation {
    pub id: Uuid,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Message {
    pub subject: Option<String>,
    pub text: String,
}

#[derive(Deserialize)]
struct Envelope<T> {
    data: T,
}

#[derive(Deserialize)]
struct Taken {
    route: Option<RouteRef>,
}

impl Facts {
    /// Of an event, or of its `data` alone.
    ///
    /// # Errors
    /// If it is neither.
    pub fn read(json: &[u8]) -> Result<Self, serde_json::Error> {
        match serde_json::from_slice::<Envelope<Self>>(json) {
            Ok(event) => Ok(event.data),
            Err(_) => serde_json::from_slice(json),
        }
    }

    /// As processors tag it, as the adapter tells it, or as the contact has it; lower case.
    pub fn language(&self) -> Option<String> {
        let attributes = self.contact.as_ref().map(|contact| &contact.attributes);
        let told = [Some(&self.tags), Some(&self.metadata), attributes];
        told.into_iter().flatten().find_map(|map| scalar(map.get("language")?)).map(|text| text.to_lowercase())
    }

    /// Everything that was said.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        let message = self.message.as_ref()?;
        Some(match &message.subject {
            Some(subject) => format!("{subject}\n{}", message.text).into(),
            None => Cow::Borrowed(&message.text),
        })
    }
}

pub(super) fn route_of(event: &[u8]) -> Option<RouteRef> {
    serde_json::from_slice::<Envelope<Taken>>(event).ok()?.data.route
}
