use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::interaction::Time;

/// How a channel is, the better before the worse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
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

/// The half of a channel that a state speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leg {
    /// Its plugin, and what goes out by it.
    Sending,
    /// The mailbox that it reads.
    Fetching,
}

/// The worse of both halves is how the channel is.
pub(crate) struct StateCell(Mutex<Legs>);

struct Legs {
    sending: StateInfo,
    /// `None` where nothing is fetched, or it is not known yet.
    fetching: Option<StateInfo>,
}

impl Legs {
    fn worse(&self) -> &StateInfo {
        let fetching = self.fetching.as_ref().filter(|fetching| fetching.state > self.sending.state);
        fetching.unwrap_or(&self.sending)
    }

    fn of(&mut self, leg: Leg) -> &mut StateInfo {
        match leg {
            Leg::Sending => &mut self.sending,
            Leg::Fetching => self.fetching.get_or_insert_with(|| StateInfo::since_now(ChannelState::Connected)),
        }
    }
}

impl StateInfo {
    fn since_now(state: ChannelState) -> Self {
        Self { state, since: Time::now(), why: None }
    }
}

impl Default for StateCell {
    fn default() -> Self {
        Self(Mutex::new(Legs { sending: StateInfo::since_now(ChannelState::default()), fetching: None }))
    }
}

impl StateCell {
    pub(crate) fn get(&self) -> StateInfo {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).worse().clone()
    }

    pub(crate) fn set(&self, leg: Leg, state: ChannelState, why: Option<String>) -> bool {
        let mut legs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = legs.worse().state;
        let info = legs.of(leg);
        if info.state != state {
            info.since = Time::now();
        }
        info.state = state;
        info.why = why;
        legs.worse().state != before
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worse_half_is_shown_and_only_what_shows_is_news() {
        let cell = StateCell::default();
        assert!(cell.set(Leg::Sending, ChannelState::Connected, None));
        assert!(!cell.set(Leg::Fetching, ChannelState::Connected, None));
        assert!(cell.set(Leg::Fetching, ChannelState::BadCredentials, Some("no".into())));
        assert!(!cell.set(Leg::Sending, ChannelState::Degraded, Some("away".into())));
        assert_eq!(cell.get().why.as_deref(), Some("no"));
        assert!(cell.set(Leg::Fetching, ChannelState::Connected, None));
        assert_eq!(cell.get().state, ChannelState::Degraded);
    }
}
