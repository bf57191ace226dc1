use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurposeConfig, STANDARD};
use base64::engine::{DecodePaddingMode, GeneralPurpose};
use ring::hmac;

use crate::config::Secret;
use crate::interaction::Time;

/// Signs by Standard Webhooks 1.0.0: HMAC-SHA256 over `id.timestamp.body`.
pub struct Signer {
    key: hmac::Key,
}

/// A secret that is not `whsec_` and base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the secret must be \"whsec_\" and base64")]
pub struct InvalidSecret;

impl Signer {
    /// With the key that a secret contains.
    ///
    /// # Errors
    /// [`InvalidSecret`].
    pub fn new(secret: &Secret) -> Result<Self, InvalidSecret> {
        const LENIENT: GeneralPurposeConfig =
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let text = secret.expose().strip_prefix("whsec_").ok_or(InvalidSecret)?;
        let alphabet = &base64::alphabet::STANDARD;
        let key = GeneralPurpose::new(alphabet, LENIENT).decode(text).map_err(|_| InvalidSecret)?;
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, &key) })
    }

    /// The value of `webhook-signature`.
    pub fn sign(&self, id: &str, time: Time, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(id.as_bytes());
        context.update(format!(".{}.", time.seconds()).as_bytes());
        context.update(body);
        let mut signature = String::with_capacity(47);
        signature.push_str("v1,");
        STANDARD.encode_string(context.sign(), &mut signature);
        signature
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

    #[test]
    fn it_signs_as_the_standard_says() {
        for secret in [SECRET, SECRET.trim_end_matches('=')] {
            let signer = Signer::new(&Secret::new(secret)).unwrap();
            let body = br#"{"hello":"w\u00f6rld","n":1}"#;
            assert_eq!(
                signer.sign("msg_test1", Time::from_ms(1_767_225_600_999), body),
                "v1,kgPKdikpiVVrT+qiZJqd1TPqT5JH94zdW0xXoWFV6Ac="
            );
        }
    }

    #[test]
    fn other_secrets_are_refused() {
        for secret in ["MDEyMzQ1Njc4OWFiY2RlZg==", "whsec_no base64", ""] {
            assert!(Signer::new(&Secret::new(secret)).is_err(), "{secret}");
        }
    }
}
