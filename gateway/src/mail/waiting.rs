use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};

/// A mailbox's thread waits here, and ends when it is told to.
#[derive(Clone, Default)]
pub(super) struct Ending(Arc<(Mutex<bool>, Condvar)>);

impl Ending {
    pub(super) fn tell(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }

    pub(super) fn is_told(&self) -> bool {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for so long at most; tells whether to end.
    pub(super) fn wait(&self, longest: Duration) -> bool {
        let guard = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.0.1.wait_timeout_while(guard, longest, |told| !*told);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Pauses between attempts: each twice the one before, with jitter.
pub(super) struct Pauses {
    next: Duration,
}

impl Pauses {
    const FIRST: Duration = Duration::from_secs(1);
    const LONGEST: Duration = Duration::from_secs(300);

    pub(super) fn new() -> Self {
        Self { next: Self::FIRST }
    }

    /// It worked.
    pub(super) fn reset(&mut self) {
        self.next = Self::FIRST;
    }

    /// At least `least`, and up to a quarter more or less: many mailboxes of one server must not come back together.
    pub(super) fn next(&mut self, least: Duration) -> Duration {
        let pause = self.next.max(least);
        self.next = (pause * 2).min(Self::LONGEST);
        let mut byte = [128];
        // Without random bytes there is no jitter.
        let _ = SystemRandom::new().fill(&mut byte);
        pause.mul_f64(0.75 + f64::from(byte[0]) / 512.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_end() {
        let mut pauses = Pauses::new();
        let first = pauses.next(Duration::ZERO);
        assert!((Duration::from_millis(750)..=Duration::from_millis(1250)).contains(&first));
        let last = (0..20).map(|_| pauses.next(Duration::ZERO)).last();
        assert!(last.is_some_and(|last| last <= Pauses::LONGEST.mul_f64(1.25)));
        pauses.reset();
        assert!(pauses.next(Duration::from_secs(5)) >= Duration::from_millis(3750));
    }

    #[test]
    fn whoever_waits_is_woken() {
        let ending = Ending::default();
        assert!(!ending.wait(Duration::from_millis(1)));
        let other = ending.clone();
        let waiting = std::thread::spawn(move || other.wait(Duration::from_secs(60)));
        ending.tell();
        assert!(waiting.join().unwrap() && ending.is_told());
    }
}
