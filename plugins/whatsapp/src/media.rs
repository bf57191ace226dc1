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
    if reference.starts_with("https://") {
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
