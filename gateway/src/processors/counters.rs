use std::sync::atomic::{AtomicU64, Ordering};

/// What became of messages at one processor, since start.
#[derive(Debug, Default)]
pub struct Counters([AtomicU64; Figure::ALL.len()]);

/// What can become of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Went on as it was.
    Passed,
    /// Went on otherwise.
    Changed,
    /// Went no further.
    Dropped,
    /// The processor failed.
    Failed,
}

impl Figure {
    pub const ALL: [Self; 4] = [Self::Passed, Self::Changed, Self::Dropped, Self::Failed];

    /// As in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Changed => "changed",
            Self::Dropped => "dropped",
            Self::Failed => "failed",
        }
    }
}

impl Counters {
    pub(super) fn count(&self, figure: Figure) {
        self.0[figure as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How many so far.
    pub fn get(&self, figure: Figure) -> u64 {
        self.0[figure as usize].load(Ordering::Relaxed)
    }
}
