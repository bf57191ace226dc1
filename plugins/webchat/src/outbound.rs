//! What the visitor gets to see at once; who is not there gets it from the history.

use omnigate_plugin::prelude::*;
use omnigate_plugin::{clock, debug, socket};

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
    if let Some(known) = followed(&recipient.value) {
        socket::push(&known, frame);
    }
    Ok(())
}

/// How long answers to a stranger are also shown to whom he turned out to be.
const FOLLOW_MS: u32 = 7 * 24 * 3_600_000;

fn key(stranger: &str) -> String {
    format!("known/{stranger}")
}

/// A stranger has signed in: an answer to his last message still goes to the stranger's address.
pub(crate) fn follow(stranger: &str, known: &str) {
    if kv::put(&key(stranger), known.as_bytes(), Some(FOLLOW_MS)).is_err() {
        // The answer is in the history all the same.
        debug("no room to remember who a visitor became", &[]);
    }
}

fn followed(id: &str) -> Option<String> {
    if visitor::is_known(id) {
        return None;
    }
    let entry = kv::get(&key(id)).ok().flatten()?;
    String::from_utf8(entry.value).ok()
}
