//! Parameters in pieces: RFC 2231, 3 and 4.1. A character may be split between two pieces, and the charset stands in the first.

use super::to_text;

const PIECES_MAX: usize = 100;

/// One piece of a parameter.
struct Piece<'a> {
    number: usize,
    is_encoded: bool,
    value: &'a [u8],
}

/// The value of a parameter whose first piece is percent-encoded; `None` for any other.
pub(super) fn value(field: &[u8], name: &str) -> Option<String> {
    let mut pieces: Vec<Piece<'_>> = parts(field).filter_map(|part| piece(part, name)).take(PIECES_MAX).collect();
    pieces.sort_by_key(|piece| piece.number);
    let first = pieces.first().filter(|first| first.number == 0 && first.is_encoded)?;
    let mut quotes = first.value.splitn(3, |byte| *byte == b'\'');
    let (charset, _, begin) = (quotes.next()?, quotes.next()?, quotes.next()?);
    let mut bytes = percent_decoded(begin);
    for (_, piece) in pieces.iter().enumerate().skip(1).take_while(|(place, piece)| piece.number == *place) {
        bytes.extend(if piece.is_encoded { percent_decoded(piece.value) } else { piece.value.to_vec() });
    }
    Some(to_text(Some(&String::from_utf8_lossy(charset)), &bytes))
}

/// What stands between semicolons that are not in quotes.
fn parts(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut is_quoted = false;
    field.split(move |byte| {
        is_quoted ^= *byte == b'"';
        *byte == b';' && !is_quoted
    })
}

/// `name*N*=value` or `name*N=value`.
fn piece<'a>(part: &'a [u8], name: &str) -> Option<Piece<'a>> {
    let at = memchr::memchr(b'=', part)?;
    let key = std::str::from_utf8(&part[..at]).ok()?.trim().to_ascii_lowercase();
    let number = key.strip_prefix(name)?.strip_prefix('*')?;
    let (number, is_encoded) = number.strip_suffix('*').map_or((number, false), |number| (number, true));
    let value = part[at + 1..].trim_ascii();
    let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
    Some(Piece { number: number.parse().ok()?, is_encoded, value })
}

fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let digit = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let (mut bytes, mut at) = (Vec::with_capacity(text.len()), 0);
    while let Some(byte) = text.get(at) {
        let code = digit(at + 1).zip(digit(at + 2)).filter(|_| *byte == b'%');
        let code = code.and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        bytes.push(code.unwrap_or(*byte));
        at += if code.is_some() { 3 } else { 1 };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(field: &str) -> Option<String> {
        value(field.as_bytes(), "filename")
    }

    #[test]
    fn pieces_are_joined_before_they_are_read() {
        let expected = Some("发票 1.pdf");
        for field in [
            "attachment; filename*0*=UTF-8''%E5%8F; filename*1*=%91%E7%A5%A8%201; filename*2=.pdf",
            "attachment;\r\n FILENAME*1*=\"%91%E7%A5%A8 1.pdf\";\r\n\tfilename*0*=utf-8'zh'%E5%8F",
        ] {
            assert_eq!(name(field).as_deref(), expected, "{field}");
        }
        let western = "attachment; filename*0*=iso-8859-1'de'Gr%FC%DFe%20aus; filename*1*=%20K%F6ln";
        assert_eq!(name(western).as_deref(), Some("Grüße aus Köln"));
        assert_eq!(name("attachment; filename*0*=''%; filename*2=lost").as_deref(), Some("%"));
    }

    #[test]
    fn what_is_in_one_piece_is_left_to_others() {
        for field in ["attachment; filename=a.pdf", "attachment; filename*=utf-8''a", "x; filename*0=a", "", "a;;=;*"] {
            assert_eq!(name(field), None, "{field}");
        }
    }
}
