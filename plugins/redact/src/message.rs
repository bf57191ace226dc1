//! Every text of a message.

use omnigate_plugin::prelude::*;
use omnigate_plugin::serde_json;
use omnigate_plugin::{ChoiceOption, Choices, ContactCard, Extension, Location, Template};

use crate::rules::Rules;

pub(crate) fn content(rules: &mut Rules, content: Content) -> Content {
    Content {
        subject: some(rules, content.subject),
        parts: content.parts.into_iter().map(|part| self::part(rules, part)).collect(),
        quoted_text: some(rules, content.quoted_text),
    }
}

fn part(rules: &mut Rules, part: Part) -> Part {
    match part {
        Part::Text(text) => {
            Part::Text(RichText { text: rules.clean(text.text), html: text.html.map(|html| rules.clean_html(html)) })
        }
        Part::Media(file) => {
            Part::Media(Media { name: some(rules, file.name), caption: some(rules, file.caption), ..file })
        }
        Part::Location(place) => {
            Part::Location(Location { name: some(rules, place.name), address: some(rules, place.address), ..place })
        }
        Part::ContactCard(card) => Part::ContactCard(contact_card(rules, card)),
        Part::Choices(choices) => {
            let options = choices.options.into_iter().map(|option| self::option(rules, option)).collect();
            Part::Choices(Choices { options, ..choices })
        }
        Part::Choice(choice) => Part::Choice(omnigate_plugin::Choice { title: rules.clean(choice.title), ..choice }),
        Part::Template(template) => {
            Part::Template(Template { parameters: json_or_text(rules, template.parameters), ..template })
        }
        Part::Extension(extension) => {
            Part::Extension(Extension { data: json_or_text(rules, extension.data), ..extension })
        }
    }
}

fn contact_card(rules: &mut Rules, card: ContactCard) -> ContactCard {
    ContactCard {
        name: rules.clean(card.name),
        phones: card.phones.into_iter().map(|phone| rules.clean(phone)).collect(),
        emails: card.emails.into_iter().map(|email| rules.clean(email)).collect(),
    }
}

fn option(rules: &mut Rules, option: ChoiceOption) -> ChoiceOption {
    ChoiceOption {
        title: rules.clean(option.title),
        description: some(rules, option.description),
        url: some(rules, option.url),
        ..option
    }
}

fn some(rules: &mut Rules, text: Option<String>) -> Option<String> {
    text.map(|text| rules.clean(text))
}

/// Every text and every number in a JSON text.
///
/// # Errors
/// If it is none: the gateway promises JSON.
pub(crate) fn json(rules: &mut Rules, text: &str) -> Result<String, Fault> {
    Ok(value(rules, serde_json::from_str(text)?).to_string())
}

/// What is no JSON is still a text.
fn json_or_text(rules: &mut Rules, text: String) -> String {
    json(rules, &text).unwrap_or_else(|_| rules.clean(text))
}

fn value(rules: &mut Rules, value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(rules.clean(text)),
        Value::Number(number) => {
            let text = number.to_string();
            let clean = rules.clean(text.clone());
            if clean == text { Value::Number(number) } else { Value::String(clean) }
        }
        Value::Array(values) => values.into_iter().map(|value| self::value(rules, value)).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (rules.clean(name), self::value(rules, value))).collect()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_cleaned_in_depth_and_numbers_too() {
        let mut rules = Rules::with(&[]);
        let given = json!({"a": [4111111111111111u64, 5, "x"], "4111111111111111": {"b": "to DE89370400440532013000"}});
        let cleaned: Value = serde_json::from_str(&json_or_text(&mut rules, given.to_string())).unwrap_or_default();
        assert_eq!(cleaned, json!({"a": ["[card]", 5, "x"], "[card]": {"b": "to [iban]"}}));
        assert_eq!(rules.found(), ["card", "iban"]);
    }
}
