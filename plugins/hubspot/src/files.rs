//! Files of messages: uploaded into HubSpot's file manager as private files, to be attached to what stands on the timeline.

use omnigate_plugin::connector::Context;
use omnigate_plugin::interaction::{Interaction, file_name};
use omnigate_plugin::{Fault, FormFile, Multipart, Value, files, json, kv, warn};

use crate::api::{Api, Refused};
use crate::text::line;

/// Files of one message; more of them stay names.
const FILES_MAX: usize = 10;
/// How long it is known what a file is there: an interaction is tried for two days.
const KNOWN_MS: u32 = 4 * 24 * 3_600_000;
/// Of the form, beside the file.
const FORM_BYTES: usize = 4 << 10;

/// The ids in HubSpot of a message's files, uploaded where they are not yet. What cannot be had, is too large, or does not please
/// HubSpot stays a name in the text.
pub(crate) fn upload_all(ctx: &Context, api: &Api, event: &Interaction) -> Result<Vec<String>, Fault> {
    if !api.settings.files {
        return Ok(Vec::new());
    }
    let parts = event.data.message.iter().flat_map(|message| &message.parts);
    let ours = parts.filter_map(|part| Some((ctx.file_id(part["url"].as_str()?)?, part)));
    let ids: Result<Vec<Option<String>>, Fault> =
        ours.take(FILES_MAX).map(|(id, part)| uploaded(api, id, part)).collect();
    Ok(ids?.into_iter().flatten().collect())
}

/// A file that an earlier attempt uploaded is not uploaded again.
fn uploaded(api: &Api, file: &str, part: &Value) -> Result<Option<String>, Fault> {
    let key = format!("file:{file}");
    if let Ok(Some(known)) = kv::get(&key) {
        return Ok(Some(String::from_utf8_lossy(&known.value).into_owned()));
    }
    let url = part["url"].as_str().unwrap_or_default();
    let content = match files::read(url) {
        Ok(content) if content.len() <= api.settings.file_bytes_max => content,
        Ok(_) => return Ok(left_out("it has more than file_bytes_max")),
        Err(why) => return Ok(left_out(&why)),
    };
    let id = match api.upload(form(api, part, &content)) {
        Ok(id) => id,
        Err(Refused::Answer(refusal)) if refusal.is_about_a_file() => return Ok(left_out(&refusal.fault().message)),
        Err(refused) => return Err(refused.into()),
    };
    if kv::put(&key, id.as_bytes(), Some(KNOWN_MS)).is_err() {
        warn("an uploaded file is not remembered: after a crash it may be there twice", &[]);
    }
    Ok(Some(id))
}

fn left_out(why: &str) -> Option<String> {
    warn("a file is not uploaded", &[("why", why)]);
    None
}

/// Where the answer to an upload was lost, HubSpot itself knows the file again, if it can.
fn form(api: &Api, part: &Value, content: &[u8]) -> Multipart {
    let options = json!({
        "access": "PRIVATE",
        "overwrite": false,
        "duplicateValidationStrategy": "RETURN_EXISTING",
        "duplicateValidationScope": "EXACT_FOLDER",
    });
    let content_type = part["content_type"].as_str().unwrap_or("application/octet-stream");
    Multipart::with_capacity(content.len() + FORM_BYTES)
        .text("folderPath", &api.settings.files_folder)
        .text("options", &options.to_string())
        .file("file", FormFile { name: &line(&file_name(part)), content_type, content })
}
