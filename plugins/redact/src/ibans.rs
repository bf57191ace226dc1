//! International bank account numbers: ISO 13616 with the check digits of ISO 7064 (mod 97-10) and the length of the country.

use std::ops::Range;

use crate::gaps::{self, is_unseen};

/// Characters between two groups that can be seen, at most.
const GAP_MAX: usize = 2;
const NAME: &str = "IBAN";

/// The registry of SWIFT, release 99: country and length.
const LENGTHS: [(&str, usize); 89] = [
    ("AD", 24),
    ("AE", 23),
    ("AL", 28),
    ("AT", 20),
    ("AZ", 28),
    ("BA", 20),
    ("BE", 16),
    ("BG", 22),
    ("BH", 22),
    ("BI", 27),
    ("BR", 29),
    ("BY", 28),
    ("CH", 21),
    ("CR", 22),
    ("CY", 28),
    ("CZ", 24),
    ("DE", 22),
    ("DJ", 27),
    ("DK", 18),
    ("DO", 28),
    ("EE", 20),
    ("EG", 29),
    ("ES", 24),
    ("FI", 18),
    ("FK", 18),
    ("FO", 18),
    ("FR", 27),
    ("GB", 22),
    ("GE", 22),
    ("GI", 23),
    ("GL", 18),
    ("GR", 27),
    ("GT", 28),
    ("HN", 28),
    ("HR", 21),
    ("HU", 28),
    ("IE", 22),
    ("IL", 23),
    ("IQ", 23),
    ("IS", 26),
    ("IT", 27),
    ("JO", 30),
    ("KW", 30),
    ("KZ", 20),
    ("LB", 28),
    ("LC", 32),
    ("LI", 21),
    ("LT", 20),
    ("LU", 20),
    ("LV", 21),
    ("LY", 25),
    ("MC", 27),
    ("MD", 24),
    ("ME", 22),
    ("MK", 19),
    ("MN", 20),
    ("MR", 27),
    ("MT", 31),
    ("MU", 30),
    ("NI", 28),
    ("NL", 18),
    ("NO", 15),
    ("OM", 23),
    ("PK", 24),
    ("PL", 28),
    ("PS", 29),
    ("PT", 25),
    ("QA", 29),
    ("RO", 24),
    ("RS", 22),
    ("RU", 33),
    ("SA", 24),
    ("SC", 31),
    ("SD", 18),
    ("SE", 24),
    ("SI", 19),
    ("SK", 24),
    ("SM", 27),
    ("SO", 23),
    ("ST", 25),
    ("SV", 28),
    ("TL", 23),
    ("TN", 24),
    ("TR", 26),
    ("UA", 29),
    ("VA", 22),
    ("VG", 24),
    ("XK", 20),
    ("YE", 30),
];

/// Where IBANs stand, in order.
pub(crate) fn find(text: &str) -> Vec<Range<usize>> {
    let (mut found, mut end, mut before) = (Vec::new(), 0, ' ');
    for (at, c) in text.char_indices() {
        if at >= end
            && c.is_ascii_alphabetic()
            && (!before.is_alphanumeric() || ends_with_its_name(&text[..at]))
            && let Some(length) = iban_at(&text[at..])
        {
            end = at + length;
            found.push(at..end);
        }
        before = c;
    }
    found
}

/// `IBANDE89...`
fn ends_with_its_name(text: &str) -> bool {
    let name = text.len().checked_sub(NAME.len()).and_then(|at| text.get(at..));
    name.is_some_and(|name| name.eq_ignore_ascii_case(NAME))
}

/// Bytes of the IBAN that a text begins with.
fn iban_at(text: &str) -> Option<usize> {
    let country = text.get(..2)?.to_ascii_uppercase();
    let (_, length) = LENGTHS.iter().find(|(known, _)| *known == country)?;
    let (mut characters, mut gap) = (Vec::with_capacity(*length), 0);
    for (at, c) in text.char_indices() {
        if characters.len() == *length {
            return (!(c.is_alphanumeric() && gap == 0) && checks(&characters)).then_some(at - trailing(text, at));
        }
        match c {
            c if c.is_ascii_alphanumeric() => {
                characters.push(c.to_ascii_uppercase() as u8);
                gap = 0;
            }
            c if is_unseen(c) => {}
            c if gaps::gap(c).is_some() && gap < GAP_MAX => gap += 1,
            _ => return None,
        }
    }
    (characters.len() == *length && checks(&characters)).then_some(text.len() - trailing(text, text.len()))
}

/// Nothing of what follows the last character belongs to it: the loop ends right behind it.
fn trailing(text: &str, end: usize) -> usize {
    text[..end].len() - text[..end].trim_end_matches(|c| gaps::gap(c).is_some()).len()
}

/// Two check digits, and the remainder of 1 when country and check digits go to the end and letters count from 10.
fn checks(characters: &[u8]) -> bool {
    let moved = characters[4..].iter().chain(&characters[..4]);
    let remainder = moved.fold(0, |remainder: u32, c| match c {
        b'0'..=b'9' => (remainder * 10 + u32::from(c - b'0')) % 97,
        _ => (remainder * 100 + u32::from(c - b'A') + 10) % 97,
    });
    characters[2..4].iter().all(u8::is_ascii_digit) && remainder == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn finds(text: &str, expected: &[&str]) {
        let found: Vec<_> = find(text).into_iter().map(|range| &text[range]).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn examples_of_the_registry_are_found() {
        for iban in [
            "DE89370400440532013000",
            "DE89 3704 0044 0532 0130 00",
            "gb29nwbk60161331926819",
            "NO93-8601-1117-947",
            "MT84 MALT 0110 0001 2345 MTLC AST0 01S",
            "FR14 2004 1010 0505 0001 3M02 606",
            "DE89.3704.0044.0532.0130.00",
            "DE89\u{200b}3704\u{200b}0044\u{200b}0532\u{200b}0130\u{200b}00",
            "DE89 3704 0044\r\n0532 0130 00",
        ] {
            finds(iban, &[iban]);
            finds(&format!("IBAN: {iban}. Thanks"), &[iban]);
            finds(&format!("({iban} or else)"), &[iban]);
            finds(&format!("iban{iban}"), &[iban]);
        }
    }

    #[test]
    fn what_does_not_check_stays() {
        for text in [
            "DE88370400440532013000",
            "DE8937040044053201300",
            "DE893704004405320130001",
            "XDE89370400440532013000",
            "XX89370400440532013000",
            "DEAD beef and so on, a long text that is none",
            "Ö",
            "D",
            "",
            "DE89 3704 0044 ä",
        ] {
            finds(text, &[]);
        }
    }
}
