//! What Telegram's refusals mean. The description tells more than the code, though it is written for people: what it does
//! not tell any more is judged by the code alone.

use omnigate_plugin::prelude::*;

use crate::api::Refusal;

impl Refusal {
    /// What it means for the message or the file.
    pub(crate) fn fault(&self) -> Fault {
        let fault = match self.error_code {
            400 => self.bad_request(),
            401 | 404 => Fault::unauthorized("Telegram refuses the bot's token").because(ReasonCode::Credentials),
            403 => self.forbidden(),
            413 => rejected(ReasonCode::TooLarge),
            429 => Fault::rate_limited("Telegram wants fewer requests", self.retry_after_ms()),
            504 => Fault::uncertain("Telegram's gateway got no answer in time").because(ReasonCode::ProviderError),
            409 | 500.. => Fault::unavailable("Telegram is not available").because(ReasonCode::ProviderError),
            402..=499 => rejected(ReasonCode::Rejected),
            _ => Fault::uncertain("Telegram gave an unexpected answer").because(ReasonCode::ProviderError),
        };
        fault.with_code(self.error_code)
    }

    /// The formatting is none of Telegram's.
    pub(crate) fn is_about_markup(&self) -> bool {
        self.error_code == 400 && self.says(&["can't parse entities"])
    }

    fn bad_request(&self) -> Fault {
        if self.says(&["chat not found", "peer_id_invalid", "user not found", "chat_id is empty"]) {
            rejected(ReasonCode::InvalidRecipient)
        } else if self.says(&["too long", "too_long", "too big", "too large"]) {
            rejected(ReasonCode::TooLarge)
        } else {
            rejected(ReasonCode::Rejected)
        }
    }

    fn forbidden(&self) -> Fault {
        if self.says(&["blocked by the user"]) {
            rejected(ReasonCode::OptedOut)
        } else if self.says(&["not enough rights", "have no rights", "write access"]) {
            rejected(ReasonCode::Rejected)
        } else {
            rejected(ReasonCode::Unreachable)
        }
    }

    fn says(&self, words: &[&str]) -> bool {
        let description = self.description.to_ascii_lowercase();
        words.iter().any(|words| description.contains(words))
    }

    fn retry_after_ms(&self) -> Option<u32> {
        self.parameters.retry_after?.checked_mul(1000)
    }
}

fn rejected(reason: ReasonCode) -> Fault {
    let text = match reason {
        ReasonCode::InvalidRecipient => "Telegram knows no such chat",
        ReasonCode::TooLarge => "the message or the file is too large for Telegram",
        ReasonCode::OptedOut => "the person blocked the bot",
        ReasonCode::Unreachable => "the bot cannot write to that chat",
        _ => "Telegram refuses the message",
    };
    Fault::rejected(reason, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Parameters;

    fn fault(error_code: u16, description: &str) -> Fault {
        Refusal { error_code, description: description.into(), parameters: Parameters::default() }.fault()
    }

    #[test]
    fn descriptions_tell_the_reason() {
        for (code, description, reason) in [
            (400, "Bad Request: chat not found", ReasonCode::InvalidRecipient),
            (400, "Bad Request: PEER_ID_INVALID", ReasonCode::InvalidRecipient),
            (400, "Bad Request: message is too long", ReasonCode::TooLarge),
            (400, "Bad Request: BUTTON_URL_INVALID", ReasonCode::Rejected),
            (403, "Forbidden: bot was blocked by the user", ReasonCode::OptedOut),
            (403, "Forbidden: user is deactivated", ReasonCode::Unreachable),
            (403, "Forbidden: bot was kicked from the group chat", ReasonCode::Unreachable),
        ] {
            let fault = fault(code, description);
            assert_eq!((fault.kind, fault.reason), (FaultKind::Rejected, Some(reason)), "{description}");
            assert_eq!(fault.code, Some(code.to_string()));
        }
    }

    #[test]
    fn codes_tell_the_kind() {
        for (code, kind) in [
            (401, FaultKind::Unauthorized),
            (404, FaultKind::Unauthorized),
            (409, FaultKind::Unavailable),
            (429, FaultKind::RateLimited),
            (500, FaultKind::Unavailable),
            (504, FaultKind::Uncertain),
            (302, FaultKind::Uncertain),
        ] {
            assert_eq!(fault(code, "").kind, kind, "{code}");
        }
    }
}
