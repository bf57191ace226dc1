//! Forms with files (`multipart/form-data`, RFC 7578).

use crate::Value;
use crate::entropy;
use crate::http::Request;

const BOUNDARY_BYTES: u32 = 16;

/// A form whose parts go as they are.
#[derive(Debug)]
pub struct Multipart {
    boundary: String,
    body: Vec<u8>,
}

/// A file among the parts of a form.
#[derive(Clone, Copy, Debug)]
pub struct FormFile<'a> {
    /// What the provider is to call it.
    pub name: &'a str,
    /// `type/subtype`.
    pub content_type: &'a str,
    /// Its bytes.
    pub content: &'a [u8],
}

impl Multipart {
    /// An empty form; room is made for `bytes` at once, so that a file is copied once only.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { boundary: hex::encode(entropy::bytes(BOUNDARY_BYTES)), body: Vec::with_capacity(bytes) }
    }

    /// A field.
    #[must_use]
    pub fn text(mut self, name: &str, value: &str) -> Self {
        self.begin(name, "");
        self.end(value.as_bytes())
    }

    /// A field that is JSON, and says so.
    #[must_use]
    pub fn json(mut self, name: &str, value: &Value) -> Self {
        self.begin(name, "\r\ncontent-type: application/json");
        self.end(value.to_string().as_bytes())
    }

    /// A file. Its name and type may come from people: what would end their line is left out.
    #[must_use]
    pub fn file(mut self, name: &str, file: FormFile<'_>) -> Self {
        let more = format!("; filename=\"{}\"\r\ncontent-type: {}", quoted(file.name), plain(file.content_type));
        self.begin(name, &more);
        self.end(file.content)
    }

    /// Puts the form into a request.
    #[must_use]
    pub fn into(mut self, request: Request) -> Request {
        self.body.extend_from_slice(format!("--{}--\r\n", self.boundary).as_bytes());
        let request = request.header("content-type", format!("multipart/form-data; boundary={}", self.boundary));
        Request { body: Some(self.body), ..request }
    }

    fn begin(&mut self, name: &str, more: &str) {
        let name = quoted(name);
        let head = format!("--{}\r\ncontent-disposition: form-data; name=\"{name}\"{more}\r\n\r\n", self.boundary);
        self.body.extend_from_slice(head.as_bytes());
    }

    fn end(mut self, content: &[u8]) -> Self {
        self.body.extend_from_slice(content);
        self.body.extend_from_slice(b"\r\n");
        self
    }
}

/// As browsers do it.
fn quoted(text: &str) -> String {
    plain(text).replace('"', "%22")
}

fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_line() {
        assert_eq!(quoted("a\"b\r\nx: y\".png"), "a%22bx: y%22.png");
        assert_eq!(plain("text/plain\r\nx: y"), "text/plainx: y");
    }
}
