//! From a mail's parts to what a person reads: text, HTML, files, invitations.

mod bodies;
mod calendar;
mod tnef;

use std::borrow::Cow;
use std::ops::Range;
use std::rc::Rc;

use crate::html;
use crate::mime::{Headers, Tree, decode_transfer, to_text};

pub(crate) use calendar::Invitation;

/// Of one mail, in bytes of UTF-8.
pub(crate) const TEXT_MAX: usize = 512 << 10;

/// A mail as its reader sees it, wherever it came from.
#[derive(Default)]
pub(crate) struct Mail<'a> {
    pub(crate) headers: Headers<'a>,
    /// Plain text; empty if there is HTML only.
    pub(crate) text: String,
    /// As it was sent: nothing for eyes that trust.
    pub(crate) html: Option<String>,
    pub(crate) files: Vec<File<'a>>,
    pub(crate) invitations: Vec<Invitation>,
    /// Mails that are enclosed.
    pub(crate) enclosed: Vec<Enclosed>,
    /// The parts of a `multipart/report` that machines read: media type and text.
    pub(crate) report: Vec<(String, String)>,
    /// What kind of report it says it is.
    pub(crate) report_type: Option<String>,
    /// `smime` or `pgp`.
    pub(crate) signed: Option<&'static str>,
    pub(crate) encrypted: Option<&'static str>,
    /// What was not read: `depth`, `parts`, `text`, `files`.
    pub(crate) limit: Option<&'static str>,
}

/// A file that the mail brings.
pub(crate) struct File<'a> {
    pub(crate) name: String,
    pub(crate) content_type: String,
    /// Content-ID, without brackets.
    pub(crate) cid: Option<String>,
    content: Content<'a>,
}

enum Content<'a> {
    Encoded {
        encoding: String,
        bytes: &'a [u8],
    },
    Plain(Cow<'a, [u8]>),
    /// A part of bytes that others have parts of, too.
    Shared(Rc<Vec<u8>>, Range<usize>),
}

impl<'a> File<'a> {
    pub(crate) fn new(
        name: String,
        content_type: String,
        cid: Option<String>,
        content: impl Into<Cow<'a, [u8]>>,
    ) -> Self {
        Self { name, content_type, cid, content: Content::Plain(content.into()) }
    }

    /// Decoded when it is asked for: one large file at a time is in memory twice.
    pub(crate) fn content(&self) -> Cow<'_, [u8]> {
        match &self.content {
            Content::Encoded { encoding, bytes } => decode_transfer(encoding, bytes),
            Content::Plain(bytes) => Cow::Borrowed(bytes),
            Content::Shared(bytes, range) => Cow::Borrowed(&bytes[range.clone()]),
        }
    }
}

/// The head of a mail that is enclosed.
pub(crate) struct Enclosed {
    pub(crate) subject: Option<String>,
    pub(crate) from: Option<String>,
    /// Milliseconds since 1970.
    pub(crate) date: Option<i64>,
    pub(crate) message_id: Option<String>,
}

impl<'a> Mail<'a> {
    /// Every text is a mail.
    pub(crate) fn read(raw: &'a [u8]) -> Self {
        let tree = Tree::parse(raw);
        bodies::read(tree)
    }

    /// From the pieces that a provider hands over.
    pub(crate) fn of(headers: Headers<'a>, text: String, html: Option<String>, files: Vec<File<'a>>) -> Self {
        let is_long = text.len() > TEXT_MAX;
        let text = text[..text.floor_char_boundary(TEXT_MAX)].to_owned();
        let calendars =
            files.iter().filter(|file| matches!(file.content_type.as_str(), "text/calendar" | "application/ics"));
        let invitations =
            calendars.filter_map(|file| calendar::invitation(&to_text(None, &file.content()), None)).collect();
        Self {
            headers,
            text: crate::text::clean(&text),
            html,
            invitations,
            files,
            limit: is_long.then_some("text"),
            ..Self::default()
        }
    }

    /// What the HTML says and may show; `None` if there is none.
    pub(crate) fn rendered(&self) -> Option<html::Rendered> {
        self.html.as_deref().map(html::render)
    }
}

#[cfg(test)]
mod tests;
