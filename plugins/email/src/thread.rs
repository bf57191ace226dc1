//! Which message a mail answers, and under which names later mails may speak of it.

use omnigate_plugin::Fault;
use sha2::{Digest, Sha256};

use crate::host::Host;
use crate::mime::{Address, Headers};
use crate::subject;
use crate::token::Token;

/// Names that the gateway takes for one mail.
const CANDIDATES_MAX: usize = 64;
/// Of the nearest ids, those that are also looked up as ids that a provider replaced.
const REPLACED_MAX: usize = 8;
/// A longer id is known by its digest.
const ID_BYTES_MAX: usize = 500;

/// Where providers leave the Message-ID that they replaced by one of theirs.
pub(crate) const ORIGINALS: [&str; 6] = [
    "x-microsoft-original-message-id",
    "x-google-original-message-id",
    "x-original-message-id",
    "x-ms-exchange-original-message-id",
    "original-message-id",
    "x-mailer-original-message-id",
];
/// Where the address stands that a mail was delivered to.
pub(crate) const DELIVERED: [&str; 7] =
    ["to", "cc", "delivered-to", "x-original-to", "envelope-to", "x-delivered-to", "x-envelope-to"];

pub(crate) struct Thread {
    /// The nearest first.
    pub(crate) answers: Vec<String>,
    pub(crate) known_as: Vec<String>,
    /// Message-IDs for the References of an answer, oldest first.
    pub(crate) references: Vec<String>,
    /// It answers a message of ours, but speaks of something else.
    pub(crate) subject_changed: bool,
}

impl Thread {
    pub(crate) fn of(host: &dyn Host, headers: &Headers<'_>, sender: &Address) -> Result<Self, Fault> {
        let subject = headers.text("subject").unwrap_or_default();
        let ids = answered_ids(headers);
        let tokens = tokens(host, headers, &ids)?;
        let mut answers: Vec<String> = ids.iter().map(|id| name(id)).collect();
        answers.truncate(CANDIDATES_MAX - REPLACED_MAX - 4);
        answers.extend(tokens.iter().take(2).map(Token::name));
        answers.extend(ids.iter().take(REPLACED_MAX).map(|id| replaced(sender, id)));
        answers.extend(last_resort(sender, &subject, &ids));
        Ok(Self {
            answers: unique(answers),
            known_as: known_as(headers, sender, &subject),
            references: references(headers),
            subject_changed: tokens.first().is_some_and(|token| !token.is_about(&subject)),
        })
    }
}

/// Ids as the gateway keeps them.
pub(crate) fn name(id: &str) -> String {
    if id.len() <= ID_BYTES_MAX { id.to_owned() } else { format!("sha256:{}", digest(&[id])) }
}

/// The name of what a person says under a subject; `None` for a subject that tells nothing.
pub(crate) fn subject_name(address: &str, subject: &str) -> Option<String> {
    let base = subject::base(subject).to_lowercase();
    subject::tells(subject).then(|| format!("subject:{}", digest(&[&address.to_lowercase(), &base])))
}

/// In-Reply-To, then References from the newest to the oldest.
fn answered_ids(headers: &Headers<'_>) -> Vec<String> {
    let nearest = headers.ids("in-reply-to").into_iter();
    unique(nearest.chain(headers.ids("references").into_iter().rev()).collect())
}

/// Tokens of ours: in the ids, and in the addresses that the mail came to.
fn tokens(host: &dyn Host, headers: &Headers<'_>, ids: &[String]) -> Result<Vec<Token>, Fault> {
    let mut tokens = Vec::new();
    for id in ids {
        tokens.extend(Token::of_id(host, id)?);
    }
    for address in DELIVERED.iter().flat_map(|name| headers.addresses(name)) {
        tokens.extend(Token::of_address(host, &address.address)?);
    }
    Ok(tokens)
}

/// Only for who says that he answers, and only his own conversation.
fn last_resort(sender: &Address, subject: &str, ids: &[String]) -> Option<String> {
    let claims = subject::is_answer(subject) || !ids.is_empty();
    subject_name(&sender.address, subject).filter(|_| claims)
}

/// A name must be the sender's own: otherwise a stranger could take over what others speak of.
fn known_as(headers: &Headers<'_>, sender: &Address, subject: &str) -> Vec<String> {
    let originals = ORIGINALS.iter().flat_map(|name| headers.ids(name)).take(4).map(|id| replaced(sender, &id));
    unique(originals.chain(subject_name(&sender.address, subject)).collect())
}

fn replaced(sender: &Address, id: &str) -> String {
    format!("replaced:{}", digest(&[&sender.address.to_lowercase(), id]))
}

