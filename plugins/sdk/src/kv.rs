//! A small memory that outlives the call; one for each channel.

use crate::bindings::omnigate::host::kv;
pub use crate::bindings::omnigate::host::kv::{Entry, KvError, delete, get};

/// Keeps a value, whatever was there; for `ttl_ms` milliseconds or for ever. Durable when it returns.
///
/// # Errors
/// If the value or the memory is too large, or the store is not available.
pub fn put(key: &str, value: &[u8], ttl_ms: Option<u32>) -> Result<String, KvError> {
    kv::put(key, value, None, ttl_ms)
}

/// Keeps a value only over the version that was read; `None` for a key that must be new.
///
/// # Errors
/// [`KvError::Conflict`] if somebody else was faster; else as [`put`].
pub fn put_over(key: &str, value: &[u8], read: Option<&Entry>, ttl_ms: Option<u32>) -> Result<String, KvError> {
    kv::put(key, value, Some(read.map_or("", |entry| &entry.version)), ttl_ms)
}
