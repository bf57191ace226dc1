//! Who somebody is, in the words of address books.

use crate::connector::Person;

/// Digits without which a number is no sign of a person.
const DIGITS_MIN: usize = 7;

impl Person {
    /// Values of a scheme, in their order.
    pub fn values<'a>(&'a self, scheme: &'a str) -> impl Iterator<Item = &'a str> {
        let of_scheme = self.identities.iter().filter(move |identity| identity.scheme == scheme);
        of_scheme.map(|identity| identity.value.as_str())
    }

    /// E-mail addresses in lower case.
    pub fn emails(&self) -> impl Iterator<Item = String> + '_ {
        self.values("email").map(str::to_lowercase)
    }

    /// Telephone numbers with their country, digits alone; without those that are too short to tell people apart.
    pub fn numbers(&self) -> impl Iterator<Item = String> + '_ {
        self.values("tel").map(digits).filter(|digits| digits.len() >= DIGITS_MIN)
    }
}

/// Whether a number as somebody typed it has these digits, with the country or without it.
pub fn is_same_number(number: &str, typed: &str) -> bool {
    let digits = digits(typed);
    let is_international = typed.trim_start().starts_with('+');
    let local = digits.trim_start_matches('0');
    number == digits || (!is_international && local.len() >= DIGITS_MIN && number.ends_with(local))
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_same_however_they_are_typed() {
        for typed in ["+1 (555) 010-0123", "15550100123", "(555) 010-0123", "05550100123"] {
            assert!(is_same_number("15550100123", typed), "{typed}");
        }
        for typed in ["+49 555 0100123", "100123", "", "+5550100123", "25550100123"] {
            assert!(!is_same_number("15550100123", typed), "{typed}");
        }
    }
}
