//! AWS Signature Version 4: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html>
//!
//! The first step is the gateway's, so that the secret stays there: the slot holds `AWS4` and the secret access key, and what
//! comes out serves for one day.

use omnigate_plugin::prelude::*;
use sha2::{Digest, Sha256};

use super::API_KEY;

pub(super) struct Signer<'a> {
    pub(super) key_id: &'a str,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
    /// Milliseconds since 1970.
    pub(super) now: i64,
}

impl Signer<'_> {
    /// A signed request with a JSON body.
    ///
    /// # Errors
    /// `internal` if the slot is not set.
    pub(super) fn post(&self, base: &str, path: &str, body: Vec<u8>) -> Result<http::Request, Fault> {
        let host = base.split_once("://").map_or(base, |(_, host)| host);
        let time = self.time();
        let day = &time[..8];
        let canonical = canonical(host, path, &time, &body);
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let signed = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
        let of_day = secrets::sign(API_KEY, secrets::Algorithm::HmacSha256, day.as_bytes())?;
        let signature = hex(&hmac(&self.key(&of_day), signed.as_bytes()));
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders=content-type;host;x-amz-date, Signature={signature}",
            self.key_id
        );
        let request = http::post(format!("{base}{path}")).header("content-type", "application/json");
        let request = request.header("x-amz-date", time).header("authorization", authorization);
        Ok(http::Request { body: Some(body), ..request })
    }

    fn key(&self, of_day: &[u8]) -> Vec<u8> {
        let of_region = hmac(of_day, self.region.as_bytes());
        hmac(&hmac(&of_region, self.service.as_bytes()), b"aws4_request")
    }

    /// `20260502T071504Z`
    fn time(&self) -> String {
        crate::metadata::rfc3339(self.now).chars().filter(|c| !matches!(c, '-' | ':')).collect()
    }
}

fn canonical(host: &str, path: &str, time: &str, body: &[u8]) -> String {
    let headers = format!("content-type:application/json\nhost:{host}\nx-amz-date:{time}\n");
    format!("POST\n{path}\n\n{headers}\ncontent-type;host;x-amz-date\n{}", hex(&Sha256::digest(body)))
}

/// RFC 2104 for keys that are no longer than a block, as all of these are.
fn hmac(key: &[u8], data: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 64;
    let mut padded = [0_u8; BLOCK];
    padded[..key.len().min(BLOCK)].copy_from_slice(&key[..key.len().min(BLOCK)]);
    let keyed = |mask: u8| Sha256::new().chain_update(padded.map(|byte| byte ^ mask));
    keyed(0x5c).chain_update(keyed(0x36).chain_update(data).finalize()).finalize().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hmac_is_that_of_others() {
        for data in ["", "a", "what is signed"] {
            let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"key of less than a block");
            assert_eq!(
                hmac(b"key of less than a block", data.as_bytes()),
                ring::hmac::sign(&key, data.as_bytes()).as_ref()
            );
        }
    }

    #[test]
    fn keys_are_derived_as_amazon_shows() {
        // The example of the documentation: 20120215, us-east-1, iam.
        let signer = Signer { key_id: "AKID", region: "us-east-1", service: "iam", now: 1_329_264_000_000 };
        assert_eq!(signer.time(), "20120215T000000Z");
        let of_day = hmac(b"AWS4wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", b"20120215");
        assert_eq!(hex(&signer.key(&of_day)), "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d");
    }
}
