use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

const FAILURES_MAX: u32 = 8;
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_LAST: Duration = Duration::from_secs(30);

/// Tells when a target is down, so that it is asked by a single probe now and then instead of by everything that waits.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    /// One lane that fails again and again says nothing about the target.
    last: Option<Uuid>,
    open: Option<Open>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    until: Instant,
    pause: Duration,
}

impl Breaker {
    /// When the next probe may go; `None` while all is well.
    pub(super) fn open_until(&self) -> Option<Instant> {
        self.open.map(|open| open.until)
    }

    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// `probe`: it was the one attempt that was let through.
    pub(super) fn failed(&mut self, lane: Uuid, probe: bool, now: Instant) {
        match self.open {
            Some(open) if probe => self.open_for((open.pause * 2).min(PAUSE_LAST), now),
            Some(_) => {}
            None => self.count(lane, now),
        }
    }

    fn count(&mut self, lane: Uuid, now: Instant) {
        if self.last.replace(lane) == Some(lane) {
            return;
        }
        self.failures += 1;
        if self.failures >= FAILURES_MAX {
            self.open_for(PAUSE_FIRST, now);
        }
    }

    fn open_for(&mut self, pause: Duration, now: Instant) {
        self.open = Some(Open { until: now + pause, pause });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(now: Instant) -> Breaker {
        let mut breaker = Breaker::default();
        for lane in 0..u128::from(FAILURES_MAX) {
            assert_eq!(breaker.open_until(), None);
            breaker.failed(Uuid::from_u128(lane), false, now);
        }
        breaker
    }

    #[test]
    fn it_opens_after_failures_without_a_success_between() {
        let now = Instant::now();
        assert_eq!(broken(now).open_until(), Some(now + PAUSE_FIRST));
        let mut breaker = Breaker::default();
        for lane in 0..100 {
            breaker.failed(Uuid::from_u128(lane), false, now);
            if lane % 7 == 6 {
                breaker.succeeded();
            }
        }
        assert_eq!(breaker.open_until(), None);
    }

    #[test]
    fn one_lane_alone_does_not_open_it() {
        let mut breaker = Breaker::default();
        for _ in 0..100 {
            breaker.failed(Uuid::nil(), false, Instant::now());
        }
        assert_eq!(breaker.open_until(), None);
    }

    #[test]
    fn its_pause_grows_with_failing_probes_and_ends_with_a_success() {
        let now = Instant::now();
        let mut breaker = broken(now);
        breaker.failed(Uuid::nil(), false, now);
        assert_eq!(breaker.open_until(), Some(now + PAUSE_FIRST), "a straggler is no probe");
        for seconds in [2, 4, 8, 16, 30, 30] {
            breaker.failed(Uuid::nil(), true, now);
            assert_eq!(breaker.open_until(), Some(now + Duration::from_secs(seconds)));
        }
        breaker.succeeded();
        assert_eq!(breaker.open_until(), None);
        assert_eq!(broken(now).open_until(), Some(now + PAUSE_FIRST));
    }
}
