//! Messages that become several at the provider.

use crate::{Fault, kv, warn};

/// As long as attempts may follow one another.
const OPEN_MS: u32 = 3 * 24 * 3600 * 1000;
/// As long as the gateway may need to write down that the message was sent.
const DONE_MS: u32 = 10 * 60 * 1000;

/// Sends the pieces of one message in their order and tells the provider's id of each.
///
/// What the provider took is remembered under `message_id`, so that the next attempt goes on where this one stopped and
/// repeats nothing. A single piece needs no memory.
///
/// # Errors
/// That of the first piece that failed; `unavailable` if the memory cannot be read.
pub fn send_each<T>(
    message_id: &str,
    pieces: &[T],
    mut send: impl FnMut(&T) -> Result<String, Fault>,
) -> Result<Vec<String>, Fault> {
    if pieces.len() < 2 {
        return pieces.iter().map(send).collect();
    }
    let key = format!("pieces:{message_id}");
    let mut ids = recall(&key)?;
    for piece in pieces.iter().skip(ids.len()) {
        ids.push(send(piece)?);
        remember(&key, &ids, if ids.len() < pieces.len() { OPEN_MS } else { DONE_MS });
    }
    Ok(ids)
}

fn recall(key: &str) -> Result<Vec<String>, Fault> {
    let entry = kv::get(key).map_err(|_| Fault::unavailable("the memory of what was sent cannot be read"))?;
    Ok(entry.and_then(|entry| serde_json::from_slice(&entry.value).ok()).unwrap_or_default())
}

/// A failure here must not look like a failure of the piece: that would send it again.
fn remember(key: &str, ids: &[String], ttl_ms: u32) {
    let value = serde_json::to_vec(ids).unwrap_or_default();
    if kv::put(key, &value, Some(ttl_ms)).is_err() {
        warn("cannot remember what was sent: another attempt would repeat it", &[]);
    }
}
