//! Names that only this channel can give: each message of ours carries one in its Message-ID, in its References and, where the
//! operator wants it, in the address to which answers go.
//!
//! It holds the message's id and a digest of its subject, and a tag under the channel's key, so that nobody invents one. It is
//! of letters and digits that survive a change of case.

use omnigate_plugin::Fault;
use sha2::{Digest, Sha256};

use crate::host::Host;
use crate::subject;

const ID_BYTES: usize = 16;
const SUBJECT_BYTES: usize = 3;
const TAG_BYTES: usize = 10;
/// Five bits a letter.
const BODY_CHARS: usize = ((ID_BYTES + SUBJECT_BYTES) * 8).div_ceil(5);
const TAG_CHARS: usize = TAG_BYTES * 8 / 5;
/// Without letters that look like others.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    /// Of the message of ours: a UUID.
    pub(crate) message_id: String,
    subject: [u8; SUBJECT_BYTES],
    text: String,
}

impl Token {
    /// For a message of ours.
    ///
    /// # Errors
    /// `internal` if the id is no UUID.
    pub(crate) fn new(host: &dyn Host, message_id: &str, subject: &str) -> Result<Self, Fault> {
        let id = uuid_bytes(message_id).ok_or_else(|| Fault::internal("the message's id is no UUID"))?;
        let subject = digest(subject);
        let body = encode(&[id.as_slice(), &subject].concat());
        let text = format!("{body}.{}", tag(host, &body)?);
        Ok(Self { message_id: message_id.to_owned(), subject, text })
    }

    /// The token that a text is, in any case of letters; `None` for what is not of this channel.
    pub(crate) fn parse(host: &dyn Host, text: &str) -> Result<Option<Self>, Fault> {
        let text = text.to_ascii_lowercase();
        let Some((body, given)) = text.split_once('.').filter(|(body, tag)| has_shape(body, tag)) else {
            return Ok(None);
        };
        if tag(host, body)? != given {
            return Ok(None);
        }
        let Some(bytes) = decode(body) else { return Ok(None) };
        let (id, subject) = bytes.split_at(ID_BYTES);
        let subject = [subject[0], subject[1], subject[2]];
        Ok(Some(Self { message_id: uuid_text(id), subject, text }))
    }

    /// The token that a Message-ID of ours carries.
    pub(crate) fn of_id(host: &dyn Host, id: &str) -> Result<Option<Self>, Fault> {
        let left = id.split('@').next().unwrap_or_default();
        Self::parse(host, left.strip_prefix("t.").unwrap_or(left))
    }

    /// The token in an address such as `support+t.{token}@example.com`.
    pub(crate) fn of_address(host: &dyn Host, address: &str) -> Result<Option<Self>, Fault> {
        let local = address.rsplit_once('@').map_or(address, |(local, _)| local);
        local.rsplit_once("+t.").map_or(Ok(None), |(_, token)| Self::parse(host, token))
    }

    /// The first token in a text such as a bounce, wherever it stands.
    pub(crate) fn find(host: &dyn Host, text: &str) -> Result<Option<Self>, Fault> {
        const TRIED_MAX: usize = 50;
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.'));
        let shaped = words.flat_map(|word| [word, word.strip_prefix("t.").unwrap_or("")]).filter(|word| {
            word.split_once('.')
                .is_some_and(|(body, tag)| has_shape(&body.to_ascii_lowercase(), &tag.to_ascii_lowercase()))
        });
        for word in shaped.take(TRIED_MAX) {
            if let Some(token) = Self::parse(host, word)? {
                return Ok(Some(token));
            }
        }
        Ok(None)
    }

    /// As it stands in whatever carries it, lower case.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The Message-ID, without brackets.
    pub(crate) fn message_id_at(&self, domain: &str) -> String {
        format!("{}@{domain}", self.text)
    }

    /// What stands in References besides: it survives a provider that writes Message-IDs of his own.
    pub(crate) fn reference_at(&self, domain: &str) -> String {
        format!("t.{}@{domain}", self.text)
    }

