use omnigate_plugin::prelude::*;
use sha2::{Digest, Sha256};

use crate::status;

/// A call, or something that Twilio invented later. Retries repeat the request byte by byte, so its digest is its id.
pub(crate) fn event(request: &Request, fields: &Form) -> Event {
    let digest = Sha256::new().chain_update(&request.query).chain_update(&request.body).finalize();
    Event::Unsupported(omnigate_plugin::Unsupported {
        id: hex::encode(digest),
        what: what(request, fields).to_owned(),
        sender: None,
        at: None,
    })
}

fn what(request: &Request, fields: &Form) -> &'static str {
    if fields.text("CallSid").is_some() {
        "voice call"
    } else if request.content_type() == "application/json" {
        "JSON webhook"
    } else if status::word(fields).is_some() {
        "message status"
    } else {
        "webhook without a message"
    }
}
