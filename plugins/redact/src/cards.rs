//! Numbers of payment cards: ISO/IEC 7812 with its check digit (Luhn), in the ranges that are issued.

use std::ops::{Range, RangeInclusive};

/// Digits of the shortest and the longest number.
const DIGITS_MIN: usize = 13;
const DIGITS_MAX: usize = 19;
/// Characters between two groups, at most: `4111 - 1111`.
const GAP_MAX: usize = 3;
/// Digits of the longest telephone number (E.164): after a plus no card is shorter.
const PHONE_MAX: usize = 15;

/// First four digits from and to, and the lengths that are issued with them.
const RANGES: [(u16, u16, RangeInclusive<usize>); 18] = [
    // Visa
    (4000, 4999, 13..=13),
    (4000, 4999, 16..=16),
    (4000, 4999, 19..=19),
    // Mastercard
    (5100, 5599, 16..=16),
    (2221, 2720, 16..=16),
    // American Express
    (3400, 3499, 15..=15),
    (3700, 3799, 15..=15),
    // Diners Club
    (3000, 3059, 14..=19),
    (3095, 3095, 14..=19),
    (3600, 3699, 14..=19),
    (3800, 3999, 14..=19),
    // JCB
    (3528, 3589, 16..=19),
    // Maestro and its like, Elo, Verve
    (5000, 5099, 13..=19),
    (5600, 5899, 13..=19),
    // Maestro, Discover, RuPay, UnionPay
    (6000, 6999, 13..=19),
    // RuPay, UnionPay
    (8100, 8299, 16..=19),
    // Mir
    (2200, 2205, 16..=19),
    // Troy
    (9792, 9792, 16..=16),
];

/// A digit, where it stands, and whether it follows the one before it at once.
struct Digit {
    value: u8,
    at: Range<usize>,
    joined: bool,
}

/// Where card numbers stand, in order.
pub(crate) fn find(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (run, after_plus) in runs(text) {
        let mut start = 0;
        while start + DIGITS_MIN <= run.len() {
            let shortest = if after_plus && start == 0 { PHONE_MAX + 1 } else { DIGITS_MIN };
            match card_at(&run, start, shortest) {
                Some(length) => {
                    found.push(run[start].at.start..run[start + length - 1].at.end);
                    start += length;
                }
                None => start += 1,
            }
        }
    }
    found
}

/// Digits with little between them; whether a plus stands before.
fn runs(text: &str) -> Vec<(Vec<Digit>, bool)> {
    let mut runs: Vec<(Vec<Digit>, bool)> = Vec::new();
    let (mut gap, mut plus) = (usize::MAX, false);
    for (at, c) in text.char_indices() {
        let Some(value) = digit(c) else {
            gap = if separates(c) { gap.saturating_add(1) } else { usize::MAX };
            plus = c == '+';
            continue;
        };
        let digit = Digit { value, at: at..at + c.len_utf8(), joined: gap == 0 };
        match runs.last_mut() {
            Some((run, _)) if gap <= GAP_MAX => run.push(digit),
            _ => runs.push((vec![digit], plus)),
        }
        gap = 0;
    }
    runs
}

/// Length of the card number that begins there: the longest counts. It neither begins nor ends within a group.
fn card_at(run: &[Digit], start: usize, shortest: usize) -> Option<usize> {
    if run[start].joined {
        return None;
    }
    let longest = DIGITS_MAX.min(run.len() - start);
    let ends = |length: &usize| run.get(start + length).is_none_or(|next| !next.joined);
    (shortest..=longest).rev().filter(ends).find(|length| is_card(&run[start..start + length]))
}

fn is_card(digits: &[Digit]) -> bool {
    let first = digits[..4].iter().fold(0, |number, digit| number * 10 + u16::from(digit.value));
    let issued =
        RANGES.iter().any(|(from, to, lengths)| (*from..=*to).contains(&first) && lengths.contains(&digits.len()));
    issued && luhn(digits)
}

fn luhn(digits: &[Digit]) -> bool {
    let sum: u32 = digits.iter().rev().enumerate().map(|(place, digit)| weighed(place, digit.value)).sum();
    sum.is_multiple_of(10)
}

fn weighed(place: usize, digit: u8) -> u32 {
    match (place % 2, u32::from(digit) * 2) {
        (0, doubled) => doubled / 2,
        (_, doubled) => doubled / 10 + doubled % 10,
    }
}

/// Digits of keyboards that people really have: ASCII, full width, Arabic, Persian, Devanagari.
fn digit(c: char) -> Option<u8> {
    let zeros = ['0', '\u{ff10}', '\u{660}', '\u{6f0}', '\u{966}'];
    zeros.iter().find_map(|zero| {
        let value = u32::from(c).checked_sub(u32::from(*zero))?;
        u8::try_from(value).ok().filter(|value| *value < 10)
    })
}

/// Spaces, hyphens, dots and what cannot be seen.
fn separates(c: char) -> bool {
    matches!(
        c,
        ' ' | '\t' | '-' | '.' | '_' | '/' | '\u{a0}' | '\u{ad}' | '\u{2000}'
            ..='\u{2015}' | '\u{202f}' | '\u{2212}' | '\u{2060}' | '\u{3000}' | '\u{feff}'
    )
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
    fn test_numbers_of_the_schemes_are_found() {
        for number in [
            "4111111111111111",
            "4222222222222",
            "5555555555554444",
            "2223003122003222",
            "378282246310005",
            "371449635398431",
            "6011111111111117",
            "30569309025904",
            "3530111333300000",
            "6200000000000005",
            "6759649826438453",
            "2200000000000004",
        ] {
            finds(number, &[number]);
            finds(&format!("my card is {number}, thanks"), &[number]);
        }
    }

    #[test]
    fn groups_may_be_parted_in_many_ways() {
        for card in [
            "4111 1111 1111 1111",
            "4111-1111-1111-1111",
            "4111.1111.1111.1111",
            "4111 - 1111 - 1111 - 1111",
            "4111\u{a0}1111\u{202f}1111\u{200b}1111",
            "3782 822463 10005",
            "４１１１ １１１１ １１１１ １１１１",
            "٤١١١ ١١١١ ١١١١ ١١١١",
        ] {
            finds(&format!("<{card}>"), &[card]);
        }
        finds("order 12345 4111 1111 1111 1111 12/27 123", &["4111 1111 1111 1111"]);
        finds("4111111111111111 and 5555555555554444", &["4111111111111111", "5555555555554444"]);
    }

    #[test]
    fn other_numbers_stay() {
        for text in [
            "4111111111111112",
            "1234567890123456",
            "00004111111111111111",
            "41111111111111110000",
            "9999999999999995",
            "call +4915123456786 or +1 555 123 4567",
            "2026-01-05 09:00:00",
            "parcel 00340434161094042557",
            "",
        ] {
            finds(text, &[]);
        }
        finds("+4111111111111111", &["4111111111111111"]);
    }
}
