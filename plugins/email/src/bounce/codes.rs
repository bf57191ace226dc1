//! What the codes of mail servers mean: RFC 3463 and its registry, RFC 5321.

use omnigate_plugin::{Reason, ReasonCode};

/// Why a message failed for good, from its code and, where that says little, from the server's words.
pub(crate) fn reason(code: Option<&str>, text: &str) -> Reason {
    let code = code.map(str::to_owned).or_else(|| find(text));
    let by_code = code.as_deref().and_then(by_code);
    let (reason, words) = by_code.or_else(|| by_words(text)).unwrap_or_else(|| by_class(code.as_deref()));
    Reason { code: reason, text: words.to_owned(), provider_code: code, retryable: is_retryable(reason, words) }
}

/// Why a message waits; the server goes on trying.
pub(super) fn delay(code: Option<&str>) -> Reason {
    let (reason, _) = code.and_then(by_code).unwrap_or((ReasonCode::Unreachable, ""));
    let text = "not delivered yet; the mail server goes on trying".to_owned();
    Reason { code: reason, text, provider_code: code.map(str::to_owned), retryable: true }
}

const FULL: &str = "the mailbox is full";

fn is_retryable(reason: ReasonCode, words: &str) -> bool {
    words == FULL || matches!(reason, ReasonCode::RateLimited)
}

/// Class, subject and detail; the class counts where it changes the meaning.
fn by_code(code: &str) -> Option<(ReasonCode, &'static str)> {
    use ReasonCode::*;
    let (class, rest) = code.split_once('.')?;
    Some(match (class, rest) {
        (_, "1.1" | "1.10" | "1.6") => (InvalidRecipient, "there is no such mailbox"),
        (_, "1.2") => (InvalidRecipient, "there is no such domain"),
        (_, "1.3" | "1.4") => (InvalidRecipient, "the address is not valid"),
        (_, "1.7" | "1.8") => (Credentials, "the sender's address is refused"),
        (_, "2.1") => (Unreachable, "the mailbox is disabled"),
        (_, "2.2") => (Unreachable, FULL),
        (_, "2.3" | "3.4") => (TooLarge, "the message is too large"),
        (_, "4.6") => (Rejected, "the mail went round in circles"),
        ("4", "4.7") | ("5", "4.7") => (Expired, "the mail server gave up trying"),
        (_, "4.1" | "4.2" | "4.3" | "4.4") => (Unreachable, "the recipient's mail server cannot be reached"),
        (_, "7.8" | "7.9" | "7.30" | "7.139") => (Credentials, "the mail server wants other credentials"),
        (_, "7.20" | "7.21" | "7.22" | "7.23" | "7.24" | "7.25" | "7.26" | "7.27" | "7.29") => {
            (Credentials, "the sender's domain is not authenticated")
        }
        ("4", "7.0" | "7.1") | (_, "7.28") => (RateLimited, "too much mail at once"),
        (_, "7.0" | "7.1" | "7.2" | "7.509") => (Rejected, "refused by a rule of the recipient"),
        (_, rest) if rest.starts_with("6.") => (Unsupported, "the content cannot be delivered"),
        _ => return None,
    })
}

/// Where no code tells more than that it failed.
const WORDS: [(&[&str], ReasonCode, &str); 5] = [
    (
        &[
            "user unknown",
            "no such user",
            "unknown user",
            "does not exist",
            "doesn't exist",
            "no mailbox here",
            "recipient not found",
            "address not found",
            "couldn't be found",
            "wasn't found",
            "unknown address",
            "invalid recipient",
            "mailbox unavailable",
            "no such recipient",
            "unrouteable address",
        ],
        ReasonCode::InvalidRecipient,
        "there is no such mailbox",
    ),
    (
        &["over quota", "quota exceeded", "mailbox full", "mailbox is full", "inbox is full", "out of storage"],
        ReasonCode::Unreachable,
        FULL,
    ),
    (
        &["too large", "size limit", "message size", "exceeds the maximum"],
        ReasonCode::TooLarge,
        "the message is too large",
    ),
    (
        &["spam", "blocked", "blacklist", "blocklist", "policy", "rejected"],
        ReasonCode::Rejected,
        "refused by a rule of the recipient",
    ),
    (
        &[
            "timed out",
            "connection refused",
            "host not found",
            "domain name not found",
            "couldn't find any host",
            "no route to host",
        ],
        ReasonCode::Unreachable,
        "the recipient's mail server cannot be reached",
    ),
];

fn by_words(text: &str) -> Option<(ReasonCode, &'static str)> {
    let text = text.to_lowercase();
    let known = WORDS.iter().find(|(words, ..)| words.iter().any(|word| text.contains(word)));
    known.map(|(_, reason, meaning)| (*reason, *meaning))
}

fn by_class(code: Option<&str>) -> (ReasonCode, &'static str) {
    match code {
        Some(code) if code.starts_with('4') => (ReasonCode::Expired, "the mail server gave up trying"),
        Some("550" | "551" | "553") => (ReasonCode::InvalidRecipient, "there is no such mailbox"),
        Some("552") => (ReasonCode::TooLarge, "the message is too large"),
        Some(code) if code.starts_with('5') => {
            (ReasonCode::Rejected, "the recipient's mail server refused the message")
        }
        _ => (ReasonCode::ProviderError, "the message could not be delivered"),
    }
}

/// An enhanced code in a server's words, or else the three digits of its reply.
pub(super) fn find(text: &str) -> Option<String> {
    const WORDS_MAX: usize = 20_000;
    let words =
        || text.split(|c: char| !(c.is_ascii_digit() || c == '.')).take(WORDS_MAX).map(|word| word.trim_matches('.'));
    let enhanced = words().find(|word| is_enhanced(word));
    let reply = || {
        words().find(|word| {
            word.len() == 3 && matches!(word.as_bytes()[0], b'4' | b'5') && word.bytes().all(|b| b.is_ascii_digit())
        })
    };
    enhanced.or_else(reply).map(str::to_owned)
}

/// `5.1.1`, and no version number or address.
pub(super) fn is_enhanced(word: &str) -> bool {
    let parts: Vec<&str> = word.split('.').collect();
    let is_number = |text: &str| (1..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    matches!(parts[..], ["2" | "4" | "5", subject, detail] if is_number(subject) && is_number(detail) && subject.len() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_our_reasons() {
        for (code, text, expected, retryable) in [
            (Some("5.1.1"), "", ReasonCode::InvalidRecipient, false),
            (Some("5.2.2"), "", ReasonCode::Unreachable, true),
            (Some("5.7.1"), "", ReasonCode::Rejected, false),
            (Some("5.7.26"), "", ReasonCode::Credentials, false),
            (Some("4.7.1"), "", ReasonCode::RateLimited, true),
            (Some("4.4.7"), "", ReasonCode::Expired, false),
            (Some("5.3.4"), "", ReasonCode::TooLarge, false),
            (Some("5.0.0"), "550 no such user here", ReasonCode::InvalidRecipient, false),
            (Some("5.0.0"), "", ReasonCode::Rejected, false),
            (None, "host said: 550 5.2.1 disabled", ReasonCode::Unreachable, false),
            (None, "550 go away", ReasonCode::InvalidRecipient, false),
            (None, "from 10.5.1.1 at 2.3.4.5", ReasonCode::ProviderError, false),
        ] {
            let reason = reason(code, text);
            assert_eq!((reason.code, reason.retryable), (expected, retryable), "{code:?} {text}");
        }
    }

    #[test]
    fn a_delay_is_never_the_end() {
        assert!(delay(Some("4.4.1")).retryable && delay(None).retryable);
    }
}
