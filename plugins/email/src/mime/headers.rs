use std::borrow::Cow;
use std::ops::Range;

use mail_parser::parsers::MessageStream;
use memchr::memchr;

use super::encoding;
use super::field::{Address, Parameters, addresses};

/// Of one header block; what comes after is no header any more but still no body.
const BLOCK_MAX: usize = 256 << 10;
const FIELDS_MAX: usize = 2000;
/// Of one name: the last ones, which are the nearest.
const IDS_MAX: usize = 400;
/// Of one field: more is cut.
const FIELD_MAX: usize = 64 << 10;

/// The header fields of a mail or a part, in their order and as they were sent.
#[derive(Default)]
pub(crate) struct Headers<'a> {
    fields: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Headers<'a> {
    /// Reads the block that begins at `at`, and tells where the body begins. A line that is no field ends the block.
    pub(super) fn parse(raw: &'a [u8], at: usize) -> (Self, usize) {
        let mut headers = Self::default();
        let mut next = skip_envelope(raw, at);
        loop {
            let line = field_range(raw, next);
            match &raw[line.clone()] {
                blank if blank.trim_ascii().is_empty() => return (headers, line.end),
                field => match split(field) {
                    Some(pair) => headers.add(pair, line.end - at),
                    None => return (headers, line.start),
                },
            }
            next = line.end;
        }
    }

    /// For mails of which a provider hands over the fields.
    pub(crate) fn of_block(block: &'a [u8]) -> Self {
        Self::parse(block, 0).0
    }

    fn add(&mut self, pair: (&'a [u8], &'a [u8]), block_bytes: usize) {
        if self.fields.len() < FIELDS_MAX && block_bytes <= BLOCK_MAX {
            self.fields.push(pair);
        }
    }

    /// The value of the first field of that name, with its folds and codes; it ends with a line break.
    fn raw(&self, name: &str) -> Option<Cow<'a, [u8]>> {
        self.all_raw(name).next()
    }

    fn all_raw<'s>(&'s self, name: &'s str) -> impl Iterator<Item = Cow<'a, [u8]>> + 's {
        let named = self.fields.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()));
        named.map(|(_, value)| encoding::header_bytes(&value[..value.len().min(FIELD_MAX)]))
    }

    /// Whether there is such a field.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()))
    }

    /// How many such fields there are.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.fields.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes())).count()
    }

    /// Unfolded, encoded words decoded, without control characters, trimmed; `None` if it is missing or empty.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let raw = self.raw(name)?;
        let text = MessageStream::new(&raw).parse_unstructured().into_text()?;
        Some(crate::text::one_line(&text)).filter(|text| !text.is_empty())
    }

    /// As it stands, lower case, without what follows a semicolon: for fields that hold a word.
    pub(crate) fn word(&self, name: &str) -> Option<String> {
        let text = self.text(name)?;
        Some(text.split([';', ' ']).next().unwrap_or_default().to_ascii_lowercase())
    }

    /// Everybody in all fields of that name.
    pub(crate) fn addresses(&self, name: &str) -> Vec<Address> {
        self.all_raw(name).flat_map(|raw| addresses(&raw)).collect()
    }

    /// What stands between angle brackets in all fields of that name, in their order; without any, a bare word with an
    /// at sign.
    pub(crate) fn ids(&self, name: &str) -> Vec<String> {
        let mut ids = Vec::new();
        for raw in self.all_raw(name) {
            super::field::ids(&String::from_utf8_lossy(&raw), &mut ids);
        }
        ids.drain(..ids.len().saturating_sub(IDS_MAX));
        ids
    }

    /// Milliseconds since 1970, as the sender says.
    pub(crate) fn date(&self, name: &str) -> Option<i64> {
        let raw = self.raw(name)?;
        let date = MessageStream::new(&raw).parse_date().into_datetime().filter(mail_parser::DateTime::is_valid)?;
        date.to_timestamp().checked_mul(1000)
    }

    /// A parameter of that field that is written in pieces.
    pub(super) fn continued(&self, name: &str, parameter: &str) -> Option<String> {
        super::continued::value(&self.raw(name)?, parameter).filter(|value| !value.trim().is_empty())
    }

    /// `Content-Type` or `Content-Disposition`.
    pub(super) fn parameters(&self, name: &str) -> Option<Parameters> {
        let raw = self.raw(name)?;
        MessageStream::new(&raw).parse_content_type().into_content_type().map(Parameters::of)
    }
}

