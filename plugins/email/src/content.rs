//! What a person wrote, in the gateway's parts.

use omnigate_plugin::Extension;
use omnigate_plugin::prelude::*;
use omnigate_plugin::serde_json;

use crate::host::Host;
use crate::html::Rendered;
use crate::mime::Headers;
use crate::quote::{self, Split};
use crate::read::{Enclosed, File, Mail};
use crate::subject;

/// Files of one mail: the gateway takes a hundred parts.
const FILES_MAX: usize = 80;
const EXTENSIONS_MAX: usize = 8;
/// Of one text, in bytes: marks and escapes may make more of it than came.
const WRITTEN_MAX: usize = 1 << 20;

pub(crate) struct Written {
    pub(crate) content: Content,
    /// Content-ID, and the place of the file among the parts.
    pub(crate) inline: Vec<(String, usize)>,
    /// Name, and why it was not kept.
    pub(crate) refused: Vec<(String, String)>,
    /// What was not read.
    pub(crate) limit: Option<&'static str>,
}

impl Written {
    /// Keeps the files at the gateway. Where a limit leaves something out, the mail itself is kept as a file.
    pub(crate) fn of(host: &dyn Host, mail: &Mail<'_>, raw: Option<&[u8]>) -> Self {
        let page = mail.rendered();
        let (text, quoted, is_cut) = text(mail, page.as_ref());
        let mut written = Self {
            content: Content {
                subject: mail.headers.text("subject"),
                parts: text.into_iter().collect(),
                quoted_text: quoted,
            },
            inline: Vec::new(),
            refused: Vec::new(),
            limit: mail.limit.or(is_cut.then_some("text")),
        };
        written.extensions(mail);
        let cids = page.map(|page| page.cids).unwrap_or_default();
        written.files(host, &mail.files, &cids);
        written.whole(host, raw);
        if written.content.parts.is_empty() {
            written.content.parts.push(Part::plain(""));
        }
        written
    }

    fn extensions(&mut self, mail: &Mail<'_>) {
        let invitations =
            mail.invitations.iter().filter_map(|one| extension("calendar", serde_json::to_value(one).ok()?));
        let enclosed = mail.enclosed.iter().filter_map(|one| extension("forwarded", forwarded(one)));
        self.content.parts.extend(invitations.chain(enclosed).take(EXTENSIONS_MAX));
    }

    fn files(&mut self, host: &dyn Host, files: &[File<'_>], cids: &[String]) {
        if files.len() > FILES_MAX {
            self.limit = Some("files");
        }
        for file in files.iter().take(FILES_MAX) {
            let place = self.content.parts.len();
            let kept = self.file(host, &file.name, &file.content_type, &file.content());
            let cid = file.cid.as_ref().filter(|cid| kept && cids.contains(cid));
            self.inline.extend(cid.map(|cid| (cid.clone(), place)));
        }
    }

    fn whole(&mut self, host: &dyn Host, raw: Option<&[u8]>) {
        if let Some(raw) = raw.filter(|_| self.limit.is_some()) {
            self.file(host, "message.eml", "message/rfc822", raw);
        }
    }

    /// A file that the gateway refuses does not hold the message back.
    fn file(&mut self, host: &dyn Host, name: &str, content_type: &str, content: &[u8]) -> bool {
        let bytes = u32::try_from(content.len()).ok();
        match host.keep(name, content_type, content) {
            Ok(id) => {
                self.content.parts.push(Part::Media(media(name, content_type, bytes, id)));
                true
            }
            Err(why) => {
                self.refused.push((name.to_owned(), why));
                false
            }
        }
    }
}

/// What is new, what it answers, and whether anything was left out.
fn text(mail: &Mail<'_>, page: Option<&Rendered>) -> (Option<Part>, Option<String>, bool) {
    let mut split = split(mail, page);
    let html = page.map(|page| html(page, &split)).filter(|html| !html.is_empty());
    let is_long = html.as_ref().is_some_and(|html| html.len() > WRITTEN_MAX);
    let html = html.filter(|html| html.len() <= WRITTEN_MAX);
    let is_cut = is_long | cut(&mut split.new) | split.quoted.as_mut().is_some_and(cut);
    let text = (!split.new.is_empty() || html.is_some()).then_some(Part::Text(RichText { text: split.new, html }));
    (text, split.quoted, is_cut)
}

fn cut(text: &mut String) -> bool {
    let is_long = text.len() > WRITTEN_MAX;
    text.truncate(text.floor_char_boundary(WRITTEN_MAX));
    is_long
}

/// What is new. Where that is nothing, and nothing is answered, the old is what the mail brings.
fn split(mail: &Mail<'_>, page: Option<&Rendered>) -> Split {
    let split = apart(mail, page);
    match split.quoted {
        Some(quoted) if split.new.is_empty() && !is_answer(&mail.headers) => {
            Split { new: quoted, quoted: None, is_below: false }
        }
        quoted => Split { quoted, ..split },
    }
}

fn is_answer(headers: &Headers<'_>) -> bool {
    let subject = headers.text("subject").unwrap_or_default();
    let says_so = headers.has("in-reply-to") || headers.has("references") || subject::is_answer(&subject);
    says_so && !subject::is_forward(&subject)
}

/// Lines tell the quote mostly; where they do not, the markup may.
fn apart(mail: &Mail<'_>, page: Option<&Rendered>) -> Split {
    let by_markup = || page.map(|page| quote::split(&page.text, page.quote.as_ref().map(|quote| quote.text_at)));
    if mail.text.is_empty() {
        return by_markup().unwrap_or_else(|| quote::split("", None));
    }
    let by_lines = quote::split(&mail.text, None);
    let is_marked = page.is_some_and(|page| page.quote.is_some());
    let better = by_markup().filter(|split| by_lines.quoted.is_none() && is_marked && split.quoted.is_some());
    better.unwrap_or(by_lines)
}

/// Of the new text alone, where the markup tells.
fn html(page: &Rendered, split: &Split) -> String {
    match &page.quote {
        Some(quote) if split.is_below => quote.html_before.trim().to_owned(),
        _ => page.html.clone(),
    }
}

fn extension(kind: &str, data: Value) -> Option<Part> {
    Some(Part::Extension(Extension { kind: kind.to_owned(), data: data.to_string() }))
}

fn forwarded(mail: &Enclosed) -> Value {
    let mut data = json!({});
    let fields = [("from", &mail.from), ("subject", &mail.subject), ("message_id", &mail.message_id)];
    for (name, value) in fields {
        if let Some(value) = value {
            data[name] = value.as_str().into();
        }
    }
    if let Some(date) = mail.date {
        data["date"] = crate::metadata::rfc3339(date).into();
    }
    data
}

fn media(name: &str, content_type: &str, bytes: Option<u32>, id: String) -> Media {
    Media {
        kind: kind(content_type),
        source: MediaSource::Stored(id),
        content_type: Some(content_type.to_owned()),
        name: Some(name.to_owned()),
        bytes,
        caption: None,
    }
}

/// A drawing may hold scripts: it is a file.
fn kind(content_type: &str) -> MediaKind {
    match content_type.split('/').next() {
        _ if content_type == "image/svg+xml" => MediaKind::File,
        Some("image") => MediaKind::Image,
        Some("audio") => MediaKind::Audio,
        Some("video") => MediaKind::Video,
        _ => MediaKind::File,
    }
}
