//! What a mail tells the gateway: a message, a copy of what somebody at the business wrote, or what became of a message of ours.

use omnigate_plugin::prelude::*;
use omnigate_plugin::{Unsupported, serde_json};
use sha2::{Digest, Sha256};

use crate::content::Written;
use crate::host::Host;
use crate::mime::{Address, Headers};
use crate::read::Mail;
use crate::settings::Settings;
use crate::thread::{self, Thread};
use crate::token::Token;
use crate::{automatic, bounce, metadata};

/// How a mail got here.
pub(crate) struct Arrival<'a> {
    /// Its name where it lay.
    pub(crate) id: &'a str,
    /// Milliseconds since 1970.
    pub(crate) at: Option<f64>,
    /// As it came, if it came whole.
    pub(crate) raw: Option<&'a [u8]>,
    /// What the provider tells besides.
    pub(crate) extra: serde_json::Map<String, Value>,
}

/// Everything that one mail tells.
///
/// # Errors
/// If the gateway cannot sign; a mail is never too odd.
pub(crate) fn events(
    host: &dyn Host,
    settings: &Settings,
    mail: &Mail<'_>,
    arrival: &Arrival<'_>,
) -> Result<Vec<Event>, Fault> {
    if is_ours(host, &mail.headers)? {
        return Ok(Vec::new());
    }
    let Some(from) = author(&mail.headers) else { return Ok(vec![unsigned(arrival)]) };
    if let Some(events) = bounce::events(host, mail, &from)? {
        return Ok(events);
    }
    let message = message(host, settings, mail, arrival, &from)?;
    Ok(vec![message])
}

/// A letter of this channel that came back, by whatever way.
fn is_ours(host: &dyn Host, headers: &Headers<'_>) -> Result<bool, Fault> {
    for id in headers.ids("message-id") {
        if Token::of_id(host, &id)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Mail systems leave `From` empty at times.
fn author(headers: &Headers<'_>) -> Option<Address> {
    ["from", "sender", "resent-from", "return-path"].iter().find_map(|name| headers.addresses(name).into_iter().next())
}

fn unsigned(arrival: &Arrival<'_>) -> Event {
    Event::Unsupported(Unsupported {
        id: arrival.id.to_owned(),
        what: "a mail without a sender".to_owned(),
        sender: None,
        at: arrival.at,
    })
}

/// Who says it, and to whom.
enum Direction {
    /// A person to us.
    In(Address),
    /// Somebody at the business to a person, from another program.
    Out(Address),
}

fn direction(settings: &Settings, headers: &Headers<'_>, from: &Address) -> Direction {
    let is_stranger = |address: &Address| !settings.is_own(&address.address);
    if is_stranger(from) {
        return Direction::In(from.clone());
    }
    // A form on a website writes in our name; the person is to whom we should answer.
    if let Some(person) = headers.addresses("reply-to").into_iter().find(is_stranger) {
        return Direction::In(person);
    }
    let recipients = ["to", "cc"].iter().flat_map(|name| headers.addresses(name));
    recipients.into_iter().find(is_stranger).map_or_else(|| Direction::In(from.clone()), Direction::Out)
}

fn message(
    host: &dyn Host,
    settings: &Settings,
    mail: &Mail<'_>,
    arrival: &Arrival<'_>,
    from: &Address,
) -> Result<Event, Fault> {
    let headers = &mail.headers;
    let direction = direction(settings, headers, from);
    let person = match &direction {
        Direction::In(person) | Direction::Out(person) => person,
    };
    let thread = Thread::of(host, headers, person)?;
    let written = Written::of(host, mail, arrival.raw);
    let is_echo = matches!(direction, Direction::Out(_));
    let writer =
        if settings.is_own(&person.address) { Some("loop") } else { automatic::writer(headers, from, &settings.own()) };
    let inbound = Inbound {
        sender: identity(if is_echo { from } else { person }),
        recipients: recipients(headers, is_echo.then_some(person), settings),
        at: arrival.at,
        in_reply_to: thread.answers.clone(),
        known_as: thread.known_as.clone(),
        automatic: writer.filter(|_| !is_echo).map(str::to_owned),
        metadata: metadata::of(settings, mail, &written, &thread, arrival),
        ..Inbound::of(id(mail, arrival), identity(person), written.content)
    };
    Ok(if is_echo { Event::Echo(inbound) } else { Event::Message(inbound) })
}

pub(crate) fn identity(address: &Address) -> Identity {
    Identity::new("email", &*address.address).named(address.name.as_deref())
}

/// The mailbox where the mail names nobody; of an echo, the person comes first.
fn recipients(headers: &Headers<'_>, first: Option<&Address>, settings: &Settings) -> Vec<Identity> {
    const RECIPIENTS_MAX: usize = 200;
    let mut all: Vec<Address> = first.cloned().into_iter().collect();
    for address in ["to", "cc"].iter().flat_map(|name| headers.addresses(name)) {
        if all.len() < RECIPIENTS_MAX && !all.iter().any(|known| known.is(&address.address)) {
            all.push(address);
        }
    }
    if all.is_empty() {
        return vec![Identity::new("email", &*settings.address)];
    }
    all.iter().map(identity).collect()
}

/// The Message-ID: the same mail in two folders, or under new numbers of its server, is one. Without one, a digest of what stays
/// the same.
fn id(mail: &Mail<'_>, arrival: &Arrival<'_>) -> String {
    const BODY_MAX: usize = 4 << 10;
    if let Some(id) = mail.headers.ids("message-id").first() {
        return thread::name(id);
    }
    let head = ["from", "date", "subject"].map(|name| mail.headers.text(name).unwrap_or_default());
    let body = mail.html.as_deref().filter(|_| mail.text.is_empty()).unwrap_or(&mail.text);
    let nothing = head.iter().all(String::is_empty) && body.is_empty();
    let mut hash = Sha256::new().chain_update(&body[..body.floor_char_boundary(BODY_MAX)]);
    head.iter().for_each(|text| hash = hash.clone().chain_update([0]).chain_update(text));
    if nothing {
        hash = hash.chain_update(arrival.id);
    }
    format!("sha256:{}", hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

#[cfg(test)]
mod mutation;
#[cfg(test)]
mod tests;
