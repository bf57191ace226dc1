use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::breaker::Breaker;
use super::subscriber::Status;
use crate::interaction::Time;

/// How often refused credentials are tried again.
const PROBE_EVERY: Duration = Duration::from_secs(60);

/// The two clocks: pauses are measured by one that never jumps, and written down by the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) mono: Instant,
    pub(super) wall: Time,
}

impl Now {
    pub(super) fn read() -> Self {
        Self { mono: Instant::now(), wall: Time::now() }
    }
}

/// Whether a subscriber may be sent anything: what concerns all its lanes at once.
#[derive(Debug, Default)]
pub(super) struct Gate {
    stopped: Option<String>,
    held: Option<Held>,
    paused: Option<Paused>,
    breaker: Breaker,
    /// The one attempt that a shut gate lets through is under way.
    probing: bool,
}

#[derive(Debug)]
struct Held {
    probe: Instant,
    why: String,
}

#[derive(Debug)]
struct Paused {
    until: Instant,
    wall: Time,
    why: String,
}

/// What may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    Open,
    /// A single attempt, to see whether things are better.
    Probe,
    /// Nothing before this moment; without one, nothing until something happens.
    Shut(Option<Instant>),
}

impl Gate {
    pub(super) fn opening(&self, now: Instant) -> Opening {
        if self.stopped.is_some() {
            return Opening::Shut(None);
        }
        if let Some(paused) = self.paused.as_ref().filter(|paused| paused.until > now) {
            return Opening::Shut(Some(paused.until));
        }
        let probe = self.held.as_ref().map(|held| held.probe).max(self.breaker.open_until());
        match probe {
            None => Opening::Open,
            Some(_) if self.probing => Opening::Shut(None),
            Some(at) if at <= now => Opening::Probe,
            Some(at) => Opening::Shut(Some(at)),
        }
    }

    pub(super) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Something goes out; true if it goes as a probe.
    pub(super) fn enter(&mut self, now: Instant) -> bool {
        let probe = self.opening(now) == Opening::Probe;
        self.probing |= probe;
        probe
    }

    /// An attempt has ended.
    pub(super) fn leave(&mut self, probe: bool) {
        if probe {
            self.probing = false;
        }
    }

    pub(super) fn answered(&mut self) {
        self.held = None;
        self.breaker.succeeded();
    }

    /// A failure of one lane.
    pub(super) fn failed(&mut self, lane: Uuid, probe: bool, now: Instant) {
        if let Some(held) = self.held.as_mut().filter(|_| probe) {
            held.probe = now + PROBE_EVERY;
        }
        self.breaker.failed(lane, probe, now);
    }

    /// The target asked for a pause; a shorter one does not end a longer one.
    pub(super) fn pause(&mut self, pause: Duration, why: String, now: Now) {
        let until = now.mono + pause;
        if self.paused.as_ref().is_none_or(|paused| paused.until < until) {
            self.paused = Some(Paused { until, wall: now.wall.plus(pause), why });
        }
    }

    pub(super) fn hold(&mut self, why: String, now: Instant) {
        self.held = Some(Held { probe: now + PROBE_EVERY, why });
    }

    pub(super) fn stop(&mut self, why: String) {
        self.stopped = Some(why);
    }

    /// An operator says that things are better.
    pub(super) fn resume(&mut self) {
        *self = Self { probing: self.probing, ..Self::default() };
    }

    /// For operators.
    pub(super) fn status(&self, now: Now) -> Status {
        if let Some(why) = &self.stopped {
            return Status::Stopped { why: why.clone() };
        }
        if let Some(held) = &self.held {
            return Status::Held { why: held.why.clone() };
        }
        if let Some(paused) = self.paused.as_ref().filter(|paused| paused.until > now.mono) {
            return Status::Paused { until: paused.wall, why: paused.why.clone() };
        }
        match self.breaker.open_until() {
            Some(until) => Status::Paused {
                until: now.wall.plus(until.saturating_duration_since(now.mono)),
                why: "deliveries fail one after another".to_owned(),
            },
            None => Status::Running,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(now: Now, seconds: u64) -> Now {
        let by = Duration::from_secs(seconds);
        Now { mono: now.mono + by, wall: now.wall.plus(by) }
    }

    #[test]
    fn a_pause_ends_by_itself_and_is_not_shortened() {
        let (mut gate, now) = (Gate::default(), Now::read());
        gate.pause(Duration::from_secs(10), "limit".into(), now);
        gate.pause(Duration::from_secs(2), "limit".into(), now);
        assert_eq!(gate.opening(after(now, 9).mono), Opening::Shut(Some(after(now, 10).mono)));
        assert_eq!(gate.opening(after(now, 10).mono), Opening::Open);
    }

    #[test]
    fn held_means_one_probe_a_minute_until_an_answer() {
        let (mut gate, now) = (Gate::default(), Now::read());
        gate.hold("401".into(), now.mono);
        assert!(matches!(gate.opening(now.mono), Opening::Shut(Some(_))));
        let probe = after(now, 60);
        assert!(gate.enter(probe.mono));
        assert_eq!(gate.opening(probe.mono), Opening::Shut(None), "one at a time");
        gate.leave(true);
        gate.failed(Uuid::nil(), true, probe.mono);
        assert_eq!(gate.opening(probe.mono), Opening::Shut(Some(after(probe, 60).mono)));
        assert!(gate.enter(after(probe, 60).mono));
        gate.leave(true);
        gate.answered();
        assert_eq!(gate.opening(probe.mono), Opening::Open);
    }

    #[test]
    fn stopped_is_ended_by_an_operator_alone() {
        let (mut gate, now) = (Gate::default(), Now::read());
        gate.stop("410".into());
        gate.answered();
        assert_eq!(gate.opening(after(now, 100_000).mono), Opening::Shut(None));
        gate.resume();
        assert_eq!(gate.opening(now.mono), Opening::Open);
    }
}
