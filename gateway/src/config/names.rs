//! Rules for short texts.

use super::Scope;

/// Names of channels, backends, API keys and plugins: they stand in addresses, logs and metrics.
pub(super) fn name(text: &str) -> Result<String, String> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let fits = is_short(text, allowed) && !text.starts_with('-') && !text.ends_with('-');
    fits.then(|| text.to_owned()).ok_or_else(|| "must be 1 to 64 of a-z, 0-9 and -, without - at the ends".into())
}

/// Names of secret slots, in the provider's own words.
pub(super) fn slot(text: &str) -> Result<String, String> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    is_short(text, allowed)
        .then(|| text.to_owned())
        .ok_or_else(|| "must be the name of a slot: 1 to 64 of a-z, 0-9 and _".into())
}

/// Names of attributes and identity schemes.
pub(super) fn field(text: &str) -> Result<String, String> {
    slot(text).map_err(|_| "must be 1 to 64 of a-z, 0-9 and _".into())
}

fn is_short(text: &str, allowed: fn(u8) -> bool) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

/// `image/png` or `image/*`, lower case; `*/*` for everything.
pub(super) fn content_type(text: &str) -> Result<String, String> {
    let is_token = |part: &str| {
        (1..=127).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b))
    };
    let fits = match text.split_once('/') {
        Some(("*", kind)) => kind == "*",
        Some((family, kind)) => is_token(family) && (kind == "*" || is_token(kind)),
        None => false,
    };
    fits.then(|| text.to_ascii_lowercase())
        .ok_or_else(|| "must be a content type such as \"image/png\" or \"image/*\"".into())
}

/// A text of a person that has a meaning as a whole.
pub(super) fn keyword(text: &str) -> Result<String, String> {
    let fits = (1..=50).contains(&text.chars().count()) && text.chars().any(char::is_alphanumeric);
    fits.then(|| text.to_owned()).ok_or_else(|| "must have 1 to 50 characters, and a letter or digit".into())
}

/// What scopes are called.
pub(super) const SCOPES: [(&str, Scope); 3] =
    [("messages", Scope::Messages), ("contacts", Scope::Contacts), ("admin", Scope::Admin)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_plain() {
        assert!(["a", "support-sms", "0", &"x".repeat(64)].iter().all(|text| name(text).is_ok()));
        assert!(
            ["", "-a", "a-", "A", "a_b", "a.b", "ä", "a\0", &"x".repeat(65)].iter().all(|text| name(text).is_err())
        );
    }

    #[test]
    fn content_types_have_two_parts() {
        assert_eq!(content_type("Image/PNG").as_deref(), Ok("image/png"));
        assert!(["*/*", "image/*", "application/vnd.ms-excel"].iter().all(|text| content_type(text).is_ok()));
        assert!(
            ["*", "image", "*/png", "image/", "a/b/c", "a/b; c=d", ""].iter().all(|text| content_type(text).is_err())
        );
    }
}
