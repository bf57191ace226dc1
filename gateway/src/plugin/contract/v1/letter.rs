//! What an adapter wants to be sent by SMTP: nothing in it may end the message or begin another.

use memchr::memchr2_iter;

use super::content::few;
use super::inward::{Broken, external_ids};
use super::mail::exports::omnigate::channel::mail;
use crate::plugin::exchange::Letter;

const RECIPIENTS_MAX: usize = 200;
/// RFC 5321 section 4.5.3.1: 64 + 1 + 255.
const ADDRESS_MAX: usize = 320;

pub(super) fn letter(letter: mail::Letter) -> Result<Letter, Broken> {
    if letter.recipients.is_empty() {
        return Err("a letter must have a recipient".into());
    }
    few(letter.recipients.len(), RECIPIENTS_MAX, "recipients of one letter")?;
    check_lines(&letter.raw)?;
    Ok(Letter {
        sender: Some(letter.sender).filter(|sender| !sender.is_empty()).map(address).transpose()?,
        recipients: letter.recipients.into_iter().map(address).collect::<Result<_, _>>()?,
        raw: letter.raw,
        external_ids: external_ids(letter.external_ids)?,
    })
}

/// As far as it stays one word of a command: whether it exists is for the server to say. Quoted local parts with blanks are
/// legal (RFC 5321 section 4.1.2) and used by nobody.
fn address(address: String) -> Result<String, Broken> {
    let is_plain = |c: char| !c.is_control() && !c.is_whitespace() && !matches!(c, '<' | '>');
    let has_parts = address.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
    if !has_parts || address.len() > ADDRESS_MAX || !address.chars().all(is_plain) {
        return Err(format!(
            "an address must be local@domain of at most {ADDRESS_MAX} bytes, without blanks and brackets"
        ));
    }
    Ok(address)
}

/// RFC 5321 section 2.3.8: CR and LF occur together only; lone ones have been used to smuggle a second message.
fn check_lines(raw: &[u8]) -> Result<(), Broken> {
    if raw.contains(&0) {
        return Err("a letter must not hold NUL".into());
    }
    let is_lone = |at: usize| match raw[at] {
        b'\r' => raw.get(at + 1) != Some(&b'\n'),
        _ => at == 0 || raw[at - 1] != b'\r',
    };
    if !raw.ends_with(b"\r\n") || memchr2_iter(b'\r', b'\n', raw).any(is_lone) {
        return Err("every line of a letter must end with CRLF".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(raw: &str, to: &str) -> Result<Letter, Broken> {
        letter(mail::Letter {
            sender: String::new(),
            recipients: vec![to.to_owned()],
            raw: raw.into(),
            external_ids: Vec::new(),
        })
    }

    #[test]
    fn lines_end_with_both_or_the_letter_goes_nowhere() {
        assert!(written("a: b\r\n\r\n.\r\nx\r\n", "a@b").is_ok(), "dots are the transport's matter");
        for raw in ["", "a: b", "a: b\n", "a\r\nb\nc\r\n", "a\r\nb\rc\r\n", "\na\r\n", "a\r\r\n", "a\0\r\n"] {
            assert!(written(raw, "a@b").is_err(), "{raw:?}");
        }
    }

    #[test]
    fn an_address_is_one_word() {
        for to in ["", "a", "@b", "a@", "a@b>\r\nDATA", "a b@c", "<a@b>", "a@b\u{85}"] {
            assert!(written("a\r\n", to).is_err(), "{to:?}");
        }
        assert!(written("a\r\n", "jürgen@bücher.example").is_ok());
    }
}
