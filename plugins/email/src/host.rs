//! What the gateway does for the plugin, behind a trait: reading and writing mail needs no gateway then.

use omnigate_plugin::secrets::Algorithm;
use omnigate_plugin::{Fault, clock, files, secrets};

pub(crate) trait Host {
    /// A tag under the channel's own key.
    fn sign(&self, data: &[u8]) -> Result<Vec<u8>, Fault>;
    /// Stores a file; tells its id, or which limit was met.
    fn keep(&self, name: &str, content_type: &str, content: &[u8]) -> Result<String, String>;
    /// A file of the message that is sent.
    fn read(&self, id: &str) -> Result<Vec<u8>, String>;
    /// Milliseconds since 1970.
    fn now(&self) -> i64;
}

pub(crate) struct Gateway;

impl Host for Gateway {
    fn sign(&self, data: &[u8]) -> Result<Vec<u8>, Fault> {
        secrets::sign(secrets::CHANNEL_KEY, Algorithm::HmacSha256, data)
    }

    fn keep(&self, name: &str, content_type: &str, content: &[u8]) -> Result<String, String> {
        files::keep(Some(name), content_type, content)
    }

    fn read(&self, id: &str) -> Result<Vec<u8>, String> {
        files::read(id)
    }

    #[expect(clippy::cast_possible_truncation, reason = "milliseconds of some thousand years")]
    fn now(&self) -> i64 {
        clock::now() as i64
    }
}

/// A gateway for tests: a key, files, and a clock that stands.
#[cfg(test)]
pub(crate) mod fake {
    use std::cell::RefCell;

    use super::*;

    #[derive(Default)]
    pub(crate) struct Fake {
        pub(crate) kept: RefCell<Vec<(String, String, Vec<u8>)>>,
    }

    impl Host for Fake {
        fn sign(&self, data: &[u8]) -> Result<Vec<u8>, Fault> {
            // The key of the cases.
            let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"a key that a gateway made for this");
            Ok(ring::hmac::sign(&key, data).as_ref().to_vec())
        }

        fn keep(&self, name: &str, content_type: &str, content: &[u8]) -> Result<String, String> {
            if name == "refused.bin" {
                return Err("the file is larger than is allowed".to_owned());
            }
            let mut kept = self.kept.borrow_mut();
            kept.push((name.to_owned(), content_type.to_owned(), content.to_vec()));
            Ok(format!("file-{}", kept.len()))
        }

        fn read(&self, id: &str) -> Result<Vec<u8>, String> {
            id.strip_prefix("file:").map(|text| text.as_bytes().to_vec()).ok_or_else(|| "no such file".to_owned())
        }

        fn now(&self) -> i64 {
            1_777_706_104_000
        }
    }
}
