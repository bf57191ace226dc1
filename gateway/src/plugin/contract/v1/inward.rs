//! From the guest's words to ours; everything that crosses is checked here.

use std::time::Duration;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{adapter, events, host, session, types};
use crate::interaction::{ChoiceOption, ChoicesStyle, Identity, MediaKind, Part, Reason, ReasonCode, Status, Time};
use crate::plugin::exchange::{
    Content, Fault, FaultKind, Happening, Inbound, Media, MediaSource, Outcome, Piece, Receipt, Reply, SessionState,
    StatusReport, Step,
};
use crate::plugin::host::http::{Credential, GuestRequest};

/// The rule that an answer breaks.
pub(super) type Broken = String;

const EVENTS_MAX: usize = 4_000;
const PARTS_MAX: usize = 100;
const ID_MAX: usize = 512;
const TEXT_MAX: usize = 1 << 20;
const EXTERNAL_IDS_MAX: usize = 100;

pub(super) fn outcome(outcome: adapter::Outcome) -> Result<Outcome, Broken> {
    Ok(Outcome { reply: reply(outcome.reply)?, happenings: happenings(outcome.events)? })
}

fn reply(reply: adapter::Reply) -> Result<Reply, Broken> {
    if !(200..=599).contains(&reply.status) {
        return Err(format!("{} is no status of an answer", reply.status));
    }
    Ok(Reply { status: reply.status, headers: pairs(reply.headers), body: reply.body })
}

fn pairs(headers: Vec<types::Header>) -> Vec<(String, String)> {
    headers.into_iter().map(|header| (header.name, header.value)).collect()
}

pub(super) fn step(step: session::exports::omnigate::channel::session::Step) -> Result<Step, Broken> {
    let state = SessionState { address: step.state.address, memory: step.state.memory };
    Ok(Step { state, happenings: happenings(step.events)?, frames: step.frames, close: step.close })
}

fn happenings(events: Vec<events::Event>) -> Result<Vec<Happening>, Broken> {
    if events.len() > EVENTS_MAX {
        return Err(format!("{} events are more than {EVENTS_MAX}", events.len()));
    }
    events.into_iter().map(happening).collect()
}

fn happening(event: events::Event) -> Result<Happening, Broken> {
    use events::Event;
    Ok(match event {
        Event::Message(message) => Happening::Message(inbound(message)?),
        Event::Echo(message) => Happening::Echo(inbound(message)?),
        Event::Status(status) => Happening::Status(status_report(status)?),
        Event::Edit(e) => Happening::Edit {
            id: id(e.id)?,
            target: id(e.target)?,
            sender: identity(e.sender)?,
            at: time(e.at),
            content: content(e.content)?,
        },
        Event::Deletion(e) => {
            Happening::Deletion { id: id(e.id)?, target: id(e.target)?, sender: identity(e.sender)?, at: time(e.at) }
        }
        Event::Reaction(e) => Happening::Reaction {
            id: id(e.id)?,
            target: id(e.target)?,
            sender: identity(e.sender)?,
            at: time(e.at),
            emoji: e.emoji.map(|emoji| emoji.chars().take(32).collect()),
        },
        Event::Typing(e) => Happening::Typing { sender: identity(e.sender)?, on: e.on },
        Event::Consent(e) => Happening::Consent {
            id: id(e.id)?,
            sender: identity(e.sender)?,
            at: time(e.at),
            granted: e.granted,
            category: e.category,
            evidence: e.evidence,
        },
        Event::IdentityChange(e) => Happening::IdentityChange {
            id: id(e.id)?,
            previous: identity(e.previous)?,
            current: identity(e.current)?,
            at: time(e.at),
        },
        Event::Referral(e) => {
            Happening::Referral { id: id(e.id)?, sender: identity(e.sender)?, at: time(e.at), data: json(&e.data)? }
        }
        Event::Unsupported(e) => Happening::Unsupported {
            id: id(e.id)?,
            what: e.what.chars().take(256).collect(),
            sender: e.sender.map(identity).transpose()?,
            at: time(e.at),
        },
    })
}

fn inbound(message: events::Inbound) -> Result<Inbound, Broken> {
    Ok(Inbound {
        id: id(message.id)?,
        sender: identity(message.sender)?,
        aliases: identities(message.aliases)?,
        recipients: identities(message.recipients)?,
        at: time(message.at),
        in_reply_to: message.in_reply_to.map(id).transpose()?,
        content: content(message.content)?,
        metadata: object(message.metadata.as_deref())?,
    })
}

