//! The body of a letter: text, HTML, images inside it, files.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use omnigate_plugin::prelude::*;

use super::head::Head;
use crate::host::Host;
use crate::html;
use crate::text::{clean, file_name};

const LINE_BYTES: usize = 57;

/// What a letter says and brings.
pub(crate) struct Body {
    pub(crate) text: String,
    pub(crate) html: Option<String>,
    pub(crate) files: Vec<Enclosure>,
}

pub(crate) struct Enclosure {
    pub(crate) name: String,
    pub(crate) content_type: String,
    pub(crate) content: Vec<u8>,
    /// The HTML shows it under this Content-ID.
    pub(crate) cid: Option<String>,
}

impl Enclosure {
    pub(crate) fn base64(&self) -> String {
        base64(&self.content)
    }
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

impl Body {
    /// Reads the files.
    ///
    /// # Errors
    /// `unsupported` for a part that is neither text nor file, `rejected` for a file that cannot be had.
    pub(super) fn of(host: &dyn Host, content: &Content) -> Result<Self, Fault> {
        let (mut texts, mut htmls, mut files) = (Vec::new(), Vec::new(), Vec::new());
        let is_html = content.parts.iter().any(|part| matches!(part, Part::Text(RichText { html: Some(_), .. })));
        for part in &content.parts {
            match part {
                Part::Text(rich) => {
                    htmls.push(rich.html.clone().unwrap_or_else(|| format!("<p>{}</p>", html::escape(&rich.text))));
                    texts.push(plain(rich));
                }
                Part::Media(media) => {
                    let caption = media.caption.clone().filter(|caption| !caption.is_empty());
                    htmls.extend(caption.iter().map(|caption| format!("<p>{}</p>", html::escape(caption))));
                    texts.extend(caption);
                    files.push(enclosure(host, media)?);
                }
                _ => return Err(Fault::unsupported("an e-mail takes text and files")),
            }
        }
        let html = is_html.then(|| htmls.join("\n"));
        for place in 0..files.len() {
            // Of several files of one name, the first is meant.
            let is_first = files[..place].iter().all(|before: &Enclosure| before.name != files[place].name);
            files[place].cid = html.as_deref().filter(|_| is_first).and_then(|html| cid(html, &files[place].name));
        }
        Ok(Self { text: clean(&texts.join("\n\n")), html: html.map(|html| clean(&html)), files })
    }

    /// With its own headers; every line ended by CRLF.
    pub(super) fn write(&self, seed: &str, raw: &mut Vec<u8>) {
        self.entity().write(seed, &mut 0, raw);
    }

    fn entity(&self) -> Entity<'_> {
        let (inline, files): (Vec<_>, Vec<_>) = self.files.iter().partition(|file| file.cid.is_some());
        let mut body = Entity::Text("plain", &self.text);
        if let Some(html) = &self.html {
            let shown = Entity::around("related", Entity::Text("html", html), inline);
            body = Entity::Multipart("alternative", vec![body, shown]);
        }
        Entity::around("mixed", body, files)
    }
}

/// HTML needs a text for those who do not show it.
fn plain(rich: &RichText) -> String {
    match &rich.html {
        Some(html) if rich.text.trim().is_empty() => html::render(html).text,
        _ => rich.text.clone(),
    }
}

fn enclosure(host: &dyn Host, media: &Media) -> Result<Enclosure, Fault> {
    let (MediaSource::Stored(id) | MediaSource::Url(id)) = &media.source else {
        return Err(Fault::internal("a file of a message is a reference"));
    };
    let content =
        host.read(id).map_err(|why| Fault::rejected(ReasonCode::Rejected, format!("a file of the message: {why}")))?;
    let content_type =
        media.content_type.as_deref().filter(|name| is_media_type(name)).unwrap_or("application/octet-stream");
    Ok(Enclosure {
        name: media.name.as_deref().and_then(file_name).unwrap_or_else(|| "file".to_owned()),
        content_type: content_type.to_owned(),
        content,
        cid: None,
    })
}

