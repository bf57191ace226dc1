//! Messages that become several at the provider.

use crate::{Fault, ReasonCode, kv, warn};

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
    go_on(pieces, recall(&key)?, &mut send, |ids| remember(&key, ids, ids.len() == pieces.len()))
}

fn go_on<T>(
    pieces: &[T],
    mut ids: Vec<String>,
    send: &mut impl FnMut(&T) -> Result<String, Fault>,
    remember: impl Fn(&[String]),
) -> Result<Vec<String>, Fault> {
    for piece in pieces.iter().skip(ids.len()) {
        ids.push(send(piece)?);
        remember(&ids);
    }
    Ok(ids)
}

fn recall(key: &str) -> Result<Vec<String>, Fault> {
    let entry = kv::get(key).map_err(|_| {
        Fault::unavailable("the memory of what was sent cannot be read").because(ReasonCode::ProviderError)
    })?;
    Ok(entry.and_then(|entry| serde_json::from_slice(&entry.value).ok()).unwrap_or_default())
}

/// A failure here must not look like a failure of the piece: that would send it again.
fn remember(key: &str, ids: &[String], is_all: bool) {
    let value = serde_json::to_vec(ids).unwrap_or_default();
    if kv::put(key, &value, Some(if is_all { DONE_MS } else { OPEN_MS })).is_err() {
        warn("cannot remember what was sent: another attempt would repeat it", &[]);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// Sends what is not `"broken"`; tells what was sent and what was remembered at the end.
    fn attempt(pieces: &[&str], known: &[&str]) -> (Result<Vec<String>, Fault>, Vec<String>, Vec<String>) {
        let known: Vec<String> = known.iter().map(|&id| id.to_owned()).collect();
        let (mut sent, memory) = (Vec::new(), RefCell::new(known.clone()));
        let mut send = |piece: &&str| match *piece {
            "broken" => Err(Fault::unavailable("down")),
            piece => {
                sent.push(piece.to_owned());
                Ok(format!("id of {piece}"))
            }
        };
        let result = go_on(pieces, known, &mut send, |ids| *memory.borrow_mut() = ids.to_vec());
        (result, sent, memory.into_inner())
    }

    #[test]
    fn the_next_attempt_repeats_nothing() {
        let (result, sent, memory) = attempt(&["a", "broken", "c"], &[]);
        assert!(result.is_err());
        assert_eq!((sent, memory), (vec!["a".to_owned()], vec!["id of a".to_owned()]));
        let (result, sent, _) = attempt(&["a", "b", "c"], &["id of a"]);
        assert_eq!(sent, ["b", "c"]);
        assert_eq!(result, Ok(["id of a", "id of b", "id of c"].map(str::to_owned).to_vec()));
        let (result, sent, _) = attempt(&["a", "b"], &["id of a", "id of b"]);
        assert_eq!((result.map(|ids| ids.len()), sent.len()), (Ok(2), 0));
    }
}
