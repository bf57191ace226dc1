//! Files in outbound messages: public https addresses, or files of ours.

use uuid::Uuid;

use super::json::unprocessable;
use crate::edge::Problem;
use crate::interaction::Part;
use crate::media::{Media, State};

/// Checks addresses. A file of ours keeps its plain address, and what is known of it fills what was not said.
///
/// # Errors
/// 422 for other addresses, and for files of ours that are not there.
pub(super) async fn check(media: &Media, parts: &mut [Part]) -> Result<(), Problem> {
    for (index, part) in parts.iter_mut().enumerate() {
        check_part(media, part, &format!("message.parts[{index}].url")).await?;
    }
    Ok(())
}

async fn check_part(media: &Media, part: &mut Part, path: &str) -> Result<(), Problem> {
    let Part::Media { url, content_type, name, bytes, .. } = part else { return Ok(()) };
    let Some(id) = media.links().id_in(url) else { return check_foreign(url, path) };
    let stored = own(media, id, path).await?;
    *url = media.links().plain(id);
    *content_type = Some(stored.content_type);
    *bytes = Some(stored.bytes);
    if name.is_none() {
        *name = stored.name;
    }
    Ok(())
}

fn check_foreign(url: &str, path: &str) -> Result<(), Problem> {
    const LENGTH_MAX: usize = 2048;
    let parsed = url::Url::parse(url).ok().filter(|_| url.len() <= LENGTH_MAX);
    let plain = |url: &url::Url| url.scheme() == "https" && url.username().is_empty() && url.password().is_none();
    if parsed.as_ref().is_some_and(plain) {
        return Ok(());
    }
    let rule = "must be an https address without user and password, of at most 2048 bytes, or a file of POST /v1/media";
    Err(unprocessable(format!("{path}: {rule}"), path))
}

/// What is known of a file of ours.
struct Own {
    content_type: String,
    bytes: u64,
    name: Option<String>,
}

async fn own(media: &Media, id: Uuid, path: &str) -> Result<Own, Problem> {
    let entry = media.entry(id).await?;
    let missing = || unprocessable(format!("{path}: there is no stored file {id}"), path);
    let entry = entry.ok_or_else(missing)?;
    match entry.state {
        State::Stored(stored) => {
            Ok(Own { content_type: stored.content_type, bytes: stored.bytes, name: entry.announced.name })
        }
        State::Pending | State::Failed { .. } => Err(missing()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_files_are_behind_https() {
        assert!(check_foreign("https://files.example/a.png?x=1", "p").is_ok());
        let long = format!("https://files.example/{}", "a".repeat(2048));
        for bad in [
            "",
            "a.png",
            "http://files.example/a",
            "file:///etc/passwd",
            "https://u:p@files.example/",
            "data:,x",
            &long,
        ] {
            let problem = check_foreign(bad, "message.parts[0].url").unwrap_err();
            assert!(problem.detail().starts_with("message.parts[0].url: must be an https address"), "{bad}");
        }
    }
}
