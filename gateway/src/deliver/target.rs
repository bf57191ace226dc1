use std::time::Duration;

use async_trait::async_trait;

use crate::store::Record;

/// Who hears of records: a backend, a channel's sender, the media fetcher.
///
/// Dropping the future of `deliver` cuts the attempt off; that happens at the end of a shutdown's grace.
#[async_trait]
pub trait Target: Send + Sync {
    /// Hands one record over. `why` in the outcome is shown to operators: no secrets, texts or addresses in it.
    async fn deliver(&self, record: &Record, attempt: Attempt) -> Outcome;

    /// Whether a record is for this target at all; asked once or more, so the answer must not change while it runs.
    fn wants(&self, record: &Record) -> bool;

    /// Whether it may get a record that somebody hands to it; what it wants, it may.
    fn may_get(&self, record: &Record) -> bool {
        self.wants(record)
    }
}

/// Which try this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// An earlier attempt was cut off by a crash: nobody knows how it ended.
    pub uncertain: bool,
    /// An operator asked for this record again.
    pub replayed: bool,
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Taken.
    Done,
    /// Again later: after `after` (at most 1 h) where the target said so, else after the schedule's pause.
    Retry { after: Option<Duration>, why: String, scope: Scope },
    /// Never again: a dead letter.
    GiveUp { why: String },
    /// Finished without success, and whoever must know of it knows: no dead letter.
    Discard { why: String },
    /// Credentials are refused, or a limit lasts for hours: nothing goes to this target until a probe with the same record
    /// succeeds.
    Hold { why: String },
    /// The target wants nothing any more, until an operator resumes it.
    Stop { why: String },
}

/// Whom a retry concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// This record's lane.
    Lane,
    /// Everything for this target: it is at its limit, or says that it is away.
    Target,
}
