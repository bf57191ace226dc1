//! How many SMS a text becomes: 3GPP TS 23.038 (alphabets) and TS 23.040 (concatenation).

use serde::Serialize;

/// The alphabet of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// Septets: 160 in one SMS, 153 in each of several; characters of the extension table take two.
    #[serde(rename = "gsm-7")]
    Gsm7,
    /// 16-bit units: 70 in one SMS, 67 in each of several; characters beyond the basic plane take two.
    #[serde(rename = "ucs-2")]
    Ucs2,
}

/// A text as segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Segments {
    pub encoding: Encoding,
    pub count: usize,
}

/// The basic character set, TS 23.038 section 6.2.1, without the escape.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
    ¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// The extension table, section 6.2.1.1: an escape and a character.
const EXTENSION: &str = "\u{c}^{}\\[~]|€";

impl Segments {
    /// Of a text. The empty one is one SMS, too.
    pub fn of(text: &str) -> Self {
        match text.chars().map(septets).collect::<Option<Vec<_>>>() {
            Some(units) => Self { encoding: Encoding::Gsm7, count: count(&units, 160, 153) },
            None => {
                let units: Vec<_> = text.chars().map(char::len_utf16).collect();
                Self { encoding: Encoding::Ucs2, count: count(&units, 70, 67) }
            }
        }
    }
}

/// `None` for what the alphabet does not have.
fn septets(c: char) -> Option<usize> {
    if BASIC.contains(c) {
        return Some(1);
    }
    EXTENSION.contains(c).then_some(2)
}

/// A character of two units is never torn apart: the segment ends before it.
fn count(units: &[usize], single: usize, several: usize) -> usize {
    if units.iter().sum::<usize>() <= single {
        return 1;
    }
    let (segments, _) = units.iter().fold((1, 0), |(segments, used), units| match used + units {
        used if used <= several => (segments, used),
        _ => (segments + 1, *units),
    });
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> (Encoding, usize) {
        let Segments { encoding, count } = Segments::of(text);
        (encoding, count)
    }

    #[test]
    fn the_alphabet_has_its_128_characters_without_the_escape() {
        assert_eq!(BASIC.chars().count(), 127);
        assert_eq!(EXTENSION.chars().count(), 10);
    }

    #[test]
    fn septets_are_160_or_153() {
        for (length, count) in [(0, 1), (160, 1), (161, 2), (306, 2), (307, 3)] {
            assert_eq!(of(&"a".repeat(length)), (Encoding::Gsm7, count), "{length}");
        }
    }

    #[test]
    fn an_extended_character_takes_two_and_is_not_torn() {
        assert_eq!(of(&"€".repeat(80)), (Encoding::Gsm7, 1));
        assert_eq!(of(&"€".repeat(81)), (Encoding::Gsm7, 2));
        // 76 in a segment of 153 septets: one septet of each stays empty.
        assert_eq!(of(&"€".repeat(152)), (Encoding::Gsm7, 2));
        assert_eq!(of(&"€".repeat(153)), (Encoding::Gsm7, 3));
    }

    #[test]
    fn one_foreign_character_makes_the_whole_text_wide() {
        for (length, count) in [(1, 1), (70, 1), (71, 2), (134, 2), (135, 3)] {
            assert_eq!(of(&"ж".repeat(length)), (Encoding::Ucs2, count), "{length}");
        }
        assert_eq!(of(&format!("{}’", "a".repeat(70))), (Encoding::Ucs2, 2));
    }

    #[test]
    fn a_pair_of_units_stays_together() {
        assert_eq!(of(&"😀".repeat(35)), (Encoding::Ucs2, 1));
        // 33 pairs in a segment of 67 units.
        assert_eq!(of(&"😀".repeat(66)), (Encoding::Ucs2, 2));
        assert_eq!(of(&"😀".repeat(67)), (Encoding::Ucs2, 3));
    }
}
