//! Files of the interactions that a connector takes: they are waited for, and counted, so that one call has not too many.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use crate::interaction::{Event, Part};
use crate::media::{Entry, Media, Source, State};
use crate::store::{Record, StoreError};

/// Of one call, together; an interaction with more of them goes alone.
const FILES_MAX: usize = 8;
/// The same in bytes.
const BYTES_MAX: u64 = 32 << 20;
/// How long an attempt waits for a file that is being fetched.
const PATIENCE: Duration = Duration::from_secs(5);
/// After so many attempts an interaction goes without the files that did not come.
const ATTEMPTS_MAX: u32 = 3;

/// Files of ours that an interaction speaks of.
#[derive(Clone, Debug, Default)]
pub(super) struct Attachments {
    /// By the address that stands in the event.
    pub(super) ids: BTreeMap<String, Uuid>,
    /// Of those that are stored.
    bytes: u64,
}

impl Attachments {
    /// Of an event as it is handed over.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub(super) async fn of(body: &[u8], media: &Media) -> Result<Self, StoreError> {
        let mut attachments = Self { ids: ids(body, media), bytes: 0 };
        for id in attachments.ids.values() {
            if let Some(Entry { state: State::Stored(stored), .. }) = media.entry(*id).await? {
                attachments.bytes += stored.bytes;
            }
        }
        Ok(attachments)
    }

    fn fits(&self, files: usize, bytes: u64) -> bool {
        files + self.ids.len() <= FILES_MAX && bytes + self.bytes <= BYTES_MAX
    }
}

/// Whether a file of the record is still being fetched, after waiting for it.
///
/// # Errors
/// If the store cannot be read.
pub(super) async fn are_late(record: &Record, media: &Media, attempt: u32) -> Result<bool, StoreError> {
    if !record.kind.may_hold_files() || attempt >= ATTEMPTS_MAX {
        return Ok(false);
    }
    let deadline = Instant::now() + PATIENCE;
    for id in ids(&record.body, media).values() {
        let left = deadline.saturating_duration_since(Instant::now());
        let Some(entry) = media.entry_within(*id, left).await? else { continue };
        if entry.state == State::Pending && matches!(entry.announced.source, Source::Reference(_)) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn ids(body: &[u8], media: &Media) -> BTreeMap<String, Uuid> {
    let message = serde_json::from_slice::<Event>(body).ok().and_then(|event| event.data.message);
    let urls = message.into_iter().flat_map(|message| message.parts).filter_map(|part| match part {
        Part::Media { url, .. } => Some(url),
        _ => None,
    });
    urls.filter_map(|url| Some((url.clone(), media.links().id_in(&url)?))).collect()
}

/// Puts what waits into calls, in its order: as many as have not too many files together.
pub(super) fn calls<T>(waiting: Vec<T>, attachments: impl Fn(&T) -> &Attachments) -> Vec<Vec<T>> {
    let (mut calls, mut files, mut bytes) = (Vec::<Vec<T>>::new(), 0, 0);
    for one in waiting {
        let own = attachments(&one);
        let (own_files, own_bytes) = (own.ids.len(), own.bytes);
        match calls.last_mut() {
            Some(call) if own.fits(files, bytes) => call.push(one),
            _ => {
                (files, bytes) = (0, 0);
                calls.push(vec![one]);
            }
        }
        files += own_files;
        bytes += own_bytes;
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(files: usize, bytes: u64) -> Attachments {
        let ids = (0..files).map(|number| (number.to_string(), Uuid::now_v7())).collect();
        Attachments { ids, bytes }
    }

    fn sizes(waiting: Vec<Attachments>) -> Vec<usize> {
        calls(waiting, |one| one).iter().map(Vec::len).collect()
    }

    #[test]
    fn a_call_has_not_too_many_files() {
        assert_eq!(sizes(vec![]), Vec::<usize>::new());
        assert_eq!(sizes(vec![with(0, 0); 100]), [100]);
        assert_eq!(sizes(vec![with(3, 1); 5]), [2, 2, 1]);
        assert_eq!(sizes(vec![with(0, 0), with(20, 1), with(0, 0), with(1, 1)]), [1, 1, 2], "one with many goes alone");
        assert_eq!(sizes(vec![with(1, BYTES_MAX), with(1, 1), with(0, 0)]), [1, 2]);
    }
}
