//! What stands on a contact's timeline: a communication for SMS and WhatsApp, an e-mail for e-mail, a note for the rest.

use omnigate_plugin::interaction::{Address, Direction, Interaction, Message};
use omnigate_plugin::{Value, json};

use crate::api::{Api, Properties};
use crate::text::{field, html, line};

/// Kinds of objects, as they stand in addresses.
pub(crate) const KINDS: [&str; 3] = ["communications", "emails", NOTES];
pub(crate) const NOTES: &str = "notes";
const ATTACHMENTS: &str = "hs_attachment_ids";

pub(crate) fn kind(medium: &str) -> &'static str {
    match medium {
        "sms" | "whatsapp" => "communications",
        "email" => "emails",
        _ => NOTES,
    }
}

/// HubSpot documents attachments of e-mails and notes, not of communications.
pub(crate) fn has_attachments(kind: &str) -> bool {
    kind != "communications"
}

/// A message.
pub(crate) fn written(api: &Api, event: &Interaction, contact: &str, files: &[String]) -> Properties {
    let kind = kind(event.medium());
    let mut properties = body(api, kind, event, Some(contact));
    properties.insert(api.key().to_owned(), event.id.as_str().into());
    properties.insert("hs_timestamp".into(), event.data.occurred_at.as_str().into());
    match kind {
        "communications" => {
            let channel = if event.medium() == "sms" { "SMS" } else { "WHATS_APP" };
            properties.insert("hs_communication_channel_type".into(), channel.into());
            properties.insert("hs_communication_logged_from".into(), "CRM".into());
        }
        "emails" => properties.extend(envelope(event)),
        _ => {}
    }
    if !files.is_empty() && has_attachments(kind) {
        properties.insert(ATTACHMENTS.into(), files.join(";").into());
    }
    properties
}

/// The note with the files of a message whose own kind holds none.
pub(crate) fn files_apart(api: &Api, event: &Interaction, files: &[String]) -> Properties {
    let body = format!("Files of a message. {}", html(&way(event)));
    let properties: [(&str, Value); 4] = [
        (api.key(), event.id.as_str().into()),
        ("hs_timestamp", event.data.occurred_at.as_str().into()),
        ("hs_note_body", body.into()),
        (ATTACHMENTS, files.join(";").into()),
    ];
    properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What a status, an edit or a deletion changes of what stands there as `kind`; `None` if HubSpot has no place for it.
pub(crate) fn changed(api: &Api, kind: &str, event: &Interaction) -> Option<Properties> {
    match event.kind.trim_start_matches("omnigate.") {
        "message.edited" => Some(body(api, kind, event, None)),
        "message.deleted" => status(api, kind, "deleted"),
        _ => status(api, kind, event.data.status.as_deref()?),
    }
}

fn status(api: &Api, kind: &str, status: &str) -> Option<Properties> {
    let one = |name: &str, value: &str| Properties::from_iter([(name.to_owned(), Value::from(value))]);
    match (kind, status) {
        ("emails", "queued") => Some(one("hs_email_status", "SENDING")),
        ("emails", "sent" | "delivered" | "read") => Some(one("hs_email_status", "SENT")),
        ("emails", "failed" | "expired") => Some(one("hs_email_status", "FAILED")),
        ("emails", _) => None,
        (_, status) => api.settings.status_property.as_ref().map(|name| one(name, status)),
    }
}

fn body(api: &Api, kind: &str, event: &Interaction, contact: Option<&str>) -> Properties {
    let message = event.data.message.as_ref();
    let text = message.map_or("", |message| &message.text);
    let below = below(api, event, contact);
    let properties = match kind {
        "communications" => vec![("hs_communication_body", field(text, &below).into())],
        "emails" => vec![
            (
                "hs_email_subject",
                line(message.and_then(|message| message.subject.as_deref()).unwrap_or_default()).into(),
            ),
            ("hs_email_html", field(text, &below).into()),
        ],
        _ => vec![("hs_note_body", field(text, &below).into())],
    };
    properties.into_iter().map(|(name, value): (&str, Value)| (name.to_owned(), value)).collect()
}

/// Where it came from and went to, its files, and where to read on.
fn below(api: &Api, event: &Interaction, contact: Option<&str>) -> String {
    let mut lines = vec![html(&way(event))];
    lines.extend(event.file_names().map(|name| format!("File: {}", html(name))));
    lines.extend(link(api, event, contact).map(|link| {
        let link = html(&link);
        format!("<a href=\"{link}\">{link}</a>")
    }));
    format!("<br><br>{}", lines.join("<br>"))
}

/// `Inbound telegram (support-bot), from Ann (12345)`.
fn way(event: &Interaction) -> String {
    line(&event.way())
}

fn link(api: &Api, event: &Interaction, contact: Option<&str>) -> Option<String> {
    let link = api.settings.link.as_ref()?.replace("{conversation_id}", event.conversation().unwrap_or_default());
    Some(link.replace("{contact_id}", contact.unwrap_or_default()))
}

fn envelope(event: &Interaction) -> Vec<(String, Value)> {
    let data = &event.data;
    let (direction, status) = match data.direction {
        Direction::Inbound => ("INCOMING_EMAIL", "SENT"),
        Direction::Outbound => ("EMAIL", "SENDING"),
    };
    let party = |address: &Address| json!({ "email": address.value, "firstName": address.name });
    let headers = json!({ "from": data.from.as_ref().map(party), "to": data.to.iter().map(party).collect::<Vec<_>>() });
    let properties: [(&str, Value); 3] = [
        ("hs_email_direction", direction.into()),
        ("hs_email_status", status.into()),
        ("hs_email_headers", headers.to_string().into()),
    ];
    properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What a ticket is called.
pub(crate) fn title(event: &Interaction, message: Option<&Message>) -> String {
    let subject = message.and_then(|message| message.subject.clone()).filter(|subject| !subject.trim().is_empty());
    let said = message.map(|message| message.text.clone()).filter(|text| !text.trim().is_empty());
    let title = line(&subject.or(said).unwrap_or_default());
    if title.is_empty() { format!("Conversation on {}", event.medium()) } else { title }
}
