//! Delivery receipts.

use omnigate_plugin::{DeliveryState, Event, Identity, Reason, Status, Unsupported, debug};

use crate::errors;
use crate::inbound::{Reading, Scene};
use crate::people;
use crate::wire::{self, Problem, text, time};

/// What a receipt tells.
pub(crate) fn event(reading: &mut Reading<'_>, scene: &Scene<'_>, status: &wire::Status<'_>) {
    let state = match &*status.status {
        "sent" => DeliveryState::Sent,
        "delivered" => DeliveryState::Delivered,
        "read" | "played" => DeliveryState::Read,
        "failed" => DeliveryState::Failed,
        // Old payloads tell that the business deleted its own message: nothing that a receipt could say.
        "deleted" => return debug("a receipt of a deletion was left out", &[]),
        other => return reading.events.push(unknown(status, other)),
    };
    reading.events.push(Event::Status(Status {
        message_id: text(status.biz_opaque_callback_data.as_ref()).filter(|id| is_uuid(id)).map(str::to_owned),
        external_id: Some(status.id.to_string()),
        recipient: recipient(scene, status),
        state,
        at: time(status.timestamp),
        reason: (state == DeliveryState::Failed).then(|| reason(status.errors.first())),
    }));
}

/// In a group the recipient is the member who got it.
fn recipient(scene: &Scene<'_>, status: &wire::Status<'_>) -> Option<Identity> {
    let is_group = text(status.recipient_type.as_ref()) == Some("group");
    let address = if is_group { &status.recipient_participant_id } else { &status.recipient_id };
    Some(people::person(address.as_ref(), status.recipient_user_id.as_ref(), scene.account)?.main)
}

fn reason(problem: Option<&Problem<'_>>) -> Reason {
    let code = problem.and_then(|problem| problem.code);
    let verdict = errors::verdict(code);
    let title = problem.and_then(|problem| text(problem.title.as_ref()));
    Reason {
        code: verdict.reason,
        text: title.unwrap_or(verdict.text).to_owned(),
        provider_code: code.map(|code| code.to_string()),
        retryable: verdict.retryable,
    }
}

fn unknown(status: &wire::Status<'_>, what: &str) -> Event {
    let id = format!("{}/{what}", &*status.id);
    Event::Unsupported(Unsupported { id, what: format!("status {what}"), sender: None, at: time(status.timestamp) })
}

/// Other programs may send over the same number, with marks of their own.
fn is_uuid(text: &str) -> bool {
    let is_right =
        |(at, byte): (usize, u8)| if matches!(at, 8 | 13 | 18 | 23) { byte == b'-' } else { byte.is_ascii_hexdigit() };
    text.len() == 36 && text.bytes().enumerate().all(is_right)
}

#[cfg(test)]
mod tests {
    use super::is_uuid;

    #[test]
    fn only_our_ids_are_taken_for_ours() {
        assert!(is_uuid("0198c0de-0000-7000-8000-000000000001"));
        for other in ["job-77", "", "0198c0de-0000-7000-8000-00000000000g", "0198c0de00000-7000-8000-000000000001"] {
            assert!(!is_uuid(other), "{other}");
        }
    }
}
