//! What an SMTP server's refusal means for a message: RFC 5321 section 4.2, and the enhanced codes of RFC 3463.

use std::error::Error as _;

use lettre::transport::smtp::Error;

use crate::interaction::ReasonCode;
use crate::plugin::exchange::{Fault, FaultKind};

/// Characters of a server's words that are told.
const TEXT_MAX: usize = 200;

/// What was said to the server last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Connecting, shaking hands, greeting.
    Hello,
    LogIn,
    Sender,
    Recipient,
    /// Asking to send the letter.
    Data,
    /// The letter was on its way, as a whole or in part.
    Letter,
}

/// Three numbers of RFC 3463.
type Enhanced = (u16, u16, u16);

/// What the failure means.
pub(super) fn fault(stage: Stage, error: &Error) -> Fault {
    match error.status() {
        Some(code) => answered(stage, code.into(), &text_of(error)),
        None => unanswered(stage, error),
    }
}

/// Nobody knows whether a letter arrived whose acknowledgement did not.
pub(super) fn unanswered(stage: Stage, error: &Error) -> Fault {
    tracing::trace!(%error, ?stage, "SMTP");
    if stage == Stage::LogIn && error.is_client() {
        return refused_login("the server offers no way to log in that fits", None);
    }
    let (kind, what) = match stage {
        Stage::Letter => (FaultKind::Uncertain, "the connection broke before the letter was acknowledged"),
        _ if error.is_tls() => (FaultKind::Unavailable, "there is no trusted connection to the mail server"),
        Stage::Hello => (FaultKind::Unavailable, "the mail server cannot be reached"),
        _ => (FaultKind::Unavailable, "the connection to the mail server broke"),
    };
    plain(kind, ReasonCode::ProviderError, what.to_owned(), None)
}

/// The server did not answer in time.
pub(super) fn late(stage: Stage) -> Fault {
    let (kind, what) = match stage {
        Stage::Letter => (FaultKind::Uncertain, "the mail server did not acknowledge the letter in time"),
        _ => (FaultKind::Unavailable, "the mail server does not answer in time"),
    };
    plain(kind, ReasonCode::ProviderError, what.to_owned(), None)
}

pub(super) fn refused_login(what: &str, code: Option<String>) -> Fault {
    plain(FaultKind::Unauthorized, ReasonCode::Credentials, what.to_owned(), code)
}

pub(super) fn unsupported(what: &str) -> Fault {
    plain(FaultKind::Unsupported, ReasonCode::Unsupported, what.to_owned(), None)
}

pub(super) fn plain(kind: FaultKind, reason: ReasonCode, message: String, code: Option<String>) -> Fault {
    Fault { kind, message, reason: Some(reason), code, retry_after: None }
}

fn answered(stage: Stage, code: u16, text: &str) -> Fault {
    let enhanced = enhanced(text);
    let (kind, reason) = meaning(stage, code, enhanced);
    let shown = enhanced.map_or_else(|| code.to_string(), |(a, b, c)| format!("{code} {a}.{b}.{c}"));
    let words = without_addresses(text);
    plain(kind, reason, format!("the mail server answers {shown}: {words}"), Some(shown))
}

/// The enhanced code decides where there is one; some of its kinds weigh more than the first digit.
fn meaning(stage: Stage, code: u16, enhanced: Option<Enhanced>) -> (FaultKind, ReasonCode) {
    if matches!(code, 530 | 534 | 535 | 538) || stage == Stage::LogIn && code >= 500 {
        return (FaultKind::Unauthorized, ReasonCode::Credentials);
    }
    if let Some(known) = enhanced.and_then(|enhanced| by_enhanced(stage, enhanced)) {
        return known;
    }
    match (stage, code) {
        (Stage::Recipient, 400..=499) => (FaultKind::Unavailable, ReasonCode::Unreachable),
        (_, 400..=499) => (FaultKind::Unavailable, ReasonCode::ProviderError),
        (Stage::Recipient, 550 | 551 | 553) => (FaultKind::NotFound, ReasonCode::InvalidRecipient),
        (_, 552) => (FaultKind::Rejected, ReasonCode::TooLarge),
        _ => (FaultKind::Rejected, ReasonCode::Rejected),
    }
}

