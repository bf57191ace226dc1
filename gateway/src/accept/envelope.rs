use bytes::Bytes;
use uuid::Uuid;

use crate::customer::{Attribution, News};
use crate::interaction::{
    Author, AuthorKind, ChannelRef, Direction, Event, Identity, Interaction, Kind, Message, Time,
};
use crate::store::{DedupeKey, NewEvent};

/// Most events are shorter.
const EVENT_BYTES: usize = 2 << 10;

/// W3C Trace Context of the work in hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace(String);

impl Trace {
    /// Goes on with a caller's trace, or begins one.
    pub fn from_header(traceparent: Option<&str>) -> Self {
        let (mut trace, mut span) = (Uuid::encode_buffer(), Uuid::encode_buffer());
        let trace = match traceparent.filter(|text| is_traceparent(text)) {
            Some(text) => &text[3..35],
            None => Uuid::new_v4().simple().encode_lower(&mut trace),
        };
        let span = &Uuid::new_v4().simple().encode_lower(&mut span)[16..];
        Self(["00", trace, span, "01"].join("-"))
    }

    /// Whether a text is a `traceparent` of version 00.
    pub fn is_valid(traceparent: &str) -> bool {
        is_traceparent(traceparent)
    }

    /// The header's value.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// <https://www.w3.org/TR/trace-context/#traceparent-header>, version 00.
fn is_traceparent(text: &str) -> bool {
    let hex_run = |text: &str| {
        text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) && text.bytes().any(|b| b != b'0')
    };
    let bytes = text.as_bytes();
    text.is_ascii()
        && bytes.len() == 55
        && text.starts_with("00-")
        && bytes[35] == b'-'
        && bytes[52] == b'-'
        && hex_run(&text[3..35])
        && hex_run(&text[36..52])
}

/// The lane of events that belong to no conversation: one for each channel.
pub fn channel_lane(channel: &str) -> Uuid {
    let digest = ring::digest::digest(&ring::digest::SHA256, channel.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.as_ref()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// An interaction of this kind on this channel, everything else empty.
pub(super) fn blank(
    channel: Option<&ChannelRef>,
    direction: Direction,
    occurred_at: Time,
    received_at: Time,
) -> Interaction {
    Interaction {
        direction,
        channel: channel.cloned(),
        contact: None,
        conversation: None,
        author: Author { kind: AuthorKind::System, name: None },
        from: None,
        claims: Vec::new(),
        to: Vec::new(),
        external_ids: Vec::new(),
        in_reply_to: None,
        occurred_at,
        received_at,
        message: None,
        message_id: None,
        status: None,
        is_final: None,
        reason: None,
        detail: None,
        route: None,
        tags: serde_json::Map::new(),
        metadata: serde_json::Map::new(),
    }
}

/// What a person did, attributed.
pub(super) fn by_contact(
    channel: &ChannelRef,
    attribution: &Attribution,
    from: Identity,
    at: Option<Time>,
    now: Time,
) -> Interaction {
    let author = Author { kind: AuthorKind::Contact, name: from.name.clone() };
    Interaction {
        author,
        from: Some(from),
        ..attributed(channel, attribution, Direction::Inbound, at.unwrap_or(now), now)
    }
}

/// Of a contact and a conversation.
pub(super) fn attributed(
    channel: &ChannelRef,
    attribution: &Attribution,
    direction: Direction,
    at: Time,
    now: Time,
) -> Interaction {
    Interaction {
        contact: Some(attribution.contact.to_ref()),
        conversation: Some(attribution.conversation.to_ref(attribution.opened)),
        ..blank(Some(channel), direction, at, now)
    }
}

pub(super) fn with_message(interaction: Interaction, message: Message) -> Interaction {
    Interaction { message: Some(message), ..interaction }
}

/// What the gateway decided about people. Its author is the gateway.
pub(super) fn news_event(
    news: News,
    channel: Option<&ChannelRef>,
    schema_url: &str,
    trace: &Trace,
    now: Time,
    dedupe: Option<DedupeKey>,
) -> NewEvent {
    let News { kind, contact, owner, conversation, opened, detail } = news;
    let data = Interaction {
        contact: Some(contact.to_ref()),
        conversation: conversation.map(|conversation| conversation.to_ref(opened)),
        detail: Some(detail),
        ..blank(channel, kind.direction(), now, now)
    };
    event(kind, Some(owner), data, schema_url, trace, dedupe, None)
}

/// An event ready for the log, of the member `owner`. Its lane is the conversation; where there is none, the member if it
/// happened on no channel, else the channel.
pub(super) fn event(
    kind: Kind,
    owner: Option<Uuid>,
    data: Interaction,
    schema_url: &str,
    trace: &Trace,
    dedupe: Option<DedupeKey>,
    target: Option<String>,
) -> NewEvent {
    let id = Uuid::now_v7();
    let conversation = data.conversation.as_ref().map(|conversation| conversation.id);
    let channel = data.channel.as_ref().map(|channel| channel.name.clone());
    let lane = conversation.or_else(|| channel.as_deref().map(channel_lane)).or(owner).unwrap_or(id);
    let time = data.received_at;
    let event = Event {
        specversion: "1.0".into(),
        id,
        kind,
        source: source(&data),
        subject: conversation,
        time,
        datacontenttype: "application/json".into(),
        dataschema: schema_url.to_owned(),
        traceparent: trace.as_str().to_owned(),
        data,
    };
    let body = body(&event);
    let channel = channel.unwrap_or_default();
    NewEvent { id, kind, lane, conversation, contact: owner, channel, target, time, dedupe, body, raw: None }
}

/// What is kept takes no more room than it needs, and is not moved while it grows.
fn body(event: &Event) -> Bytes {
    let mut body = Vec::with_capacity(EVENT_BYTES);
    serde_json::to_writer(&mut body, event).unwrap_or_else(|error| unreachable!("events have string keys: {error}"));
    Bytes::copy_from_slice(&body)
}

fn source(data: &Interaction) -> String {
    match (&data.channel, &data.contact) {
        (Some(channel), _) => format!("/channels/{}", channel.name),
        (None, Some(contact)) => format!("/contacts/{}", contact.id),
        (None, None) => "/".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callers_trace_goes_on() {
        let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace = Trace::from_header(Some(given));
        assert_eq!(&trace.as_str()[..36], &given[..36]);
        assert_ne!(trace.as_str(), given, "the span is our own");
    }

    #[test]
    fn nonsense_begins_a_new_trace() {
        for given in [
            "",
            "00-zz",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e47é6-00f067aa0ba902b7-1",
        ] {
            let trace = Trace::from_header(Some(given));
            assert!(is_traceparent(trace.as_str()), "{given:?}");
        }
    }
}
