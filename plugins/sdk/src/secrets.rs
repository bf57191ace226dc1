//! Secrets by the name of their slot.

use crate::bindings::omnigate::host::secrets;
pub use crate::bindings::omnigate::host::secrets::{Algorithm, SecretError};
use crate::{Fault, FaultKind};

/// A key that the gateway made for this channel, for what only this channel reads again.
pub const CHANNEL_KEY: &str = "@channel";

/// Signs; for an HMAC the tag, for Ed25519 the signature.
///
/// # Errors
/// If the slot is unset or no such key.
pub fn sign(slot: &str, algorithm: Algorithm, data: &[u8]) -> Result<Vec<u8>, Fault> {
    secrets::sign(slot, algorithm, data).map_err(|error| fault(slot, error))
}

/// Refuses what is not signed with the slot's key.
///
/// # Errors
/// `unauthorized` for a wrong signature; `internal` if the slot is unset or no such key.
pub fn verify(slot: &str, algorithm: Algorithm, data: &[u8], signature: &[u8]) -> Result<(), Fault> {
    let genuine = secrets::verify(slot, algorithm, data, signature).map_err(|error| fault(slot, error))?;
    if genuine { Ok(()) } else { Err(Fault::unauthorized("the signature does not match")) }
}

/// The same, as a question: for schemes with more than one possible text.
///
/// # Errors
/// If the slot is unset or no such key.
pub fn is_signed(slot: &str, algorithm: Algorithm, data: &[u8], signature: &[u8]) -> Result<bool, Fault> {
    secrets::verify(slot, algorithm, data, signature).map_err(|error| fault(slot, error))
}

/// Refuses what is not the secret itself.
///
/// # Errors
/// `unauthorized` for another value; `internal` if the slot is unset.
pub fn equals(slot: &str, candidate: &str) -> Result<(), Fault> {
    let same = secrets::equals(slot, candidate.as_bytes()).map_err(|error| fault(slot, error))?;
    if same { Ok(()) } else { Err(Fault::unauthorized("the token does not match")) }
}

/// Whether the operator gave the slot a value.
pub fn is_set(slot: &str) -> bool {
    secrets::is_set(slot)
}

fn fault(slot: &str, error: SecretError) -> Fault {
    let what = match error {
        SecretError::Undeclared => "is not declared in the manifest",
        SecretError::Unset => "has no value in the configuration",
        SecretError::WrongType => "holds no key for this algorithm",
    };
    Fault::new(FaultKind::Internal, format!("secret {slot} {what}"))
}
