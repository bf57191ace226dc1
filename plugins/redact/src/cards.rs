//! Numbers of payment cards: ISO/IEC 7812 with its check digit (Luhn), in the ranges that are issued.

use std::ops::{Range, RangeInclusive};

use crate::gaps::{Gap, digit, gap, is_unseen};

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

/// A digit, where it stands, and what parts it from the one before.
struct Digit {
    value: u8,
    at: Range<usize>,
    before: Parting,
}

/// What stands between two digits of one run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parting {
    Nothing,
    Gap,
    Line,
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
    let (mut between, mut plus) = (Between::Other, false);
    for (at, c) in text.char_indices() {
        let Some(value) = digit(c) else {
            between = between.and(c);
            plus = c == '+';
            continue;
        };
        let (at, parting) = (at..at + c.len_utf8(), between.parting());
        match (runs.last_mut(), parting) {
            (Some((run, _)), Some(before)) => run.push(Digit { value, at, before }),
            _ => runs.push((vec![Digit { value, at, before: Parting::Gap }], plus)),
        }
        between = Between::Some { seen: 0, any: false, line: false };
    }
    runs
}

/// What came since the last digit.
#[derive(Clone, Copy)]
enum Between {
    /// Characters that can be seen, and whether there was anything, or an end of line.
    Some { seen: usize, any: bool, line: bool },
    /// Something else: the run is over.
    Other,
}

impl Between {
    fn and(self, c: char) -> Self {
        match (self, gap(c)) {
            // As answers repeat what they answer.
            (Self::Some { seen, line: true, .. }, _) if c == '>' => {
                Self::Some { seen: seen + 1, any: true, line: true }
            }
            (Self::Some { seen, line, .. }, Some(gap)) => {
                Self::Some { seen: seen + usize::from(!is_unseen(c)), any: true, line: line || gap == Gap::Line }
            }
            _ => Self::Other,
        }
    }

    fn parting(self) -> Option<Parting> {
        match self {
            Self::Some { any: false, .. } => Some(Parting::Nothing),
            Self::Some { seen, line: true, .. } if seen <= GAP_MAX => Some(Parting::Line),
            Self::Some { seen, .. } if seen <= GAP_MAX => Some(Parting::Gap),
            _ => None,
        }
    }
}

/// Length of the card number that begins there: the longest counts. It neither begins nor ends within a group.
fn card_at(run: &[Digit], start: usize, shortest: usize) -> Option<usize> {
    if run[start].before == Parting::Nothing {
        return None;
    }
    let longest = DIGITS_MAX.min(run.len() - start);
    let ends = |length: &usize| run.get(start + length).is_none_or(|next| next.before != Parting::Nothing);
    let is_one = |length: &usize| is_card(&run[start..start + length]) && is_one_number(&run[start..start + length]);
    (shortest..=longest).rev().filter(ends).find(is_one)
}

/// On one line, or in the groups that stand on cards: what else goes over lines is a list.
fn is_one_number(digits: &[Digit]) -> bool {
    if digits[1..].iter().all(|digit| digit.before != Parting::Line) {
        return true;
    }
    let mut groups = vec![1];
    for digit in &digits[1..] {
        match (digit.before, groups.last_mut()) {
            (Parting::Nothing, Some(group)) => *group += 1,
            _ => groups.push(1),
        }
    }
    matches!(groups.as_slice(), [4, 6, 4 | 5] | [4, 4, 4, 1..=4] | [4, 4, 4, 4, 1..=3])
}

/// In a range that is issued, with its check digit. Thirteen digits may be an article's number (EAN), of which a tenth would pass:
/// such a number is no card.
fn is_card(digits: &[Digit]) -> bool {
    let first = digits[..4].iter().fold(0, |number, digit| number * 10 + u16::from(digit.value));
    let issued =
        RANGES.iter().any(|(from, to, lengths)| (*from..=*to).contains(&first) && lengths.contains(&digits.len()));
    issued && luhn(digits) && !(digits.len() == 13 && is_article(digits))
}

fn is_article(digits: &[Digit]) -> bool {
    let weigh = |(place, digit): (usize, &Digit)| u32::from(digit.value) * if place % 2 == 0 { 1 } else { 3 };
    digits.iter().enumerate().map(weigh).sum::<u32>().is_multiple_of(10)
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
            "4111\u{b7}1111\u{b7}1111\u{b7}1111",
            "4111\n1111\n1111\n1111",
            "4111 1111\r\n1111 1111",
            "3782 822463\n10005",
            "4111 1111\r\n> 1111 1111",
            "4111\u{2069} \u{2066}1111\u{2069} \u{2066}1111\u{2069} \u{2066}1111",
            "４１１１ １１１１ １１１１ １１１１",
            "৪১১১ ১১১১ ১১১১ ১১১১",
            "๔๑๑๑-๑๑๑๑-๑๑๑๑-๑๑๑๑",
            "𝟒𝟏𝟏𝟏 𝟏𝟏𝟏𝟏 𝟏𝟏𝟏𝟏 𝟏𝟏𝟏𝟏",
            "4\u{fe0f}\u{20e3}1\u{fe0f}\u{20e3}1\u{fe0f}\u{20e3}11111111111 11",
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
            "tins 4006381333931 and 4000417025005",
            "41111111\n11111111",
            "4111\n\n\n\n111111111111",
            "41, 11, 11, 11, 11, 11, 11, 11",
            "",
        ] {
            finds(text, &[]);
        }
        finds("+4111111111111111", &["4111111111111111"]);
    }
}
