//! What Twilio's error codes mean: <https://www.twilio.com/docs/api/errors>
//!
//! Codes tell more than HTTP statuses, and are the same in answers and in receipts. Twilio's own sentences are not
//! repeated: they quote numbers.

use omnigate_plugin::prelude::*;

pub(crate) const VALIDITY_EXPIRED: &str = "30036";

struct Meaning {
    kind: FaultKind,
    reason: ReasonCode,
    text: &'static str,
}

/// What an answer without success means for the message.
pub(crate) fn fault(response: &http::Response) -> Fault {
    #[derive(Deserialize)]
    struct Refusal {
        code: u32,
    }
    let code = omnigate_plugin::serde_json::from_slice(&response.body).map(|Refusal { code }| code).ok();
    let meaning = code.and_then(by_code).unwrap_or_else(|| by_status(response.status));
    Fault {
        retry_after_ms: response.retry_after_ms().filter(|_| meaning.kind == FaultKind::RateLimited),
        ..fault_of(&meaning, code.unwrap_or(response.status.into()))
    }
}

/// The same for an answer that names a code and is a success otherwise.
pub(crate) fn fault_for(code: u32) -> Fault {
    fault_of(&by_code(code).unwrap_or(UNKNOWN), code)
}

fn fault_of(meaning: &Meaning, code: u32) -> Fault {
    Fault::new(meaning.kind, format!("Twilio: {}", meaning.text)).because(meaning.reason).with_code(code)
}

/// Why a receipt says that the message failed.
pub(crate) fn reason(code: Option<&str>) -> Reason {
    let meaning = code.and_then(|code| by_code(code.parse().ok()?)).unwrap_or(UNKNOWN);
    Reason {
        code: meaning.reason,
        text: meaning.text.to_owned(),
        provider_code: code.map(str::to_owned),
        retryable: matches!(meaning.kind, FaultKind::RateLimited | FaultKind::Unavailable),
    }
}

const UNKNOWN: Meaning = refused(ReasonCode::ProviderError, "the message failed");

const fn refused(reason: ReasonCode, text: &'static str) -> Meaning {
    Meaning { kind: FaultKind::Rejected, reason, text }
}

/// The account as a whole is at fault, and every message would fail the same way.
const fn account(text: &'static str) -> Meaning {
    Meaning { kind: FaultKind::Unauthorized, reason: ReasonCode::Credentials, text }
}

const fn too_fast(text: &'static str) -> Meaning {
    Meaning { kind: FaultKind::RateLimited, reason: ReasonCode::RateLimited, text }
}

const fn later(reason: ReasonCode, text: &'static str) -> Meaning {
    Meaning { kind: FaultKind::Unavailable, reason, text }
}

fn by_status(status: u16) -> Meaning {
    match status {
        401 | 403 => account("the credentials are refused"),
        404 => account("there is no such account"),
        413 => refused(ReasonCode::TooLarge, "the request is too large"),
        429 => too_fast("too many requests"),
        // A gateway that gave up waiting does not know what became of the request behind it.
        504 => Meaning { kind: FaultKind::Uncertain, ..later(ReasonCode::ProviderError, "no answer in time") },
        500.. => later(ReasonCode::ProviderError, "the service is not available"),
        400..=499 => refused(ReasonCode::Rejected, "the message is refused"),
        _ => Meaning { kind: FaultKind::Uncertain, ..later(ReasonCode::ProviderError, "an unexpected answer") },
    }
}

fn by_code(code: u32) -> Option<Meaning> {
    use ReasonCode::*;
    Some(match code {
        20003 | 20005 | 20008 => account("the credentials are refused"),
        20404 => account("there is no such account"),
        20429 => too_fast("too many requests at once"),
        21211 | 21214 | 21401 => refused(InvalidRecipient, "the recipient's number is not valid"),
        21614 | 30006 => refused(InvalidRecipient, "the number cannot receive messages"),
        30005 => refused(InvalidRecipient, "the number is not in use"),
        63003 | 63024 => refused(InvalidRecipient, "the recipient is not on this network"),
        21612 => refused(Unreachable, "no route from this sender to that number"),
        63015 => refused(Unreachable, "the recipient has not joined the sandbox"),
        21610 => refused(OptedOut, "the recipient opted out"),
        21606 => refused(Rejected, "the sender cannot be used for this recipient"),
        21408 => refused(Rejected, "the account may not write to that region"),
        21608 => refused(Rejected, "a trial account may write to verified numbers only"),
        21609 => refused(Rejected, "the gateway's public_url is not one that Twilio can call"),
        21617 | 30019 => refused(TooLarge, "the content is too large"),
        21620 | 63019 => refused(Rejected, "the media cannot be used"),
        21656 => refused(Rejected, "the template's parameters are not valid"),
        30004 | 30007 => refused(Rejected, "blocked by the carrier or the recipient"),
        63005 | 63013 | 63021 | 63032 | 63033 => refused(Rejected, "refused by the network"),
        63016 => refused(OutsideWindow, "only a template may be sent 24 hours after the person's last message"),
        30036 => refused(Expired, "the validity period is over"),
        21611 | 30001 => too_fast("the sender's queue is full"),
        30017 | 30022 | 30023 | 63018 => too_fast("the carrier's or the network's limit is reached"),
        30003 => later(Unreachable, "the handset cannot be reached"),
        30008 | 30410 | 63012 => later(ProviderError, "the carrier or the network failed"),
        30002 => account("the account is suspended"),
        30018 | 30032 | 30034 => account("the sender is not registered"),
        63001 | 63007 | 63020 => account("the network refuses the sender"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Fault {
        let headers = vec![omnigate_plugin::Header { name: "Retry-After".into(), value: "7".into() }];
        fault(&http::Response { status, headers, body: body.into(), truncated: false })
    }

    #[test]
    fn codes_count_more_than_statuses() {
        let fault = answer(400, r#"{"code":21610,"message":"+1 555 unsubscribed","status":400}"#);
        assert_eq!((fault.kind, fault.reason), (FaultKind::Rejected, Some(ReasonCode::OptedOut)));
        assert_eq!((fault.code.as_deref(), fault.retry_after_ms), (Some("21610"), None));
        assert!(!fault.message.contains("555"));
    }

    #[test]
    fn answers_without_a_code_are_told_by_their_status() {
        for (status, kind) in [
            (401, FaultKind::Unauthorized),
            (400, FaultKind::Rejected),
            (429, FaultKind::RateLimited),
            (500, FaultKind::Unavailable),
            (503, FaultKind::Unavailable),
            (504, FaultKind::Uncertain),
            (302, FaultKind::Uncertain),
        ] {
            let fault = answer(status, "<html>");
            assert_eq!((fault.kind, fault.code), (kind, Some(status.to_string())));
            assert_eq!(fault.retry_after_ms.is_some(), kind == FaultKind::RateLimited);
        }
    }

    #[test]
    fn receipts_tell_whether_to_try_again() {
        assert!(reason(Some("30003")).retryable && reason(Some("30001")).retryable);
        assert!(!reason(Some("30007")).retryable && !reason(None).retryable);
        assert_eq!(reason(Some("99999")).provider_code.as_deref(), Some("99999"));
    }
}
