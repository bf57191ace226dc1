//! Notices of mail servers that follow no standard: qmail, Exim, old Exchange, and whoever forwards theirs.

use super::{Fate, Kind, codes};
use crate::automatic;
use crate::mime::Address;
use crate::read::Mail;

/// Of a notice, what is looked at: what comes after quotes the message.
const READ_MAX: usize = 8 << 10;

/// What such servers begin with, lower case.
const OPENINGS: [&str; 12] = [
    "this is the qmail-send program",
    "this message was created automatically by mail delivery software",
    "this is the mail system at host",
    "delivery has failed to these recipients",
    "your message did not reach some or all of the intended recipients",
    "the following message could not be delivered",
    "message not delivered",
    "your message wasn't delivered",
    "undeliverable:",
    "this report relates to a message you sent",
    "i'm afraid i wasn't able to deliver your message",
    "could not be delivered to one or more recipients",
];
const DELAYS: [&str; 9] = [
    "will be retried",
    "has been delayed",
    "still be retried",
    "will continue to be attempted",
    "warning message only",
    "do not need to resend",
    "gmail will retry",
    "delivery attempts will continue",
    "delivery incomplete",
];

/// The mail system speaks, and says that it could not deliver.
pub(super) fn is_notice(mail: &Mail<'_>, sender: &Address) -> bool {
    let by_system = automatic::is_daemon(sender) || automatic::has_null_sender(&mail.headers);
    let text = opening(mail);
    mail.headers.has("x-failed-recipients")
        || by_system
            && (OPENINGS.iter().any(|words| text.contains(words)) || is_delay(&text) || automatic::is_daemon(sender))
}

pub(super) fn fates(mail: &Mail<'_>) -> Vec<Fate> {
    let text = opening(mail);
    let kind = if is_delay(&text) { Kind::Delayed } else { Kind::Failed };
    let mut recipients: Vec<Option<String>> =
        mail.headers.addresses("x-failed-recipients").into_iter().map(|address| Some(address.address)).collect();
    if recipients.is_empty() {
        recipients.push(first_address(&text));
    }
    let fate = |recipient| Fate { recipient, kind, code: codes::find(&text), text: text.clone(), at: None };
    recipients.into_iter().map(fate).collect()
}

fn is_delay(text: &str) -> bool {
    DELAYS.iter().any(|words| text.contains(words))
}

/// Lower case.
fn opening(mail: &Mail<'_>) -> String {
    let text = if mail.text.is_empty() {
        mail.rendered().map(|page| page.text).unwrap_or_default()
    } else {
        mail.text.clone()
    };
    let text = text[..text.floor_char_boundary(READ_MAX)].to_lowercase().replace('\u{2019}', "'");
    // What follows these words is the message that was sent.
    let end = [
        "--- below this line is a copy",
        "------ this is a copy of the message",
        "--- the header of the original message",
    ];
    let cut = end.iter().filter_map(|words| text.find(words)).min().unwrap_or(text.len());
    text[..cut].to_owned()
}

/// `<ann@example.org>:`, or an address alone in a line.
fn first_address(text: &str) -> Option<String> {
    let lines = text.lines().map(|line| line.trim().trim_end_matches(':'));
    lines.filter(|line| line.contains('@') && !line.contains(' ')).find_map(crate::mime::normalized)
}
