//! From the guest's words to ours; everything that crosses is checked here.

use std::time::Duration;

use uuid::Uuid;

use super::content::{check_json_total, content, few, json, object, short, some_line};
use super::{adapter, events, host, session, types};
use crate::interaction::{Identity, Reason, ReasonCode, Status, Time};
use crate::plugin::exchange::{
    Fault, FaultKind, Happening, Inbound, Outcome, Receipt, Reply, SessionState, StatusReport, Step,
};
use crate::plugin::host::aws::Scope;
use crate::plugin::host::http::{Credential, GuestRequest};
use crate::plugin::{Binding, Schemes};

/// The rule that an answer breaks.
pub(super) type Broken = String;

const EVENTS_MAX: usize = 4_000;
const ID_MAX: usize = 512;
const EXTERNAL_IDS_MAX: usize = 100;
const ALIASES_MAX: usize = 16;
const RECIPIENTS_MAX: usize = 256;
const ANSWERED_MAX: usize = 64;
const NAMES_MAX: usize = 16;
/// Of the word that says what wrote an automatic message.
const AUTOMATIC_MAX: usize = 64;
const HEADERS_MAX: usize = 64;
const FRAMES_MAX: usize = 1_000;
/// Kept for as long as the socket is open.
const MEMORY_MAX: usize = 64 << 10;

pub(super) fn outcome(outcome: adapter::Outcome, binding: &Binding) -> Result<Outcome, Broken> {
    let happenings = happenings(outcome.events, binding)?;
    Ok(Outcome { reply: reply(outcome.reply)?, happenings, files: Vec::new() })
}

pub(super) fn reply(reply: adapter::Reply) -> Result<Reply, Broken> {
    if !(200..=599).contains(&reply.status) {
        return Err(format!("{} is no status of an answer", reply.status));
    }
    few(reply.headers.len(), HEADERS_MAX, "headers of an answer")?;
    Ok(Reply { status: reply.status, headers: pairs(reply.headers), body: reply.body })
}

fn pairs(headers: Vec<types::Header>) -> Vec<(String, String)> {
    headers.into_iter().map(|header| (header.name, header.value)).collect()
}

pub(super) fn step(
    step: session::exports::omnigate::channel::session::Step,
    binding: &Binding,
) -> Result<Step, Broken> {
    few(step.frames.len(), FRAMES_MAX, "frames of one step")?;
    let state = SessionState {
        address: step.state.address.map(id).transpose()?,
        memory: short(step.state.memory, MEMORY_MAX, "the memory of a socket")?,
    };
    let close = step.close.map(close).transpose()?;
    let happenings = happenings(step.events, binding)?;
    Ok(Step { state, happenings, files: Vec::new(), frames: step.frames, close })
}

/// RFC 6455 section 7.4: the other codes must not be sent.
fn close((code, reason): (u16, String)) -> Result<(u16, String), Broken> {
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(format!("{code} is no code with which a socket may be closed"));
    }
    Ok((code, reason))
}

pub(super) fn happenings(events: Vec<events::Event>, binding: &Binding) -> Result<Vec<Happening>, Broken> {
    few(events.len(), EVENTS_MAX, "events")?;
    check_json_total(&events)?;
    events.into_iter().map(|event| happening(event, binding)).collect()
}

