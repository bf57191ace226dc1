//! Opening hours as people write them: `Mo-Fr 09:00-18:00, Sa 10:00-14:00 Europe/Berlin`.
//!
//! Used by the gateway for routes and by plugins for what they answer when nobody is there.
#![warn(missing_docs)]

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

const DAYS: [&str; 7] = ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"];
const EVERY_DAY: u8 = 0b111_1111;
const MINUTES: u16 = 24 * 60;
const SPANS_MAX: usize = 50;

/// What is wrong with hours, and how they are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidHours(String);

impl fmt::Display for InvalidHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; write hours such as \"Mo-Fr 09:00-18:00, Sa 10:00-14:00 Europe/Berlin\"", self.0)
    }
}

impl std::error::Error for InvalidHours {}

/// Hours of a week in one time zone; UTC where none is named.
#[derive(Clone, Debug)]
pub struct Hours {
    spans: Vec<Span>,
    zone: TimeZone,
    text: String,
}

/// The same hours on some days. Beyond midnight where the end is not after the beginning: that night belongs to the day before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    /// One bit for each day, Monday the lowest.
    days: u8,
    /// Minutes of the day.
    from: u16,
    /// Not included.
    to: u16,
}

impl Hours {
    /// Whether that moment, in milliseconds since 1970-01-01T00:00:00Z, lies within; a moment that no calendar has does not.
    pub fn contain(&self, epoch_ms: i64) -> bool {
        let Ok(moment) = Timestamp::from_millisecond(epoch_ms) else { return false };
        let there = moment.to_zoned(self.zone.clone());
        let minute = there.hour().unsigned_abs() as u16 * 60 + there.minute().unsigned_abs() as u16;
        self.spans.iter().any(|span| span.contains(there.weekday(), minute))
    }
}

impl Span {
    fn contains(self, day: Weekday, minute: u16) -> bool {
        let today = self.is_on(day.to_monday_zero_offset());
        let yesterday = self.is_on((day.to_monday_zero_offset() + 6) % 7);
        match self.from < self.to {
            true => today && (self.from..self.to).contains(&minute),
            false => (today && minute >= self.from) || (yesterday && minute < self.to),
        }
    }

    fn is_on(self, day: i8) -> bool {
        self.days & (1 << day) != 0
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Hours {
    type Err = InvalidHours;

    fn from_str(text: &str) -> Result<Self, InvalidHours> {
        let text = text.trim();
        let (spans, zone) = match text.rsplit_once(char::is_whitespace) {
            Some((spans, last)) if is_zone(last) => (spans, zone(last)?),
            _ => (text, TimeZone::UTC),
        };
        Ok(Self { spans: parse_spans(spans)?, zone, text: text.to_owned() })
    }
}

/// A name with a letter in it that is no day.
fn is_zone(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphabetic()) && parse_days(word).is_err()
}

fn zone(name: &str) -> Result<TimeZone, InvalidHours> {
    TimeZone::get(name).map_err(|_| InvalidHours(format!("there is no time zone {name:?}")))
}

/// Entries by commas. One that names days alone has the hours of the next; one that names hours alone is of the days of the
/// one before, the first of every day.
fn parse_spans(text: &str) -> Result<Vec<Span>, InvalidHours> {
    let (mut spans, mut waiting) = (Vec::<Span>::new(), 0);
    for entry in text.split(',').map(str::trim) {
        match entry.split_once(char::is_whitespace) {
            Some((days, times)) => {
                spans.push(span(waiting | parse_days(days)?, times)?);
                waiting = 0;
            }
            None if entry.contains(':') && waiting == 0 => {
                let days = spans.last().map_or(EVERY_DAY, |before| before.days);
                spans.push(span(days, entry)?);
            }
            None => waiting |= parse_days(entry)?,
        }
    }
    match spans.len() {
        _ if waiting != 0 => Err(InvalidHours("the last days have no hours".into())),
        1..=SPANS_MAX => Ok(spans),
        _ => Err(InvalidHours(format!("there must be 1 to {SPANS_MAX} spans of hours"))),
    }
}

fn parse_days(text: &str) -> Result<u8, InvalidHours> {
    let day = |name: &str| {
        let found = DAYS.iter().position(|day| day.eq_ignore_ascii_case(name.trim()));
        found.ok_or_else(|| InvalidHours(format!("{name:?} is no day; days are {}", DAYS.join(", "))))
    };
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (day(first)?, day(last)?),
        None => (day(text)?, day(text)?),
    };
    let length = (last + 7 - first) % 7;
    Ok((0..=length).fold(0, |days, offset| days | 1 << ((first + offset) % 7)))
}

