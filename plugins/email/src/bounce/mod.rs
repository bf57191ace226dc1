//! Reports on messages of ours: bounces, delays, read receipts, complaints.
//!
//! A report counts only if it carries a token of ours: what anybody may claim about other messages is a message like any other.

mod codes;
mod free;
mod report;

use omnigate_plugin::Consent;
use omnigate_plugin::prelude::*;

use crate::host::Host;
use crate::mime::{Address, Headers, normalized};
use crate::read::Mail;
use crate::thread::{DELIVERED, ORIGINALS};
use crate::token::Token;

/// What became of a message for one recipient.
#[derive(Debug, PartialEq)]
pub(crate) struct Fate {
    pub(crate) recipient: Option<String>,
    pub(crate) kind: Kind,
    /// Enhanced code (RFC 3463), or the three digits of a reply.
    pub(crate) code: Option<String>,
    /// What the other server said.
    pub(crate) text: String,
    /// Milliseconds since 1970.
    pub(crate) at: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Failed,
    Delayed,
    Delivered,
    /// Handed on to a server that will not report.
    Relayed,
    Read,
    /// The recipient complains of it.
    Complaint,
}

/// What the mail tells of a message of ours; `None` if it is no report, or of no message of ours.
///
/// # Errors
/// If the gateway cannot sign.
pub(crate) fn events(host: &dyn Host, mail: &Mail<'_>, sender: &Address) -> Result<Option<Vec<Event>>, Fault> {
    let fates = match &mail.report_type {
        Some(kind) => report::fates(kind, &mail.report),
        None if free::is_notice(mail, sender) => free::fates(mail),
        None => return Ok(None),
    };
    if fates.is_empty() {
        return Ok(None);
    }
    let returned = Returned::of(host, mail)?;
    let Some(token) = &returned.token else { return Ok(None) };
    Ok(Some(fates.iter().filter_map(|fate| event(&token.message_id, returned.whom(fate), fate)).collect()))
}

/// What a recipient's fate is to the gateway. `to` is for whom the message was, as far as that is known: whoever else got it,
/// got a copy, and a lost copy is no lost message.
pub(crate) fn event(message_id: &str, to: &[String], fate: &Fate) -> Option<Event> {
    let told = fate.recipient.as_deref().and_then(normalized);
    let recipient = told.as_deref().or(to.first().map(String::as_str));
    if fate.kind == Kind::Complaint {
        return Some(Event::Consent(Consent {
            id: format!("{message_id}:{}", fate.text),
            sender: Identity::new("email", recipient?),
            at: fate.at,
            granted: false,
            category: None,
            evidence: Some(fate.text.clone()),
        }));
    }
    let is_copy = recipient.is_some_and(|recipient| is_copy(recipient, to));
    Some(Event::Status(Status {
        message_id: Some(message_id.to_owned()),
        external_id: None,
        recipient: recipient.map(|address| Identity::new("email", address)),
        state: if is_copy { DeliveryState::Sent } else { state(fate.kind) },
        at: fate.at,
        reason: reason_of(fate, is_copy),
    }))
}

fn is_copy(recipient: &str, to: &[String]) -> bool {
    !to.is_empty() && !to.iter().any(|to| to.eq_ignore_ascii_case(recipient))
}

fn state(kind: Kind) -> DeliveryState {
    match kind {
        Kind::Failed => DeliveryState::Failed,
        Kind::Delivered => DeliveryState::Delivered,
        Kind::Read => DeliveryState::Read,
        Kind::Delayed | Kind::Relayed | Kind::Complaint => DeliveryState::Sent,
    }
}

/// The text of other servers quotes addresses and is not repeated; their code is.
fn reason_of(fate: &Fate, is_copy: bool) -> Option<Reason> {
    let code = fate.code.as_deref();
    let reason = match fate.kind {
        Kind::Failed => codes::reason(code, &fate.text),
        Kind::Delayed => codes::delay(code),
        Kind::Delivered | Kind::Relayed | Kind::Read | Kind::Complaint => return None,
    };
    let text = if is_copy { format!("a copy for another recipient: {}", reason.text) } else { reason.text };
    Some(Reason { text, ..reason })
}

