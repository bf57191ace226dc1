//! Postmark: <https://postmarkapp.com/developer/webhooks/inbound-webhook>

use omnigate_plugin::prelude::*;
use omnigate_plugin::{decode_base64, serde_json};

use super::{API_KEY, TAG_ID, TAG_TO};
use crate::bounce::{Fate, Kind};
use crate::compose::{Draft, Enclosure};
use crate::mime::{Address, Headers};
use crate::read::{File, Mail};
use crate::settings::Settings;
use crate::text::file_name;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Webhook {
    record_type: Option<String>,
    #[serde(rename = "MessageID")]
    message_id: Option<String>,
    raw_email: Option<String>,
    original_recipient: Option<String>,
    from_full: Option<Person>,
    #[serde(default)]
    to_full: Vec<Person>,
    #[serde(default)]
    cc_full: Vec<Person>,
    subject: Option<String>,
    reply_to: Option<String>,
    date: Option<String>,
    #[serde(default)]
    text_body: String,
    html_body: Option<String>,
    #[serde(default)]
    headers: Vec<Pair>,
    #[serde(default)]
    attachments: Vec<Attachment>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Person {
    email: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Pair {
    name: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attachment {
    name: String,
    content: String,
    content_type: String,
    #[serde(rename = "ContentID")]
    content_id: Option<String>,
}

/// Signed by nothing: the password in the webhook's address proves who calls.
pub(super) fn handle(settings: &Settings, request: &Request) -> Result<Outcome, Fault> {
    super::check_password(request)?;
    let webhook: Webhook = request.json()?;
    match webhook.record_type.as_deref() {
        Some("Inbound") | None if webhook.from_full.is_some() => received(settings, &webhook),
        Some(_) => Ok(Outcome::events(event(&request.json()?).into_iter().collect())),
        None => Ok(super::unsupported(request, "a webhook of another kind")),
    }
}

fn received(settings: &Settings, webhook: &Webhook) -> Result<Outcome, Fault> {
    let id = webhook.message_id.as_deref().unwrap_or("postmark");
    let recipients: Vec<String> = webhook.original_recipient.iter().cloned().collect();
    if let Some(raw) = &webhook.raw_email {
        return super::received(settings, &Mail::read(raw.as_bytes()), id, Some(raw.as_bytes()), &recipients);
    }
    let head = head(webhook);
    let html = webhook.html_body.clone().filter(|html| !html.is_empty());
    let mail = Mail::of(Headers::of_block(&head), webhook.text_body.clone(), html, files(&webhook.attachments)?);
    super::received(settings, &mail, id, None, &recipients)
}

/// Fields that have a place of their own are not among the others.
fn head(webhook: &Webhook) -> Vec<u8> {
    let people = |list: &[Person]| list.iter().map(person).collect::<Vec<_>>().join(", ");
    let own = [
        ("From", webhook.from_full.as_ref().map(person).unwrap_or_default()),
        ("To", people(&webhook.to_full)),
        ("Cc", people(&webhook.cc_full)),
        ("Reply-To", webhook.reply_to.clone().unwrap_or_default()),
        ("Subject", webhook.subject.clone().unwrap_or_default()),
        ("Date", webhook.date.clone().unwrap_or_default()),
    ];
    let others = webhook.headers.iter().map(|pair| (pair.name.as_str(), pair.value.clone()));
    let lines = own.into_iter().chain(others).filter(|(_, value)| !value.is_empty());
    lines
        .map(|(name, value)| format!("{}: {}\r\n", name.trim(), value.replace(['\r', '\n'], " ")))
        .collect::<String>()
        .into_bytes()
}

fn person(one: &Person) -> String {
    let name = one.name.replace(['"', '\\'], "");
    if name.is_empty() { one.email.clone() } else { format!("\"{name}\" <{}>", one.email) }
}

fn files(attachments: &[Attachment]) -> Result<Vec<File<'static>>, Fault> {
    attachments
        .iter()
        .map(|one| {
            let content = decode_base64(&one.content).map_err(|_| Fault::invalid("an attachment is no base64"))?;
            let name = file_name(&one.name).unwrap_or_else(|| "file".to_owned());
            let cid = one
                .content_id
                .as_deref()
                .map(|cid| cid.trim_matches(['<', '>']).to_owned())
                .filter(|cid| !cid.is_empty());
            Ok(File::new(name, one.content_type.to_ascii_lowercase(), cid, content))
        })
        .collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Report {
    record_type: String,
    #[serde(rename = "Type")]
    kind: Option<String>,
    email: Option<String>,
    recipient: Option<String>,
    description: Option<String>,
    details: Option<String>,
    suppress_sending: Option<bool>,
    #[serde(default)]
    metadata: serde_json::Map<String, Value>,
}

fn event(report: &Report) -> Option<Event> {
    let kind = kind(report)?;
    let text = match kind {
        Kind::Complaint => report.record_type.clone(),
        _ => format!(
            "{} {}",
            report.details.as_deref().unwrap_or_default(),
            report.description.as_deref().unwrap_or_default()
        ),
    };
    let code = match report.kind.as_deref() {
        Some("HardBounce" | "BadEmailAddress") => Some("5.1.1".to_owned()),
        _ => None,
    };
    let fate =
        Fate { recipient: report.email.clone().or_else(|| report.recipient.clone()), kind, code, text, at: None };
    let tag = |name: &str| report.metadata.get(name).and_then(Value::as_str);
    super::receipt(tag(TAG_ID), tag(TAG_TO), fate)
}

/// An automatic answer is reported as a bounce and is none.
fn kind(report: &Report) -> Option<Kind> {
    match (report.record_type.as_str(), report.kind.as_deref()) {
        ("Delivery", _) => Some(Kind::Delivered),
        ("Bounce", Some("AutoResponder" | "Subscribe" | "OpenRelayTest" | "ChallengeVerification")) => None,
        ("Bounce", Some("Transient" | "DnsError")) => Some(Kind::Delayed),
        ("Bounce", Some("Unsubscribe")) | ("SpamComplaint", _) => Some(Kind::Complaint),
        ("Bounce", _) => Some(Kind::Failed),
        ("SubscriptionChange", _) if report.suppress_sending == Some(true) => Some(Kind::Complaint),
        _ => None,
    }
}

pub(super) fn send(settings: &Settings, message: &Outbound, draft: &Draft) -> Result<Vec<String>, Fault> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(rename = "MessageID")]
        id: Option<String>,
        #[serde(rename = "ErrorCode")]
        code: u32,
    }
    let token =
        http::Named { name: "X-Postmark-Server-Token".to_owned(), prefix: String::new(), slot: API_KEY.to_owned() };
    let url = format!("{}/email", settings.base()?);
    let mut request = http::post(url).header("accept", "application/json").json(&body(settings, message, draft));
    request.credentials.push(http::Credential::Header(token));
    let response = request.send()?;
    let answer: Option<Answer> = serde_json::from_slice(&response.body).ok();
    match answer {
        Some(Answer { code: 0, id }) if response.is_success() => {
            Ok(id.map(|id| format!("{id}@mtasv.net")).into_iter().collect())
        }
        Some(Answer { code, .. }) if response.status < 500 => Err(fault(&response, code)),
        _ => Err(super::fault(&response, None)),
    }
}