fn span(days: u8, times: &str) -> Result<Span, InvalidHours> {
    let wrong = || InvalidHours(format!("{:?} are no hours", times.trim()));
    let (from, to) = times.split_once('-').ok_or_else(wrong)?;
    let (from, to) = (minute(from).ok_or_else(wrong)?, minute(to).ok_or_else(wrong)?);
    match from == MINUTES || from == to {
        true => Err(wrong()),
        false => Ok(Span { days, from, to }),
    }
}

/// `00:00` to `24:00`.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u16>().ok()).flatten();
    let (hour, minute) = (number(hour)?, number(minute).filter(|minute| *minute < 60)?);
    Some(hour * 60 + minute).filter(|_| hour < 24 || (hour, minute) == (24, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn open(hours: &str, at: &str) -> bool {
        let hours: Hours = hours.parse().unwrap_or_else(|error| panic!("{error}"));
        hours.contain(at.parse::<Timestamp>().unwrap_or_else(|error| panic!("{error}")).as_millisecond())
    }

    // 2026-01-05 is a Monday.
    #[test]
    fn days_and_hours_are_those_of_the_zone() {
        let office = "Mo-Fr 09:00-18:00, Sa 10:00-14:00 Europe/Berlin";
        assert!(open(office, "2026-01-05T08:00:00Z"));
        assert!(!open(office, "2026-01-05T07:59:59Z"));
        assert!(!open(office, "2026-01-05T17:00:00Z"), "the end is not included");
        assert!(open(office, "2026-01-10T12:59:00Z"));
        assert!(!open(office, "2026-01-11T12:00:00Z"));
        assert!(open(office, "2026-07-06T07:00:00Z"), "in summer the clock is another");
    }

    #[test]
    fn nights_belong_to_the_day_before() {
        let night = "Fr 22:00-06:00";
        assert!(open(night, "2026-01-09T23:00:00Z") && open(night, "2026-01-10T05:59:00Z"));
        assert!(!open(night, "2026-01-09T05:00:00Z") && !open(night, "2026-01-10T22:00:00Z"));
        assert!(open("Sa-Mo 00:00-24:00", "2026-01-11T23:59:00Z"));
        assert!(open("Mo, We 09:00-10:00", "2026-01-05T09:30:00Z"));
        assert!(open("09:00-10:00", "2026-01-11T09:30:00Z"), "every day");
    }

    #[test]
    fn a_break_is_of_the_same_days() {
        let office = "Mo-Fr 09:00-12:00, 13:00-17:00, Sa 10:00-12:00";
        assert!(open(office, "2026-01-05T16:59:00Z") && !open(office, "2026-01-05T12:30:00Z"));
        assert!(!open(office, "2026-01-10T14:00:00Z") && !open(office, "2026-01-11T14:00:00Z"), "at weekends neither");
        assert!(open("09:00-12:00, 13:00-17:00", "2026-01-11T14:00:00Z"), "every day");
    }

    #[test]
    fn a_night_ends_by_the_clock_that_was_changed_in_it() {
        let night = "Sa 22:00-06:00 Europe/Berlin";
        assert!(open(night, "2026-03-29T03:59:00Z") && !open(night, "2026-03-29T04:00:00Z"), "an hour shorter");
        assert!(open(night, "2026-10-25T04:59:00Z") && !open(night, "2026-10-25T05:00:00Z"), "an hour longer");
        assert!(open("Su 02:00-03:00 Europe/Berlin", "2026-10-25T00:30:00Z"));
        assert!(open("Su 02:00-03:00 Europe/Berlin", "2026-10-25T01:30:00Z"), "the hour that comes twice");
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (text, why) in [
            ("", "day"),
            ("Mo", "no hours"),
            ("Mo 9-18", "no hours"),
            ("Mo 09:00-25:00", "no hours"),
            ("Mo 09:00-09:00", "no hours"),
            ("Mo 09:60-10:00", "no hours"),
            ("Xx 09:00-10:00", "no day"),
            ("Mo-Fr 09:00-18:00 Europe/Nowhere", "no time zone"),
        ] {
            let error = text.parse::<Hours>().map(|_| ()).map_err(|error| error.to_string());
            assert!(error.as_ref().is_err_and(|error| error.contains(why)), "{text:?}: {error:?}");
        }
    }
}