fn happening(event: events::Event, binding: &Binding) -> Result<Happening, Broken> {
    use events::Event;
    let identity = |given| identity(given, binding);
    Ok(match event {
        Event::Message(message) => Happening::Message(inbound(message, binding)?),
        Event::Echo(message) => Happening::Echo(inbound(message, binding)?),
        Event::Status(status) => Happening::Status(status_report(status, binding)?),
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

fn inbound(message: events::Inbound, binding: &Binding) -> Result<Inbound, Broken> {
    Ok(Inbound {
        id: id(message.id)?,
        sender: identity(message.sender, binding)?,
        aliases: aliases(message.aliases, binding)?,
        claims: claims(message.claims, binding)?,
        recipients: identities(message.recipients, RECIPIENTS_MAX, binding)?,
        at: time(message.at),
        in_reply_to: ids(message.in_reply_to, ANSWERED_MAX, "messages that one answers")?,
        known_as: ids(message.known_as, NAMES_MAX, "names of one message")?,
        automatic: message.automatic.map(|word| short(word, AUTOMATIC_MAX, "what wrote a message")).transpose()?,
        content: content(message.content)?,
        metadata: object(message.metadata.as_deref())?,
        tags: serde_json::Map::new(),
    })
}

fn status_report(report: events::Status, binding: &Binding) -> Result<StatusReport, Broken> {
    Ok(StatusReport {
        // What is no id of ours may be anybody's: the provider's own id decides then.
        message_id: report.message_id.and_then(|text| Uuid::parse_str(&text).ok()),
        external_id: report.external_id.map(id).transpose()?,
        recipient: report.recipient.map(|recipient| identity(recipient, binding)).transpose()?,
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

pub(super) fn id(id: String) -> Result<String, Broken> {
    if id.is_empty() || id.len() > ID_MAX {
        return Err(format!("an id must have 1 to {ID_MAX} bytes, not {}", id.len()));
    }
    Ok(id)
}

fn ids(list: Vec<String>, max: usize, what: &str) -> Result<Vec<String>, Broken> {
    few(list.len(), max, what)?;
    list.into_iter().map(id).collect()
}

/// An address of somebody who takes part: a sender, a recipient.
pub(super) fn identity(given: types::Identity, binding: &Binding) -> Result<Identity, Broken> {
    let identity = address(given, binding)?;
    let own = &binding.schemes.own;
    if own.contains(&identity.scheme) {
        return Ok(identity);
    }
    Err(format!(
        "identity: scheme {:?} is not declared; identity_schemes of the manifest: {}",
        identity.scheme,
        own.join(", ")
    ))
}

fn identities(list: Vec<types::Identity>, max: usize, binding: &Binding) -> Result<Vec<Identity>, Broken> {
    few(list.len(), max, "addresses in one list")?;
    list.into_iter().map(|given| identity(given, binding)).collect()
}

/// Another address of the same person: whatever is declared here joins people.
fn alias(given: types::Identity, binding: &Binding) -> Result<Identity, Broken> {
    let alias = address(given, binding)?;
    let Schemes { own, aliases } = &binding.schemes;
    if own.contains(&alias.scheme) || aliases.contains(&alias.scheme) {
        return Ok(alias);
    }
    Err(format!(
        "alias: scheme {:?} is not declared; identity_schemes and alias_schemes of the manifest: {}",
        alias.scheme,
        [&own[..], &aliases[..]].concat().join(", ")
    ))
}

fn aliases(list: Vec<types::Identity>, binding: &Binding) -> Result<Vec<Identity>, Broken> {
    few(list.len(), ALIASES_MAX, "addresses in one list")?;
    list.into_iter().map(|given| alias(given, binding)).collect()
}

/// Whatever was typed somewhere: what is no address is left out, and the message comes all the same.
fn claims(list: Vec<types::Identity>, binding: &Binding) -> Result<Vec<Identity>, Broken> {
    few(list.len(), ALIASES_MAX, "addresses in one list")?;
    Ok(list.into_iter().filter_map(|given| address(given, binding).ok()).collect())
}

fn address(given: types::Identity, binding: &Binding) -> Result<Identity, Broken> {
    let types::Identity { scheme, value, scope, name } = given;
    let identity = Identity { scheme, value, scope, name }.normalized(binding.country);
    identity.checked().map_err(|error| format!("identity: {error}"))
}

fn time(value: Option<f64>) -> Option<Time> {
    value.and_then(Time::from_guest)
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
    Ok(Receipt {
        external_ids: external_ids(receipt.external_ids)?,
        status: status(receipt.state),
        names: Vec::new(),
        refused: Vec::new(),
        copies: Vec::new(),
    })
}

pub(super) fn external_ids(list: Vec<String>) -> Result<Vec<String>, Broken> {
    ids(list, EXTERNAL_IDS_MAX, "external ids")
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
        Guest::Aws(aws) => Credential::Aws {
            scope: Scope { access_key_id: aws.access_key_id, region: aws.region, service: aws.service },
            slot: aws.secret_access_key,
        },
        Guest::Basic(basic) => Credential::Basic { user: basic.user, slot: basic.password },
    }
}
