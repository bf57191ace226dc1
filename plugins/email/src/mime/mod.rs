//! The structure of a mail: RFC 2045 and 2046 as they are found, and not only as they are written.
//!
//! One pass over the bytes, nothing is decoded and nothing copied; what the limits cut off is told and not lost, for the
//! mail as a whole is kept then.

mod continued;
mod encoding;
mod field;
mod flowed;
mod headers;

use std::ops::Range;

use memchr::{memchr, memmem};

pub(crate) use encoding::{decode_transfer, to_text};
pub(crate) use field::{Address, MediaType, normalized};
pub(crate) use flowed::unflow;
pub(crate) use headers::Headers;

/// Multiparts in multiparts; real mail has seldom more than six.
const DEPTH_MAX: usize = 30;
const PARTS_MAX: usize = 1000;

/// A mail taken apart.
pub(crate) struct Tree<'a> {
    raw: &'a [u8],
    /// The mail itself comes first; a part comes after what it is in.
    pub(crate) parts: Vec<Part<'a>>,
    /// Which limit left something unread: `depth` or `parts`.
    pub(crate) limit: Option<&'static str>,
}

pub(crate) struct Part<'a> {
    pub(crate) headers: Headers<'a>,
    pub(crate) media: MediaType,
    body: Range<usize>,
    /// Places in `Tree::parts`.
    pub(crate) children: Vec<usize>,
    depth: usize,
}

struct Open {
    part: usize,
    boundary: Vec<u8>,
}

impl<'a> Tree<'a> {
    /// Every text is a mail, if need be one without headers.
    pub(crate) fn parse(raw: &'a [u8]) -> Self {
        let mut tree = Self { raw, parts: Vec::new(), limit: None };
        let mut open = Vec::new();
        let mut at = tree.begin(0, None, &mut open);
        let mut leaf = open.is_empty().then_some(0);
        while let Some(line) = next_dashes(raw, at) {
            at = line_end(raw, line);
            let Some((level, is_close)) = delimiter(&open, &raw[line..at]) else { continue };
            tree.close(leaf.take(), &open[level + 1..], before_line(raw, line));
            open.truncate(level + 1);
            if is_close {
                tree.close(None, &open[level..], before_line(raw, line));
                open.truncate(level);
                continue;
            }
            if tree.parts.len() >= PARTS_MAX {
                tree.limit = Some("parts");
                break;
            }
            let deeper = open.len();
            at = tree.begin(at, Some(open[level].part), &mut open);
            leaf = (open.len() == deeper).then(|| tree.parts.len() - 1);
        }
        tree
    }

