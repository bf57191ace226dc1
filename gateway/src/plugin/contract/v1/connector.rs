//! A connector's exports, and its words from ours and back; everything that comes back is checked here.

use serde_json::{Map, Value};
use wasmtime::component::InstancePre;
use wasmtime::{Result, Store};

use super::calls::{Answer, checked};
use super::content::few;
use super::crm::exports::omnigate::connector::crm as guest;
use super::crm::{Connector, ConnectorPre};
use super::inward::{self, Broken, id};
use super::{outward, types};
use crate::plugin::Binding;
use crate::plugin::connecting::{Answers, Change, Found, Item, News, Note, Notes, Person, Report, Taken};
use crate::plugin::exchange::{Reply, Request};
use crate::plugin::state::CallState;

const CHANGES_MAX: usize = 1_000;
/// Of what a connector wants to see again.
const DATA_MAX: usize = 8 << 10;
const ATTRIBUTES_MAX: usize = 64;
/// They travel with every event of the contact.
const ATTRIBUTES_BYTES_MAX: usize = 16 << 10;
const ATTRIBUTE_NAME_MAX: usize = 64;

/// What can be called of a connector.
pub(super) struct ConnectorCalls(ConnectorPre<CallState>);

impl ConnectorCalls {
    pub(super) fn of(pre: InstancePre<CallState>) -> Result<Self> {
        Ok(Self(ConnectorPre::new(pre)?))
    }

    pub(super) async fn deliver(&self, store: &mut Store<CallState>, items: Vec<Item>) -> Answer<Answers> {
        let instance: Connector = self.0.instantiate_async(&mut *store).await?;
        let context = context(&store.data().binding);
        let count = items.len();
        let files = items.iter().flat_map(|item| item.files.clone());
        store.data_mut().readable.extend(files);
        let items: Vec<_> = items.into_iter().map(item).collect();
        let answer = instance.omnigate_connector_crm().call_deliver(store, &context, &items).await?;
        Ok(checked(answer, |answers| self::answers(answers, count)))
    }

    pub(super) async fn find(
        &self,
        store: &mut Store<CallState>,
        person: Person,
        known: Option<Note>,
    ) -> Answer<Found> {
        let instance: Connector = self.0.instantiate_async(&mut *store).await?;
        let context = context(&store.data().binding);
        let (person, known) = (self::person(person), known.map(guest_note));
        let answer = instance.omnigate_connector_crm().call_find(store, &context, &person, known.as_ref()).await?;
        Ok(checked(answer, found))
    }

    pub(super) async fn handle_request(&self, store: &mut Store<CallState>, request: Request) -> Answer<Report> {
        let instance: Connector = self.0.instantiate_async(&mut *store).await?;
        let context = context(&store.data().binding);
        let crm = instance.omnigate_connector_crm();
        let answer = crm.call_handle_request(store, &context, &self::request(request)).await?;
        Ok(checked(answer, report))
    }
}

// ---- to the guest

fn context(binding: &Binding) -> guest::Context {
    let fields = |fields: &std::collections::BTreeMap<String, String>| {
        let field = |(ours, theirs): (&String, &String)| guest::Field { ours: ours.clone(), theirs: theirs.clone() };
        fields.iter().map(field).collect()
    };
    guest::Context {
        connector: binding.connector().to_owned(),
        settings: binding.settings.clone(),
        read: fields(&binding.fields.read),
        write: fields(&binding.fields.write),
        url: binding.url.clone(),
        extra: None,
    }
}

fn item(item: Item) -> guest::Item {
    guest::Item {
        interaction: item.interaction,
        person: item.person.map(person),
        known: notes(item.known),
        attempt: item.attempt,
        uncertain: item.uncertain,
    }
}

fn person(person: Person) -> guest::Person {
    let identities = person.identities.into_iter().map(outward::identity).collect();
    guest::Person { id: person.id.to_string(), name: person.name, identities }
}

fn notes(notes: Notes) -> guest::Notes {
    let Notes { contact, conversation, activity, about } = notes;
    guest::Notes {
        contact: contact.map(guest_note),
        conversation: conversation.map(guest_note),
        activity: activity.map(guest_note),
        about: about.map(guest_note),
    }
}

fn guest_note(note: Note) -> guest::Note {
    guest::Note { id: note.id, data: note.data.map(|data| data.to_string()) }
}

fn request(request: Request) -> guest::Request {
    let header = |(name, value)| types::Header { name, value };
    guest::Request {
        method: request.method,
        path: request.path,
        query: request.query,
        url: request.url,
        headers: request.headers.into_iter().map(header).collect(),
        body: request.body,
    }
}

// ---- from the guest

fn answers(
    answers: Vec<std::result::Result<guest::Taken, types::Fault>>,
    count: usize,
) -> std::result::Result<Answers, Broken> {
    if answers.len() != count {
        return Err(format!("{} answers for {count} interactions", answers.len()));
    }
    let answer = |answer: std::result::Result<guest::Taken, types::Fault>| match answer {
        Ok(taken) => self::taken(taken).map(Ok),
        Err(fault) => Ok(Err(inward::fault(fault))),
    };
    answers.into_iter().map(answer).collect()
}

fn taken(taken: guest::Taken) -> std::result::Result<Taken, Broken> {
    Ok(Taken {
        contact: taken.contact.map(note).transpose()?,
        conversation: taken.conversation.map(note).transpose()?,
        activity: taken.activity.map(note).transpose()?,
    })
}

fn note(note: guest::Note) -> std::result::Result<Note, Broken> {
    let data = note.data.as_deref().map(|text| bounded(text, DATA_MAX, "what is noted")).transpose()?;
    Ok(Note { id: id(note.id)?, data })
}

fn bounded<T: serde::de::DeserializeOwned>(text: &str, max: usize, what: &str) -> std::result::Result<T, Broken> {
    if text.len() > max {
        return Err(format!("{what} has {} bytes, more than {max}", text.len()));
    }
    serde_json::from_str(text).map_err(|error| format!("{what} is not the JSON that it must be: {error}"))
}

fn found(found: guest::Found) -> std::result::Result<Found, Broken> {
    let attributes = found.attributes.as_deref().map(attributes).transpose()?;
    Ok(Found { contact: found.contact.map(note).transpose()?, attributes })
}

fn attributes(text: &str) -> std::result::Result<Map<String, Value>, Broken> {
    let attributes: Map<String, Value> = bounded(text, ATTRIBUTES_BYTES_MAX, "attributes")?;
    few(attributes.len(), ATTRIBUTES_MAX, "attributes")?;
    match attributes.keys().find(|name| name.is_empty() || name.len() > ATTRIBUTE_NAME_MAX) {
        Some(name) => Err(format!("an attribute's name has {} bytes, not 1 to {ATTRIBUTE_NAME_MAX}", name.len())),
        None => Ok(attributes),
    }
}

fn report(outcome: guest::Outcome) -> std::result::Result<Report, Broken> {
    few(outcome.changes.len(), CHANGES_MAX, "changes")?;
    let guest::Reply { status, headers, body } = outcome.reply;
    let reply: Reply = inward::reply(super::adapter::Reply { status, headers, body })?;
    Ok(Report { reply, changes: outcome.changes.into_iter().map(change).collect::<std::result::Result<_, _>>()? })
}

fn change(change: guest::Change) -> std::result::Result<Change, Broken> {
    let what = match change.what {
        guest::News::Attributes(text) => News::Attributes(attributes(&text)?),
        guest::News::Merged(into) => News::Merged(id(into)?),
        guest::News::Removed => News::Removed,
    };
    Ok(Change { contact: id(change.contact)?, what })
}
