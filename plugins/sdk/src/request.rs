use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;

use crate::{Event, Fault, Header, Outcome, Reply, Request};

/// The first header field of that name, whatever its case.
pub fn header<'a>(headers: &'a [Header], name: &str) -> Option<&'a str> {
    headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value.as_str())
}

/// Bytes from hexadecimal digits.
///
/// # Errors
/// `unauthorized`: in a webhook such text is a signature.
pub fn decode_hex(text: &str) -> Result<Vec<u8>, Fault> {
    hex::decode(text).map_err(|_| Fault::unauthorized("the signature is not hexadecimal"))
}

/// Bytes from base64 with padding.
///
/// # Errors
/// `unauthorized`: in a webhook such text is a signature.
pub fn decode_base64(text: &str) -> Result<Vec<u8>, Fault> {
    STANDARD.decode(text).map_err(|_| Fault::unauthorized("the signature is not base64"))
}

impl Request {
    /// The first header field of that name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// The same, refused as `unauthorized` where it is missing: for signatures.
    ///
    /// # Errors
    /// `unauthorized`.
    pub fn signature(&self, name: &str) -> Result<&str, Fault> {
        self.header(name).ok_or_else(|| Fault::unauthorized(format!("header {name} is missing")))
    }

    /// The media type of the body, lower case, without parameters.
    pub fn content_type(&self) -> String {
        let value = self.header("content-type").unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// `invalid`, with the place.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        Ok(serde_json::from_slice(&self.body)?)
    }

    /// The body as a form.
    pub fn form(&self) -> Form<'_> {
        Form::parse(&self.body)
    }

    /// The query as a form.
    pub fn query(&self) -> Form<'_> {
        Form::parse(self.query.as_bytes())
    }
}

/// Decoded pairs of an `application/x-www-form-urlencoded` text, in their order.
#[derive(Clone, Debug)]
pub struct Form<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Form<'a> {
    /// Every text is a form; what is no UTF-8 is replaced.
    pub fn parse(bytes: &'a [u8]) -> Self {
        Self(form_urlencoded::parse(bytes).collect())
    }

    /// The first value of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The first value of that name unless it is empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// All pairs.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }
}

impl Reply {
    /// 200 with nothing.
    pub fn ok() -> Self {
        Self { status: 200, headers: Vec::new(), body: Vec::new() }
    }

    /// A body of a type.
    pub fn body(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }.with_header("content-type", content_type)
    }

    /// With one more header field.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push(Header { name: name.to_owned(), value: value.to_owned() });
        self
    }
}

impl Outcome {
    /// 200 with nothing, after these events are on disk.
    pub fn events(events: Vec<Event>) -> Self {
        Self { reply: Reply::ok(), events }
    }

    /// A reply, and nothing that happened.
    pub fn reply(reply: Reply) -> Self {
        Self { reply, events: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_found_whatever_their_case() {
        let headers = [Header { name: "X-Hub-Signature".into(), value: "v".into() }];
        assert_eq!(header(&headers, "x-hub-signature"), Some("v"));
        assert_eq!(header(&headers, "x-hub"), None);
    }

    #[test]
    fn forms_are_decoded_in_order() {
        let form = Form::parse(b"From=%2B1555&Body=a+b%26c&Body=2&Empty=");
        assert_eq!(form.get("From"), Some("+1555"));
        assert_eq!(form.get("Body"), Some("a b&c"));
        assert_eq!((form.get("Empty"), form.text("Empty")), (Some(""), None));
        assert_eq!(form.pairs().count(), 4);
    }
}
