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
/// Names, titles, types: whatever is shown in one line.
const LINE_MAX: usize = 4 << 10;
/// One JSON text: parsed it takes many times its length.
const JSON_MAX: usize = 256 << 10;
const ALIASES_MAX: usize = 16;
const RECIPIENTS_MAX: usize = 256;
const OPTIONS_MAX: usize = 100;
const HEADERS_MAX: usize = 64;
const FRAMES_MAX: usize = 1_000;
/// Kept for as long as the socket is open.
const MEMORY_MAX: usize = 64 << 10;

pub(super) fn outcome(outcome: adapter::Outcome) -> Result<Outcome, Broken> {
    Ok(Outcome { reply: reply(outcome.reply)?, happenings: happenings(outcome.events)? })
}

fn reply(reply: adapter::Reply) -> Result<Reply, Broken> {
    if !(200..=599).contains(&reply.status) {
        return Err(format!("{} is no status of an answer", reply.status));
    }
    few(reply.headers.len(), HEADERS_MAX, "headers of an answer")?;
    Ok(Reply { status: reply.status, headers: pairs(reply.headers), body: reply.body })
}

fn few(count: usize, max: usize, what: &str) -> Result<(), Broken> {
    if count > max { Err(format!("{count} {what} are more than {max}")) } else { Ok(()) }
}

fn short(text: String, max: usize, what: &str) -> Result<String, Broken> {
    if text.len() > max {
        return Err(format!("{what} of {} bytes is longer than {max}", text.len()));
    }
    Ok(text)
}

fn line(text: String, what: &str) -> Result<String, Broken> {
    short(text, LINE_MAX, what)
}

fn some_line(text: Option<String>, what: &str) -> Result<Option<String>, Broken> {
    text.map(|text| line(text, what)).transpose()
}

fn pairs(headers: Vec<types::Header>) -> Vec<(String, String)> {
    headers.into_iter().map(|header| (header.name, header.value)).collect()
}

pub(super) fn step(step: session::exports::omnigate::channel::session::Step) -> Result<Step, Broken> {
    few(step.frames.len(), FRAMES_MAX, "frames of one step")?;
    let state = SessionState {
        address: step.state.address.map(id).transpose()?,
        memory: short(step.state.memory, MEMORY_MAX, "the memory of a socket")?,
    };
    let close = step.close.map(close).transpose()?;
    Ok(Step { state, happenings: happenings(step.events)?, frames: step.frames, close })
}

/// RFC 6455 section 7.4: the other codes must not be sent.
fn close((code, reason): (u16, String)) -> Result<(u16, String), Broken> {
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(format!("{code} is no code with which a socket may be closed"));
    }
    Ok((code, reason))
}

fn happenings(events: Vec<events::Event>) -> Result<Vec<Happening>, Broken> {
    few(events.len(), EVENTS_MAX, "events")?;
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
            category: some_line(e.category, "a category")?,
            evidence: some_line(e.evidence, "evidence")?,
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
        aliases: identities(message.aliases, ALIASES_MAX)?,
        recipients: identities(message.recipients, RECIPIENTS_MAX)?,
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
        reason: report.reason.map(reason),
    })
}