    /// The bytes of a part as they were sent.
    pub(crate) fn body(&self, part: &Part<'a>) -> &'a [u8] {
        &self.raw[part.body.clone()]
    }

    /// Reads the headers of a part that begins at `at`, and tells where its body begins.
    fn begin(&mut self, at: usize, parent: Option<usize>, open: &mut Vec<Open>) -> usize {
        let (headers, start) = Headers::parse(self.raw, at);
        let fallback = match parent {
            Some(parent) if self.parts[parent].media.is("multipart/digest") => "message/rfc822",
            _ => "text/plain",
        };
        let media = MediaType::of(&headers, fallback);
        let place = self.parts.len();
        let depth = parent.map_or(0, |parent| self.parts[parent].depth + 1);
        self.open_multipart(&media, place, depth, open);
        if let Some(parent) = parent {
            self.parts[parent].children.push(place);
        }
        // Until its end is found, a part reaches to the end of the mail.
        self.parts.push(Part { headers, media, body: start..self.raw.len(), children: Vec::new(), depth });
        start
    }

    fn open_multipart(&mut self, media: &MediaType, part: usize, depth: usize, open: &mut Vec<Open>) {
        let Some(boundary) = media.parameter("boundary").filter(|_| media.is_multipart()) else { return };
        if depth >= DEPTH_MAX {
            self.limit = Some("depth");
            return;
        }
        open.push(Open { part, boundary: boundary.trim_end().as_bytes().to_vec() });
    }

    fn close(&mut self, leaf: Option<usize>, open: &[Open], end: usize) {
        for part in leaf.into_iter().chain(open.iter().map(|open| open.part)) {
            let body = &mut self.parts[part].body;
            body.end = end.max(body.start);
        }
    }
}

/// Where the next line begins that may be a delimiter.
fn next_dashes(raw: &[u8], at: usize) -> Option<usize> {
    let rest = raw.get(at..)?;
    if rest.starts_with(b"--") && (at == 0 || raw[at - 1] == b'\n') {
        return Some(at);
    }
    memmem::find(rest, b"\n--").map(|found| at + found + 1)
}

/// Just behind the line that begins at `at`.
fn line_end(raw: &[u8], at: usize) -> usize {
    memchr(b'\n', &raw[at..]).map_or(raw.len(), |found| at + found + 1)
}

/// The line break before a delimiter belongs to the delimiter.
fn before_line(raw: &[u8], line: usize) -> usize {
    let before = raw[..line].strip_suffix(b"\n").unwrap_or(&raw[..line]);
    before.strip_suffix(b"\r").unwrap_or(before).len()
}

/// Which of the open multiparts the line parts, the innermost first, and whether it is the last of them.
fn delimiter(open: &[Open], line: &[u8]) -> Option<(usize, bool)> {
    let line = line[2..].trim_ascii_end();
    open.iter().enumerate().rev().find_map(|(level, Open { boundary, .. })| {
        let rest = line.strip_prefix(boundary.as_slice())?;
        matches!(rest, b"" | b"--").then_some((level, rest == b"--"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bodies(raw: &str) -> Vec<(String, String)> {
        let tree = Tree::parse(raw.as_bytes());
        let leaves = tree.parts.iter().filter(|part| part.children.is_empty());
        leaves
            .map(|part| (part.media.name().to_owned(), String::from_utf8_lossy(tree.body(part)).into_owned()))
            .collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|&(name, body)| (name.to_owned(), body.to_owned())).collect()
    }

    #[test]
    fn parts_lie_between_their_delimiters() {
        let raw = "Content-Type: multipart/mixed; boundary=\"a b\"\r\n\r\npreamble\r\n--a b\r\n\r\none\r\n--a b  \r\n\
                   Content-Type: text/html\r\n\r\ntwo\r\n\r\n--a b--\r\nepilogue\r\n";
        assert_eq!(bodies(raw), pairs(&[("text/plain", "one"), ("text/html", "two\r\n")]));
    }

    #[test]
    fn an_inner_multipart_that_is_never_closed_ends_with_the_outer_one() {
        let raw = "Content-Type: multipart/mixed; boundary=out\n\n--out\nContent-Type: multipart/alternative; boundary=in\n\n\
                   --in\n\nfirst\n--in\nContent-Type: text/html\n\nsecond\n--out\n\nthird\n";
        assert_eq!(bodies(raw), pairs(&[("text/plain", "first"), ("text/html", "second"), ("text/plain", "third\n")]));
    }

    #[test]
    fn boundaries_that_begin_alike_are_told_apart() {
        let raw = "Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: multipart/mixed; boundary=xy\n\n\
                   --xy\n\none\n--xz\n--xy--\n--x\n\ntwo\n--x--\n";
        assert_eq!(bodies(raw), pairs(&[("text/plain", "one\n--xz"), ("text/plain", "two")]));
    }

    #[test]
    fn a_digest_holds_mails() {
        let raw = "Content-Type: multipart/digest; boundary=d\n\n--d\n\nSubject: s\n\nbody\n--d--\n";
        assert_eq!(bodies(raw), pairs(&[("message/rfc822", "Subject: s\n\nbody")]));
    }

    #[test]
    fn limits_end_the_reading_and_are_told() {
        let nested = |depth: usize| {
            (0..depth).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n")).collect::<String>()
        };
        assert_eq!(Tree::parse(nested(DEPTH_MAX).as_bytes()).limit, None);
        let deep = nested(10_000);
        let tree = Tree::parse(deep.as_bytes());
        assert_eq!((tree.limit, tree.parts.len()), (Some("depth"), DEPTH_MAX + 1));
        let many = format!("Content-Type: multipart/mixed; boundary=b\n\n{}", "--b\n\nx\n".repeat(10_000));
        let tree = Tree::parse(many.as_bytes());
        assert_eq!((tree.limit, tree.parts.len()), (Some("parts"), PARTS_MAX));
    }

    #[test]
    fn a_multipart_without_a_part_is_one_itself() {
        assert_eq!(bodies("Content-Type: multipart/mixed; boundary=b\n\ntext"), pairs(&[("multipart/mixed", "text")]));
        assert_eq!(bodies(""), pairs(&[("text/plain", "")]));
    }
}
