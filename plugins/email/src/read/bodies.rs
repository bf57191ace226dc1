//! Which parts are the message, and which are files: multiparts of every shape.

use std::rc::Rc;

use super::tnef::{self, Packed};
use super::{Content, Enclosed, File, Mail, TEXT_MAX, calendar};
use crate::html;
use crate::mime::{Headers, MediaType, Part, Tree, decode_transfer, to_text, unflow};
use crate::text::file_name;

/// The same thing in up to two forms.
#[derive(Default)]
struct Piece {
    text: Option<String>,
    html: Option<String>,
}

struct Reader<'a> {
    tree: Tree<'a>,
    mail: Mail<'a>,
    /// Bytes of text taken until now.
    taken: usize,
    /// What Outlook packed up: it counts where the mail says nothing else.
    packed: Piece,
}

pub(super) fn read(tree: Tree<'_>) -> Mail<'_> {
    let limit = tree.limit;
    let mut reader = Reader { tree, mail: Mail { limit, ..Mail::default() }, taken: 0, packed: Piece::default() };
    let mut pieces = reader.walk(0);
    if pieces.is_empty() {
        pieces.push(std::mem::take(&mut reader.packed));
    }
    let mut mail = reader.mail;
    mail.text = texts(&pieces);
    mail.html = htmls(&pieces);
    mail.headers = std::mem::take(&mut reader.tree.parts[0].headers);
    mail
}

/// Pieces without a text are told by the HTML.
fn texts(pieces: &[Piece]) -> String {
    let is_told = pieces.iter().any(|piece| piece.text.as_deref().is_some_and(|text| !text.trim().is_empty()));
    if !is_told && pieces.iter().any(|piece| piece.html.is_some()) {
        return String::new();
    }
    let texts = pieces.iter().filter_map(|piece| match piece {
        Piece { text: Some(text), .. } => Some(text.trim_matches('\n').to_owned()),
        Piece { html: Some(html), .. } => Some(html::render(html).text),
        Piece { text: None, html: None } => None,
    });
    texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n\n")
}

fn htmls(pieces: &[Piece]) -> Option<String> {
    let has_html = pieces.iter().any(|piece| piece.html.is_some());
    let htmls = pieces.iter().filter_map(|piece| match piece {
        Piece { html: Some(html), .. } => Some(html.clone()),
        Piece { text: Some(text), .. } => Some(format!("<div>{}</div>", html::escape(text))),
        Piece { text: None, html: None } => None,
    });
    has_html.then(|| htmls.collect::<Vec<_>>().join("\n"))
}

impl Reader<'_> {
    /// The pieces of message in a part; its files are put aside. No deeper than `Tree` is.
    fn walk(&mut self, place: usize) -> Vec<Piece> {
        let part = &self.tree.parts[place];
        if part.children.is_empty() {
            return self.leaf(place).into_iter().collect();
        }
        let children = part.children.clone();
        match part.media.name() {
            "multipart/alternative" => vec![self.alternative(&children)],
            "multipart/signed" => self.signed(place, &children),
            "multipart/encrypted" => self.encrypted(&children),
            "multipart/report" => self.report(place, &children),
            _ => children.into_iter().flat_map(|child| self.walk(child)).collect(),
        }
    }

    /// The first form in plain text, and the last one in HTML: the richest comes last.
    fn alternative(&mut self, children: &[usize]) -> Piece {
        let mut whole = Piece::default();
        for &child in children {
            let pieces = self.walk(child);
            if pieces.iter().any(|piece| piece.html.is_some()) {
                whole.html = htmls(&pieces);
            } else if whole.text.is_none() && !pieces.is_empty() {
                whole.text = Some(texts(&pieces));
            }
        }
        whole
    }

    /// RFC 1847: what is signed, and the signature.
    fn signed(&mut self, place: usize, children: &[usize]) -> Vec<Piece> {
        let protocol = self.tree.parts[place].media.parameter("protocol").unwrap_or_default().to_ascii_lowercase();
        self.mail.signed = Some(if protocol.contains("pgp") { "pgp" } else { "smime" });
        let pieces = self.walk(children[0]);
        children[1..].iter().for_each(|&child| self.file(child));
        pieces
    }

    fn encrypted(&mut self, children: &[usize]) -> Vec<Piece> {
        self.mail.encrypted = Some("pgp");
        children.iter().for_each(|&child| self.file(child));
        Vec::new()
    }

    /// RFC 6522: words for people, words for machines, and the mail that both speak of.
    fn report(&mut self, place: usize, children: &[usize]) -> Vec<Piece> {
        let kind = self.tree.parts[place].media.parameter("report-type").map(str::to_ascii_lowercase);
        self.mail.report_type = Some(kind.unwrap_or_default());
        for &child in &children[1..] {
            let part = &self.tree.parts[child];
            let text = to_text(None, &decode_transfer(&encoding(&part.headers), self.tree.body(part)));
            let text = text[..text.floor_char_boundary(TEXT_MAX)].to_owned();
            self.mail.report.push((part.media.name().to_owned(), text));
            self.file(child);
        }
        self.walk(children[0])
    }

    fn leaf(&mut self, place: usize) -> Option<Piece> {
        let part = &self.tree.parts[place];
        let is_first = self.taken == 0 && part.media.disposition.is_none();
        let is_body =
            part.media.disposition.as_deref() != Some("attachment") && (part.media.file_name.is_none() || is_first);
        match part.media.name() {
            "text/plain" if is_body => Some(Piece { text: Some(self.plain(place)), html: None }),
            "text/html" if is_body => Some(Piece { text: None, html: Some(self.decoded(place, html_charset)) }),
            // Markup for other readers, of what the neighbouring parts say.
            "text/x-amp-html" | "text/watch-html" => None,
            name if tnef::is_package(name, part.media.file_name.as_deref()) => {
                self.package(place);
                None
            }
            // What is too deep is in the mail as a whole, which is kept then.
            name if name.starts_with("multipart/") && self.mail.limit.is_some() => None,
            name if name.starts_with("multipart/") => Some(Piece { text: Some(self.plain(place)), html: None }),
            _ => {
                self.enclosure(place);
                None
            }
        }
    }

    fn plain(&mut self, place: usize) -> String {
        let text = self.decoded(place, |_| None);
        if text.contains("-----BEGIN PGP MESSAGE-----") {
            self.mail.encrypted = Some("pgp");
        } else if text.contains("-----BEGIN PGP SIGNED MESSAGE-----") {
            self.mail.signed = Some("pgp");
        }
        let media = &self.tree.parts[place].media;
        let is = |name, value: &str| media.parameter(name).is_some_and(|given| given.eq_ignore_ascii_case(value));
        if is("format", "flowed") { unflow(&text, is("delsp", "yes")) } else { text }
    }

    fn decoded(&mut self, place: usize, guess: fn(&[u8]) -> Option<String>) -> String {
        let part = &self.tree.parts[place];
        let bytes = decode_transfer(&encoding(&part.headers), self.tree.body(part));
        let charset = part.media.parameter("charset").map(str::to_owned).or_else(|| guess(&bytes));
        let room = TEXT_MAX.saturating_sub(self.taken);
        if bytes.len() > room {
            self.mail.limit = Some("text");
        }
        let mut text = to_text(charset.as_deref(), &bytes[..bytes.len().min(room)]);
        text.truncate(text.floor_char_boundary(room));
        self.taken += text.len();
        text
    }

    /// A file, and what it tells besides.
    fn enclosure(&mut self, place: usize) {
        let part = &self.tree.parts[place];
        match part.media.name() {
            "text/calendar" | "application/ics" => {
                let bytes = decode_transfer(&encoding(&part.headers), self.tree.body(part));
                let method = part.media.parameter("method");
                self.mail
                    .invitations
                    .extend(calendar::invitation(&to_text(part.media.parameter("charset"), &bytes), method));
            }
            "message/rfc822" | "message/global" => self.mail.enclosed.push(enclosed(&self.tree, part)),
            "application/pkcs7-mime" | "application/x-pkcs7-mime" => {
                let kind = part.media.parameter("smime-type").unwrap_or_default().to_ascii_lowercase();
                let label = if kind == "signed-data" { &mut self.mail.signed } else { &mut self.mail.encrypted };
                *label = Some("smime");
            }
            _ => {}
        }
        self.file(place);
    }

    /// A package of Outlook, and what lies in it.
    fn package(&mut self, place: usize) {
        self.file(place);
        let Some(whole) = self.mail.files.last_mut() else { return };
        let bytes = Rc::new(whole.content().into_owned());
        let package = tnef::unpack(&bytes);
        whole.content = Content::Shared(bytes.clone(), 0..bytes.len());
        let files = package.files.into_iter().enumerate().map(|(n, packed)| unpacked(packed, &bytes, place, n + 1));
        self.mail.files.extend(files);
        let cut = |text: String| text[..text.floor_char_boundary(TEXT_MAX)].to_owned();
        self.packed = Piece { text: package.text.map(cut), html: package.html.map(cut) };
    }

    fn file(&mut self, place: usize) {
        let part = &self.tree.parts[place];
        let enclosed = (part.media.is("message/rfc822") || part.media.is("message/global"))
            .then(|| enclosed(&self.tree, part).subject)
            .flatten();
        let name = part.media.file_name.as_deref().and_then(file_name);
        let name = name
            .or_else(|| enclosed.and_then(|subject| file_name(&format!("{}.eml", subject.replace(['/', '\\'], "-")))));
        self.mail.files.push(File {
            name: name.unwrap_or_else(|| fallback_name(part.media.name(), place)),
            content_type: part.media.name().to_owned(),
            cid: part.headers.ids("content-id").into_iter().next(),
            content: Content::Encoded { encoding: encoding(&part.headers), bytes: self.tree.body(part) },
        });
    }
}