/// A receipt is worth more than its words: they are cut.
fn reason(reason: types::Reason) -> Reason {
    Reason {
        code: reason_code(reason.code),
        text: reason.text.chars().take(512).collect(),
        retryable: reason.retryable,
        provider_code: reason.provider_code.map(|code| code.chars().take(64).collect()),
    }
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

fn identities(list: Vec<types::Identity>, max: usize) -> Result<Vec<Identity>, Broken> {
    few(list.len(), max, "addresses in one list")?;
    list.into_iter().map(identity).collect()
}

fn time(value: Option<f64>) -> Option<Time> {
    value.and_then(Time::from_guest)
}

fn content(content: types::Content) -> Result<Content, Broken> {
    few(content.parts.len(), PARTS_MAX, "parts")?;
    Ok(Content {
        subject: some_line(content.subject, "a subject")?,
        parts: content.parts.into_iter().map(piece).collect::<Result<_, _>>()?,
        quoted_text: content.quoted_text.map(text).transpose()?,
    })
}

fn text(text: String) -> Result<String, Broken> {
    short(text, TEXT_MAX, "a text")
}

fn piece(part: types::Part) -> Result<Piece, Broken> {
    Ok(Piece::Part(match part {
        types::Part::Media(file) => return media(file).map(Piece::Media),
        types::Part::Text(rich) => Part::Text { text: text(rich.text)?, html: rich.html.map(text).transpose()? },
        types::Part::Location(place) => location(place)?,
        types::Part::ContactCard(card) => contact_card(card)?,
        types::Part::Choices(choices) => choices_part(choices)?,
        types::Part::Choice(choice) => {
            Part::Choice { id: line(choice.id, "the id of a choice")?, title: line(choice.title, "a title")? }
        }
        types::Part::Template(template) => Part::Template {
            name: line(template.name, "a template's name")?,
            language: line(template.language, "a language")?,
            parameters: json(&template.parameters)?,
        },
        types::Part::Extension(extension) => {
            Part::Extension { kind: line(extension.kind, "a kind")?, data: json(&extension.data)? }
        }
    }))
}

fn contact_card(card: types::ContactCard) -> Result<Part, Broken> {
    few(card.phones.len() + card.emails.len(), OPTIONS_MAX, "addresses of one contact card")?;
    let lines =
        |list: Vec<String>| list.into_iter().map(|text| line(text, "an address")).collect::<Result<Vec<_>, _>>();
    Ok(Part::ContactCard { name: line(card.name, "a name")?, phones: lines(card.phones)?, emails: lines(card.emails)? })
}

fn location(place: types::Location) -> Result<Part, Broken> {
    if !(place.latitude.abs() <= 90.0 && place.longitude.abs() <= 180.0) {
        return Err("a location must lie within 90 degrees of latitude and 180 of longitude".into());
    }
    Ok(Part::Location {
        latitude: place.latitude,
        longitude: place.longitude,
        name: some_line(place.name, "a place's name")?,
        address: some_line(place.address, "a place's address")?,
    })
}

fn choices_part(choices: types::Choices) -> Result<Part, Broken> {
    few(choices.options.len(), OPTIONS_MAX, "options")?;
    let style = match choices.style {
        types::ChoicesStyle::Buttons => ChoicesStyle::Buttons,
        types::ChoicesStyle::List => ChoicesStyle::List,
    };
    let options = choices.options.into_iter().map(choice_option).collect::<Result<_, _>>()?;
    Ok(Part::Choices { style, options })
}

fn choice_option(option: types::ChoiceOption) -> Result<ChoiceOption, Broken> {
    Ok(ChoiceOption {
        id: line(option.id, "the id of an option")?,
        title: line(option.title, "a title")?,
        description: some_line(option.description, "a description")?,
        url: some_line(option.url, "an address")?,
    })
}

fn media(file: types::Media) -> Result<Media, Broken> {
    let source = match file.source {
        types::MediaSource::Reference(reference) => MediaSource::Reference(line(reference, "a reference")?),
        types::MediaSource::Stored(id) => MediaSource::Stored(line(id, "the id of a file")?),
        types::MediaSource::Url(url) => MediaSource::Url(line(url, "an address")?),
    };
    Ok(Media {
        kind: media_kind(file.kind),
        source,
        content_type: some_line(file.content_type, "a content type")?,
        name: some_line(file.name, "a file's name")?,
        bytes: file.bytes.map(u64::from),
        caption: file.caption.map(text).transpose()?,
    })
}

fn media_kind(kind: types::MediaKind) -> MediaKind {
    match kind {
        types::MediaKind::Image => MediaKind::Image,
        types::MediaKind::Audio => MediaKind::Audio,
        types::MediaKind::Video => MediaKind::Video,
        types::MediaKind::File => MediaKind::File,
        types::MediaKind::Sticker => MediaKind::Sticker,
        types::MediaKind::Voice => MediaKind::Voice,
    }
}

fn json(text: &str) -> Result<Value, Broken> {
    bounded_json(text)?;
    serde_json::from_str(text).map_err(|error| format!("a field that must be JSON is not: {error}"))
}

fn bounded_json(text: &str) -> Result<(), Broken> {
    if text.len() > JSON_MAX {
        return Err(format!("a JSON text of {} bytes is longer than {JSON_MAX}", text.len()));
    }
    Ok(())
}

fn object(text: Option<&str>) -> Result<Map<String, Value>, Broken> {
    match text {
        None => Ok(Map::new()),
        Some(text) => {
            bounded_json(text)?;
            serde_json::from_str(text).map_err(|error| format!("metadata must be a JSON object: {error}"))
        }
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
    few(receipt.external_ids.len(), EXTERNAL_IDS_MAX, "external ids")?;
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
