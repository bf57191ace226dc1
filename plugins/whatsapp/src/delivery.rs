//! Sending: one call for each message that a message becomes.

use omnigate_plugin::prelude::*;
use omnigate_plugin::warn;

use crate::ACCESS_TOKEN;
use crate::settings::Settings;
use crate::{errors, outbound};

/// # Errors
/// What the first refused call means. What went out before it is remembered and not sent again by the next attempt.
pub(crate) fn send(ctx: &Context, settings: &Settings<'_>, message: &Outbound) -> Result<Receipt, Fault> {
    let bodies = outbound::bodies(message, settings)?;
    let mut ids = if ctx.attempt > 1 && bodies.len() > 1 { sent_before(&message.id) } else { Vec::new() };
    for body in bodies.iter().skip(ids.len()) {
        match post(ctx, settings, body) {
            Ok(id) => ids.push(id),
            Err(fault) => {
                remember(&message.id, &ids);
                return Err(fault);
            }
        }
    }
    Ok(Receipt::sent(ids))
}

#[derive(Deserialize)]
struct Accepted {
    messages: Vec<Id>,
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

fn post(ctx: &Context, settings: &Settings<'_>, body: &Value) -> Result<String, Fault> {
    let response = http::post(settings.messages_url()).bearer(ACCESS_TOKEN).json(body).send()?;
    if !response.is_success() {
        return Err(errors::fault(&response, ctx.attempt));
    }
    let accepted: Accepted = response.json()?;
    let id = accepted.messages.into_iter().next().map(|message| message.id);
    id.ok_or_else(|| Fault::uncertain("WhatsApp answered without an id").with_code(response.status))
}

/// As long as an attempt may follow.
const MEMORY_MS: u32 = 7 * 24 * 3_600_000;

fn key(id: &str) -> String {
    format!("sent/{id}")
}

fn sent_before(id: &str) -> Vec<String> {
    let entry = kv::get(&key(id)).ok().flatten();
    entry.and_then(|entry| serde_json::from_slice(&entry.value).ok()).unwrap_or_default()
}

fn remember(id: &str, ids: &[String]) {
    if ids.is_empty() {
        return;
    }
    let value = serde_json::to_vec(ids).unwrap_or_default();
    if kv::put(&key(id), &value, Some(MEMORY_MS)).is_err() {
        warn("a half-sent message cannot be remembered: its first part may come twice", &[("message_id", id)]);
    }
}