/// The message that a report speaks of, as far as it was sent back.
#[derive(Default)]
struct Returned {
    token: Option<Token>,
    to: Vec<String>,
    copies: Vec<String>,
}

impl Returned {
    fn of(host: &dyn Host, mail: &Mail<'_>) -> Result<Self, Fault> {
        let headers = mail.report.iter().filter(|(name, _)| is_returned(name)).map(|(_, text)| text.as_str());
        for text in headers {
            let block = Headers::of_block(text.as_bytes());
            if let Some(token) = token_of(host, &block)? {
                return Ok(Self::by(token, &block));
            }
        }
        anywhere(host, mail)
    }

    fn by(token: Token, headers: &Headers<'_>) -> Self {
        let all = |name| headers.addresses(name).into_iter().map(|one| one.address).collect();
        Self { token: Some(token), to: all("to"), copies: all("cc") }
    }

    /// For whom the message was, if the fate is that of a copy or of nobody in particular. An address that the letter did not
    /// name is one to which somebody passes his mail on, or of a blind copy, which the gateway knows.
    fn whom(&self, fate: &Fate) -> &[String] {
        let told = fate.recipient.as_deref().and_then(normalized);
        let is_named = told.is_none_or(|told| self.copies.iter().any(|copy| copy.eq_ignore_ascii_case(&told)));
        if is_named { &self.to } else { &[] }
    }
}

fn is_returned(name: &str) -> bool {
    matches!(
        name,
        "message/rfc822"
            | "message/global"
            | "text/rfc822-headers"
            | "message/global-headers"
            | "message/rfc822-headers"
    )
}

/// Providers replace the Message-ID, but seldom everything.
fn token_of(host: &dyn Host, headers: &Headers<'_>) -> Result<Option<Token>, Fault> {
    for name in ["message-id", "references"].iter().chain(&ORIGINALS) {
        for id in headers.ids(name) {
            if let Some(token) = Token::of_id(host, &id)? {
                return Ok(Some(token));
            }
        }
    }
    for address in headers.addresses("reply-to") {
        if let Some(token) = Token::of_address(host, &address.address)? {
            return Ok(Some(token));
        }
    }
    Ok(None)
}

/// In what the report answers, in its text, in what it encloses, in the address it came to.
fn anywhere(host: &dyn Host, mail: &Mail<'_>) -> Result<Returned, Fault> {
    const SEARCHED_MAX: usize = 64 << 10;
    if let Some(token) = token_of(host, &mail.headers)? {
        return Ok(Returned { token: Some(token), ..Returned::default() });
    }
    let ids = mail.headers.ids("in-reply-to").into_iter();
    let addresses = DELIVERED.iter().flat_map(|name| mail.headers.addresses(name)).map(|address| address.address);
    let reports = mail.report.iter().map(|(_, text)| text.clone());
    let files =
        mail.files.iter().filter(|file| is_returned(&file.content_type) || file.content_type.starts_with("text/"));
    let files = files
        .take(10)
        .map(|file| String::from_utf8_lossy(&file.content()[..file.content().len().min(SEARCHED_MAX)]).into_owned());
    let html = mail.html.iter().map(|html| html[..html.floor_char_boundary(SEARCHED_MAX)].to_owned());
    let texts = ids.chain(addresses).chain(reports).chain([mail.text.clone()]).chain(html).chain(files);
    for text in texts {
        if let Some(token) = Token::find(host, &text)? {
            let block = block_of(&text, &token);
            return Ok(Returned::by(token, &Headers::of_block(block.as_bytes())));
        }
    }
    Ok(Returned::default())
}

/// The lines around a token: where a notice quotes the message, its header.
fn block_of<'a>(text: &'a str, token: &Token) -> &'a str {
    let mut blocks = text.split("\n\n").map(str::trim_start);
    blocks.find(|block| block.to_ascii_lowercase().contains(token.text())).unwrap_or_default()
}

#[cfg(test)]
mod tests;
