//! Meta's error codes in the gateway's words.
//!
//! The code decides, not the HTTP status: almost everything is a 400. The same codes come at once as the answer to a
//! call and later in receipts.

use omnigate_plugin::prelude::*;

/// What a code means for the message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Verdict {
    pub kind: FaultKind,
    pub reason: ReasonCode,
    /// Whether the same message may pass at another time.
    pub retryable: bool,
    pub text: &'static str,
}

/// Of a code, or of its absence.
pub(crate) fn verdict(code: Option<u32>) -> Verdict {
    use FaultKind::{Rejected, Unauthorized, Unavailable};
    use ReasonCode as Reason;
    let Some(code) = code else { return Verdict::new(Rejected, Reason::ProviderError, "WhatsApp gave no reason") };
    match code {
        4 | 80007 | 130_429 | 133_016 => {
            Verdict::new(FaultKind::RateLimited, Reason::RateLimited, "too many messages a second")
        }
        131_048 => Verdict::new(FaultKind::RateLimited, Reason::RateLimited, "too many messages were taken for spam"),
        131_056 => Verdict::new(Unavailable, Reason::RateLimited, "too many messages to this person in a short time"),
        1 | 2 | 131_000 | 131_016 | 131_057 => {
            Verdict::new(Unavailable, Reason::ProviderError, "WhatsApp has a disturbance")
        }
        131_053 => Verdict::new(Unavailable, Reason::ProviderError, "WhatsApp could not fetch the file"),
        131_049 | 131_064 | 132_069 => Verdict::later("WhatsApp's limit for such messages is reached"),
        132_015 => Verdict { retryable: true, ..Verdict::new(Rejected, Reason::Rejected, "the template is paused") },
        131_047 => Verdict::new(
            Rejected,
            Reason::OutsideWindow,
            "more than 24 hours since the person's last message: a template is needed",
        ),
        131_050 => Verdict::new(Rejected, Reason::OptedOut, "the person stopped marketing messages"),
        131_026 => Verdict::new(Rejected, Reason::Unreachable, "the person cannot be reached on WhatsApp"),
        131_021 => Verdict::new(Rejected, Reason::InvalidRecipient, "sender and recipient are the same"),
        131_030 => {
            Verdict::new(Rejected, Reason::InvalidRecipient, "the recipient is not on the list of the test number")
        }
        131_062 => Verdict::new(Rejected, Reason::Unsupported, "such a message needs a telephone number"),
        131_051 => Verdict::new(Rejected, Reason::Unsupported, "WhatsApp does not know this type of message"),
        130_472 | 130_497 | 137_000 => {
            Verdict::new(Rejected, Reason::Rejected, "WhatsApp does not deliver to this person")
        }
        132_000..=132_999 => {
            Verdict::new(Rejected, Reason::Rejected, "the template is unknown, unapproved or filled in wrongly")
        }
        100 | 131_008 | 131_009 | 131_052 => {
            Verdict::new(Rejected, Reason::Rejected, "WhatsApp refuses the message as malformed")
        }
        0 | 3 | 10 | 190 | 200..=299 => {
            Verdict::new(Unauthorized, Reason::Credentials, "WhatsApp refuses the access token")
        }
        368 | 131_005 | 131_031 | 131_037 | 131_042 | 131_045 | 131_063 => Verdict::new(
            Unauthorized,
            Reason::Credentials,
            "WhatsApp has blocked the account, or something about it must be settled",
        ),
        131_020 | 131_041 | 131_201..=131_215 | 138_000..=138_018 | 147_001..=147_005 => {
            Verdict::new(Rejected, Reason::Rejected, "WhatsApp refuses this to the group, call or user name")
        }
        _ => Verdict::new(Rejected, Reason::ProviderError, "WhatsApp refuses the message"),
    }
}

impl Verdict {
    const fn new(kind: FaultKind, reason: ReasonCode, text: &'static str) -> Self {
        let retryable = matches!(kind, FaultKind::RateLimited | FaultKind::Unavailable);
        Self { kind, reason, retryable, text }
    }

    /// Hours or days later, and for this person or template only: neither a pause of the channel nor a quick retry
    /// would help.
    const fn later(text: &'static str) -> Self {
        Self { retryable: true, ..Self::new(FaultKind::Rejected, ReasonCode::RateLimited, text) }
    }
}

