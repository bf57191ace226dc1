//! The native twin: the same work as the gateway's for one webhook, without a sandbox and without everything that a product needs
//! besides. It checks the signature, reads the JSON into types, finds person and conversation, writes the event to the
//! same store in the same form, answers, and forwards with the same client and signature.

mod forward;
mod http;
mod people;
pub(crate) mod whatsapp;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use bytes::Bytes;
use hyper::StatusCode;
use omnigate::accept::Trace;
use omnigate::interaction::{Author, AuthorKind, ChannelRef, Direction, Event, Interaction, Kind, Message, Part, Time};
use omnigate::store::sqlite::SqliteStore;
use omnigate::store::{Batch, DedupeKey, NewEvent, Store, StoreError};
use uuid::Uuid;

pub(crate) use self::forward::{CONCURRENCY, SECRET};
use self::people::{People, Person};
use self::whatsapp::{Received, Refused, Verifier};

/// As in the gateway's configuration of the bench.
const CHANNEL: &str = "whatsapp";

/// Serves until it is ended.
pub(crate) async fn serve(data: &Path, backend: Option<SocketAddr>) -> Result<()> {
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(data)?);
    if let Some(backend) = backend {
        forward::start(store.clone(), backend).await?;
    }
    let twin = Arc::new(Twin { store, verifier: Verifier::new(), people: People::default() });
    http::serve(move |headers, body| {
        let twin = twin.clone();
        async move { twin.webhook(headers, body).await }
    })
    .await
}

/// A server that reads requests and answers 200: what HTTP alone costs.
pub(crate) async fn serve_bare() -> Result<()> {
    http::serve(|_, _| async { StatusCode::OK }).await
}

struct Twin {
    store: Arc<dyn Store>,
    verifier: Verifier,
    people: People,
}

impl Twin {
    async fn webhook(&self, headers: hyper::HeaderMap, body: Bytes) -> StatusCode {
        let signature = headers.get(whatsapp::SIGNATURE).map_or(&b""[..], |value| value.as_bytes());
        let trace = Trace::from_header(headers.get("traceparent").and_then(|value| value.to_str().ok()));
        let received = match self.verifier.read(signature, &body) {
            Ok(received) => received,
            Err(Refused::Unauthorized) => return StatusCode::UNAUTHORIZED,
            Err(Refused::Invalid) => return StatusCode::BAD_REQUEST,
        };
        match self.append(received, &trace).await {
            Ok(()) => StatusCode::OK,
            Err(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    async fn append(&self, received: Vec<Received>, trace: &Trace) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        for message in received {
            let (person, writes) = self.people.of(&message.identities, CHANNEL);
            batch.writes.extend(writes);
            batch.events.push(event(message, person, trace));
        }
        self.store.commit(batch).await.map(drop)
    }
}

fn event(message: Received, person: Person, trace: &Trace) -> NewEvent {
    let (id, now) = (Uuid::now_v7(), Time::now());
    let (contact, lane) = (person.contact.id, person.conversation.id);
    let dedupe = DedupeKey::of(&[CHANNEL, Kind::MessageReceived.as_str(), &message.id]);
    let event = Event {
        specversion: "1.0".into(),
        id,
        kind: Kind::MessageReceived,
        source: format!("/channels/{CHANNEL}"),
        subject: Some(lane),
        time: now,
        datacontenttype: "application/json".into(),
        dataschema: "http://localhost/v1/schemas/interaction-1.json".into(),
        traceparent: trace.as_str().to_owned(),
        data: interaction(message, person, now),
    };
    let body = serde_json::to_vec(&event).unwrap_or_else(|error| unreachable!("events have string keys: {error}"));
    NewEvent {
        id,
        kind: event.kind,
        lane,
        conversation: Some(lane),
        contact: Some(contact),
        channel: CHANNEL.to_owned(),
        target: None,
        time: now,
        dedupe: Some(dedupe),
        body: body.into(),
        raw: None,
    }
}

fn interaction(message: Received, person: Person, now: Time) -> Interaction {
    let from = message.identities.into_iter().next();
    let author = Author { kind: AuthorKind::Contact, name: from.as_ref().and_then(|from| from.name.clone()) };
    Interaction {
        direction: Direction::Inbound,
        channel: Some(ChannelRef { name: CHANNEL.into(), medium: "whatsapp".into(), adapter: "whatsapp".into() }),
        contact: Some(person.contact),
        conversation: Some(person.conversation),
        author,
        from,
        claims: Vec::new(),
        to: message.to,
        external_ids: vec![message.id],
        in_reply_to: None,
        occurred_at: message.at.unwrap_or(now),
        received_at: now,
        message: Some(Message::new(None, vec![Part::Text { text: message.text, html: None }], None)),
        message_id: None,
        status: None,
        is_final: None,
        reason: None,
        detail: None,
        tags: serde_json::Map::new(),
        metadata: serde_json::Map::new(),
        route: None,
    }
}
