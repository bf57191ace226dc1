use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A point in time, in whole milliseconds since 1970-01-01T00:00:00Z; written as RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

impl Time {
    /// 9999-12-31T23:59:59.999Z: RFC 3339 has four digits for a year.
    const MAX_MS: i64 = 253_402_300_799_999;
    /// Values below this are seconds: providers have sent seconds where they document milliseconds, and the other way round.
    const SECONDS_BELOW: f64 = 100_000_000_000.0;

    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// The wall clock.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::from_ms(i64::try_from(since.as_millis()).unwrap_or(Self::MAX_MS))
    }

    /// Held to years 1970 to 9999.
    pub fn from_ms(ms: i64) -> Self {
        Self(ms.clamp(0, Self::MAX_MS))
    }

    /// From a plugin's number: `None` for what is no time. Seconds are told from milliseconds by their magnitude.
    pub fn from_guest(value: f64) -> Option<Self> {
        if !value.is_finite() || value <= 0.0 {
            return None;
        }
        let ms = if value < Self::SECONDS_BELOW { value * 1000.0 } else { value };
        (ms <= Self::MAX_MS as f64).then(|| Self::from_ms(ms as i64))
    }

    /// Milliseconds since the epoch.
    pub fn ms(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch.
    pub fn seconds(self) -> i64 {
        self.0 / 1000
    }

    /// This much later.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self::from_ms(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This much earlier.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self::from_ms(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long from `earlier` to here; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timestamp = jiff::Timestamp::from_millisecond(self.0).map_err(|_| fmt::Error)?;
        write!(f, "{timestamp:.3}")
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let rule = |_| de::Error::custom("must be a time of RFC 3339, such as 2026-01-01T12:00:00Z");
        let timestamp: jiff::Timestamp = text.parse().map_err(rule)?;
        Ok(Self::from_ms(timestamp.as_millisecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_with_milliseconds_in_utc() {
        assert_eq!(Time::from_ms(1_767_225_600_120).to_string(), "2026-01-01T00:00:00.120Z");
        assert_eq!(Time::from_ms(1_767_225_600_000).to_string(), "2026-01-01T00:00:00.000Z");
    }

    #[test]
    fn is_read_back() {
        let time: Time = serde_json::from_str("\"2026-01-01T01:00:00.12+01:00\"").unwrap();
        assert_eq!(time, Time::from_ms(1_767_225_600_120));
    }

    #[test]
    fn tells_seconds_from_milliseconds() {
        assert_eq!(Time::from_guest(1_767_225_600.0), Some(Time::from_ms(1_767_225_600_000)));
        assert_eq!(Time::from_guest(1_767_225_600_000.0), Some(Time::from_ms(1_767_225_600_000)));
    }

    #[test]
    fn refuses_what_is_no_time() {
        for value in [f64::NAN, f64::INFINITY, -1.0, 0.0, 1e300] {
            assert_eq!(Time::from_guest(value), None, "{value}");
        }
    }
}
