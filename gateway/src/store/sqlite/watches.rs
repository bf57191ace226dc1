use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::lock;
use crate::store::{Position, Record, Stream};

/// Who waits for which stream. Only streams that somebody watches are here.
#[derive(Default)]
pub(super) struct Watches {
    streams: Mutex<HashMap<Stream, watch::Sender<Position>>>,
}

impl Watches {
    /// A receiver that begins at the head: `head` is asked under the lock, so that no wake-up falls in between.
    pub(super) fn watch(&self, stream: &Stream, head: impl FnOnce() -> Position) -> watch::Receiver<Position> {
        let mut streams = lock(&self.streams);
        streams.retain(|_, sender| sender.receiver_count() > 0);
        streams.entry(stream.clone()).or_insert_with(|| watch::Sender::new(head())).subscribe()
    }

    /// Wakes who watches the streams of new records.
    pub(super) fn wake(&self, records: &[Arc<Record>]) {
        let Some(newest) = records.last() else { return };
        let streams = lock(&self.streams);
        if streams.is_empty() {
            return;
        }
        if let Some(sender) = streams.get(&Stream::All) {
            sender.send_replace(newest.position);
        }
        for (target, position) in newest_of_targets(records) {
            if let Some(sender) = streams.get(&Stream::Target(target.to_owned())) {
                sender.send_replace(position);
            }
        }
    }

    /// Wakes everybody: what is in the log has to be read anew.
    pub(super) fn wake_all(&self, head: Position) {
        for sender in lock(&self.streams).values() {
            sender.send_replace(head);
        }
    }
}

fn newest_of_targets(records: &[Arc<Record>]) -> HashMap<&str, Position> {
    records.iter().filter_map(|record| Some((record.target.as_deref()?, record.position))).collect()
}