fn status_report(report: events::Status) -> Result<StatusReport, Broken> {
    Ok(StatusReport {
        // What is no id of ours may be anybody's: the provider's own id decides then.
        message_id: report.message_id.and_then(|text| Uuid::parse_str(&text).ok()),
        external_id: report.external_id.map(id).transpose()?,
        recipient: report.recipient.map(identity).transpose()?,
        status: status(report.state),
        at: time(report.at),
        reason: report.reason.map(|reason| Reason {
            code: reason_code(reason.code),
            text: reason.text,
            retryable: reason.retryable,
            provider_code: reason.provider_code,
        }),
    })
}

fn id(id: String) -> Result<String, Broken> {
    if id.is_empty() || id.len() > ID_MAX {
        return Err(format!("an id must have 1 to {ID_MAX} bytes, not {}", id.len()));
    }
    Ok(id)
}

pub(super) fn identity(identity: types::Identity) -> Result<Identity, Broken> {
    let types::Identity { scheme, value, scope, name } = identity;
    Identity { scheme, value, scope, name }.checked().map_err(|error| format!("identity: {error}"))
}

fn identities(list: Vec<types::Identity>) -> Result<Vec<Identity>, Broken> {
    list.into_iter().map(identity).collect()
}

fn time(value: Option<f64>) -> Option<Time> {
    value.and_then(Time::from_guest)
}

fn content(content: types::Content) -> Result<Content, Broken> {
    if content.parts.len() > PARTS_MAX {
        return Err(format!("{} parts are more than {PARTS_MAX}", content.parts.len()));
    }
    let parts = content.parts.into_iter().map(piece).collect::<Result<_, _>>()?;
    Ok(Content { subject: content.subject, parts, quoted_text: content.quoted_text })
}

fn piece(part: types::Part) -> Result<Piece, Broken> {
    Ok(Piece::Part(match part {
        types::Part::Media(file) => return Ok(Piece::Media(media(file))),
        types::Part::Text(text) if text.text.len() > TEXT_MAX => {
            return Err(format!("a text of {} bytes is longer than {TEXT_MAX}", text.text.len()));
        }
        types::Part::Text(text) => Part::Text { text: text.text, html: text.html },
        types::Part::Location(place) => location(place)?,
        types::Part::ContactCard(card) => {
            Part::ContactCard { name: card.name, phones: card.phones, emails: card.emails }
        }
        types::Part::Choices(choices) => choices_part(choices),
        types::Part::Choice(choice) => Part::Choice { id: choice.id, title: choice.title },
        types::Part::Template(template) => {
            Part::Template { name: template.name, language: template.language, parameters: json(&template.parameters)? }
        }
        types::Part::Extension(extension) => Part::Extension { kind: extension.kind, data: json(&extension.data)? },
    }))
}

fn location(place: types::Location) -> Result<Part, Broken> {
    if !(place.latitude.abs() <= 90.0 && place.longitude.abs() <= 180.0) {
        return Err("a location must lie within 90 degrees of latitude and 180 of longitude".into());
    }
    Ok(Part::Location {
        latitude: place.latitude,
        longitude: place.longitude,
        name: place.name,
        address: place.address,
    })
}

fn choices_part(choices: types::Choices) -> Part {
    let style = match choices.style {
        types::ChoicesStyle::Buttons => ChoicesStyle::Buttons,
        types::ChoicesStyle::List => ChoicesStyle::List,
    };
    let options = choices.options.into_iter().map(|option| ChoiceOption {
        id: option.id,
        title: option.title,
        description: option.description,
        url: option.url,
    });
    Part::Choices { style, options: options.collect() }
}

fn media(file: types::Media) -> Media {
    let kind = match file.kind {
        types::MediaKind::Image => MediaKind::Image,
        types::MediaKind::Audio => MediaKind::Audio,
        types::MediaKind::Video => MediaKind::Video,
        types::MediaKind::File => MediaKind::File,
        types::MediaKind::Sticker => MediaKind::Sticker,
        types::MediaKind::Voice => MediaKind::Voice,
    };
    let source = match file.source {
        types::MediaSource::Reference(reference) => MediaSource::Reference(reference),
        types::MediaSource::Stored(id) => MediaSource::Stored(id),
        types::MediaSource::Url(url) => MediaSource::Url(url),
    };
    Media {
        kind,
        source,
        content_type: file.content_type,
        name: file.name,
        bytes: file.bytes.map(u64::from),
        caption: file.caption,
    }
}

