//! Transfer encodings and charsets, as forgiving as mail programs are.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use mail_parser::decoders::charsets::map::charset_decoder;
use quoted_printable::ParseMode;

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The bytes behind a `Content-Transfer-Encoding`; an unknown one is none.
pub(crate) fn decode_transfer<'a>(encoding: &str, body: &'a [u8]) -> Cow<'a, [u8]> {
    match encoding {
        "base64" => decode_base64(body).into(),
        "quoted-printable" => decode_quoted(body),
        _ => body.into(),
    }
}

/// Whatever is not of the alphabet is skipped; a padding ends a run, and another may follow.
fn decode_base64(body: &[u8]) -> Vec<u8> {
    /// Characters decoded at once, a multiple of four: no second copy of a large file is made.
    const RUN: usize = 4096;
    let mut bytes = Vec::with_capacity(body.len() / 4 * 3);
    let mut run = Vec::with_capacity(RUN);
    for &byte in body {
        let is_end = byte == b'=';
        if !is_end && is_base64(byte) {
            run.push(byte);
        }
        if is_end || run.len() == RUN {
            flush(&mut run, &mut bytes);
        }
    }
    flush(&mut run, &mut bytes);
    bytes
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}

fn flush(run: &mut Vec<u8>, bytes: &mut Vec<u8>) {
    if run.len() % 4 == 1 {
        run.pop();
    }
    // Cannot fail: nothing but the alphabet, and a length that base64 can have.
    let _ = LENIENT.decode_vec(&*run, bytes);
    run.clear();
}

fn decode_quoted(body: &[u8]) -> Cow<'_, [u8]> {
    quoted_printable::decode(body, ParseMode::Robust).map_or(body.into(), Cow::Owned)
}

/// Text in the charset that the label names. Without a label, and where only ASCII is promised, it is UTF-8 if it can be.
pub(crate) fn to_text(charset: Option<&str>, bytes: &[u8]) -> String {
    let label = charset.map(|label| label.trim().to_ascii_lowercase());
    let label = label.as_deref().unwrap_or_default();
    let is_open = matches!(label, "" | "us-ascii" | "ascii" | "unknown-8bit" | "x-unknown" | "utf-8" | "utf8");
    let text = match std::str::from_utf8(bytes) {
        // Western text that is valid UTF-8 by chance means nothing: the label lies.
        Ok(text) if is_open || is_western(label) => text.to_owned(),
        _ if label.starts_with("utf-8") || label == "utf8" => broken_utf8(bytes),
        _ => charset_decoder(label.as_bytes()).unwrap_or(western())(bytes),
    };
    crate::text::clean(&text)
}

fn is_western(label: &str) -> bool {
    matches!(label, "iso-8859-1" | "iso-8859-15" | "latin1" | "windows-1252" | "cp1252")
}

/// With a single character beyond ASCII that can be read it is UTF-8 with a fault; with none it never was.
fn broken_utf8(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let is_utf8 = text.chars().any(|c| !c.is_ascii() && c != char::REPLACEMENT_CHARACTER);
    if is_utf8 { text.into_owned() } else { western()(bytes) }
}

/// What most mail without a label is written in.
fn western() -> fn(&[u8]) -> String {
    charset_decoder(b"windows-1252").unwrap_or(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// A header's value in UTF-8, with a line break at its end, adjacent encoded words joined.
pub(super) fn header_bytes(value: &[u8]) -> Cow<'_, [u8]> {
    let is_plain = value.is_ascii() && value.ends_with(b"\n") && !value.windows(2).any(|pair| pair == b"=?");
    if is_plain {
        return value.into();
    }
    let mut text = to_text(None, value);
    if text.contains("=?") {
        text = join_words(&text);
    }
    text.push('\n');
    text.into_bytes().into()
}

/// A character may be split between two encoded words of one charset, against the rules: words that follow one another are
/// made one, which is legible to every decoder.
fn join_words(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("=?") {
        joined.push_str(&rest[..at]);
        rest = &rest[at..];
        let Some((mut word, mut after)) = Word::parse(rest) else {
            joined.push_str("=?");
            rest = &rest[2..];
            continue;
        };
        while let Some((next, behind)) =
            Word::parse(after.trim_start()).filter(|(next, _)| next.charset == word.charset)
        {
            word.bytes.extend(next.bytes);
            after = behind;
        }
        joined.push_str(&word.encoded());
        rest = after;
    }
    joined + rest
}

struct Word {
    charset: String,
    bytes: Vec<u8>,
}

impl Word {
    /// `=?charset?B or Q?text?=` at the beginning, and what follows.
    fn parse(text: &str) -> Option<(Self, &str)> {
        let (charset, rest) = text.strip_prefix("=?")?.split_once('?')?;
        let (encoding, rest) = rest.split_once('?')?;
        let (encoded, after) = rest.split_once("?=")?;
        let bytes = match encoding {
            "B" | "b" => decode_base64(encoded.as_bytes()),
            "Q" | "q" => decode_quoted(encoded.replace('_', " ").as_bytes()).into_owned(),
            _ => return None,
        };
        // RFC 2231, 5: a language may follow the charset.
        let charset = charset.split('*').next().unwrap_or_default().to_ascii_lowercase();
        Some((Self { charset, bytes }, after))
    }

    fn encoded(&self) -> String {
        format!("=?{}?B?{}?=", self.charset, base64::engine::general_purpose::STANDARD.encode(&self.bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_however_it_is_broken() {
        for text in ["SGVsbG8=", "SGVs\r\nbG8", "S G*V-s bG8==", "SGVsbG8=\r\n!", "SGVsbA==bw=="] {
            assert_eq!(decode_transfer("base64", text.as_bytes()).as_ref(), b"Hello", "{text}");
        }
        assert_eq!(decode_transfer("base64", b"S").as_ref(), b"");
        let long = base64::engine::general_purpose::STANDARD.encode(vec![7; 10_000]);
        assert_eq!(decode_transfer("base64", long.as_bytes()).as_ref(), vec![7; 10_000]);
    }

    #[test]
    fn quoted_printable_is_read_however_it_is_broken() {
        for (text, expected) in [("a=3d=\r\nb =\nc", "a=b c"), ("100%=ZZ=", "100%=ZZ"), ("a =  \r\nb", "a b")] {
            let decoded = decode_transfer("quoted-printable", text.as_bytes());
            assert_eq!(String::from_utf8_lossy(&decoded), expected, "{text}");
        }
    }

    #[test]
    fn charsets_are_read_as_they_are_found() {
        assert_eq!(to_text(Some("ISO-8859-1"), b"\x80 5"), "€ 5");
        assert_eq!(to_text(Some("gb2312"), b"\xc4\xe3\xba\xc3"), "你好");
        assert_eq!(to_text(Some("ks_c_5601-1987"), b"\xbe\xc8"), "안");
        assert_eq!(to_text(Some("iso-2022-jp"), b"\x1b$B%O\x1b(B"), "ハ");
        assert_eq!(to_text(Some("x-no-such-thing"), b"\xe4"), "ä");
        assert_eq!(to_text(None, "ä".as_bytes()), "ä");
        assert_eq!(to_text(Some("us-ascii"), b"\xe4"), "ä");
        assert_eq!(to_text(Some("utf-8"), b"a\xffb\0c \xc3\xa4"), "a\u{fffd}bc ä");
        assert_eq!(to_text(Some("utf-8"), b"Gr\xfc\xdfe \x80"), "Grüße €");
        assert_eq!(to_text(Some("iso-8859-1"), "Grüße €".as_bytes()), "Grüße €");
    }
}
