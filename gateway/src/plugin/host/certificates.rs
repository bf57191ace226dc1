use ring::signature::{RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};
use webpki::EndEntityCert;

use crate::plugin::state::CallState;

const CERTIFICATE_MAX: usize = 64 << 10;

/// With RSA, as of PKCS #1 version 1.5.
#[derive(Clone, Copy, Debug)]
pub(in crate::plugin) enum Algorithm {
    RsaSha1,
    RsaSha256,
}

impl SignatureVerificationAlgorithm for Algorithm {
    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let parameters = match self {
            Self::RsaSha1 => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            Self::RsaSha256 => &RSA_PKCS1_2048_8192_SHA256,
        };
        UnparsedPublicKey::new(parameters, key).verify(message, signature).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::RSA_ENCRYPTION
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        match self {
            // RFC 8017 appendix A.2.4: sha1WithRSAEncryption, and NULL.
            Self::RsaSha1 => AlgorithmIdentifier::from_slice(&[
                0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05, 0x05, 0x00,
            ]),
            Self::RsaSha256 => alg_id::RSA_PKCS1_SHA256,
        }
    }
}

/// Whether the holder of the certificate signed the data; who vouches for the certificate is not asked.
pub(in crate::plugin) fn verify(
    state: &mut CallState,
    certificate: &[u8],
    algorithm: Algorithm,
    data: &[u8],
    signature: &[u8],
) -> Result<bool, String> {
    let genuine = is_signed(certificate, algorithm, data, signature)?;
    state.authentic |= genuine;
    Ok(genuine)
}

fn is_signed(certificate: &[u8], algorithm: Algorithm, data: &[u8], signature: &[u8]) -> Result<bool, String> {
    if certificate.len() > CERTIFICATE_MAX {
        return Err(format!("the certificate has more than {CERTIFICATE_MAX} bytes"));
    }
    let der = CertificateDer::from_pem_slice(certificate).map_err(|_| "there is no certificate in PEM")?;
    let certificate = EndEntityCert::try_from(&der).map_err(|_| "the certificate cannot be read")?;
    match certificate.verify_signature(&algorithm, data, signature) {
        Ok(()) => Ok(true),
        Err(webpki::Error::InvalidSignatureForPublicKey) => Ok(false),
        Err(_) => Err("the certificate is not for RSA".to_owned()),
    }
}