/// Mails and multiparts must not be encoded as files are (RFC 2046, 5.2.1), so they go as bytes.
fn is_media_type(name: &str) -> bool {
    let is_token =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b));
    name.len() <= 127
        && name
            .split_once('/')
            .is_some_and(|(kind, sub)| is_token(kind) && is_token(sub) && !matches!(kind, "message" | "multipart"))
}

/// HTML shows a file by `cid:` and its name.
fn cid(html: &str, name: &str) -> Option<String> {
    let is_plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    (is_plain && ['"', '\''].iter().any(|quote| html.contains(&format!("cid:{name}{quote}")))).then(|| name.to_owned())
}

/// A part of the letter, or parts in one.
enum Entity<'a> {
    Text(&'static str, &'a str),
    File(&'a Enclosure),
    Multipart(&'static str, Vec<Self>),
}

impl<'a> Entity<'a> {
    fn around(kind: &'static str, first: Self, files: Vec<&'a Enclosure>) -> Self {
        if files.is_empty() {
            return first;
        }
        Entity::Multipart(kind, [first].into_iter().chain(files.into_iter().map(Entity::File)).collect())
    }

    /// No deeper than text in related in alternative in mixed.
    fn write(&self, seed: &str, count: &mut usize, raw: &mut Vec<u8>) {
        match self {
            Entity::Text(kind, text) => write_text(kind, text, raw),
            Entity::File(file) => write_file(file, raw),
            Entity::Multipart(kind, parts) => {
                *count += 1;
                // An equals sign and an underscore never meet in quoted-printable or base64 (RFC 2045, 6.7).
                let boundary = format!("=_{seed}{count}");
                let mut head = Head::default();
                head.line("Content-Type", &format!("multipart/{kind}; boundary=\"{boundary}\""));
                raw.extend(head.finish());
                raw.extend(b"\r\n");
                for part in parts {
                    raw.extend(format!("--{boundary}\r\n").bytes());
                    part.write(seed, count, raw);
                }
                raw.extend(format!("--{boundary}--\r\n").bytes());
            }
        }
    }
}

fn write_text(kind: &str, text: &str, raw: &mut Vec<u8>) {
    let is_mostly_ascii = text.bytes().filter(u8::is_ascii).count() * 4 >= text.len() * 3;
    let mut head = Head::default();
    head.line("Content-Type", &format!("text/{kind}; charset=utf-8"));
    head.line("Content-Transfer-Encoding", if is_mostly_ascii { "quoted-printable" } else { "base64" });
    raw.extend(head.finish());
    raw.extend(b"\r\n");
    let text = text.replace('\n', "\r\n");
    if is_mostly_ascii {
        raw.extend(quoted_printable::encode(text.as_bytes()));
        raw.extend(b"\r\n");
    } else {
        write_base64(text.as_bytes(), raw);
    }
}

fn write_file(file: &Enclosure, raw: &mut Vec<u8>) {
    let mut head = Head::default();
    head.line("Content-Type", &file.content_type);
    head.line("Content-Transfer-Encoding", "base64");
    let disposition = if file.cid.is_some() { "inline" } else { "attachment" };
    head.parameters("Content-Disposition", disposition, &[("filename", &file.name)]);
    if let Some(cid) = &file.cid {
        head.line("Content-ID", &format!("<{cid}>"));
    }
    raw.extend(head.finish());
    raw.extend(b"\r\n");
    write_base64(&file.content, raw);
}

fn write_base64(content: &[u8], raw: &mut Vec<u8>) {
    raw.reserve(content.len() / LINE_BYTES * 78 + 80);
    let mut line = String::with_capacity(80);
    for bytes in content.chunks(LINE_BYTES) {
        line.clear();
        STANDARD.encode_string(bytes, &mut line);
        raw.extend(line.bytes());
        raw.extend(b"\r\n");
    }
}
