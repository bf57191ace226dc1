//! A provider that repeats a credential in its answer must not hand it to the guest.

use axum::http::{HeaderMap, HeaderValue};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::http::SEGMENT;
use super::secrets::secret;
use crate::egress::Received;
use crate::plugin::state::CallState;

/// Shorter values are words that occur by chance, and nobody's secret.
const SECRET_MIN: usize = 8;
const STAND_IN: u8 = b'*';

/// The values of a request's slots, in every form in which they left.
pub(super) struct Silenced(Vec<Vec<u8>>);

impl Silenced {
    pub(super) fn of<'a>(state: &CallState, slots: impl Iterator<Item = &'a str>) -> Self {
        let values = slots.filter_map(|slot| secret(state, slot).ok()).map(|secret| secret.expose());
        Self(values.filter(|value| value.len() >= SECRET_MIN).flat_map(forms).collect())
    }

    /// The same bytes, with every secret struck out; nothing is copied where there is none.
    fn strike(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut struck: Option<Vec<u8>> = None;
        for form in &self.0 {
            let mut from = 0;
            while let Some(at) = find(struck.as_deref().unwrap_or(bytes), form, from) {
                struck.get_or_insert_with(|| bytes.to_vec())[at..at + form.len()].fill(STAND_IN);
                from = at + form.len();
            }
        }
        struck
    }
}

/// As it is, percent-encoded for a path and for a form.
fn forms(value: &str) -> Vec<Vec<u8>> {
    let mut forms = vec![
        value.to_owned(),
        utf8_percent_encode(value, SEGMENT).to_string(),
        utf8_percent_encode(value, NON_ALPHANUMERIC).to_string(),
    ];
    forms.extend(url::form_urlencoded::byte_serialize(value.as_bytes()).map(str::to_owned).reduce(|a, b| a + &b));
    forms.extend(base64_inside(value));
    forms.sort();
    forms.dedup();
    forms.into_iter().map(String::into_bytes).collect()
}

/// What base64 shows of a value, whatever stands before it: Basic puts a user there of any length.
fn base64_inside(value: &str) -> Vec<String> {
    let inner = |shift: usize| {
        let padded = [vec![0; shift], value.as_bytes().to_vec()].concat();
        let whole = STANDARD_NO_PAD.encode(&padded[..padded.len() / 3 * 3]);
        whole[(shift * 8).div_ceil(6)..].to_owned()
    };
    let mut forms: Vec<_> = (0..3).map(inner).filter(|form| form.len() >= SECRET_MIN).collect();
    forms.push(STANDARD.encode(value));
    forms
}

fn find(bytes: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    memchr::memmem::find(bytes.get(from..)?, wanted).map(|at| from + at)
}

/// The answer as the guest may see it.
pub(super) fn silenced(received: Received, secrets: &Silenced) -> Received {
    if secrets.0.is_empty() {
        return received;
    }
    let body = secrets.strike(&received.body).map_or(received.body, Bytes::from);
    Received { headers: silenced_headers(received.headers, secrets), body, ..received }
}

fn silenced_headers(mut headers: HeaderMap, secrets: &Silenced) -> HeaderMap {
    for value in headers.values_mut() {
        if let Some(struck) = secrets.strike(value.as_bytes()) {
            *value = HeaderValue::from_bytes(&struck).unwrap_or(HeaderValue::from_static("*"));
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strike(secret: &str, text: &str) -> String {
        let struck = Silenced(forms(secret)).strike(text.as_bytes());
        String::from_utf8(struck.unwrap_or_else(|| text.into())).unwrap()
    }

    #[test]
    fn every_form_in_which_it_left_is_struck_out() {
        let secret = "123:to/ken+secret";
        for text in [secret, "/bot123:to%2Fken%2Bsecret/x", "x=123%3Ato%2Fken%2Bsecret"] {
            let struck = strike(secret, text);
            assert!(struck.contains("*****") && !struck.contains("secret"), "{struck}");
        }
        assert_eq!(strike(secret, "nothing of it"), "nothing of it");
        assert_eq!(strike("aaaaaaaa", "aaaaaaaaaaaaaaaaa"), "****************a");
    }

    #[test]
    fn basic_is_struck_out_whatever_the_user() {
        for user in ["", "a", "ab", "abc"] {
            let encoded = STANDARD.encode(format!("{user}:a-long-secret-value"));
            let struck = strike("a-long-secret-value", &encoded);
            assert!(struck.matches('*').count() >= 20, "{encoded} {struck}");
        }
    }
}
