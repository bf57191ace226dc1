//! Files of messages: published as files of the task that tells of the message.

use std::collections::BTreeSet;

use omnigate_plugin::connector::Context;
use omnigate_plugin::interaction::{Interaction, file_name};
use omnigate_plugin::{Fault, FormFile, Multipart, Value, files, json, warn};

use crate::api::{Api, text};
use crate::refusal::Meaning;
use crate::soql::selects;
use crate::text::line;

pub(crate) const FILE: &str = "ContentVersion";
/// Files of one message; more of them stay names.
const FILES_MAX: usize = 10;
/// Of the form, beside the file.
const FORM_BYTES: usize = 4 << 10;
const NAME_MAX: usize = 255;

/// A file of a message that the gateway has.
pub(crate) struct File {
    /// Our id of it.
    pub(crate) key: String,
    part: Value,
}

/// The files of a message, except for those that are elsewhere.
pub(crate) fn of(ctx: &Context, event: &Interaction) -> Vec<File> {
    let parts = event.data.message.iter().flat_map(|message| &message.parts);
    let ours = parts.filter_map(|part| Some((ctx.file_id(part["url"].as_str()?)?, part)));
    let file = |(id, part): (&str, &Value)| File { key: format!("{}/{id}", event.id), part: part.clone() };
    ours.take(FILES_MAX).map(file).collect()
}

/// Those that an earlier attempt left there.
pub(crate) fn there(api: &Api, keys: impl Iterator<Item = String>) -> Result<BTreeSet<String>, Fault> {
    let records = api.query(&selects(&format!("Id,{}", api.key()), FILE, api.key(), keys))?;
    Ok(records.iter().filter_map(|record| text(record, api.key())).map(str::to_owned).collect())
}

/// What cannot be had, is too large, or does not please Salesforce stays a name in the text.
pub(crate) fn publish(api: &Api, file: &File, task: &str) -> Result<(), Fault> {
    let content = match files::read(file.part["url"].as_str().unwrap_or_default()) {
        Ok(content) if content.len() <= api.settings.file_bytes_max => content,
        Ok(_) => return left_out("it has more than file_bytes_max"),
        Err(why) => return left_out(&why),
    };
    match api.insert_file(form(api, file, task, &content))? {
        Ok(_) => Ok(()),
        Err(refusal) if matches!(refusal.meaning(), Meaning::Busy | Meaning::Locked) => Err(refusal.fault()),
        Err(refusal) => left_out(&refusal.fault().message),
    }
}

fn left_out(why: &str) -> Result<(), Fault> {
    warn("a file is not uploaded", &[("why", why)]);
    Ok(())
}

fn form(api: &Api, file: &File, task: &str, content: &[u8]) -> Multipart {
    let name = line(&file_name(&file.part), NAME_MAX);
    let fields = json!({
        "Title": name,
        "PathOnClient": name,
        "FirstPublishLocationId": task,
        api.key(): file.key,
    });
    let content_type = file.part["content_type"].as_str().unwrap_or("application/octet-stream");
    Multipart::with_capacity(content.len() + FORM_BYTES)
        .json("entity_content", &fields)
        .file("VersionData", FormFile { name: &name, content_type, content })
}