/// The codes tell more than the status, which is 422 for most: <https://postmarkapp.com/developer/api/overview#error-codes>
fn fault(response: &http::Response, code: u32) -> Fault {
    let fault = match code {
        10 | 400 | 401 | 402 | 405 | 412 => {
            Fault::new(FaultKind::Unauthorized, "the mail provider refuses the account or the sender")
                .because(ReasonCode::Credentials)
        }
        406 => Fault::rejected(ReasonCode::OptedOut, "the mail provider holds mail for this recipient back"),
        300 => Fault::rejected(ReasonCode::Rejected, "the mail provider refuses the message"),
        _ => return super::fault(response, Some(code.to_string())),
    };
    fault.with_code(code)
}

fn body(settings: &Settings, message: &Outbound, draft: &Draft) -> Value {
    let list = |people: &[Address]| people.iter().map(address).collect::<Vec<_>>().join(", ");
    let own = [("Message-ID", format!("<{}>", draft.message_id)), ("X-PM-KeepID", "true".to_owned())];
    let headers = draft.fields.clone().into_iter().chain(own);
    let main = draft.to.first().map(|to| to.address.as_str()).unwrap_or_default();
    let mut body = json!({
        "From": address(&draft.from),
        "To": list(&draft.to),
        "Subject": draft.subject,
        "TextBody": draft.body.text,
        "Headers": headers.map(|(name, value)| json!({"Name": name, "Value": value})).collect::<Vec<_>>(),
        "Metadata": {TAG_ID: message.id, TAG_TO: main},
        "MessageStream": settings.message_stream.as_deref().unwrap_or("outbound"),
    });
    let optional = [
        ("Cc", Some(list(&draft.cc)).filter(|list| !list.is_empty())),
        ("Bcc", Some(list(&draft.bcc)).filter(|list| !list.is_empty())),
        ("HtmlBody", draft.body.html.clone()),
        ("ReplyTo", draft.reply_to.as_ref().map(address)),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            body[name] = value.into();
        }
    }
    if !draft.body.files.is_empty() {
        body["Attachments"] = draft.body.files.iter().map(file).collect();
    }
    body
}

fn address(one: &Address) -> String {
    let name = one.name.as_deref().unwrap_or_default().replace(['"', '\\'], "");
    if name.is_empty() { one.address.clone() } else { format!("\"{name}\" <{}>", one.address) }
}

fn file(file: &Enclosure) -> Value {
    let mut shown = json!({"Name": file.name, "Content": file.base64(), "ContentType": file.content_type});
    if let Some(cid) = &file.cid {
        shown["ContentID"] = format!("cid:{cid}").into();
    }
    shown
}
