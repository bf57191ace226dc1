use std::hash::{BuildHasher, Hasher};
use std::time::{Duration, SystemTime};

/// The longest pause that a peer can ask for.
pub const PAUSE_MAX: Duration = Duration::from_secs(3600);
/// "At once" from a peer that has just refused is taken as this.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// Pauses vary by a fifth either way, so that what failed together does not come back together.
const JITTER: f64 = 0.2;

/// The pauses between attempts.
#[derive(Debug)]
pub(super) struct Schedule {
    pauses: Vec<Duration>,
    random: u64,
}

impl Schedule {
    /// `pauses` before the second, third, ... attempt; after the last one there is none any more.
    pub(super) fn new(pauses: Vec<Duration>) -> Self {
        Self::seeded(pauses, std::hash::RandomState::new().build_hasher().finish())
    }

    /// With jitter that can be foretold.
    pub(super) fn seeded(pauses: Vec<Duration>, seed: u64) -> Self {
        Self { pauses, random: seed | 1 }
    }

    /// The pause after this many attempts, with jitter; `None` if that was the last one.
    pub(super) fn pause(&mut self, attempts: u32) -> Option<Duration> {
        let pause = *self.pauses.get(index(attempts))?;
        Some(pause.mul_f64(1.0 + JITTER * (2.0 * self.next() - 1.0)))
    }

    /// The longest pause that can follow this many attempts, whoever chose it.
    pub(super) fn pause_max(&self, attempts: u32) -> Duration {
        let scheduled = self.pauses.get(index(attempts)).copied().unwrap_or_default();
        scheduled.mul_f64(1.0 + JITTER).max(PAUSE_MAX)
    }

    /// xorshift64*: evenly spread is all that jitter needs.
    fn next(&mut self) -> f64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        let bits = self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11;
        bits as f64 / (1u64 << 53) as f64
    }
}

fn index(attempts: u32) -> usize {
    attempts.saturating_sub(1) as usize
}

/// A pause that a peer asked for, held to what is sensible: 1 s to 1 h.
pub(super) fn sensible(asked: Duration) -> Duration {
    asked.clamp(PAUSE_MIN, PAUSE_MAX)
}

/// The value of a `Retry-After` header: seconds or a date (RFC 9110, section 10.2.3). `None` for anything else.
pub fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(sensible(Duration::from_secs(value.parse().unwrap_or(u64::MAX))));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(sensible(date.duration_since(now).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn pauses_follow_the_list_within_a_fifth() {
        let mut schedule = Schedule::seeded(vec![seconds(5), seconds(30)], 7);
        for (attempts, pause) in [(1, 5.0), (2, 30.0)] {
            for _ in 0..1000 {
                let drawn = schedule.pause(attempts).unwrap().as_secs_f64();
                assert!((pause * 0.8..=pause * 1.2).contains(&drawn), "{drawn}");
            }
        }
        assert_eq!(schedule.pause(3), None);
    }

    #[test]
    fn pauses_differ() {
        let mut schedule = Schedule::seeded(vec![seconds(100)], 7);
        let drawn: Vec<f64> = (0..100).map(|_| schedule.pause(1).unwrap().as_secs_f64()).collect();
        assert!(drawn.iter().any(|p| *p < 90.0) && drawn.iter().any(|p| *p > 110.0));
    }

    #[test]
    fn retry_after_has_two_forms() {
        let now = httpdate::parse_http_date("Sat, 21 Nov 2026 10:00:00 GMT").unwrap();
        for (value, pause) in [
            ("2", Some(2)),
            (" 120 ", Some(120)),
            ("0", Some(1)),
            ("99999999999999999999999", Some(3600)),
            ("Sat, 21 Nov 2026 10:00:30 GMT", Some(30)),
            ("Sat, 21 Nov 2026 09:00:00 GMT", Some(1)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(3600)),
            ("soon", None),
            ("-5", None),
            ("1.5", None),
            ("", None),
        ] {
            assert_eq!(retry_after(value, now), pause.map(seconds), "{value:?}");
        }
    }
}
