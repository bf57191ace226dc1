//! SendGrid: <https://www.twilio.com/docs/sendgrid/for-developers/parsing-email/setting-up-the-inbound-parse-webhook>

use omnigate_plugin::prelude::*;
use omnigate_plugin::{decode_base64, serde_json};

use super::form::{self, Fields};
use super::{API_KEY, TAG_ID, TAG_TO, WEBHOOK_KEY};
use crate::bounce::{Fate, Kind};
use crate::compose::{Draft, Enclosure};
use crate::mime::{Address, Headers, to_text};
use crate::read::Mail;
use crate::settings::Settings;

pub(super) fn handle(settings: &Settings, request: &Request) -> Result<Outcome, Fault> {
    check(request)?;
    match request.content_type().as_str() {
        "application/json" => events(request),
        "multipart/form-data" => parsed(settings, request),
        _ => Ok(super::unsupported(request, "a webhook of another kind")),
    }
}

/// A signature where the webhook is signed, else the password in its address.
fn check(request: &Request) -> Result<(), Fault> {
    const HEADER: &str = "x-twilio-email-event-webhook-signature";
    if request.header(HEADER).is_none() && secrets::is_set(super::WEBHOOK_PASSWORD) {
        return super::check_password(request);
    }
    let signature = decode_base64(request.signature(HEADER)?)?;
    let timestamp = request.signature("x-twilio-email-event-webhook-timestamp")?;
    let signed = [timestamp.as_bytes(), &request.body].concat();
    secrets::verify(WEBHOOK_KEY, secrets::Algorithm::EcdsaP256, &signed, &signature)
}

/// As a whole under `email`, or in pieces.
fn parsed(settings: &Settings, request: &Request) -> Result<Outcome, Fault> {
    let raw = form::with_head(request);
    let fields = Fields::parse(request, &raw);
    let recipients = fields.text("envelope").map(|json| envelope(&json)).unwrap_or_default();
    if let Some(mime) = fields.bytes("email") {
        return super::received(settings, &Mail::read(&mime), "sendgrid", Some(&mime), &recipients);
    }
    let Some(head) = fields.bytes("headers") else {
        return Ok(super::unsupported(request, "a webhook without a mail"));
    };
    let charsets: serde_json::Map<String, Value> = object(&fields, "charsets");
    let text = |name: &str| fields.bytes(name).map(|bytes| to_text(charsets.get(name).and_then(Value::as_str), &bytes));
    let cids = object(&fields, "content-ids");
    let cid = |field: &str| cids.iter().find(|(_, known)| *known == field).map(|(cid, _)| cid.clone());
    let files = fields.files("attachment", cid);
    let mail = Mail::of(
        Headers::of_block(&head),
        text("text").unwrap_or_default(),
        text("html").filter(|html| !html.is_empty()),
        files,
    );
    super::received(settings, &mail, "sendgrid", None, &recipients)
}

fn object(fields: &Fields<'_>, name: &str) -> serde_json::Map<String, Value> {
    fields.text(name).and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default()
}

fn envelope(json: &str) -> Vec<String> {
    #[derive(Deserialize)]
    struct Envelope {
        to: Vec<String>,
    }
    serde_json::from_str(json).map(|Envelope { to }| to).unwrap_or_default()
}

#[derive(Deserialize)]
struct Report {
    event: String,
    email: Option<String>,
    /// Seconds since 1970.
    timestamp: Option<f64>,
    #[serde(rename = "type")]
    kind: Option<String>,
    status: Option<String>,
    reason: Option<String>,
    response: Option<String>,
    omnigate_id: Option<String>,
    omnigate_to: Option<String>,
}

fn events(request: &Request) -> Result<Outcome, Fault> {
    let reports: Vec<Report> = request.json()?;
    Ok(Outcome::events(reports.into_iter().filter_map(event).collect()))
}

fn event(report: Report) -> Option<Event> {
    let kind = kind(&report)?;
    let words = report.reason.as_deref().or(report.response.as_deref()).unwrap_or_default().to_owned();
    let fate = Fate {
        recipient: report.email,
        kind,
        code: report.status.filter(|status| !status.is_empty()),
        text: if kind == Kind::Complaint { report.event } else { words },
        at: report.timestamp.map(|at| at * 1000.0),
    };
    super::receipt(report.omnigate_id.as_deref(), report.omnigate_to.as_deref(), fate)
}

/// A blocked message will not be tried again, although another one may pass.
fn kind(report: &Report) -> Option<Kind> {
    match report.event.as_str() {
        "delivered" => Some(Kind::Delivered),
        "deferred" => Some(Kind::Delayed),
        "bounce" | "dropped" => Some(Kind::Failed),
        "spamreport" | "unsubscribe" | "group_unsubscribe" => Some(Kind::Complaint),
        _ if report.kind.as_deref() == Some("blocked") => Some(Kind::Failed),
        _ => None,
    }
}

pub(super) fn send(settings: &Settings, message: &Outbound, draft: &Draft) -> Result<Vec<String>, Fault> {
    let url = format!("{}/v3/mail/send", settings.base()?);
    let response = http::post(url).bearer(API_KEY).json(&body(message, draft)).send()?;
    if !response.is_success() {
        return Err(super::fault(&response, None));
    }
    Ok(response.header("x-message-id").map(str::to_owned).into_iter().collect())
}

fn body(message: &Outbound, draft: &Draft) -> Value {
    let mut headers: serde_json::Map<String, Value> =
        draft.fields.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())).collect();
    headers.insert("Message-ID".to_owned(), format!("<{}>", draft.message_id).into());
    let main = draft.to.first().map(|to| to.address.as_str()).unwrap_or_default();
    let mut people = json!({"to": list(&draft.to), "custom_args": {TAG_ID: message.id, TAG_TO: main}});
    for (name, copies) in [("cc", &draft.cc), ("bcc", &draft.bcc)] {
        if !copies.is_empty() {
            people[name] = list(copies);
        }
    }
    // Neither field may be empty there.
    let text = if draft.body.text.is_empty() { " " } else { &draft.body.text };
    let mut body = json!({
        "personalizations": [people],
        "from": person(&draft.from),
        "subject": draft.subject,
        "content": [{"type": "text/plain", "value": text}],
        "headers": headers,
    });
    if let (Some(html), Some(content)) = (&draft.body.html, body["content"].as_array_mut()) {
        content.push(json!({"type": "text/html", "value": html}));
    }
    if let Some(reply_to) = &draft.reply_to {
        body["reply_to"] = person(reply_to);
    }
    if !draft.body.files.is_empty() {
        body["attachments"] = draft.body.files.iter().map(file).collect();
    }
    body
}

fn list(people: &[Address]) -> Value {
    people.iter().map(person).collect()
}

fn person(one: &Address) -> Value {
    match &one.name {
        Some(name) => json!({"email": one.address, "name": name}),
        None => json!({"email": one.address}),
    }
}

fn file(file: &Enclosure) -> Value {
    let mut shown = json!({"content": file.base64(), "filename": file.name, "type": file.content_type, "disposition": "attachment"});
    if let Some(cid) = &file.cid {
        shown["disposition"] = "inline".into();
        shown["content_id"] = cid.as_str().into();
    }
    shown
}
