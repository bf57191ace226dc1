//! From a message of a backend to a letter: RFC 5322 with CRLF, in ASCII wherever that is possible.

mod answered;
mod body;
mod head;
mod options;

use omnigate_plugin::prelude::*;

use crate::host::Host;
use crate::mime::{Address, normalized};
use crate::settings::{Provider, Settings};
use crate::subject;
use crate::thread::{subject_name, unique};
use crate::token::Token;

use answered::Answered;
use body::Body;
pub(crate) use body::{Enclosure, base64};
use head::Head;
use options::Options;

/// Everybody who gets one letter.
const RECIPIENTS_MAX: usize = 200;
const REFERENCES_MAX: usize = 24;

/// A letter before it is written: the same for SMTP and for the APIs of providers.
pub(crate) struct Draft {
    pub(crate) from: Address,
    pub(crate) to: Vec<Address>,
    pub(crate) cc: Vec<Address>,
    /// In no header.
    pub(crate) bcc: Vec<Address>,
    pub(crate) reply_to: Option<Address>,
    pub(crate) subject: String,
    /// Without brackets.
    pub(crate) message_id: String,
    /// Names under which later mails may speak of it.
    pub(crate) known_as: Vec<String>,
    /// Fields besides: name and value, of one line each.
    pub(crate) fields: Vec<(&'static str, String)>,
    /// Milliseconds since 1970.
    pub(crate) date: i64,
    pub(crate) body: Body,
    /// For boundaries: occurs in no encoded text.
    seed: String,
}

/// Writes the letter that carries a message; `answered` is the interaction that it answers.
///
/// # Errors
/// `rejected` for an address that cannot be, an unknown option, a file that cannot be had.
pub(crate) fn letter(
    host: &dyn Host,
    settings: &Settings,
    message: &Outbound,
    answered: Option<&str>,
) -> Result<Letter, Fault> {
    let draft = Draft::of(host, settings, message, answered)?;
    let mut external_ids = vec![draft.message_id.clone()];
    external_ids.extend(draft.known_as.clone());
    Ok(Letter { sender: settings.address.clone(), recipients: draft.envelope()?, raw: draft.write(), external_ids })
}

impl Draft {
    /// What is to be written.
    ///
    /// # Errors
    /// As for [`letter`].
    pub(crate) fn of(
        host: &dyn Host,
        settings: &Settings,
        message: &Outbound,
        answered: Option<&str>,
    ) -> Result<Self, Fault> {
        let options = Options::of(message)?;
        let answered = answered.map(Answered::of).transpose()?;
        let subject = subject_of(settings, message, answered.as_ref());
        let token = Token::new(host, &message.id, &subject)?;
        let to = recipient(message, answered.as_ref())?;
        let mut draft = Self {
            from: Address { address: settings.address.clone(), name: settings.name.clone() },
            cc: copies(settings, &options, answered.as_ref(), &to)?,
            bcc: options.addresses(&options.bcc, "bcc")?,
            reply_to: settings.plus_addressing.then(|| reply_to(settings, &token)).flatten(),
            message_id: token.message_id_at(settings.own_domain()),
            known_as: [token.name()].into_iter().chain(subject_name(&to.address, &subject)).collect(),
            fields: Vec::new(),
            date: host.now(),
            body: Body::of(host, &message.content)?,
            seed: token.name().replace('.', ""),
            to: vec![to],
            subject,
        };
        draft.fields.extend(thread_fields(settings, &token, answered.as_ref()));
        draft.fields.extend(automatic_fields(message, answered.is_some()));
        draft.fields.extend(options.fields(settings)?);
        draft.fields.extend(provider_fields(settings, message, &draft.to));
        Ok(draft)
    }

    /// Everybody who gets it.
    ///
    /// # Errors
    /// `rejected` if they are too many.
    pub(crate) fn envelope(&self) -> Result<Vec<String>, Fault> {
        let all = self.to.iter().chain(&self.cc).chain(&self.bcc).map(|one| one.address.clone());
        let all = unique(all.collect());
        if all.len() > RECIPIENTS_MAX {
            let rule = format!("{} recipients are more than {RECIPIENTS_MAX}: send several messages", all.len());
            return Err(Fault::rejected(ReasonCode::Rejected, rule));
        }
        Ok(all)
    }

    /// RFC 5322, every line ended by CRLF.
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut head = Head::default();
        head.addresses("From", std::slice::from_ref(&self.from));
        head.addresses("Reply-To", self.reply_to.as_slice());
        head.addresses("To", &self.to);
        head.addresses("Cc", &self.cc);
        head.text("Subject", &self.subject);
        head.line("Date", &mail_parser::DateTime::from_timestamp(self.date.div_euclid(1000)).to_rfc822());
        head.line("Message-ID", &format!("<{}>", self.message_id));
        self.fields.iter().for_each(|(name, value)| head.line(name, value));
        head.line("MIME-Version", "1.0");
        let mut raw = head.finish();
        self.body.write(&self.seed, &mut raw);
        raw
    }
}