/// RFC 3463 and the registry of RFC 5248.
fn by_enhanced(stage: Stage, (class, subject, detail): Enhanced) -> Option<(FaultKind, ReasonCode)> {
    use FaultKind::{NotFound, RateLimited, Rejected, Unauthorized, Unavailable, Unsupported};
    Some(match (class, subject, detail) {
        (5, 7, 8 | 9 | 30 | 57 | 139) | (5, 1, 7 | 8) => (Unauthorized, ReasonCode::Credentials),
        (5, 1, _) => (NotFound, ReasonCode::InvalidRecipient),
        // A mailbox that is full may be emptied.
        (_, 2, 2) => (Unavailable, ReasonCode::Unreachable),
        (5, 2, 3) | (5, 3, 4) => (Rejected, ReasonCode::TooLarge),
        (5, 2, _) => (Rejected, ReasonCode::Unreachable),
        (5, 4, 7) => (Rejected, ReasonCode::Expired),
        (5, 4, _) => (Rejected, ReasonCode::Unreachable),
        (5, 6, _) => (Unsupported, ReasonCode::Unsupported),
        (5, 3 | 5 | 7, _) => (Rejected, ReasonCode::Rejected),
        (4, 7, 28) | (4, 3, 2) => (RateLimited, ReasonCode::RateLimited),
        (4, ..) if stage == Stage::Recipient => (Unavailable, ReasonCode::Unreachable),
        _ => return None,
    })
}

/// At the beginning of the text, RFC 2034.
fn enhanced(text: &str) -> Option<Enhanced> {
    let word = text.split_whitespace().next()?.trim_end_matches(|c: char| !c.is_ascii_digit());
    let mut numbers = word.split('.').map(|number| number.parse::<u16>().ok());
    let found = (numbers.next()??, numbers.next()??, numbers.next()??);
    (matches!(found.0, 2 | 4 | 5) && numbers.next().is_none()).then_some(found)
}

fn text_of(error: &Error) -> String {
    error.source().map(ToString::to_string).unwrap_or_default()
}

/// What operators see holds no address.
fn without_addresses(text: &str) -> String {
    let words = text.split_whitespace().filter(|word| !word.contains('@'));
    let joined = words.skip_while(|word| enhanced(word).is_some()).collect::<Vec<_>>().join(" ");
    joined.chars().filter(|c| !c.is_control()).take(TEXT_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(stage: Stage, code: u16, text: &str) -> (FaultKind, ReasonCode) {
        let fault = answered(stage, code, text);
        (fault.kind, fault.reason.unwrap())
    }

    #[test]
    fn codes_have_their_meaning() {
        use FaultKind::{NotFound, RateLimited, Rejected, Unauthorized, Unavailable, Unsupported};
        use Stage::{Data, Letter, LogIn, Recipient, Sender};
        for (stage, code, text, kind, reason) in [
            (Recipient, 550, "5.1.1 <a@b>: User unknown", NotFound, ReasonCode::InvalidRecipient),
            (Recipient, 550, "no such user", NotFound, ReasonCode::InvalidRecipient),
            (Recipient, 450, "4.7.1 greylisted", Unavailable, ReasonCode::Unreachable),
            (Recipient, 452, "4.2.2 mailbox full", Unavailable, ReasonCode::Unreachable),
            (Recipient, 552, "5.2.2 mailbox full", Unavailable, ReasonCode::Unreachable),
            (Recipient, 550, "5.7.1 relaying denied", Rejected, ReasonCode::Rejected),
            (Sender, 552, "5.3.4 too big", Rejected, ReasonCode::TooLarge),
            (Sender, 530, "5.7.0 authentication required", Unauthorized, ReasonCode::Credentials),
            (Sender, 553, "5.1.8 not your address", Unauthorized, ReasonCode::Credentials),
            (LogIn, 535, "5.7.8 wrong password", Unauthorized, ReasonCode::Credentials),
            (LogIn, 454, "4.7.0 try later", Unavailable, ReasonCode::ProviderError),
            (Data, 421, "4.3.2 shutting down", RateLimited, ReasonCode::RateLimited),
            (Letter, 550, "5.7.26 no DMARC", Rejected, ReasonCode::Rejected),
            (Letter, 554, "5.6.7 no SMTPUTF8", Unsupported, ReasonCode::Unsupported),
            (Letter, 451, "4.3.0 queue full", Unavailable, ReasonCode::ProviderError),
            (Letter, 554, "no", Rejected, ReasonCode::Rejected),
        ] {
            assert_eq!(meant(stage, code, text), (kind, reason), "{code} {text}");
        }
    }

    #[test]
    fn what_is_told_holds_no_address() {
        let fault = answered(Stage::Recipient, 550, "5.1.1 <bob@example.com>: Recipient address rejected");
        assert_eq!(fault.message, "the mail server answers 550 5.1.1: Recipient address rejected");
        assert_eq!(fault.code.as_deref(), Some("550 5.1.1"));
    }
}
