//! Where secrets come from: the environment, a file, or (for development) the configuration itself.
//!
//! No message here repeats a value; a place that looks like a value is not repeated either.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use toml::de::DeValue;

use super::file::read_text;
use super::problem::Problem;
use super::read::{Section, Typed};
use super::{OAuth2, Secret, names};

/// Longest secret: the largest known are private keys of a few KiB.
const SECRET_BYTES_MAX: u64 = 64 << 10;
const SLOTS_MAX: usize = 64;

const FORMS: &str = "must be { env = \"NAME\" } or { file = \"path\" }";
const LITERAL: &str =
    "is written in the file itself: fine for development; elsewhere use { env = \"NAME\" } or { file = \"path\" }";
const OAUTH2: &str = "is for slots of a channel: give { env = \"NAME\" } or { file = \"path\" }";

/// Slots with a value, and slots with one that is fetched.
type Slots = (BTreeMap<String, Secret>, BTreeMap<String, Arc<OAuth2>>);

impl<'a> Section<'a> {
    /// A secret that follows `rule`.
    pub(super) fn secret(&self, key: &'static str, rule: fn(&str) -> Result<(), &'static str>) -> Option<Secret> {
        self.document(key, None);
        self.resolve(&self.typed(key)?, rule)
    }

    /// Secrets by slot.
    pub(super) fn slots(&self, key: &'static str) -> Slots {
        self.document(key, None);
        let entries = self.entries(key, names::slot);
        if entries.len() > SLOTS_MAX {
            self.problem(key, &format!("must have at most {SLOTS_MAX} slots"));
        }
        let (mut secrets, mut oauth) = Slots::default();
        for (slot, typed) in entries {
            match typed.value.get_ref() {
                DeValue::Table(table) if table.get("oauth2").is_some_and(|inner| !inner.get_ref().is_table()) => {
                    self.refuse_name(
                        &typed,
                        "must have a table behind oauth2: { oauth2 = { token_url = \"...\", ... } }",
                    );
                }
                DeValue::Table(table) if table.contains_key("oauth2") => {
                    let read =
                        Section::inline(self.reading, table, &typed, |slot| slot.table("oauth2", Section::oauth2));
                    oauth.extend(read.map(|source| (slot, Arc::new(source))));
                }
                _ => secrets.extend(self.resolve(&typed, |_| Ok(())).map(|secret| (slot, secret))),
            }
        }
        (secrets, oauth)
    }

    fn resolve(&self, typed: &Typed<'a>, rule: fn(&str) -> Result<(), &'static str>) -> Option<Secret> {
        let value = match typed.value.get_ref() {
            DeValue::String(literal) => Ok(self.literal(typed, literal)),
            DeValue::Table(table) => Section::inline(self.reading, table, typed, Section::source)?,
            _ => Err(FORMS.to_owned()),
        };
        let checked = value.and_then(|value| match value.as_str() {
            "" => Err("must not be empty".to_owned()),
            _ if value.len() as u64 > SECRET_BYTES_MAX => Err("must be at most 64KiB long".to_owned()),
            _ if value.contains('\0') => Err("must not have a NUL byte in it".to_owned()),
            text => rule(text).map_err(str::to_owned).map(|()| Secret::new(text)),
        });
        checked.map_err(|rule| self.refuse_name(typed, &rule)).ok()
    }

    fn literal(&self, typed: &Typed<'_>, value: &str) -> String {
        let warning = Problem::new(typed.path.clone(), None, LITERAL).at(self.reading.file, Some(typed.line));
        self.reading.warnings.borrow_mut().push(warning);
        value.to_owned()
    }

    /// Reads from where the table says; `None` where its keys have problems of their own.
    fn source(&self) -> Option<Result<String, String>> {
        self.refuse("oauth2", OAUTH2);
        let env = self.place("env", |name| from_env(name, self.reading.env));
        let file = self.place("file", |path| from_file(&self.reading.base_dir.join(path), path));
        match (self.has("env"), self.has("file")) {
            (true, true) => Some(Err(format!("{FORMS}, not both"))),
            (false, false) if self.has("oauth2") => None,
            (false, false) => Some(Err(FORMS.to_owned())),
            _ => env.or(file),
        }
    }

    fn place<T>(&self, key: &'static str, find: impl Fn(&str) -> T) -> Option<T> {
        let typed = self.typed(key)?;
        let fits = |place: &&str| is_place(place) && (key != "env" || is_variable(place));
        let place = typed.value.get_ref().as_str().filter(fits);
        if place.is_none() {
            self.refuse_name(&typed, "must say where the secret is: the name of an environment variable or a file");
        }
        place.map(find)
    }
}

fn from_env(name: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    match env(name) {
        None => Err(format!("environment variable {name} is not set (or not UTF-8): set it before the gateway starts")),
        Some(value) if value.is_empty() => Err(format!("environment variable {name} is empty")),
        Some(value) => Ok(value),
    }
}

fn from_file(path: &Path, typed: &str) -> Result<String, String> {
    let text = read_text(path, SECRET_BYTES_MAX).map_err(|error| format!("cannot read the file {typed:?}: {error}"))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    match text.strip_suffix('\r').unwrap_or(text) {
        "" => Err(format!("the file {typed:?} is empty")),
        secret => Ok(secret.to_owned()),
    }
}

fn is_place(text: &str) -> bool {
    (1..=1024).contains(&text.len()) && !text.contains(char::is_control) && !text.contains("whsec_")
}

fn is_variable(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !text.starts_with(|c: char| c.is_ascii_digit())
}

/// Rule for API keys: long enough not to be guessed, and able to stand in a header.
pub(super) fn api_key(value: &str) -> Result<(), &'static str> {
    match value.bytes().all(|b| b.is_ascii_graphic()) {
        false => Err("must be letters, digits and signs of ASCII without spaces: it travels in a header"),
        true if value.len() < 16 => Err("must have at least 16 characters: make one with `openssl rand -hex 32`"),
        true if value.len() > 512 => Err("must have at most 512 characters"),
        true => Ok(()),
    }
}

/// Rule for secrets of Standard Webhooks.
pub(super) fn webhook_secret(value: &str) -> Result<(), &'static str> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let key = value.strip_prefix("whsec_").and_then(|key| GeneralPurpose::new(&STANDARD, LENIENT).decode(key).ok());
    match key.map(|key| key.len()) {
        Some(24..=64) => Ok(()),
        _ => Err(
            "must be \"whsec_\" and base64 of 24 to 64 bytes: make one with `echo whsec_$(openssl rand -base64 32)`",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webhook_secrets_have_24_to_64_bytes() {
        let of = |bytes: usize| format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode(vec![7; bytes]));
        assert!([24, 32, 64].iter().all(|bytes| webhook_secret(&of(*bytes)).is_ok()));
        assert!([0, 23, 65].iter().all(|bytes| webhook_secret(&of(*bytes)).is_err()));
        assert!(webhook_secret(of(32).trim_end_matches('=')).is_ok());
        assert!(webhook_secret(&of(32).replace("whsec_", "")).is_err());
        assert!(webhook_secret("whsec_not base64 at all, though long enough").is_err());
    }

    #[test]
    fn api_keys_fit_into_a_header() {
        assert!(api_key("dev-desk-key-change-me").is_ok());
        assert!(
            ["short", "with spaces in between", "umläute-are-not-good", "x".repeat(513).as_str()]
                .iter()
                .all(|key| api_key(key).is_err())
        );
    }
}
