use std::borrow::Cow;

use omnigate_plugin::Form;
use omnigate_plugin::prelude::*;

use crate::mime::Tree;
use crate::read::File;
use crate::text::file_name;

/// Fields and files of a form, whichever way it was posted.
pub(super) enum Fields<'a> {
    Urlencoded(Form<'a>),
    Multipart(Tree<'a>),
}

/// `multipart/form-data` (RFC 7578) is a mail without a head: the head is put before it.
pub(super) fn with_head(request: &Request) -> Vec<u8> {
    let content_type = crate::text::one_line(request.header("content-type").unwrap_or_default());
    let mut raw = format!("Content-Type: {content_type}\r\n\r\n").into_bytes();
    raw.extend_from_slice(&request.body);
    raw
}

impl<'a> Fields<'a> {
    /// `raw` is what `with_head` made of the request.
    pub(super) fn parse(request: &'a Request, raw: &'a [u8]) -> Self {
        match request.content_type().as_str() {
            "multipart/form-data" => Self::Multipart(Tree::parse(raw)),
            _ => Self::Urlencoded(request.form()),
        }
    }

    /// The bytes of a field that is no file.
    pub(super) fn bytes(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        match self {
            Self::Urlencoded(form) => form.get(name).map(|text| text.as_bytes().into()),
            Self::Multipart(tree) => {
                let part = tree.parts.iter().find(|part| part.media.field.as_deref() == Some(name))?;
                Some(tree.body(part).into())
            }
        }
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.bytes(name).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).filter(|text| !text.is_empty())
    }

    /// Files of the fields whose names begin so. `cid` tells the Content-ID that a field has.
    pub(super) fn files(&self, prefix: &str, cid: impl Fn(&str) -> Option<String>) -> Vec<File<'a>> {
        let Self::Multipart(tree) = self else { return Vec::new() };
        let parts = tree.parts.iter().filter_map(|part| Some((part.media.field.as_deref()?, part)));
        let files = parts.filter(|(field, part)| field.starts_with(prefix) && part.media.file_name.is_some());
        files
            .map(|(field, part)| {
                let name = part.media.file_name.as_deref().and_then(file_name).unwrap_or_else(|| field.to_owned());
                File::new(name, part.media.name().to_owned(), cid(field), tree.body(part))
            })
            .collect()
    }
}
