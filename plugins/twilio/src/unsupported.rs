use omnigate_plugin::prelude::*;
use sha2::{Digest, Sha256};

use crate::settings::Settings;
use crate::{address, inbound, status};

/// A call, a message of a kind that Twilio keeps to itself, or something that it invented later. Retries repeat the request
/// byte by byte, so its digest is its id.
pub(crate) fn event(settings: &Settings, request: &Request, fields: &Form) -> Event {
    let digest = Sha256::new().chain_update(&request.query).chain_update(&request.body).finalize();
    let is_ours = status::word(fields).is_some();
    let sender = fields.text("From").filter(|_| !is_ours).map(|from| address::identity(from, &settings.account_sid));
    Event::Unsupported(omnigate_plugin::Unsupported {
        id: hex::encode(digest),
        what: what(request, fields),
        sender,
        at: None,
    })
}

fn what(request: &Request, fields: &Form) -> String {
    const CHARS_MAX: usize = 60;
    let what = if let Some(word) = status::word(fields) {
        format!("message status: {word}")
    } else if inbound::sid(fields).is_some() {
        format!("message: {}", fields.text("MessageType").unwrap_or("no sender"))
    } else if let Some(state) = fields.text("CallStatus") {
        format!("voice call: {state}")
    } else if request.content_type() == "application/json" {
        "JSON webhook".to_owned()
    } else {
        "webhook without a message".to_owned()
    };
    what.chars().take(CHARS_MAX).collect()
}