/// RFC 5322, 3.6.4: what came before, and the mail itself.
fn references(headers: &Headers<'_>) -> Vec<String> {
    const KEPT_FIRST: usize = 2;
    const KEPT_LAST: usize = 18;
    let mut ids = headers.ids("references");
    if ids.is_empty() {
        ids = headers.ids("in-reply-to");
    }
    ids.extend(headers.ids("message-id").into_iter().next());
    let mut ids = unique(ids.into_iter().filter(|id| id.len() <= ID_BYTES_MAX).collect());
    if ids.len() > KEPT_FIRST + KEPT_LAST {
        ids.drain(KEPT_FIRST..ids.len() - KEPT_LAST);
    }
    ids
}

pub(crate) fn unique(list: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for item in list {
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    kept
}

fn digest(texts: &[&str]) -> String {
    let hash = texts.iter().fold(Sha256::new(), |hash, text| hash.chain_update(text).chain_update([0]));
    hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::Fake;

    const ID: &str = "0198c0de-0000-7000-8000-0000000000ff";

    fn thread(head: &str) -> Thread {
        let headers = Headers::of_block(head.as_bytes());
        Thread::of(&Fake::default(), &headers, &headers.addresses("from")[0]).unwrap()
    }

    fn names(answers: &[String]) -> Vec<&str> {
        answers.iter().map(String::as_str).filter(|name| !name.starts_with("replaced:")).collect()
    }

    #[test]
    fn the_nearest_comes_first() {
        let thread = thread("From: a@x.org\nIn-Reply-To: <c@x>\nReferences: <a@x> <b@x> <c@x>\nMessage-ID: <d@x>\n");
        assert_eq!(names(&thread.answers), ["c@x", "b@x", "a@x"]);
        assert_eq!(thread.references, ["a@x", "b@x", "c@x", "d@x"]);
    }

    #[test]
    fn a_token_is_a_second_witness() {
        let token = Token::new(&Fake::default(), ID, "Order 7").unwrap();
        let by_address =
            thread(&format!("From: a@x.org\nTo: <{}>\nSubject: Re: Order 7\n", token.address("s@example.com")));
        assert_eq!(by_address.answers[0], token.name());
        let rewritten =
            thread(&format!("From: a@x.org\nReferences: <{}> <01@email.amazonses.com>\n", token.reference_at("e.com")));
        assert!(rewritten.answers.contains(&token.name()));
    }

    #[test]
    fn a_new_subject_is_told() {
        let token = Token::new(&Fake::default(), ID, "Order 7").unwrap();
        let answer = |subject: &str| {
            thread(&format!("From: a@x.org\nIn-Reply-To: <{}>\nSubject: {subject}\n", token.message_id_at("e.com")))
                .subject_changed
        };
        assert!(!answer("AW: Order 7") && answer("Something else"));
    }

    #[test]
    fn a_subject_ties_only_what_one_person_says() {
        let said = |from: &str, subject: &str| thread(&format!("From: {from}\nSubject: {subject}\n"));
        let ours = said("Ann@x.org", "Order 7").known_as;
        assert_eq!(said("ann@X.org", "Re: order 7").answers, ours);
        assert_ne!(said("bob@x.org", "Re: Order 7").answers, ours);
        assert!(said("ann@x.org", "Order 7").answers.is_empty(), "a new mail answers nothing");
        assert!(said("ann@x.org", "Re: Hello").answers.is_empty());
    }

    #[test]
    fn nobody_takes_over_the_name_of_another() {
        let stranger =
            thread("From: evil@x.org\nX-Google-Original-Message-ID: <victim@example.com>\nSubject: Order 7\n");
        assert!(stranger.known_as.iter().all(|name| !name.contains('@')), "{:?}", stranger.known_as);
        let own = thread("From: a@x.org\nX-Google-Original-Message-ID: <old@x>\nSubject: Hi\n");
        let later = thread("From: a@x.org\nReferences: <old@x>\nSubject: Hi\n");
        assert!(later.answers.contains(&own.known_as[0]));
    }

    #[test]
    fn long_lists_and_long_ids_are_bounded() {
        let ids: String = (0..500).map(|n| format!("<{n}@x>\n ")).collect();
        let thread = thread(&format!(
            "From: a@x.org\nReferences: {ids}\nIn-Reply-To: <{}@x>\nSubject: Re: Order 7\n",
            "i".repeat(900)
        ));
        assert!(thread.answers.len() <= CANDIDATES_MAX && thread.answers[0].starts_with("sha256:"));
        assert!(thread.references.len() <= 20);
    }
}
