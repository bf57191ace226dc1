//! Amazon S3, where SES leaves mails that are too large for a notification.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>

use omnigate_plugin::prelude::*;

use super::{API_KEY, ses};
use crate::settings::Settings;

/// SHA-256 of nothing: S3 wants to be told what is signed for a body.
const NO_BODY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A mail as it lies there; none if it is larger than the gateway takes in one answer.
///
/// # Errors
/// `unavailable` if another try may help; else `internal`, so that the notification is kept until somebody mends the rights.
pub(super) fn fetch(settings: &Settings, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, Fault> {
    let (region, key_id) = ses::account(settings)?;
    let base = settings.s3_base.clone().unwrap_or_else(|| format!("https://s3.{region}.{}", domain(region)));
    let url = format!("{base}/{}/{}", encoded(bucket), encoded(key));
    let request = http::get(url).header("x-amz-content-sha256", NO_BODY).aws(key_id, API_KEY, region, "s3");
    let response = request.send().map_err(|fault| match fault.kind {
        FaultKind::Unavailable | FaultKind::Uncertain => Fault::unavailable(fault.message),
        _ => Fault::internal(format!("the mail in S3: {}", fault.message)),
    })?;
    match response.status {
        200 if response.truncated => Ok(None),
        200 => Ok(Some(response.body)),
        429 | 500.. => Err(Fault::unavailable("S3 is not available").with_code(response.status)),
        status => {
            let why = format!("S3 answers {status}: the access key needs the right s3:GetObject for the bucket");
            Err(Fault::internal(why).with_code(status))
        }
    }
}

fn domain(region: &str) -> &'static str {
    if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" }
}

/// As signatures want a path: everything but what RFC 3986 reserves for nothing, and slashes.
fn encoded(path: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let encode = |byte: u8| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    path.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_encoded_as_they_are_signed() {
        assert_eq!(encoded("mail/in box/ä+1~._-"), "mail/in%20box/%C3%A4%2B1~._-");
    }
}
