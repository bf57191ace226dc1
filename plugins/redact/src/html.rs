//! HTML as far as it takes to see what people see: tags apart from text, references to characters resolved.

use std::ops::Range;

use crate::rules::Find;

/// The longest reference that is resolved: `&#1114111;`.
const REFERENCE_MAX: usize = 12;

/// The visible text of a page, and where each character of it stands in the source.
pub(crate) struct Page<'a> {
    source: &'a str,
    pub(crate) visible: String,
    /// Byte in `visible`, range in `source`.
    places: Vec<(usize, Range<usize>)>,
}

/// What a tag does to the text around it: nobody but a browser knows whether it parts two cells or makes letters bold.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tags {
    Join,
    Part,
}

impl<'a> Page<'a> {
    pub(crate) fn read(source: &'a str, tags: Tags) -> Self {
        let mut page = Self::empty(source);
        for piece in pieces(source) {
            match piece {
                Piece::Text(range) => page.read_text(range),
                Piece::Tag(range) if tags == Tags::Part => page.see_space(range.start..range.start),
                Piece::Tag(_) => {}
            }
        }
        page
    }

    /// What stands inside of a tag, all of it.
    pub(crate) fn read_tag(tag: &'a str) -> Self {
        let mut page = Self::empty(tag);
        page.read_text(0..tag.len());
        page
    }

    fn empty(source: &'a str) -> Self {
        Self { source, visible: String::with_capacity(source.len()), places: Vec::new() }
    }

    fn read_text(&mut self, range: Range<usize>) {
        let mut at = range.start;
        while let Some(c) = self.source[at..range.end].chars().next() {
            let (c, length) = reference(&self.source[at..range.end]).unwrap_or((c, c.len_utf8()));
            match c.is_ascii_whitespace() {
                true => self.see_space(at..at + length),
                false => self.see(c, at..at + length),
            }
            at += length;
        }
    }

    fn see(&mut self, c: char, place: Range<usize>) {
        self.places.push((self.visible.len(), place));
        self.visible.push(c);
    }

    /// Many are one to the eye, whatever tags stand between them; lines end where there is room.
    fn see_space(&mut self, place: Range<usize>) {
        match self.places.last() {
            Some((_, last)) if self.visible.ends_with(' ') && last.end == place.start => {
                let last = self.places.len() - 1;
                self.places[last].1.end = place.end;
            }
            _ if self.visible.ends_with(' ') => {}
            _ => self.see(' ', place),
        }
    }

    /// The source with each find replaced by its name in brackets; tags in the middle of one stay.
    pub(crate) fn replace(&self, finds: &[Find]) -> String {
        let (mut clean, mut done) = (String::with_capacity(self.source.len()), 0);
        for (range, name) in finds {
            let first = self.places.partition_point(|(at, _)| *at < range.start);
            let inside = self.places[first..].iter().take_while(|(at, _)| *at < range.end);
            for (order, (_, place)) in inside.enumerate() {
                clean.push_str(&self.source[done..place.start]);
                if order == 0 {
                    clean.push_str(&format!("[{name}]"));
                }
                done = place.end;
            }
        }
        clean + &self.source[done..]
    }
}

/// Each tag as `change` makes it; `None` if that changes nothing.
pub(crate) fn map_tags(source: &str, mut change: impl FnMut(&str) -> String) -> Option<String> {
    let (mut mapped, mut changed) = (String::with_capacity(source.len()), false);
    for piece in pieces(source) {
        match piece {
            Piece::Text(range) => mapped.push_str(&source[range]),
            Piece::Tag(range) => {
                let tag = change(&source[range.clone()]);
                changed |= tag != source[range];
                mapped.push_str(&tag);
            }
        }
    }
    changed.then_some(mapped)
}

enum Piece {
    Text(Range<usize>),
    /// With its brackets; comments too.
    Tag(Range<usize>),
}

/// A bracket opens a tag where a name, a slash or an exclamation mark follows, and an end.
fn pieces(source: &str) -> Vec<Piece> {
    let (mut pieces, mut text, mut at) = (Vec::new(), 0, 0);
    let ends = Ends { tag: source.rfind('>').unwrap_or_default(), comment: source.rfind("-->").unwrap_or_default() };
    while let Some(open) = source[at..].find('<').map(|found| at + found) {
        let Some(end) = ends.of(source, open) else {
            at = open + 1;
            continue;
        };
        pieces.push(Piece::Text(text..open));
        pieces.push(Piece::Tag(open..end));
        (text, at) = (end, end);
    }
    pieces.push(Piece::Text(text..source.len()));
    pieces
}

/// Where the last of each kind ends: nobody looks further for what is not there, again and again.
struct Ends {
    tag: usize,
    comment: usize,
}

impl Ends {
    /// Behind the tag that opens there.
    fn of(&self, source: &str, open: usize) -> Option<usize> {
        let from = &source[open..];
        if from.starts_with("<!--") && open < self.comment {
            return from.find("-->").map(|end| open + end + 3);
        }
        let begins = from[1..].starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?'));
        let end = (begins && open < self.tag).then(|| from.find('>')).flatten()?;
        Some(open + end + 1)
    }
}

/// The character that a reference at the beginning stands for, and how long the reference is.
fn reference(text: &str) -> Option<(char, usize)> {
    let body = text.strip_prefix('&')?;
    let end = body.bytes().take(REFERENCE_MAX).position(|b| b == b';')?;
    let name = &body[..end];
    let number = match name.strip_prefix('#') {
        Some(digits) => match digits.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None => digits.parse().ok(),
        },
        None => [("nbsp", ' '), ("shy", '\u{ad}'), ("ensp", ' '), ("emsp", ' '), ("thinsp", ' '), ("hyphen", '-')]
            .into_iter()
            .find(|(known, _)| *known == name)
            .map(|(_, c)| u32::from(c)),
    };
    Some((char::from_u32(number?)?, end + 2))
}
