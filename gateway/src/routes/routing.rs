use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Facts, Routes};
use crate::config::{self, Config, NamePattern};
use crate::connectors::Memory;
use crate::customer::Directory;
use crate::interaction::{Interaction, RouteRef};
use crate::store::{Key, Store, StoreError};

/// Routes at work: with what is known of contacts, and what was decided for conversations.
pub struct Routing {
    routes: Routes,
    store: Arc<dyn Store>,
    memory: Memory,
    directory: Arc<Directory>,
    /// Those that may know something of a contact, where a route asks for it, and on which channels.
    connectors: Vec<(String, Vec<NamePattern>)>,
    /// Backends that only listen are never in control.
    listeners: Vec<String>,
}

/// What was decided for the newest message of a conversation: what else happens in it goes the same way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Decision {
    /// `None`: to every backend.
    pub(super) route: Option<RouteRef>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(super) tags: Map<String, Value>,
    /// For the whole conversation.
    #[serde(default)]
    pub(super) keep: bool,
}

/// Who is to answer a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answering {
    pub route: String,
    pub backend: String,
}

impl Routing {
    /// Of the configuration.
    pub fn new(store: &Arc<dyn Store>, directory: Arc<Directory>, config: &Config) -> Self {
        let listeners = config.backends.iter().filter(|(_, backend)| backend.listen).map(|(name, _)| name.clone());
        let connectors = || config.connectors.iter().map(|(name, one)| (name.clone(), one.channels.clone())).collect();
        let connectors = config.routes.iter().any(asks_contact).then(connectors);
        Self {
            routes: Routes::new(&config.routes),
            memory: Memory::new(store.clone(), config.store.retention),
            store: store.clone(),
            directory,
            connectors: connectors.unwrap_or_default(),
            listeners: listeners.collect(),
        }
    }

    /// Whether there is no route.
    pub fn is_empty(&self) -> bool {
        self.routes.routes.is_empty()
    }

    /// Who is to answer what a person says: the first backend of its route that does not only listen.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn answering(&self, data: &Interaction) -> Result<Option<Answering>, StoreError> {
        let kept = match &data.conversation {
            Some(conversation) => self.decided(conversation.id).await?.filter(|decision| decision.keep),
            None => None,
        };
        let decision = match kept {
            Some(decision) => decision,
            None => self.evaluate(&serde_json::to_vec(data).map_err(unreadable)?).await?,
        };
        Ok(decision.route.and_then(|route| self.first(route)))
    }

    fn first(&self, route: RouteRef) -> Option<Answering> {
        let backend = route.backends.into_iter().find(|backend| !self.listeners.contains(backend))?;
        Some(Answering { route: route.name, backend })
    }

    /// What was decided for the newest message of a conversation.
    pub(super) async fn decided(&self, conversation: Uuid) -> Result<Option<Decision>, StoreError> {
        let entry = self.store.get(&decision_key(conversation)).await?;
        Ok(entry.and_then(|entry| serde_json::from_slice(&entry.value).ok()))
    }

    /// What an event, or its `data` alone, is to be decided by itself.
    pub(super) async fn evaluate(&self, event: &[u8]) -> Result<Decision, StoreError> {
        let mut facts = Facts::read(event).map_err(unreadable)?;
        self.know_contact(&mut facts).await?;
        let taken = self.routes.find(&facts);
        let decision = taken.map(|route| Decision {
            route: Some(self.routes.reference(route)),
            tags: route.tags.clone(),
            keep: route.keep,
        });
        Ok(decision.unwrap_or_default())
    }

    /// The log does not hold attributes: they are what is known at this moment.
    async fn know_contact(&self, facts: &mut Facts) -> Result<(), StoreError> {
        let Some(contact) = &mut facts.contact else { return Ok(()) };
        let Some(id) = contact.id else { return Ok(()) };
        let channel = facts.channel.as_ref().map_or("", |channel| channel.name.as_str());
        let asked = self.connectors.iter().filter(|(_, channels)| NamePattern::any(channels, channel));
        let connectors: Vec<&str> = asked.map(|(name, _)| name.as_str()).collect();
        if !connectors.is_empty() {
            let members = self.directory.person(id).await?.map(|known| known.contact.members.clone());
            let members = members.unwrap_or_else(|| vec![id]);
            contact.attributes.extend(self.memory.all_attributes(connectors.into_iter(), &members).await?);
        }
        Ok(())
    }
}

fn asks_contact(route: &config::Route) -> bool {
    !route.matches.attribute.is_empty() || !route.matches.language.is_empty()
}

/// Where it is kept what was decided for a conversation.
pub fn decision_key(conversation: Uuid) -> Key {
    Key::of(&["route", &conversation.to_string()])
}

pub(super) fn unreadable(error: serde_json::Error) -> StoreError {
    StoreError::Corrupt(format!("an event on its way in: {error}"))
}