    /// The address to which answers go.
    pub(crate) fn address(&self, address: &str) -> String {
        let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
        format!("{local}+t.{}@{domain}", self.text)
    }

    /// The name in the gateway's index.
    pub(crate) fn name(&self) -> String {
        format!("t.{}", self.text)
    }

    /// Whether the message had that subject, but for prefixes.
    pub(crate) fn is_about(&self, subject: &str) -> bool {
        self.subject == digest(subject)
    }
}

fn digest(subject: &str) -> [u8; SUBJECT_BYTES] {
    let digest = Sha256::digest(subject::base(subject).to_lowercase());
    [digest[0], digest[1], digest[2]]
}

fn tag(host: &dyn Host, body: &str) -> Result<String, Fault> {
    let tag = host.sign(format!("email token {body}").as_bytes())?;
    Ok(encode(&tag[..TAG_BYTES.min(tag.len())]))
}

fn has_shape(body: &str, tag: &str) -> bool {
    let is_coded = |text: &str| text.bytes().all(|byte| ALPHABET.contains(&byte));
    body.len() == BODY_CHARS && tag.len() == TAG_CHARS && is_coded(body) && is_coded(tag)
}

fn encode(bytes: &[u8]) -> String {
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
    let letters = (0..(bytes.len() * 8).div_ceil(5)).map(|n| (0..5).fold(0, |value, at| value << 1 | bit(n * 5 + at)));
    letters.map(|value| char::from(ALPHABET[usize::from(value)])).collect()
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut value, mut bits) = (Vec::new(), 0_u32, 0);
    for letter in text.bytes() {
        let five = ALPHABET.iter().position(|known| *known == letter)?;
        value = (value << 5 | u32::try_from(five).ok()?) & 0xfff;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(value >> bits & 0xff).ok()?);
        }
    }
    (bytes.len() == ID_BYTES + SUBJECT_BYTES).then_some(bytes)
}

fn uuid_bytes(text: &str) -> Option<Vec<u8>> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    let pairs = (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok());
    pairs.collect::<Option<Vec<u8>>>().filter(|bytes| bytes.len() == ID_BYTES)
}

fn uuid_text(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::Fake;

    const ID: &str = "0198c0de-0000-7000-8000-0000000000ff";

    fn token() -> Token {
        Token::new(&Fake::default(), ID, "Re: Order 7").unwrap()
    }

    #[test]
    fn a_token_comes_back_from_wherever_it_was_put() {
        let (host, token) = (Fake::default(), token());
        let found = Some(token.clone());
        assert_eq!(Token::of_id(&host, &token.message_id_at("example.com")).unwrap(), found);
        assert_eq!(Token::of_id(&host, &token.reference_at("example.com")).unwrap(), found);
        let address = token.address("support@example.com");
        assert!(address.split('@').next().unwrap().len() <= 64, "{address}");
        assert_eq!(Token::of_address(&host, &address.to_uppercase().replace("+T.", "+t.")).unwrap(), found);
        let bounce = format!("Message-ID: <{}>\r\nSubject: x", token.message_id_at("example.com"));
        assert_eq!(Token::find(&host, &bounce).unwrap(), found);
        assert_eq!(Token::find(&host, &token.reference_at("example.com")).unwrap(), found);
        assert_eq!(found.map(|token| token.message_id).as_deref(), Some(ID));
    }

    #[test]
    fn nobody_else_can_make_one() {
        let (host, text) = (Fake::default(), token().text);
        for at in 0..text.len() {
            let mut forged = text.clone().into_bytes();
            forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
            assert_eq!(Token::parse(&host, &String::from_utf8(forged).unwrap()).unwrap(), None, "{at}");
        }
        for text in ["", ".", "x1@example.org", "0198c0de-0000"] {
            assert_eq!(Token::of_id(&host, text).unwrap(), None);
        }
    }

    #[test]
    fn it_knows_its_subject() {
        assert!(token().is_about("AW: RE: order 7"));
        assert!(!token().is_about("Order 8"));
    }
}
