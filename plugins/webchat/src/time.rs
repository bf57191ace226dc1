//! Points in time as the widget reads them.

const DAY_MS: i64 = 86_400_000;

/// RFC 3339 in UTC with milliseconds, from milliseconds since 1970.
pub(crate) fn rfc3339(epoch_ms: f64) -> String {
    let ms = epoch_ms as i64;
    let (days, rest) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS));
    let (year, month, day) = civil(days);
    let (hour, minute, second, ms) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60, rest % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// Date of a day counted from 1970-01-01, in the proleptic Gregorian calendar. Years are taken to begin in March, so
/// that the leap day is their last; 400 of them have 146,097 days.
fn civil(days: i64) -> (i64, i64, i64) {
    const ERA_DAYS: i64 = 146_097;
    /// From 0000-03-01 to 1970-01-01.
    const EPOCH: i64 = 719_468;
    let (era, day) = ((days + EPOCH).div_euclid(ERA_DAYS), (days + EPOCH).rem_euclid(ERA_DAYS));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn dates_are_right_around_leap_days() {
        for (ms, text) in [
            (0.0, "1970-01-01T00:00:00.000Z"),
            (1_767_225_600_120.0, "2026-01-01T00:00:00.120Z"),
            (951_782_400_000.0, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_999.0, "2024-02-29T23:59:59.999Z"),
            (4_107_542_400_000.0, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339(ms), text);
        }
    }
}