/// The first line of a mail from an mbox file is no field.
fn skip_envelope(raw: &[u8], at: usize) -> usize {
    let is_envelope = at == 0 && (raw.starts_with(b"From ") || raw.starts_with(b">From "));
    if is_envelope { super::line_end(raw, at) } else { at }
}

/// A field with the lines that continue it, even if they hold nothing but blanks.
fn field_range(raw: &[u8], start: usize) -> Range<usize> {
    let mut end = super::line_end(raw, start);
    let is_blank = raw[start..end].trim_ascii().is_empty();
    while !is_blank && end < raw.len() && matches!(raw[end], b' ' | b'\t') {
        end = super::line_end(raw, end);
    }
    start..end
}

fn split(field: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr(b':', field)?;
    let name = field[..colon].trim_ascii_end();
    let is_name = !name.is_empty() && name.iter().all(|byte| (b'!'..=b'~').contains(byte));
    is_name.then(|| (name, &field[colon + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(field: &[u8]) -> Option<String> {
        Headers::of_block(field).text("subject")
    }

    #[test]
    fn fields_are_unfolded_and_decoded() {
        assert_eq!(text(b"SUBJECT : a\r\n b\r\n\tc\r\n\r\n").as_deref(), Some("a b c"));
        assert_eq!(
            text(b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= =?iso-8859-1?Q?_aus_K=F6ln?=\n").as_deref(),
            Some("Grüße aus Köln")
        );
        assert_eq!(text(b"Subject: no line break").as_deref(), Some("no line break"));
        assert_eq!(text(b"Subject:\n"), None);
    }

    #[test]
    fn a_character_may_be_split_between_two_encoded_words() {
        let halves = b"Subject: =?UTF-8?B?w6TD?= =?utf-8?B?tsO8?=\n";
        assert_eq!(text(halves).as_deref(), Some("äöü"));
        assert_eq!(text(b"Subject: =?utf-8?Q?=E2=82?=\r\n =?utf-8?Q?=AC_5?= now\n").as_deref(), Some("€ 5 now"));
    }

    #[test]
    fn bytes_without_a_charset_are_utf8_or_else_western() {
        assert_eq!(text("Subject: Grüße\n".as_bytes()).as_deref(), Some("Grüße"));
        assert_eq!(text(b"Subject: Gr\xfc\xdfe \x80\n").as_deref(), Some("Grüße €"));
    }

    #[test]
    fn a_line_that_is_no_field_is_the_body() {
        let (headers, at) = Headers::parse(b"A: 1\nB: 2\nHello you\n", 0);
        assert_eq!((headers.fields.len(), at), (2, 10));
        let (headers, at) = Headers::parse(b"From x Mon May\nA: 1\n \n\nbody", 0);
        assert_eq!((headers.fields.len(), at), (1, 23));
    }

    #[test]
    fn a_flood_of_headers_is_cut_and_the_body_still_found() {
        let flood = format!("{}\nbody", "X-A: 1\n".repeat(100_000));
        let (headers, at) = Headers::parse(flood.as_bytes(), 0);
        assert_eq!((headers.fields.len(), &flood[at..]), (FIELDS_MAX, "body"));
        let giant = format!("Subject: {}\n\nbody", "x".repeat(1 << 20));
        let (headers, at) = Headers::parse(giant.as_bytes(), 0);
        assert_eq!((headers.fields.len(), &giant[at..]), (0, "body"));
    }

    #[test]
    fn ids_are_found_in_what_ever_stands_around_them() {
        let headers = Headers::of_block(
            b"References: <a@x>\r\n\t<b@x> junk <c d@x>,<>\nIn-Reply-To: a.b@c\nX: Your mail of <e@x> \"hi\"\n",
        );
        assert_eq!(headers.ids("references"), ["a@x", "b@x", "cd@x"]);
        assert_eq!(headers.ids("in-reply-to"), ["a.b@c"]);
        assert_eq!(headers.ids("x"), ["e@x"]);
    }

    #[test]
    fn of_many_ids_the_last_are_kept() {
        let many: String = (0..3_000).map(|n| format!(" <{n}@x>")).collect();
        let field = format!("References:{many}\n");
        let ids = Headers::of_block(field.as_bytes()).ids("references");
        assert_eq!((ids.len(), ids.last().map(String::as_str)), (IDS_MAX, Some("2999@x")));
    }

    #[test]
    fn dates_are_the_senders() {
        assert_eq!(Headers::of_block(b"Date: Sat, 2 May 2026 09:15:04 +0200\n").date("date"), Some(1_777_706_104_000));
        assert_eq!(Headers::of_block(b"Date: yesterday\n").date("date"), None);
    }
}