fn json(text: &str) -> Result<Value, Broken> {
    serde_json::from_str(text).map_err(|error| format!("a field that must be JSON is not: {error}"))
}

fn object(text: Option<&str>) -> Result<Map<String, Value>, Broken> {
    match text {
        None => Ok(Map::new()),
        Some(text) => serde_json::from_str(text).map_err(|error| format!("metadata must be a JSON object: {error}")),
    }
}

fn status(state: types::DeliveryState) -> Status {
    match state {
        types::DeliveryState::Queued => Status::Queued,
        types::DeliveryState::Sent => Status::Sent,
        types::DeliveryState::Delivered => Status::Delivered,
        types::DeliveryState::Read => Status::Read,
        types::DeliveryState::Failed => Status::Failed,
        types::DeliveryState::Expired => Status::Expired,
    }
}

fn reason_code(code: types::ReasonCode) -> ReasonCode {
    use types::ReasonCode as Guest;
    match code {
        Guest::InvalidRecipient => ReasonCode::InvalidRecipient,
        Guest::Unreachable => ReasonCode::Unreachable,
        Guest::OptedOut => ReasonCode::OptedOut,
        Guest::OutsideWindow => ReasonCode::OutsideWindow,
        Guest::Rejected => ReasonCode::Rejected,
        Guest::TooLarge => ReasonCode::TooLarge,
        Guest::Unsupported => ReasonCode::Unsupported,
        Guest::RateLimited => ReasonCode::RateLimited,
        Guest::Credentials => ReasonCode::Credentials,
        Guest::ProviderError => ReasonCode::ProviderError,
        Guest::Expired => ReasonCode::Expired,
    }
}

pub(super) fn receipt(receipt: adapter::Receipt) -> Result<Receipt, Broken> {
    if receipt.external_ids.len() > EXTERNAL_IDS_MAX {
        return Err(format!("{} external ids are more than {EXTERNAL_IDS_MAX}", receipt.external_ids.len()));
    }
    let external_ids = receipt.external_ids.into_iter().map(id).collect::<Result<_, _>>()?;
    Ok(Receipt { external_ids, status: status(receipt.state) })
}

pub(super) fn fault(fault: types::Fault) -> Fault {
    Fault {
        kind: fault_kind(fault.kind),
        message: fault.message.chars().take(512).collect(),
        reason: fault.reason.map(reason_code),
        code: fault.code.map(|code| code.chars().take(64).collect()),
        retry_after: fault.retry_after_ms.map(|ms| Duration::from_millis(ms.into())),
    }
}

fn fault_kind(kind: types::FaultKind) -> FaultKind {
    use types::FaultKind as Guest;
    match kind {
        Guest::Invalid => FaultKind::Invalid,
        Guest::Unauthorized => FaultKind::Unauthorized,
        Guest::NotFound => FaultKind::NotFound,
        Guest::Rejected => FaultKind::Rejected,
        Guest::RateLimited => FaultKind::RateLimited,
        Guest::Unavailable => FaultKind::Unavailable,
        Guest::Uncertain => FaultKind::Uncertain,
        Guest::Unsupported => FaultKind::Unsupported,
        Guest::Internal => FaultKind::Internal,
    }
}

pub(super) fn guest_request(request: host::http::Request) -> GuestRequest {
    GuestRequest {
        method: request.method,
        url: request.url,
        headers: pairs(request.headers),
        body: request.body,
        credentials: request.credentials.into_iter().map(credential).collect(),
        timeout: request.timeout_ms.map(|ms| Duration::from_millis(ms.into())),
    }
}

fn credential(credential: host::http::Credential) -> Credential {
    use host::http::Credential as Guest;
    match credential {
        Guest::Bearer(slot) => Credential::Bearer(slot),
        Guest::Path(slot) => Credential::Path(slot),
        Guest::Header(named) => Credential::Header { name: named.name, prefix: named.prefix, slot: named.slot },
        Guest::Query(named) => Credential::Query { name: named.name, prefix: named.prefix, slot: named.slot },
        Guest::Basic(basic) => Credential::Basic { user: basic.user, slot: basic.password },
    }
}
