//! What the visitor gets to see at once; who is not there gets it from the history.

use omnigate_plugin::prelude::*;
use omnigate_plugin::{clock, socket, warn};

use crate::frames;
use crate::parts;
use crate::time::rfc3339;
use crate::visitor;

/// Pushes a message to every open page of the visitor.
///
/// # Errors
/// `rejected` for somebody who is no visitor of this channel, `unsupported` for parts that the widget does not show.
pub(crate) fn send(ctx: &Context, message: &Outbound) -> Result<Receipt, Fault> {
    let parts = message.content.parts.iter().map(parts::shown).collect::<Result<Vec<_>, _>>()?;
    if parts.is_empty() {
        return Err(Fault::rejected(ReasonCode::Rejected, "there is nothing to send"));
    }
    let from = match message.author {
        Author::Agent => "agent",
        Author::Bot => "bot",
        Author::System => "system",
    };
    push(ctx, &message.recipient, &frames::message(&message.id, from, &rfc3339(clock::now()), &parts))?;
    Ok(Receipt::sent(vec![message.id.clone()]))
}

/// Shows typing, or that the visitor's message was read.
///
/// # Errors
/// As for [`send`].
pub(crate) fn show(ctx: &Context, recipient: &Identity, signal: &Signal) -> Result<(), Fault> {
    let frame = match signal {
        Signal::Typing(on) => frames::typing(*on),
        Signal::Read(id) => {
            let client_id = id.rsplit_once(':').map(|(_, client_id)| client_id);
            frames::read(client_id.ok_or_else(|| Fault::not_found("no message of a visitor has such an id"))?)
        }
    };
    push(ctx, recipient, &frame)
}

fn push(ctx: &Context, recipient: &Identity, frame: &str) -> Result<(), Fault> {
    if recipient.scheme != "visitor" || recipient.scope.as_deref() != Some(&ctx.channel) {
        return Err(Fault::rejected(ReasonCode::InvalidRecipient, "the recipient is no visitor of this channel"));
    }
    socket::push(&recipient.value, frame);
    if let Some(known) = known_as(&recipient.value) {
        socket::push(&known, frame);
    }
    Ok(())
}

/// How long we know who a stranger turned out to be: longer than any token of his lives.
const KNOWN_MS: u32 = 46 * 86_400_000;

fn key(stranger: &str) -> String {
    format!("known/{stranger}")
}

/// A stranger has signed in: answers to his last message still go to his former address, and his former token opens
/// nothing any more.
pub(crate) fn signed_in(stranger: &str, known: &str) {
    if kv::put(&key(stranger), known.as_bytes(), Some(KNOWN_MS)).is_err() {
        warn("no room to remember that a visitor signed in: his former token stays valid", &[]);
    }
}

/// Who the stranger turned out to be.
pub(crate) fn known_as(stranger: &str) -> Option<String> {
    if visitor::is_known(stranger) {
        return None;
    }
    let entry = kv::get(&key(stranger)).ok().flatten()?;
    String::from_utf8(entry.value).ok()
}
