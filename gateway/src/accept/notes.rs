//! Reports that move a message no further and still tell something: it is late, or a copy of it is lost.

use std::borrow::Cow;

use super::messages::MessageState;
use super::ways::Way;
use super::{Accept, Trace};
use crate::interaction::{Identity, Status, StatusChange};
use crate::plugin::exchange::StatusReport;
use crate::store::{Appended, Batch, DedupeKey, Entry, StoreError};

/// A report of that kind, and the message as it was read.
pub(super) struct Noted<'a> {
    pub(super) state: MessageState,
    pub(super) read: &'a Entry,
    pub(super) index: usize,
    pub(super) report: &'a StatusReport,
    pub(super) change: &'a StatusChange,
}

/// What a report says of the message: what becomes of a copy moves it no further.
pub(super) fn of_the_message<'a>(way: &Way, report: &'a StatusReport) -> Cow<'a, StatusReport> {
    let is_copy = |to: &Identity| way.copies.iter().any(|copy| copy.eq_ignore_ascii_case(&to.value));
    match &report.recipient {
        Some(to) if is_copy(to) => Cow::Owned(StatusReport { status: Status::Sent, ..report.clone() }),
        _ => Cow::Borrowed(report),
    }
}

/// Whether it tells something: of whom the message is for, nothing does that comes after its arrival or its failure.
pub(super) fn tells(way: &Way, report: &StatusReport) -> bool {
    let is_on_its_way = report.status == Status::Sent && report.reason.is_some();
    is_on_its_way && (is_of_a_copy(way, report) || way.status == Status::Sent)
}

fn is_of_a_copy(way: &Way, report: &StatusReport) -> bool {
    report.recipient.as_ref().is_some_and(|to| !to.value.eq_ignore_ascii_case(&way.to.value))
}

impl Accept {
    /// Appends it, once for each recipient and reason. Tells whether it was news.
    pub(super) async fn note(&self, noted: Noted<'_>, trace: &Trace) -> Result<bool, StoreError> {
        let Noted { mut state, read, index, report, change } = noted;
        let mut batch = Batch::default();
        if !is_of_a_copy(&state.ways[index], report) && state.note(index, change) {
            batch.writes.push(self.state_write(&state, Some(read)));
        }
        let channel = state.ways[index].channel.name.clone();
        if let Some(to) = &report.recipient {
            state.ways[index].to.clone_from(to);
        }
        let reason = serde_json::to_string(&change.reason).unwrap_or_default();
        let to = &state.ways[index].to.value;
        let dedupe = DedupeKey::of(&[&channel, "note", &state.id.to_string(), to, &reason]);
        let mut event = self.status_event(&state, index, change, trace, None, None).await?;
        event.dedupe = Some(dedupe);
        batch.events.push(event);
        let committed = self.store.commit(batch).await?;
        Ok(matches!(committed.events.first(), Some(Appended::New { .. })))
    }
}
