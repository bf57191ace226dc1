use std::fmt;
use std::sync::Arc;

use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

const ENCRYPTED: &str = "is encrypted: take the password off with `openssl pkcs8 -topk8 -nocrypt -in key.pem`";
const NO_KEY: &str =
    "must be a private key in PEM, beginning with -----BEGIN PRIVATE KEY-----: make one with `openssl genrsa 2048`";
const NO_RSA: &str = "must be an RSA key of 2048 to 4096 bits: make one with `openssl genrsa 2048`";

/// An RSA key that signs (RS256). It cannot be shown.
#[derive(Clone)]
pub struct SigningKey {
    pair: Arc<RsaKeyPair>,
    fingerprint: [u8; 32],
}

impl SigningKey {
    /// Reads PKCS#8 or PKCS#1 in PEM.
    ///
    /// # Errors
    /// The rule that is broken; never anything of the text.
    pub fn read(pem: &str) -> Result<Self, &'static str> {
        if pem.contains("ENCRYPTED") {
            return Err(ENCRYPTED);
        }
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| NO_KEY)?;
        let pair = match &der {
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            _ => return Err(NO_RSA),
        };
        let pair = pair.map_err(|_| NO_RSA)?;
        let fingerprint = digest(&SHA256, der.secret_der());
        let fingerprint = fingerprint.as_ref().try_into().map_err(|_| NO_RSA)?;
        Ok(Self { pair: Arc::new(pair), fingerprint })
    }

    /// RSASSA-PKCS1-v1_5 with SHA-256; `None` if the system has no random bytes.
    pub fn sign(&self, data: &[u8]) -> Option<Vec<u8>> {
        let mut signature = vec![0; self.pair.public().modulus_len()];
        self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), data, &mut signature).ok()?;
        Some(signature)
    }

    /// Tells keys from each other.
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }
}

impl PartialEq for SigningKey {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Eq for SigningKey {}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &str = include_str!("../../tests/config/key.pem");

    #[test]
    fn a_key_is_known_by_its_fingerprint_and_never_shown() {
        let (one, again) = (SigningKey::read(PEM).unwrap(), SigningKey::read(PEM).unwrap());
        assert_eq!(one, again);
        assert_eq!(format!("{one:?}"), "[key]");
    }
}
