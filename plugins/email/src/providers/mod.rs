//! Mail by webhook and API: what a provider hands over becomes a mail like any other, and what is sent is the same letter.

mod form;
mod mailgun;
mod postmark;
mod s3;
mod sendgrid;
mod ses;
mod sns;

use omnigate_plugin::prelude::*;
use omnigate_plugin::{decode_base64, serde_json, socket};

use crate::bounce::{self, Fate};
use crate::compose::Draft;
use crate::host::{Gateway, Host};
use crate::inbound::{self, Arrival};
use crate::mime::normalized;
use crate::read::Mail;
use crate::settings::{Provider, Settings};
use crate::thread;

/// The key of the API.
const API_KEY: &str = "api_key";
/// Signs the webhooks.
const WEBHOOK_KEY: &str = "webhook_key";
/// Password in the webhook's address.
const WEBHOOK_PASSWORD: &str = "webhook_password";
/// Under these names the provider hands back what message it speaks of, and for whom that was.
const TAG_ID: &str = "omnigate_id";
const TAG_TO: &str = "omnigate_to";

/// A webhook.
///
/// # Errors
/// `unauthorized`, `invalid` for an unreadable body, `not-found` for a channel that has a mailbox.
pub(crate) fn handle(ctx: &Context, request: &Request) -> Result<Outcome, Fault> {
    let settings = Settings::of(ctx)?;
    match settings.provider {
        Provider::Mailbox => Err(Fault::not_found("this channel takes mail from its mailbox, not by webhook")),
        Provider::Sendgrid => sendgrid::handle(&settings, request),
        Provider::Mailgun => mailgun::handle(&settings, request),
        Provider::Postmark => postmark::handle(&settings, request),
        Provider::Ses => ses::handle(&settings, request),
    }
}

/// Sends through the API.
///
/// # Errors
/// As `Channel::send`.
pub(crate) fn send(ctx: &Context, message: &Outbound) -> Result<Receipt, Fault> {
    let settings = Settings::of(ctx)?;
    let answered = answered(message);
    let draft = Draft::of(&Gateway, &settings, message, answered.as_deref())?;
    draft.envelope()?;
    let id = match settings.provider {
        Provider::Mailbox => return Err(Fault::unsupported("this channel sends by SMTP: set settings.smtp")),
        Provider::Sendgrid => sendgrid::send(&settings, message, &draft),
        Provider::Mailgun => mailgun::send(&settings, message, &draft),
        Provider::Postmark => postmark::send(&settings, message, &draft),
        Provider::Ses => ses::send(&settings, &draft),
    }?;
    let own = [draft.message_id.clone()].into_iter().chain(draft.known_as.clone());
    Ok(Receipt::sent(thread::unique(own.chain(id).collect())))
}

/// The interaction that the message answers, as the log has it.
fn answered(message: &Outbound) -> Option<String> {
    const LOOKED_AT: u32 = 50;
    let id = message.in_reply_to.as_deref()?;
    let events = socket::history(&message.recipient, None, LOOKED_AT);
    events.into_iter().rev().find(|event| {
        let event: Value = serde_json::from_str(event).unwrap_or_default();
        event["data"]["external_ids"].as_array().is_some_and(|ids| ids.iter().any(|known| known == id))
    })
}

/// What one mail tells, after it came by webhook.
fn received(
    settings: &Settings,
    mail: &Mail<'_>,
    id: &str,
    raw: Option<&[u8]>,
    recipients: &[String],
) -> Result<Outcome, Fault> {
    const RECIPIENTS_MAX: usize = 50;
    let mut extra = serde_json::Map::new();
    let recipients: Vec<String> = recipients.iter().filter_map(|to| normalized(to)).take(RECIPIENTS_MAX).collect();
    if !recipients.is_empty() {
        extra.insert("delivered_to".to_owned(), json!(recipients));
    }
    let id = thread::name(if id.is_empty() { "mail" } else { id });
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of some thousand years")]
    let at = Some(Gateway.now() as f64);
    let arrival = Arrival { id: &id, at, raw, extra };
    Ok(Outcome::events(inbound::events(&Gateway, settings, mail, &arrival)?))
}

/// HTTP Basic, with the password that stands in the webhook's address; the user does not matter.
fn check_password(request: &Request) -> Result<(), Fault> {
    let refused = || Fault::unauthorized("the password in the webhook's address does not match");
    let basic = request.signature("authorization")?;
    let pair = basic.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic")).ok_or_else(refused)?;
    let pair = String::from_utf8(decode_base64(pair.1.trim())?).map_err(|_| refused())?;
    let (_, password) = pair.split_once(':').ok_or_else(refused)?;
    secrets::equals(WEBHOOK_PASSWORD, password)
}

/// A receipt, if it speaks of a message of ours.
fn receipt(message_id: Option<&str>, to: Option<&str>, fate: Fate) -> Option<Event> {
    let to: Vec<String> = to.and_then(normalized).into_iter().collect();
    bounce::event(message_id.filter(|id| is_uuid(id))?, &to, &fate)
}

fn is_uuid(id: &str) -> bool {
    id.len() == 36 && id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

/// Authentic, and not understood: kept as it came.
fn unsupported(request: &Request, what: &str) -> Outcome {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(&request.body);
    let id = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Outcome::events(vec![Event::Unsupported(omnigate_plugin::Unsupported {
        id,
        what: what.to_owned(),
        sender: None,
        at: None,
    })])
}

/// What an answer without success means for the message.
fn fault(response: &http::Response, code: Option<String>) -> Fault {
    use ReasonCode::*;
    let (kind, reason, text) = match response.status {
        401 | 403 => (FaultKind::Unauthorized, Credentials, "the credentials are refused"),
        413 => (FaultKind::Rejected, TooLarge, "the message is too large"),
        429 => (FaultKind::RateLimited, RateLimited, "too many requests"),
        400..=499 => (FaultKind::Rejected, Rejected, "the message is refused"),
        504 => (FaultKind::Uncertain, ProviderError, "no answer in time"),
        500.. => (FaultKind::Unavailable, ProviderError, "the service is not available"),
        _ => (FaultKind::Uncertain, ProviderError, "an unexpected answer"),
    };
    let retry_after_ms = response.retry_after_ms().filter(|_| kind == FaultKind::RateLimited);
    let code = code.unwrap_or_else(|| response.status.to_string());
    Fault { retry_after_ms, ..Fault::new(kind, format!("the mail provider: {text}")).because(reason).with_code(code) }
}
