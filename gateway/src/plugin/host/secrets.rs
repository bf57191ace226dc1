use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::{hmac, signature};
use subtle::ConstantTimeEq;

use crate::config::Secret;
use crate::plugin::state::CallState;

/// The key that the gateway made for the channel.
const CHANNEL_KEY: &str = "@channel";

#[derive(Clone, Copy, Debug)]
pub(in crate::plugin) enum Algorithm {
    HmacSha1,
    HmacSha256,
    HmacSha512,
    Ed25519,
    EcdsaP256,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::plugin) enum SecretError {
    Undeclared,
    Unset,
    WrongType,
}

pub(in crate::plugin) fn sign(
    state: &CallState,
    slot: &str,
    algorithm: Algorithm,
    data: &[u8],
) -> Result<Vec<u8>, SecretError> {
    let key = hmac_key(secret(state, slot)?, algorithm)?;
    Ok(hmac::sign(&key, data).as_ref().to_vec())
}

/// For Ed25519 the slot holds the public key in hexadecimal, for ECDSA its SubjectPublicKeyInfo in base64.
pub(in crate::plugin) fn verify(
    state: &mut CallState,
    slot: &str,
    algorithm: Algorithm,
    data: &[u8],
    tag: &[u8],
) -> Result<bool, SecretError> {
    let secret = secret(state, slot)?;
    let genuine = match algorithm {
        Algorithm::Ed25519 => {
            let key = hex::decode(secret.expose()).map_err(|_| SecretError::WrongType)?;
            signature::UnparsedPublicKey::new(&signature::ED25519, key).verify(data, tag).is_ok()
        }
        Algorithm::EcdsaP256 => {
            let key = p256_point(secret.expose())?;
            signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_ASN1, key).verify(data, tag).is_ok()
        }
        _ => hmac::verify(&hmac_key(secret, algorithm)?, data, tag).is_ok(),
    };
    // What the gateway signed for itself proves nothing about who sends it now.
    state.authentic |= genuine && slot != CHANNEL_KEY;
    Ok(genuine)
}

pub(in crate::plugin) fn equals(state: &mut CallState, slot: &str, candidate: &[u8]) -> Result<bool, SecretError> {
    let same = bool::from(secret(state, slot)?.expose().as_bytes().ct_eq(candidate));
    state.authentic |= same && slot != CHANNEL_KEY;
    Ok(same)
}

pub(in crate::plugin) fn is_set(state: &CallState, slot: &str) -> bool {
    secret(state, slot).is_ok() || state.binding.oauth.contains_key(slot) && state.binding.slots.contains_key(slot)
}

/// The value behind a declared slot.
pub(in crate::plugin) fn secret<'a>(state: &'a CallState, slot: &str) -> Result<&'a Secret, SecretError> {
    let binding = &state.binding;
    if slot == CHANNEL_KEY {
        return Ok(&binding.channel_key);
    }
    if !binding.slots.contains_key(slot) {
        return Err(SecretError::Undeclared);
    }
    binding.secrets.get(slot).or_else(|| state.tokens.get(slot)).ok_or(SecretError::Unset)
}

/// RFC 5480: of the structure, all but the uncompressed point at its end is the same for every key on this curve.
fn p256_point(base64: &str) -> Result<Vec<u8>, SecretError> {
    const HEAD: [u8; 26] = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
        0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ];
    let structure = STANDARD.decode(base64.trim()).map_err(|_| SecretError::WrongType)?;
    structure.strip_prefix(&HEAD).map(<[u8]>::to_vec).ok_or(SecretError::WrongType)
}

fn hmac_key(secret: &Secret, algorithm: Algorithm) -> Result<hmac::Key, SecretError> {
    let algorithm = match algorithm {
        Algorithm::HmacSha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        Algorithm::HmacSha256 => hmac::HMAC_SHA256,
        Algorithm::HmacSha512 => hmac::HMAC_SHA512,
        Algorithm::Ed25519 | Algorithm::EcdsaP256 => return Err(SecretError::WrongType),
    };
    Ok(hmac::Key::new(algorithm, secret.expose().as_bytes()))
}
