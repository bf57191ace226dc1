use std::fmt;

use super::country::{self, Country};
use serde::{Deserialize, Serialize};

/// One address of a person. Equal addresses (scheme, value and scope) belong to one contact.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// `tel`, `email`, `visitor`, or a network's own.
    pub scheme: String,
    /// E.164 with `+` for `tel`.
    pub value: String,
    /// The account inside which `value` is unique, where it is not unique everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Name that the person shows there; no part of the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Longer texts are no telephone numbers, however they are written.
const TEL_BYTES_MAX: usize = 64;

/// Why something is no identity.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidIdentity {
    #[error("scheme {0:?} must be 1 to 32 of a-z, 0-9 and -")]
    Scheme(String),
    #[error("value must be 1 to 512 characters without control characters")]
    Value,
    #[error(
        "tel value must be E.164: + and 3 to 15 digits; other numbers (short codes, names) have a scheme of their own"
    )]
    Tel,
    #[error("email value must be one address with one @")]
    Email,
    #[error("scope must be 1 to 256 characters without control characters")]
    Scope,
}

impl Identity {
    /// Checks and normalizes: a lower-cased domain for `email`, cleaned names.
    ///
    /// # Errors
    /// Says which rule was broken, without the address itself.
    pub fn checked(mut self) -> Result<Self, InvalidIdentity> {
        if !is_plain(&self.scheme, 32)
            || !self.scheme.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        {
            return Err(InvalidIdentity::Scheme(self.scheme.chars().take(40).collect()));
        }
        if !is_plain(&self.value, 512) {
            return Err(InvalidIdentity::Value);
        }
        if self.scope.as_deref().is_some_and(|scope| !is_plain(scope, 256)) {
            return Err(InvalidIdentity::Scope);
        }
        match self.scheme.as_str() {
            "tel" if !is_e164(&self.value) => return Err(InvalidIdentity::Tel),
            "email" => self.value = lower_domain(&self.value).ok_or(InvalidIdentity::Email)?,
            _ => {}
        }
        self.name = self.name.and_then(clean_name);
        Ok(self)
    }

    /// The address as one text, without the name: the key under which it is kept.
    pub fn address(&self) -> String {
        let address = [&self.scheme, self.scope.as_deref().unwrap_or_default(), &self.value].join(":");
        if self.scheme == "email" { address.to_lowercase() } else { address }
    }

    /// Whether both are the same address, whatever the name. Nobody tells people apart by the case of their e-mail addresses,
    /// though RFC 5321 would allow it.
    pub fn same_address(&self, other: &Self) -> bool {
        let same_value = self.value == other.value
            || (self.scheme == "email" && self.value.to_lowercase() == other.value.to_lowercase());
        same_value && (&self.scheme, &self.scope) == (&other.scheme, &other.scope)
    }

    /// A telephone number in E.164, as the plan of its country writes it; one without a country's code is understood as it
    /// would be dialled in `country`. What is no valid number stays as it is, and so does everything else.
    #[must_use]
    pub fn normalized(mut self, country: Option<Country>) -> Self {
        if self.scheme == "tel"
            && self.value.len() <= TEL_BYTES_MAX
            && let Some(number) = country::e164(&self.value, country)
        {
            self.value = number;
        }
        self
    }
}

/// Shows the scheme alone: addresses do not belong into logs.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:…", self.scheme)
    }
}

fn is_plain(text: &str, max: usize) -> bool {
    !text.is_empty() && text.chars().count() <= max && !text.chars().any(char::is_control)
}

/// ITU-T E.164: at most 15 digits, country code first, none begins with 0.
fn is_e164(value: &str) -> bool {
    let Some(digits) = value.strip_prefix('+') else { return false };
    (3..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0')
}

/// RFC 5321 section 2.4: the local part may depend on case, the domain never does.
fn lower_domain(value: &str) -> Option<String> {
    let (local, domain) = value.rsplit_once('@')?;
    let plain = !local.is_empty() && !domain.is_empty() && !value.contains(char::is_whitespace);
    plain.then(|| format!("{local}@{}", domain.to_lowercase()))
}

fn clean_name(name: String) -> Option<String> {
    let clean: String = name.chars().filter(|c| !c.is_control()).take(256).collect();
    let clean = clean.trim();
    (!clean.is_empty()).then(|| clean.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(scheme: &str, value: &str) -> Identity {
        Identity { scheme: scheme.into(), value: value.into(), scope: None, name: None }
    }

    #[test]
    fn telephone_numbers_are_e164() {
        assert!(identity("tel", "+15551234567").checked().is_ok());
        for bad in ["15551234567", "+0123456", "+1234567890123456", "+1 555", "12345", "+"] {
            assert_eq!(identity("tel", bad).checked(), Err(InvalidIdentity::Tel), "{bad}");
        }
    }

    #[test]
    fn only_the_domain_of_an_address_is_lowered() {
        assert_eq!(identity("email", "Ann.B@Example.ORG").checked().unwrap().value, "Ann.B@example.org");
        assert_eq!(identity("email", "nobody").checked(), Err(InvalidIdentity::Email));
    }

    #[test]
    fn numbers_are_written_as_their_country_does() {
        let germany = Country::parse("DE");
        for (typed, country, meant) in [
            ("030 901820", germany, "+4930901820"),
            ("+49 (0)30 / 90 18 20", None, "+4930901820"),
            ("0049 30 901820", germany, "+4930901820"),
            ("+4930901820", Country::parse("FR"), "+4930901820"),
            ("+15550100123", germany, "+15550100123"),
            ("12345", germany, "12345"),
            ("nonsense", germany, "nonsense"),
        ] {
            assert_eq!(identity("tel", typed).normalized(country).value, meant, "{typed}");
        }
        assert_eq!(identity("visitor", "030 901820").normalized(germany).value, "030 901820");
        assert_eq!(Country::parse("XX"), None);
    }

    #[test]
    fn addresses_of_mail_are_the_same_in_any_case() {
        let (one, other) = (identity("email", "Ann@example.org"), identity("email", "ann@example.org"));
        assert!(one.same_address(&other) && one.address() == other.address());
        assert!(!identity("visitor", "A").same_address(&identity("visitor", "a")));
    }

    #[test]
    fn names_lose_control_characters_and_are_no_part_of_the_address() {
        let named = Identity { name: Some(" An\r\nn ".into()), ..identity("visitor", "v1") }.checked().unwrap();
        assert_eq!(named.name.as_deref(), Some("Ann"));
        assert!(named.same_address(&identity("visitor", "v1")));
    }

    #[test]
    fn hostile_values_are_refused() {
        assert_eq!(identity("visitor", "a\nb").checked(), Err(InvalidIdentity::Value));
        assert_eq!(identity("visitor", &"a".repeat(513)).checked(), Err(InvalidIdentity::Value));
        assert!(matches!(identity("Te:l", "1").checked(), Err(InvalidIdentity::Scheme(_))));
    }
}