/// Answers go where the person wants them, if the person answered is the recipient.
fn recipient(message: &Outbound, answered: Option<&Answered>) -> Result<Address, Fault> {
    let address = normalized(&message.recipient.value).ok_or_else(|| bad_address("the recipient"))?;
    let to = Address { address, name: message.recipient.name.as_deref().map(crate::text::one_line) };
    let wanted =
        answered.filter(|answered| answered.is_from(&to.address)).and_then(|answered| answered.reply_to.clone());
    Ok(wanted.unwrap_or(to))
}

fn bad_address(whose: &str) -> Fault {
    Fault::rejected(ReasonCode::InvalidRecipient, format!("{whose} is no e-mail address"))
}

fn copies(
    settings: &Settings,
    options: &Options,
    answered: Option<&Answered>,
    to: &Address,
) -> Result<Vec<Address>, Fault> {
    let mut copies = options.addresses(&options.cc, "cc")?;
    if options.reply_all {
        copies.extend(answered.map(|answered| answered.others.clone()).unwrap_or_default());
    }
    let mut kept: Vec<Address> = Vec::new();
    for copy in copies {
        let is_known =
            copy.is(&to.address) || settings.is_own(&copy.address) || kept.iter().any(|one| one.is(&copy.address));
        if !is_known {
            kept.push(copy);
        }
    }
    Ok(kept)
}

/// A longer local part than RFC 5321 allows would lose the answers.
fn reply_to(settings: &Settings, token: &Token) -> Option<Address> {
    const LOCAL_MAX: usize = 64;
    let address = Address { address: token.address(&settings.address), name: settings.name.clone() };
    (address.local().len() <= LOCAL_MAX).then_some(address)
}

fn subject_of(settings: &Settings, message: &Outbound, answered: Option<&Answered>) -> String {
    let given = message.content.subject.as_deref().map(crate::text::one_line).filter(|subject| !subject.is_empty());
    let inherited = || answered.and_then(|answered| answered.subject.as_deref()).map(subject::answering);
    let own = || settings.subject.as_deref().map(crate::text::one_line);
    let last =
        || format!("Message from {}", settings.name.as_deref().map_or(settings.address.clone(), crate::text::one_line));
    given.or_else(|| inherited().filter(|subject| !subject.is_empty())).or_else(own).unwrap_or_else(last)
}

/// RFC 5322, 3.6.4. The token comes first, where the mail that began the conversation would stand: who answers copies it, even if
/// a provider gives this letter another Message-ID.
fn thread_fields(settings: &Settings, token: &Token, answered: Option<&Answered>) -> Vec<(&'static str, String)> {
    let mut references = vec![token.reference_at(settings.own_domain())];
    let before = answered.map(|answered| answered.references.clone()).unwrap_or_default();
    let skip = before.len().saturating_sub(REFERENCES_MAX);
    references.extend(before.into_iter().skip(skip));
    let parent =
        answered.and_then(|answered| answered.message_id.as_ref()).map(|id| ("In-Reply-To", format!("<{id}>")));
    let references = unique(references).iter().map(|id| format!("<{id}>")).collect::<Vec<_>>().join(" ");
    parent.into_iter().chain([("References", references)]).collect()
}

/// RFC 3834: what a bot writes says so, and asks for no answer of another one.
fn automatic_fields(message: &Outbound, is_answer: bool) -> Vec<(&'static str, String)> {
    if message.author == Author::Agent {
        return Vec::new();
    }
    let word = if is_answer { "auto-replied" } else { "auto-generated" };
    vec![("Auto-Submitted", word.to_owned()), ("X-Auto-Response-Suppress", "All".to_owned())]
}

/// Amazon SES takes letters by SMTP too, and hands these back in its events.
fn provider_fields(settings: &Settings, message: &Outbound, to: &[Address]) -> Vec<(&'static str, String)> {
    if settings.provider != Provider::Ses {
        return Vec::new();
    }
    let main = to.first().map(|to| to.address.as_str()).unwrap_or_default();
    let tags = ("X-SES-MESSAGE-TAGS", format!("omnigate_id={}, omnigate_to={main}", message.id));
    let set = settings.configuration_set.clone().map(|set| ("X-SES-CONFIGURATION-SET", set));
    [tags].into_iter().chain(set).collect()
}

#[cfg(test)]
mod tests;
