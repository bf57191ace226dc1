//! Amazon SES: mail and events by SNS, sending by API version 2.
//! <https://docs.aws.amazon.com/ses/latest/dg/receiving-email-notifications-contents.html>

use omnigate_plugin::prelude::*;
use omnigate_plugin::{decode_base64, serde_json};

use super::sns::{self, Taken};
use super::{API_KEY, TAG_ID, TAG_TO, s3};
use crate::bounce::{Fate, Kind};
use crate::compose::Draft;
use crate::read::Mail;
use crate::settings::Settings;

pub(super) fn handle(settings: &Settings, request: &Request) -> Result<Outcome, Fault> {
    match sns::taken(settings, request)? {
        Taken::Confirmed => Ok(Outcome::events(Vec::new())),
        Taken::Notification(message) => notification(settings, request, &message),
        Taken::Other => Ok(super::unsupported(request, "a notification of another kind")),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Notification {
    #[serde(alias = "eventType")]
    notification_type: String,
    content: Option<String>,
    #[serde(default)]
    receipt: Receiving,
    mail: Option<Sent>,
    bounce: Option<Bounce>,
    complaint: Option<Complaint>,
    delivery: Option<Delivery>,
    delivery_delay: Option<Delay>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Receiving {
    recipients: Vec<String>,
    action: Action,
}

/// What a receipt rule did with a mail.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Action {
    bucket_name: String,
    object_key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    message_id: String,
    #[serde(default)]
    tags: std::collections::BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bounce {
    bounce_type: String,
    #[serde(default)]
    bounce_sub_type: String,
    bounced_recipients: Vec<Recipient>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recipient {
    email_address: String,
    status: Option<String>,
    diagnostic_code: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Complaint {
    complained_recipients: Vec<Recipient>,
    complaint_feedback_type: Option<String>,
}

#[derive(Deserialize)]
struct Delivery {
    recipients: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delay {
    delayed_recipients: Vec<Recipient>,
}

fn notification(settings: &Settings, request: &Request, message: &str) -> Result<Outcome, Fault> {
    let Ok(notification) = serde_json::from_str::<Notification>(message) else {
        return Ok(super::unsupported(request, "a notification of another kind"));
    };
    if notification.notification_type != "Received" {
        return Ok(Outcome::events(events(&notification)));
    }
    let action = &notification.receipt.action;
    let raw = match &notification.content {
        Some(content) => raw(content),
        None if action.object_key.is_empty() => {
            return Ok(super::unsupported(request, "a notification without a mail"));
        }
        None => match s3::fetch(settings, &action.bucket_name, &action.object_key)? {
            Some(raw) => raw,
            None => {
                return Ok(super::unsupported(
                    request,
                    "a mail in S3 that is larger than plugins.limits.http_response",
                ));
            }
        },
    };
    let id = notification.mail.as_ref().map_or("ses", |mail| mail.message_id.as_str());
    super::received(settings, &Mail::read(&raw), id, Some(&raw), &notification.receipt.recipients)
}

/// UTF-8 or base64, as the receipt rule says: a mail has a colon before its first line ends, and base64 has none.
fn raw(content: &str) -> Vec<u8> {
    let is_mail = content.lines().next().is_some_and(|line| line.contains(':'));
    let decoded = (!is_mail).then(|| decode_base64(content.trim()).ok()).flatten();
    decoded.unwrap_or_else(|| content.as_bytes().to_vec())
}

fn events(notification: &Notification) -> Vec<Event> {
    let tag = |name: &str| notification.mail.as_ref()?.tags.get(name)?.first().map(String::as_str);
    fates(notification).into_iter().filter_map(|fate| super::receipt(tag(TAG_ID), tag(TAG_TO), fate)).collect()
}

fn fates(notification: &Notification) -> Vec<Fate> {
    let fate = |to: &str, kind, one: Option<&Recipient>, text: &str| Fate {
        recipient: Some(to.to_owned()),
        kind,
        code: one.and_then(|one| one.status.clone()),
        text: one.and_then(|one| one.diagnostic_code.clone()).unwrap_or_else(|| text.to_owned()),
        at: None,
    };
    if let Some(bounce) = &notification.bounce {
        // After a transient bounce SES tries no more.
        let kind = if bounce.bounce_sub_type == "General" && bounce.bounce_type == "Transient" {
            Kind::Delayed
        } else {
            Kind::Failed
        };
        return bounce
            .bounced_recipients
            .iter()
            .map(|one| fate(&one.email_address, kind, Some(one), sub_type(bounce)))
            .collect();
    }
    if let Some(complaint) = &notification.complaint {
        let counts = complaint.complaint_feedback_type.as_deref() != Some("not-spam");
        let people = complaint.complained_recipients.iter().filter(|_| counts);
        return people.map(|one| fate(&one.email_address, Kind::Complaint, None, "complaint")).collect();
    }
    if let Some(delivery) = &notification.delivery {
        return delivery.recipients.iter().map(|to| fate(to, Kind::Delivered, None, "")).collect();
    }
    let delayed = notification.delivery_delay.iter().flat_map(|delay| &delay.delayed_recipients);
    delayed.map(|one| fate(&one.email_address, Kind::Delayed, Some(one), "")).collect()
}

/// In words that `bounce` knows, where the report has none of its own.
fn sub_type(bounce: &Bounce) -> &'static str {
    match bounce.bounce_sub_type.as_str() {
        "NoEmail" | "Suppressed" | "OnAccountSuppressionList" => "address not found",
        "MailboxFull" => "mailbox full",
        "MessageTooLarge" => "message size",
        "ContentRejected" | "AttachmentRejected" => "rejected",
        _ => "",
    }
}

pub(super) fn send(settings: &Settings, draft: &Draft) -> Result<Vec<String>, Fault> {
    #[derive(Deserialize)]
    struct Taken {
        #[serde(rename = "MessageId")]
        id: String,
    }
    let (region, key_id) = account(settings)?;
    let request = http::post(format!("{}/v2/email/outbound-emails", settings.base()?));
    let request = request.json(&body(draft)?).aws(key_id, API_KEY, region, "ses");
    let response = request.send()?;
    if !response.is_success() {
        let code =
            response.header("x-amzn-errortype").map(|code| code.split(':').next().unwrap_or_default().to_owned());
        return Err(fault(&response, code));
    }
    let taken: Taken = response.json()?;
    // SES writes a Message-ID of its own, which differs in one region.
    Ok([format!("{}@{region}.amazonses.com", taken.id), format!("{}@email.amazonses.com", taken.id)].to_vec())
}

/// The region, and who signs requests there.
pub(super) fn account(settings: &Settings) -> Result<(&str, &str), Fault> {
    let unset = |name: &str| Fault::internal(format!("settings.{name} is not set"));
    let region = settings.region.as_deref().ok_or_else(|| unset("region"))?;
    Ok((region, settings.access_key_id.as_deref().ok_or_else(|| unset("access_key_id"))?))
}

fn fault(response: &http::Response, code: Option<String>) -> Fault {
    let account = ["AccountSuspendedException", "SendingPausedException", "MailFromDomainNotVerifiedException"];
    let slow = ["TooManyRequestsException", "LimitExceededException"];
    match code.as_deref() {
        Some(word) if account.contains(&word) => {
            Fault::new(FaultKind::Unauthorized, "the mail provider does not let the account send")
                .because(ReasonCode::Credentials)
                .with_code(word)
        }
        Some(word) if slow.contains(&word) => {
            Fault::rate_limited("the mail provider: too many requests", response.retry_after_ms()).with_code(word)
        }
        _ => super::fault(response, code),
    }
}

/// Tags and configuration set are fields of the letter.
fn body(draft: &Draft) -> Result<Value, Fault> {
    let to: Vec<&str> = draft.to.iter().map(|to| to.address.as_str()).collect();
    let all = draft.envelope()?;
    let others: Vec<&String> = all.iter().filter(|one| !to.contains(&one.as_str())).collect();
    Ok(json!({
        "FromEmailAddress": draft.from.address,
        // The envelope; the head of the letter tells who is a copy and who is blind.
        "Destination": {"ToAddresses": to, "BccAddresses": others},
        "Content": {"Raw": {"Data": crate::compose::base64(&draft.write())}},
    }))
}
