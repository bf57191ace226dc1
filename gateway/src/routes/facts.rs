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
    pub id: Option<Uuid>,
    /// By connector, as backends get them.
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
        let told = [self.tags.get("language"), self.metadata.get("language"), self.attribute("language")];
        told.into_iter().flatten().find_map(scalar).map(|text| text.to_lowercase())
    }

    /// An attribute of the contact: `tier` of whichever connector has one first, in order of name, or `crm.tier` of one.
    pub fn attribute(&self, name: &str) -> Option<&Value> {
        let known = &self.contact.as_ref()?.attributes;
        let of_one = name.split_once('.').and_then(|(connector, name)| known.get(connector)?.get(name));
        of_one.or_else(|| known.values().find_map(|attributes| attributes.get(name)))
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
