//! Questions in Salesforce's languages. What people write stands in them as text and never as part of the question.

use std::fmt::Write as _;

/// Bytes of one question as it stands in an address.
const ENCODED_MAX: usize = 6_000;

/// A text for SOQL, in its quotes.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for c in text.chars().filter(|c| !c.is_control()) {
        if matches!(c, '\'' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('\'');
    quoted
}

/// `SELECT {fields} FROM {object} WHERE {field} IN (...)`, as often as it takes for all values; the newest records first.
pub(crate) fn selects(fields: &str, object: &str, field: &str, values: impl Iterator<Item = String>) -> Vec<String> {
    let whole = |list: &str| {
        format!("SELECT {fields} FROM {object} WHERE {field} IN ({list}) ORDER BY LastModifiedDate DESC LIMIT 2000")
    };
    let mut selects = Vec::new();
    let mut list = String::new();
    for value in values.map(|value| quoted(&value)) {
        if !list.is_empty() && encoded(&list).len() + encoded(&value).len() > ENCODED_MAX {
            selects.push(whole(&std::mem::take(&mut list)));
        }
        let comma = if list.is_empty() { "" } else { "," };
        let _ = write!(list, "{comma}{value}");
    }
    if !list.is_empty() {
        selects.push(whole(&list));
    }
    selects
}

/// A question as it stands in an address.
pub(crate) fn encoded(question: &str) -> String {
    form_urlencoded::byte_serialize(question.as_bytes()).collect()
}

/// Whether this may stand in a question as the name of a field, or of one of a related record: `Owner.Name`.
pub(crate) fn is_field(name: &str) -> bool {
    let is_name = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    name.len() <= 255 && name.split('.').all(is_name)
}

/// Ids have 15 characters, or 18.
pub(crate) fn is_id(text: &str) -> bool {
    matches!(text.len(), 15 | 18) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_ends_no_text() {
        assert_eq!(quoted("o'hara@example.com"), r"'o\'hara@example.com'");
        assert_eq!(quoted(r"x\' OR Name LIKE '%"), r"'x\\\' OR Name LIKE \'%'");
        assert_eq!(quoted("a\n\u{0}b"), "'ab'");
    }

    #[test]
    fn long_lists_are_several_questions() {
        let selects = selects("Id", "Contact", "Email", (0..500).map(|n| format!("person-{n}@example.com")));
        assert!(selects.len() > 1);
        assert!(selects.iter().all(|select| encoded(select).len() < ENCODED_MAX + 200));
        assert_eq!(selects.iter().map(|select| select.matches('@').count()).sum::<usize>(), 500);
    }

    #[test]
    fn names_are_names() {
        assert!(["Id", "Owner.Name", "VIP__c", "Account.Owner.Name"].into_iter().all(is_field));
        assert!(!["", "1a", "Id FROM User", "a..b", "Name,Email", "x'"].into_iter().any(is_field));
        assert!(is_id("0035g00000ABCDE") && is_id("0035g00000ABCDEAAA") && !is_id("0035g00000ABCD'") && !is_id("003"));
    }
}
