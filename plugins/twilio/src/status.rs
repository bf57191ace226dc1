//! Receipts: <https://www.twilio.com/docs/messaging/guides/outbound-message-status-in-status-callbacks>

use omnigate_plugin::prelude::*;

use crate::settings::Settings;
use crate::{address, errors, inbound};

const PATH: &str = "/status/";

/// Where Twilio shall report on a message of ours.
pub(crate) fn callback_url(ctx: &Context, message_id: &str) -> String {
    format!("{}{PATH}{message_id}", ctx.url)
}

/// Twilio's word for the state of a message of ours; `None` if the request speaks of a person's message.
pub(crate) fn word<'a>(fields: &'a Form) -> Option<&'a str> {
    let word = fields.text("MessageStatus").or_else(|| fields.text("SmsStatus"));
    word.filter(|word| !matches!(*word, "receiving" | "received"))
}

/// A receipt, whether it came to our address or to one that the operator typed. `None` for a state that we do not know.
pub(crate) fn event(settings: &Settings, request: &Request, fields: &Form, word: &str) -> Option<Event> {
    let code = fields.text("ErrorCode").filter(|code| *code != "0");
    let state = state(word, code)?;
    Some(Event::Status(Status {
        message_id: message_id(&request.path).map(str::to_owned),
        external_id: inbound::sid(fields).map(str::to_owned),
        recipient: fields.text("To").map(|to| address::identity(to, &settings.account_sid)),
        state,
        at: None,
        reason: matches!(state, DeliveryState::Failed | DeliveryState::Expired).then(|| reason(word, code)),
    }))
}

pub(crate) fn state(word: &str, code: Option<&str>) -> Option<DeliveryState> {
    match word {
        "accepted" | "scheduled" | "queued" | "sending" => Some(DeliveryState::Queued),
        "sent" => Some(DeliveryState::Sent),
        "delivered" | "partially_delivered" => Some(DeliveryState::Delivered),
        "read" => Some(DeliveryState::Read),
        "failed" | "undelivered" if code == Some(errors::VALIDITY_EXPIRED) => Some(DeliveryState::Expired),
        "failed" | "undelivered" | "canceled" => Some(DeliveryState::Failed),
        _ => None,
    }
}

fn reason(word: &str, code: Option<&str>) -> Reason {
    let reason = errors::reason(code);
    match (word, code) {
        ("canceled", None) => Reason { code: ReasonCode::Rejected, text: "canceled at Twilio".to_owned(), ..reason },
        _ => reason,
    }
}

/// Our own id, as `callback_url` wrote it; another text there is not ours.
fn message_id(path: &str) -> Option<&str> {
    let id = path.strip_prefix(PATH)?;
    let is_uuid = id.len() == 36 && id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    is_uuid.then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_id_comes_back_in_the_path() {
        let id = "0198c0de-0000-7000-8000-000000000001";
        assert_eq!(message_id(&format!("/status/{id}")), Some(id));
        assert_eq!(message_id("/status/"), None);
        assert_eq!(message_id("/status/../../etc"), None);
        assert_eq!(message_id("/"), None);
    }
}