fn encoding(headers: &Headers<'_>) -> String {
    headers.word("content-transfer-encoding").unwrap_or_default()
}

fn enclosed<'a>(tree: &Tree<'a>, part: &Part<'a>) -> Enclosed {
    let body = decode_transfer(&encoding(&part.headers), tree.body(part));
    let headers = Headers::of_block(&body);
    let from = headers.addresses("from").into_iter().next();
    Enclosed {
        subject: headers.text("subject"),
        from: from.map(|from| from.address),
        date: headers.date("date"),
        message_id: headers.ids("message-id").into_iter().next(),
    }
}

fn unpacked<'a>(packed: Packed, bytes: &Rc<Vec<u8>>, place: usize, number: usize) -> File<'a> {
    let given = format!("Content-Type: {}\n", packed.content_type.unwrap_or_default().replace(['\r', '\n'], " "));
    let media = MediaType::of(&Headers::of_block(given.as_bytes()), "application/octet-stream");
    let name = packed.name.as_deref().and_then(file_name);
    File {
        name: name.unwrap_or_else(|| format!("part-{place}-{number}.bin")),
        content_type: media.name().to_owned(),
        cid: packed.cid,
        content: Content::Shared(bytes.clone(), packed.content),
    }
}

/// For parts to which the sender gave no name.
fn fallback_name(content_type: &str, place: usize) -> String {
    let extension = match content_type {
        "text/calendar" | "application/ics" => return "invite.ics".to_owned(),
        "application/ms-tnef" | "application/vnd.ms-tnef" => return "winmail.dat".to_owned(),
        "application/pkcs7-signature" | "application/x-pkcs7-signature" => return "smime.p7s".to_owned(),
        "application/pkcs7-mime" | "application/x-pkcs7-mime" => return "smime.p7m".to_owned(),
        "application/pgp-signature" => return "signature.asc".to_owned(),
        "application/pgp-encrypted" => return "version.asc".to_owned(),
        "message/delivery-status" | "message/global-delivery-status" => return "delivery-status.txt".to_owned(),
        "message/rfc822" | "message/global" => "eml",
        "image/jpeg" => "jpg",
        "image/png" => "png",
        "image/gif" => "gif",
        "image/webp" => "webp",
        "image/svg+xml" => "svg",
        "application/pdf" => "pdf",
        "text/plain" | "text/rfc822-headers" => "txt",
        "text/html" => "html",
        "text/csv" => "csv",
        "audio/mpeg" => "mp3",
        "video/mp4" => "mp4",
        _ => "bin",
    };
    format!("part-{place}.{extension}")
}

/// What the page says of itself counts where the mail says nothing.
pub(super) fn html_charset(bytes: &[u8]) -> Option<String> {
    const LOOKED_AT: usize = 2048;
    if std::str::from_utf8(bytes).is_ok() {
        return None;
    }
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(LOOKED_AT)]).to_ascii_lowercase();
    let (_, after) = head.split_once("charset=")?;
    let label = after.trim_start_matches(['"', '\'', ' ']);
    Some(label.split(|c: char| !(c.is_ascii_alphanumeric() || "-_:".contains(c))).next().unwrap_or_default().to_owned())
}
