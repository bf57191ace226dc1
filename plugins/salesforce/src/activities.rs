//! What stands on a contact's timeline: a task for every message, done when it was said.

use omnigate_plugin::Value;
use omnigate_plugin::interaction::{Interaction, Message};

use crate::api::{Api, Fields, fields};
use crate::text::{field, line};

pub(crate) const TASK: &str = "Task";
/// The icon of the timeline. It is set once and never changed.
pub(crate) const SUBTYPE: &str = "TaskSubtype";
const SUBJECT_MAX: usize = 255;
/// Text fields that an operator made.
const OWN_MAX: usize = 255;
/// Files that are named.
const FILES_MAX: usize = 20;

/// A message; `case` is what else it belongs to.
pub(crate) fn written(api: &Api, event: &Interaction, contact: &str, case: Option<&str>, ours: &str) -> Fields {
    let data = &event.data;
    let mut task = fields([
        (api.key(), event.id.as_str().into()),
        ("WhoId", contact.into()),
        ("Status", api.settings.task_status.as_str().into()),
        ("ActivityDate", data.occurred_at.chars().take("2026-05-02".len()).collect::<String>().into()),
    ]);
    task.extend(said(api, event, Some(ours)));
    task.extend(case.map(|case| ("WhatId".to_owned(), case.into())));
    if event.medium() == "email" {
        task.insert(SUBTYPE.into(), "Email".into());
    }
    let channel = data.channel.as_ref().map_or("", |channel| &channel.name);
    let own = [
        (&api.settings.time_field, data.occurred_at.clone()),
        (&api.settings.channel_field, line(channel, OWN_MAX)),
        (&api.settings.direction_field, data.direction.word().to_owned()),
    ];
    task.extend(own.into_iter().filter_map(|(name, value)| Some((name.clone()?, value.into()))));
    task
}

/// What a status, an edit or a deletion changes; `None` if Salesforce has no place for it.
pub(crate) fn changed(api: &Api, event: &Interaction) -> Option<Fields> {
    let status = |status: &str| api.settings.status_field.as_deref().map(|name| fields([(name, status.into())]));
    match event.kind.trim_start_matches("omnigate.") {
        "message.edited" => Some(said(api, event, None)),
        "message.deleted" => status("deleted"),
        _ => status(event.data.status.as_deref()?),
    }
}

fn said(api: &Api, event: &Interaction, ours: Option<&str>) -> Fields {
    let text = event.data.message.as_ref().map_or("", |message| &message.text);
    fields([("Subject", subject(event).into()), ("Description", field(text, &below(api, event, ours)).into())])
}

/// `Inbound sms: Is it open?`
fn subject(event: &Interaction) -> String {
    let title = title(event.data.message.as_ref());
    let way = format!("{} {}", event.data.direction.word(), event.medium());
    if title.is_empty() { line(&way, SUBJECT_MAX) } else { line(&format!("{way}: {title}"), SUBJECT_MAX) }
}

/// How it went, its files, and where to read on.
fn below(api: &Api, event: &Interaction, ours: Option<&str>) -> String {
    let mut lines = vec![line(&format!("{}, {}", event.way(), event.data.occurred_at), OWN_MAX)];
    lines.extend(event.file_names().take(FILES_MAX).map(|name| format!("File: {}", line(name, OWN_MAX))));
    let conversation = event.conversation().unwrap_or_default();
    let link = api.settings.link.as_ref().map(|link| link.replace("{conversation_id}", conversation));
    lines.extend(link.map(|link| link.replace("{contact_id}", ours.unwrap_or_default())));
    format!("\n\n{}", lines.join("\n"))
}

/// What a message is about, in one line: its subject, or how it begins.
pub(crate) fn title(message: Option<&Message>) -> String {
    let subject = message.and_then(|message| message.subject.as_deref()).filter(|subject| !subject.trim().is_empty());
    line(subject.or(message.map(|message| message.text.as_str())).unwrap_or_default(), SUBJECT_MAX)
}

/// The id of what is to be changed, and what.
pub(crate) fn change_of(api: &Api, event: &Interaction, id: &str) -> Option<Fields> {
    let mut task = changed(api, event)?;
    task.insert("id".into(), Value::from(id));
    Some(task)
}
