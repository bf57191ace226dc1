//! What the host functions need from the rest of the gateway.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::config::{OAuth2, Secret};
use crate::egress::TokenError;
use crate::interaction::Identity;

/// Implemented by the gateway; a plugin sees it through the host interfaces only.
#[async_trait]
pub trait Services: Send + Sync + 'static {
    /// One value of a channel's memory.
    async fn kv_get(&self, channel: &str, key: &str) -> Result<Option<KvEntry>, KvError>;

    /// Keeps a value; with `expect` only over that version, `Some(0)` only if the key is new.
    async fn kv_put(
        &self,
        channel: &str,
        key: &str,
        value: Vec<u8>,
        expect: Option<u64>,
        ttl: Option<Duration>,
    ) -> Result<u64, KvError>;

    /// Forgets a value.
    async fn kv_delete(&self, channel: &str, key: &str) -> Result<(), KvError>;

    /// Sends a frame to the channel's sockets with that address; tells to how many.
    fn push(&self, channel: &str, address: &str, frame: &str) -> u32;

    /// A person's interactions on a channel, oldest first, after the one with that id.
    async fn history(&self, channel: &str, person: &Identity, after: Option<&str>, limit: usize) -> Vec<Bytes>;

    /// Allows one upload.
    ///
    /// # Errors
    /// A sentence that says which limit was met.
    async fn open_upload(&self, channel: &str, name: &str, content_type: &str, bytes: u64) -> Result<Ticket, String>;

    /// Writes a file whose bytes the adapter has; no interaction speaks of it yet.
    ///
    /// # Errors
    /// A sentence that says which limit was met.
    async fn keep_file(&self, name: Option<String>, content_type: &str, content: Vec<u8>) -> Result<KeptFile, String>;

    /// A stored file, whole: of `bytes_max` at most.
    ///
    /// # Errors
    /// A sentence that says why it cannot be had.
    async fn read_file(&self, id: Uuid, bytes_max: u64) -> Result<Vec<u8>, String>;

    /// The token behind a slot of OAuth 2.
    ///
    /// # Errors
    /// If there is none to be had.
    async fn token(&self, _source: &OAuth2) -> Result<Secret, TokenError> {
        Err(TokenError::Unavailable("no gateway runs".to_owned()))
    }

    /// The provider does not take this token.
    fn forget_token(&self, _source: &OAuth2, _token: &Secret) {}
}

/// A file on disk that the log does not know yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptFile {
    pub id: Uuid,
    pub name: Option<String>,
    pub content_type: String,
    pub bytes: u64,
    /// Hexadecimal.
    pub sha256: String,
}

/// A value and its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvEntry {
    pub value: Bytes,
    pub version: u64,
}

/// Why a channel's memory did not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvError {
    Conflict,
    TooLarge,
    Quota,
    Unavailable,
}

/// The right to upload one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    pub id: String,
    pub url: String,
}

/// Nothing, for looking at plugins without running a gateway.
pub struct NoServices;

#[async_trait]
impl Services for NoServices {
    async fn kv_get(&self, _: &str, _: &str) -> Result<Option<KvEntry>, KvError> {
        Err(KvError::Unavailable)
    }

    async fn kv_put(&self, _: &str, _: &str, _: Vec<u8>, _: Option<u64>, _: Option<Duration>) -> Result<u64, KvError> {
        Err(KvError::Unavailable)
    }

    async fn kv_delete(&self, _: &str, _: &str) -> Result<(), KvError> {
        Err(KvError::Unavailable)
    }

    fn push(&self, _: &str, _: &str, _: &str) -> u32 {
        0
    }

    async fn history(&self, _: &str, _: &Identity, _: Option<&str>, _: usize) -> Vec<Bytes> {
        Vec::new()
    }

    async fn open_upload(&self, _: &str, _: &str, _: &str, _: u64) -> Result<Ticket, String> {
        Err("no gateway runs".to_owned())
    }

    async fn keep_file(&self, _: Option<String>, _: &str, _: Vec<u8>) -> Result<KeptFile, String> {
        Err("no gateway runs".to_owned())
    }

    async fn read_file(&self, _: Uuid, _: u64) -> Result<Vec<u8>, String> {
        Err("no gateway runs".to_owned())
    }
}
