//! How durations and sizes are written: a whole number and a unit.

use std::time::Duration;

use toml::de::{DeInteger, DeValue};

/// What a number in the file counts: how it is read into its smallest unit and how it is shown.
pub(super) struct Unit {
    pub(super) read: fn(&DeValue<'_>) -> Result<i128, &'static str>,
    pub(super) show: fn(u64) -> String,
}

/// Plain whole numbers.
pub(super) const COUNT: Unit = Unit { read: read_count, show: |count| count.to_string() };
/// Bytes.
pub(super) const SIZE: Unit = Unit {
    read: |value| value.as_str().and_then(|text| measure(text, &SIZES)).ok_or(SIZE_RULE),
    show: |bytes| show(bytes, &SIZES),
};
/// Milliseconds.
pub(super) const DURATION: Unit = Unit {
    read: |value| value.as_str().and_then(|text| measure(text, &DURATIONS)).ok_or(DURATION_RULE),
    show: |millis| show(millis, &DURATIONS),
};

const COUNT_RULE: &str = "must be a whole number, without quotes";
const SIZE_RULE: &str = "must be a size in quotes, such as \"1MiB\": a whole number and B, KiB, MiB or GiB";
const DURATION_RULE: &str = "must be a duration in quotes, such as \"30s\": a whole number and ms, s, m, h or d";

/// Largest first.
const SIZES: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
const DURATIONS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Reads a duration as the configuration has it: `"30s"`, `"90d"`. `None` where it is no such thing or too long to count.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let millis = measure(text, &DURATIONS)?;
    u64::try_from(millis).ok().map(Duration::from_millis)
}

/// Shows a duration as it would be typed, in the largest unit that fits without a rest.
pub fn show_duration(duration: Duration) -> String {
    show(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), &DURATIONS)
}

/// A number and its unit, in the smallest unit; numbers beyond counting become the largest one.
fn measure(text: &str, units: &[(&str, u64)]) -> Option<i128> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    (digits > 0).then(|| number.parse().unwrap_or(i128::MAX).saturating_mul(i128::from(*factor)))
}

fn show(amount: u64, units: &[(&str, u64)]) -> String {
    let fitting = units.iter().find(|(_, factor)| amount > 0 && amount.is_multiple_of(*factor));
    let (name, factor) = fitting.or(units.last()).copied().unwrap_or(("", 1));
    format!("{}{name}", amount / factor)
}

fn read_count(value: &DeValue<'_>) -> Result<i128, &'static str> {
    value.as_integer().map(integer).ok_or(COUNT_RULE)
}

/// The number; beyond counting, the largest or the smallest one.
pub(super) fn integer(number: &DeInteger<'_>) -> i128 {
    let beyond = if number.as_str().starts_with('-') { i128::MIN } else { i128::MAX };
    i128::from_str_radix(number.as_str(), number.radix()).unwrap_or(beyond)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_shows() {
        for text in ["1ms", "999ms", "30s", "90s", "5m", "36h", "90d"] {
            assert_eq!(parse_duration(text).map(show_duration).as_deref(), Some(text));
        }
        assert_eq!(show(1536, &SIZES), "1536B");
        assert_eq!(show(25 << 20, &SIZES), "25MiB");
        assert_eq!(show(0, &SIZES), "0B");
    }

    #[test]
    fn refuses_what_is_no_duration() {
        for text in ["", "30", "s", "-5s", "1.5h", "1h30m", " 5s", "5 s", "5S", "٣s", "+5s", "5s\0"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn counts_to_the_largest_and_no_further() {
        let endless = "9".repeat(1 << 20);
        assert_eq!(measure(&format!("{endless}d"), &DURATIONS), Some(i128::MAX));
        assert_eq!(parse_duration("999999999999d"), None);
    }
}
