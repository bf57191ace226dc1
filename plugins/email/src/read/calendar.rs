//! Invitations: as much of RFC 5545 as a person wants to see at a glance. The file itself is kept.

use serde::Serialize;

/// The first event of a calendar.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Invitation {
    /// `request`, `reply`, `cancel`, `publish`, ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) uid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) summary: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) location: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) end: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) organizer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<String>,
    /// Address and answer of each attendee.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) attendees: Vec<Attendee>,
}

/// A time as the sender's calendar tells it.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Moment {
    /// RFC 3339: a date, a local time, or a time in UTC with `Z`.
    pub(crate) at: String,
    /// Of a local time: the sender's name for its zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) time_zone: Option<String>,
}

#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Attendee {
    pub(crate) address: String,
    /// `accepted`, `declined`, `tentative`, `needs-action`, ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) answer: Option<String>,
}

const LINES_MAX: usize = 10_000;
const ATTENDEES_MAX: usize = 50;
const ADDRESS_CHARS_MAX: usize = 320;

/// `None` if there is no event in it.
pub(crate) fn invitation(text: &str, method: Option<&str>) -> Option<Invitation> {
    let lines = unfolded(text);
    let own_method = value(&lines, "METHOD").map(str::to_owned);
    let begin = lines.iter().position(|line| line.eq_ignore_ascii_case("BEGIN:VEVENT"))?;
    let end = lines[begin..]
        .iter()
        .position(|line| line.eq_ignore_ascii_case("END:VEVENT"))
        .map_or(lines.len(), |end| begin + end);
    let event = &without_alarms(&lines[begin..end]);
    let text = |name| value(event, name).map(unescaped).filter(|text| !text.is_empty());
    Some(Invitation {
        method: own_method.or(method.map(str::to_owned)).map(|method| method.to_ascii_lowercase()),
        uid: text("UID"),
        summary: text("SUMMARY"),
        location: text("LOCATION"),
        start: moment(event, "DTSTART"),
        end: moment(event, "DTEND"),
        organizer: value(event, "ORGANIZER").map(address),
        status: text("STATUS").map(|status| status.to_ascii_lowercase()),
        attendees: attendees(event),
    })
}

/// RFC 5545, 3.1: a line that begins with a blank goes on.
fn unfolded(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines().take(LINES_MAX) {
        match (line.strip_prefix([' ', '\t']), lines.last_mut()) {
            (Some(rest), Some(last)) => last.push_str(rest),
            _ => lines.push(line.trim_end().to_owned()),
        }
    }
    lines
}

/// An alarm has a summary and attendees of its own.
fn without_alarms(lines: &[String]) -> Vec<String> {
    let mut inside = false;
    let kept = lines.iter().filter(|line| {
        let was_inside = inside;
        inside = match line.to_ascii_uppercase().as_str() {
            "BEGIN:VALARM" => true,
            "END:VALARM" => false,
            _ => inside,
        };
        !inside && !was_inside
    });
    kept.cloned().collect()
}

/// Name with parameters, and value: a colon inside quotes parts nothing.
fn property(line: &str) -> Option<(&str, &str)> {
    let mut is_quoted = false;
    let colon = line.find(|c: char| {
        is_quoted ^= c == '"';
        c == ':' && !is_quoted
    })?;
    Some((&line[..colon], &line[colon + 1..]))
}

fn all<'a>(lines: &'a [String], name: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let properties = lines.iter().filter_map(|line| property(line));
    properties.filter(move |(head, _)| head.split(';').next().is_some_and(|own| own.eq_ignore_ascii_case(name)))
}

fn value<'a>(lines: &'a [String], name: &'a str) -> Option<&'a str> {
    all(lines, name).next().map(|(_, value)| value.trim())
}

fn parameter<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let pairs = head.split(';').skip(1).filter_map(|pair| pair.split_once('='));
    pairs.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim_matches('"'))
}

fn moment(lines: &[String], name: &str) -> Option<Moment> {
    let (head, value) = all(lines, name).next()?;
    let digits: String = value.trim().chars().filter(char::is_ascii_digit).collect();
    let date = format!("{}-{}-{}", digits.get(..4)?, digits.get(4..6)?, digits.get(6..8)?);
    let at = match (digits.get(8..10), digits.get(10..12), digits.get(12..14)) {
        (Some(hour), Some(minute), Some(second)) => {
            let utc = if value.trim().ends_with('Z') { "Z" } else { "" };
            format!("{date}T{hour}:{minute}:{second}{utc}")
        }
        _ => date,
    };
    Some(Moment { at, time_zone: parameter(head, "TZID").map(crate::text::one_line) })
}

fn attendees(lines: &[String]) -> Vec<Attendee> {
    let attendees = all(lines, "ATTENDEE").map(|(head, value)| Attendee {
        address: address(value),
        answer: parameter(head, "PARTSTAT").map(str::to_ascii_lowercase),
    });
    attendees.take(ATTENDEES_MAX).collect()
}

fn address(value: &str) -> String {
    let value = value.trim();
    let bare = value.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("mailto:")).map_or(value, |_| &value[7..]);
    crate::text::one_line(bare).chars().take(ADDRESS_CHARS_MAX).collect()
}

/// RFC 5545, 3.3.11.
fn unescaped(text: &str) -> String {
    let text =
        text.replace("\\n", " ").replace("\\N", " ").replace("\\,", ",").replace("\\;", ";").replace("\\\\", "\\");
    crate::text::one_line(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invitation_at_a_glance() {
        let text = "BEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VTIMEZONE\nDTSTART:19700101T000000\nEND:VTIMEZONE\nBEGIN:VEVENT\n\
                    UID:u1\nSUMMARY;LANGUAGE=de:Termin\\, Be\n such\nLOCATION:Berlin\nDTSTART;TZID=\"Europe/Berlin\":20260502T091500\n\
                    DTEND:20260502T081500Z\nORGANIZER;CN=\"A: B\":MAILTO:a@x.org\nATTENDEE;PARTSTAT=DECLINED:mailto:b@x.org\n\
                    BEGIN:VALARM\nSUMMARY:Alarm\nATTENDEE:mailto:c@x.org\nEND:VALARM\nEND:VEVENT\nEND:VCALENDAR";
        let invitation = invitation(text, Some("PUBLISH")).unwrap();
        assert_eq!(
            serde_json(&invitation),
            "{\"method\":\"request\",\"uid\":\"u1\",\"summary\":\"Termin, Besuch\",\"location\":\"Berlin\",\
             \"start\":{\"at\":\"2026-05-02T09:15:00\",\"time_zone\":\"Europe/Berlin\"},\"end\":{\"at\":\"2026-05-02T08:15:00Z\"},\
             \"organizer\":\"a@x.org\",\"attendees\":[{\"address\":\"b@x.org\",\"answer\":\"declined\"}]}"
        );
    }

    fn serde_json(invitation: &Invitation) -> String {
        omnigate_plugin::serde_json::to_string(invitation).unwrap()
    }

    #[test]
    fn without_an_event_there_is_none() {
        assert_eq!(invitation("BEGIN:VCALENDAR\nBEGIN:VTODO\nEND:VTODO", None), None);
        assert_eq!(invitation("BEGIN:VEVENT\nDTSTART:2026", None).map(|one| one.start), Some(None));
    }
}
