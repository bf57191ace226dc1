//! Signatures of providers that publish a certificate in place of sharing a key.

use crate::Fault;
use crate::bindings::omnigate::host::certificates;
pub use crate::bindings::omnigate::host::certificates::Algorithm;

/// Refuses what the certificate's holder did not sign. You answer for the certificate (X.509, in PEM): fetch it from where nobody
/// but the provider can put one.
///
/// # Errors
/// `unauthorized` for a wrong signature; `unavailable` for a certificate that cannot be used: another one may be there next time.
pub fn verify(certificate: &[u8], algorithm: Algorithm, data: &[u8], signature: &[u8]) -> Result<(), Fault> {
    let genuine = certificates::verify(certificate, algorithm, data, signature);
    if genuine.map_err(Fault::unavailable)? { Ok(()) } else { Err(Fault::unauthorized("the signature does not match")) }
}