/// How long to wait where Meta says why and not how long: for spam suspicion an hour; between two people 4 s, 16 s, 64
/// s, ...
fn pause_ms(code: Option<u32>, attempt: u32) -> Option<u32> {
    const SPAM_MS: u32 = 3_600_000;
    const PAIR_ATTEMPTS_MAX: u32 = 5;
    match code? {
        131_048 => Some(SPAM_MS),
        131_056 => Some(4u32.pow(attempt.clamp(1, PAIR_ATTEMPTS_MAX)) * 1000),
        _ => None,
    }
}

#[derive(Default, Deserialize)]
struct Failure {
    error: Problem,
}

#[derive(Default, Deserialize)]
struct Problem {
    code: Option<u32>,
    error_subcode: Option<u32>,
    is_transient: Option<bool>,
}

/// Why a call was not taken. Meta's own sentence is left out: it may quote the message.
pub(crate) fn fault(response: &http::Response, attempt: u32) -> Fault {
    let failure: Failure = serde_json::from_slice(&response.body).unwrap_or_default();
    let verdict = failure.error.verdict(response.status);
    let mut fault = Fault::new(verdict.kind, verdict.text).because(verdict.reason);
    fault.retry_after_ms = response.retry_after_ms().or_else(|| pause_ms(failure.error.code, attempt));
    match failure.error.code {
        Some(code) => fault.with_code(code),
        None => fault.with_code(response.status),
    }
}

impl Problem {
    fn verdict(&self, status: u16) -> Verdict {
        /// "Object does not exist or cannot be loaded": the number is not ours, or the token may not use it.
        const NO_SUCH_OBJECT: u32 = 33;
        let by_code = verdict(self.code);
        if self.code == Some(100) && self.error_subcode == Some(NO_SUCH_OBJECT) {
            return Verdict::new(
                FaultKind::Unauthorized,
                ReasonCode::Credentials,
                "the token may not use this phone_number_id",
            );
        }
        if by_code.reason == ReasonCode::ProviderError && by_code.kind == FaultKind::Rejected {
            return self.by_status(status).unwrap_or(by_code);
        }
        by_code
    }

    /// For codes that we do not know.
    fn by_status(&self, status: u16) -> Option<Verdict> {
        match status {
            429 => Some(verdict(Some(130_429))),
            500.. => Some(verdict(Some(131_000))),
            _ if self.is_transient == Some(true) => Some(verdict(Some(131_000))),
            401 | 403 => Some(verdict(Some(190))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, body: &str) -> Fault {
        fault(&http::Response { status, headers: vec![], body: body.into(), truncated: false }, 1)
    }

    #[test]
    fn code_decides_and_not_the_status() {
        let cases = [
            (130_429, FaultKind::RateLimited, ReasonCode::RateLimited),
            (131_047, FaultKind::Rejected, ReasonCode::OutsideWindow),
            (131_050, FaultKind::Rejected, ReasonCode::OptedOut),
            (131_026, FaultKind::Rejected, ReasonCode::Unreachable),
            (131_049, FaultKind::Rejected, ReasonCode::RateLimited),
            (190, FaultKind::Unauthorized, ReasonCode::Credentials),
            (131_000, FaultKind::Unavailable, ReasonCode::ProviderError),
            (132_001, FaultKind::Rejected, ReasonCode::Rejected),
            (999_999, FaultKind::Rejected, ReasonCode::ProviderError),
        ];
        for (code, kind, reason) in cases {
            let fault = of(400, &format!(r#"{{"error":{{"code":{code}}}}}"#));
            assert_eq!((fault.kind, fault.reason, fault.code), (kind, Some(reason), Some(code.to_string())));
        }
    }

    #[test]
    fn status_decides_where_the_code_is_unknown() {
        assert_eq!(of(429, "{}").kind, FaultKind::RateLimited);
        assert_eq!(of(502, "<html>").kind, FaultKind::Unavailable);
        assert_eq!(of(401, "").kind, FaultKind::Unauthorized);
        assert_eq!(of(400, r#"{"error":{"code":999,"is_transient":true}}"#).kind, FaultKind::Unavailable);
        assert_eq!(of(404, "").kind, FaultKind::Rejected);
    }

    #[test]
    fn unknown_number_is_a_matter_of_credentials() {
        assert_eq!(of(400, r#"{"error":{"code":100,"error_subcode":33}}"#).kind, FaultKind::Unauthorized);
        assert_eq!(of(400, r#"{"error":{"code":100}}"#).kind, FaultKind::Rejected);
    }

    #[test]
    fn pause_between_two_people_grows() {
        assert_eq!(
            [1, 2, 3, 99].map(|attempt| pause_ms(Some(131_056), attempt)),
            [4_000, 16_000, 64_000, 1_024_000].map(Some)
        );
    }
}
