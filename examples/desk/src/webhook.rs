//! Proof that an event comes from the gateway: Standard Webhooks 1.0.0, <https://www.standardwebhooks.com>.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

/// How far the sender's clock may be from ours, in seconds. It bounds how long a recorded request can be played again.
const TOLERANCE_SECONDS: i64 = 5 * 60;

/// The secret that the gateway signs with, `whsec_` + base64.
pub struct Secret(hmac::Key);

/// Why a request is not believed. Says nothing about its content, so it may be logged and sent back.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    #[error("header {0} is missing or unreadable")]
    Header(&'static str),
    #[error("webhook-timestamp is more than five minutes away from this clock")]
    Time,
    #[error("no signature fits")]
    Signature,
}

impl Secret {
    /// # Errors
    /// When `text` is not `whsec_` and the base64 of 24 to 64 bytes.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let encoded = text.strip_prefix("whsec_").unwrap_or_default();
        match STANDARD.decode(encoded) {
            Ok(bytes) if (24..=64).contains(&bytes.len()) => Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes))),
            _ => anyhow::bail!("the secret must be \"whsec_\" and the base64 of 24 to 64 bytes"),
        }
    }

    /// The event's id, if the gateway signed exactly these bytes within five minutes of `now` (Unix seconds).
    ///
    /// # Errors
    /// Answer 401 to each of them and keep nothing.
    pub fn verify<'h>(&self, headers: &'h HeaderMap, body: &[u8], now: i64) -> Result<&'h str, Untrusted> {
        let id = header(headers, "webhook-id")?;
        let timestamp = header(headers, "webhook-timestamp")?;
        let signatures = header(headers, "webhook-signature")?;
        let sent: i64 = timestamp.parse().map_err(|_| Untrusted::Header("webhook-timestamp"))?;
        if now.abs_diff(sent) > TOLERANCE_SECONDS.unsigned_abs() {
            return Err(Untrusted::Time);
        }
        let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat();
        // Several signatures are sent while a secret is being changed: one that fits is enough.
        let fits = signatures.split(' ').any(|signature| self.fits(signature, &signed));
        if fits { Ok(id) } else { Err(Untrusted::Signature) }
    }

    fn fits(&self, signature: &str, signed: &[u8]) -> bool {
        let tag = signature.strip_prefix("v1,").and_then(|encoded| STANDARD.decode(encoded).ok());
        // Compares in constant time.
        tag.is_some_and(|tag| hmac::verify(&self.0, signed, &tag).is_ok())
    }
}

fn header<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<&'h str, Untrusted> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .filter(|value| !value.is_empty())
        .ok_or(Untrusted::Header(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    const BODY: &[u8] = br#"{"hello":"w\u00f6rld","n":1}"#;
    const SENT: i64 = 1_767_225_600;
    const SIGNATURE: &str = "v1,kgPKdikpiVVrT+qiZJqd1TPqT5JH94zdW0xXoWFV6Ac=";

    fn headers(signature: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("webhook-id", "msg_test1".parse().unwrap());
        headers.insert("webhook-timestamp", SENT.to_string().parse().unwrap());
        headers.insert("webhook-signature", signature.parse().unwrap());
        headers
    }

    fn verify(signature: &str, body: &[u8], now: i64) -> Result<String, Untrusted> {
        Secret::parse(SECRET).unwrap().verify(&headers(signature), body, now).map(str::to_owned)
    }

    #[test]
    fn the_published_vector_is_believed() {
        assert_eq!(verify(SIGNATURE, BODY, SENT), Ok("msg_test1".into()));
    }

    #[test]
    fn one_signature_of_several_is_enough_and_unknown_versions_are_passed_over() {
        let several = format!("v1a,b2xk v1,b2xkLWtleS1zaWc= {SIGNATURE}");
        assert_eq!(verify(&several, BODY, SENT), Ok("msg_test1".into()));
        assert_eq!(verify("v1a,b2xk v1,b2xkLWtleS1zaWc=", BODY, SENT), Err(Untrusted::Signature));
    }

    #[test]
    fn a_changed_byte_is_noticed() {
        assert_eq!(verify(SIGNATURE, br#"{"hello":"w\u00f6rld","n":2}"#, SENT), Err(Untrusted::Signature));
    }

    #[test]
    fn five_minutes_are_tolerated_both_ways_and_no_second_more() {
        for now in [SENT - 300, SENT + 300] {
            assert!(verify(SIGNATURE, BODY, now).is_ok(), "{now}");
        }
        for now in [SENT - 301, SENT + 301, i64::MIN] {
            assert_eq!(verify(SIGNATURE, BODY, now), Err(Untrusted::Time), "{now}");
        }
    }

    #[test]
    fn each_header_is_needed() {
        for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
            let mut headers = headers(SIGNATURE);
            headers.remove(name);
            let verified = Secret::parse(SECRET).unwrap().verify(&headers, BODY, SENT).map(str::to_owned);
            assert_eq!(verified, Err(Untrusted::Header(name)));
        }
    }

    #[test]
    fn weak_or_bare_secrets_are_refused() {
        for bad in ["", "whsec_", "whsec_c2hvcnQ=", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="] {
            assert!(Secret::parse(bad).is_err(), "{bad}");
        }
    }
}
