use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::interaction::Time;

/// How a channel is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelState {
    /// Working, as far as anybody knows.
    Connected,
    /// The provider cannot be reached or refuses; work goes on being tried.
    Degraded,
    /// The provider refuses our credentials; what is to be sent waits for better ones.
    BadCredentials,
    /// No plugin serves it.
    #[default]
    Stopped,
}

impl ChannelState {
    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Degraded => "degraded",
            Self::BadCredentials => "bad-credentials",
            Self::Stopped => "stopped",
        }
    }
}

/// A state, since when, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StateInfo {
    pub state: ChannelState,
    pub since: Time,
    pub why: Option<String>,
}

pub(crate) struct StateCell(Mutex<StateInfo>);

impl Default for StateCell {
    fn default() -> Self {
        Self(Mutex::new(StateInfo { state: ChannelState::default(), since: Time::now(), why: None }))
    }
}

impl StateCell {
    pub(crate) fn get(&self) -> StateInfo {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set(&self, state: ChannelState, why: Option<String>) -> bool {
        let mut info = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = info.state != state;
        if is_news {
            info.since = Time::now();
        }
        info.state = state;
        info.why = why;
        is_news
    }
}

/// Figures since start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Happenings appended.
    pub received: AtomicU64,
    /// Happenings that were there already.
    pub duplicates: AtomicU64,
    /// Requests refused, whatever the reason.
    pub refused: AtomicU64,
    /// Requests kept because the adapter broke on them.
    pub quarantined: AtomicU64,
    /// Messages that the provider took.
    pub sent: AtomicU64,
    /// Messages given up.
    pub failed: AtomicU64,
    /// Calls in which the plugin broke.
    pub broken: AtomicU64,
}

/// One more.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// So many more.
pub(crate) fn count_by(counter: &AtomicU64, by: usize) {
    counter.fetch_add(by as u64, Ordering::Relaxed);
}
