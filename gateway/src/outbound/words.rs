//! Parts in plain words, for channels that carry nothing else.

use crate::interaction::{ChoiceOption, Part};

/// What is said of a part instead of it, and how that is called; `None` where words cannot say it.
pub(super) fn of(part: &Part) -> Option<(String, &'static str)> {
    match part {
        Part::Location { latitude, longitude, name, address } => {
            let lines = [name.clone(), address.clone(), Some(map(*latitude, *longitude))];
            Some((lines_of(lines.into_iter().flatten()), "a link to a map"))
        }
        Part::ContactCard { name, phones, emails } => {
            let lines = std::iter::once(name).chain(phones).chain(emails).cloned();
            Some((lines_of(lines), "its lines as text"))
        }
        Part::Choices { options, .. } => Some((numbered(options), "a numbered list")),
        Part::Template { text: Some(text), .. } => Some((text.clone(), "its text")),
        Part::Extension { kind, data } if kind == "reaction" => {
            let emoji = data.get("emoji").and_then(|emoji| emoji.as_str()).filter(|emoji| !emoji.is_empty())?;
            Some((emoji.to_owned(), "the emoji as text"))
        }
        _ => None,
    }
}

/// A file's address, with what was said about it.
pub(super) fn of_file(caption: Option<&str>, name: Option<&str>, url: &str) -> String {
    lines_of([caption.or(name).map(str::to_owned), Some(url.to_owned())].into_iter().flatten())
}

fn lines_of(lines: impl Iterator<Item = String>) -> String {
    let solid: Vec<String> = lines.map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect();
    solid.join("\n")
}

/// Opens everywhere; `geo:` does not.
fn map(latitude: f64, longitude: f64) -> String {
    format!("https://www.openstreetmap.org/?mlat={latitude}&mlon={longitude}#map=17/{latitude}/{longitude}")
}

fn numbered(options: &[ChoiceOption]) -> String {
    let line = |(number, option): (usize, &ChoiceOption)| {
        let more = [&option.description, &option.url].into_iter().flatten();
        let more: String = more.map(|text| format!(" - {}", text.trim())).collect();
        format!("{number}. {}{more}", option.title.trim())
    };
    (1..).zip(options).map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn said(part: Value) -> Option<String> {
        of(&serde_json::from_value(part).unwrap()).map(|(text, _)| text)
    }

    #[test]
    fn parts_become_words() {
        let place = json!({"type": "location", "latitude": 52.5, "longitude": -13.4, "name": "Pier"});
        let link = "https://www.openstreetmap.org/?mlat=52.5&mlon=-13.4#map=17/52.5/-13.4";
        assert_eq!(said(place).unwrap(), format!("Pier\n{link}"));
        let card = json!({"type": "contact_card", "name": "Ann", "phones": ["+1555"], "emails": ["a@b.example"]});
        assert_eq!(said(card).unwrap(), "Ann\n+1555\na@b.example");
        let options = json!([{"id": "y", "title": "Yes"}, {"id": "n", "title": "No", "description": "never"}]);
        assert_eq!(
            said(json!({"type": "choices", "style": "list", "options": options})).unwrap(),
            "1. Yes\n2. No - never"
        );
        let template =
            |text: Value| json!({"type": "template", "name": "hi", "language": "en", "parameters": [], "text": text});
        assert_eq!(said(template(json!("Hello"))).unwrap(), "Hello");
        assert_eq!(said(template(Value::Null)), None);
        assert_eq!(said(json!({"type": "extension", "kind": "reaction", "data": {"emoji": "👍"}})).unwrap(), "👍");
        assert_eq!(said(json!({"type": "extension", "kind": "order", "data": {}})), None);
    }

    #[test]
    fn a_file_is_its_address() {
        assert_eq!(of_file(Some("Map"), Some("m.png"), "https://x.example/"), "Map\nhttps://x.example/");
        assert_eq!(of_file(None, None, "https://x.example/"), "https://x.example/");
    }
}
