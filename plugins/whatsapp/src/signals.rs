//! Typing and read marks: one and the same call, for a message of the person.

use omnigate_plugin::prelude::*;

use crate::settings::Settings;
use crate::{ACCESS_TOKEN, errors};

/// # Errors
/// `unsupported` for typing to somebody who never wrote; else as for sending.
pub(crate) fn show(
    ctx: &Context,
    settings: &Settings<'_>,
    last_inbound: Option<&str>,
    signal: Signal,
) -> Result<(), Fault> {
    let body = match &signal {
        // It ends with the next message, or after 25 seconds.
        Signal::Typing(false) => return Ok(()),
        Signal::Typing(true) => {
            let id =
                last_inbound.ok_or_else(|| Fault::unsupported("WhatsApp shows typing only in answer to a message"))?;
            let mut body = read(id);
            body["typing_indicator"] = json!({ "type": "text" });
            body
        }
        Signal::Read(id) => read(id),
    };
    let response = http::post(settings.messages_url()).bearer(ACCESS_TOKEN).json(&body).send()?;
    if response.is_success() { Ok(()) } else { Err(errors::fault(&response, ctx.attempt)) }
}

fn read(id: &str) -> Value {
    json!({ "messaging_product": "whatsapp", "status": "read", "message_id": id })
}
