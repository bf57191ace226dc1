use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Lets requests leave one after another, so many in a second and no burst: what waits keeps its order.
#[derive(Debug)]
pub(super) struct Pace {
    between: Duration,
    next: Mutex<Instant>,
}

impl Pace {
    /// `per_second`: at least 1.
    pub(super) fn new(per_second: usize) -> Self {
        let between = Duration::from_secs(1) / u32::try_from(per_second.max(1)).unwrap_or(u32::MAX);
        Self { between, next: Mutex::new(Instant::now()) }
    }

    /// Waits for a turn; a turn that nobody waited for any more is lost.
    pub(super) async fn turn(&self) {
        sleep_until(self.reserve(Instant::now())).await;
    }

    /// Waits until somebody could have a turn; takes none.
    pub(super) async fn opening(&self) {
        let next = *self.next.lock().unwrap_or_else(PoisonError::into_inner);
        sleep_until(next).await;
    }

    fn reserve(&self, now: Instant) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = (*next).max(now);
        *next = turn + self.between;
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_so_many_in_a_second_and_no_credit_for_silence() {
        let (pace, now) = (Pace::new(4), Instant::now() + Duration::from_secs(60));
        let turns: Vec<_> = (0..5).map(|_| (pace.reserve(now) - now).as_millis()).collect();
        assert_eq!(turns, [0, 250, 500, 750, 1000]);
        assert_eq!(pace.reserve(now + Duration::from_secs(60)), now + Duration::from_secs(60));
    }
}
