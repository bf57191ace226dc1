//! Files of people: an id, which Meta turns into an address that lives five minutes and wants the same token.

use omnigate_plugin::prelude::*;

use crate::settings::Settings;
use crate::{ACCESS_TOKEN, errors};

#[derive(Deserialize)]
struct File {
    url: String,
}

/// # Errors
/// `not-found` for what is no id, and for files that are gone (after 7 days); else as for sending.
pub(crate) fn locate(settings: &Settings<'_>, reference: &str) -> Result<http::Request, Fault> {
    if is_meta_file(reference) {
        return Ok(download(reference));
    }
    if reference.is_empty()
        || !reference.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    {
        return Err(Fault::not_found("this is no id of a file"));
    }
    let response = http::get(settings.media_url(reference)).bearer(ACCESS_TOKEN).send()?;
    if !response.is_success() {
        return Err(refusal(&response));
    }
    let file: File = response.json()?;
    Ok(download(&file.url))
}

/// Where a webhook gave an address and no id. The token must not go elsewhere.
fn is_meta_file(reference: &str) -> bool {
    let host = reference.strip_prefix("https://").and_then(|rest| rest.split_once('/')).map(|(host, _)| host);
    let is_name = |host: &str| host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    host.is_some_and(|host| is_name(host) && (host.ends_with(".fbsbx.com") || host.ends_with(".whatsapp.net")))
}

fn download(url: &str) -> http::Request {
    // Meta answers requests without a user agent with an error page.
    http::get(url).header("user-agent", "omnigate").bearer(ACCESS_TOKEN)
}

/// A file that is gone is answered like a malformed request.
fn refusal(response: &http::Response) -> Fault {
    let fault = errors::fault(response, 1);
    let is_gone = response.status == 404 || fault.code.as_deref() == Some("100");
    if is_gone { Fault { code: fault.code, ..Fault::not_found("the file is gone") } } else { fault }
}

#[cfg(test)]
mod tests {
    use super::is_meta_file;

    #[test]
    fn token_goes_to_meta_only() {
        assert!(is_meta_file("https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=1"));
        for other in [
            "http://lookaside.fbsbx.com/a",
            "https://fbsbx.com.evil/a",
            "https://lookaside.fbsbx.com@evil.example/a",
            "https://evilfbsbx.com/",
            "1003",
        ] {
            assert!(!is_meta_file(other), "{other}");
        }
    }
}
