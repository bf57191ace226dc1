use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::place::{element_path, join};
use super::units;

/// What JSON cannot say: path below the table, and the rule.
pub(super) struct NoJson<'a> {
    pub(super) path: String,
    pub(super) value: &'a Spanned<DeValue<'a>>,
    pub(super) rule: &'static str,
}

/// A table as JSON: what was typed, with dates and times as strings. `bad` gets everything that has no JSON.
pub(super) fn object<'a>(table: &'a DeTable<'a>, path: &str, bad: &mut Vec<NoJson<'a>>) -> Map<String, Value> {
    table.iter().map(|(key, item)| (key.get_ref().to_string(), value(item, join(path, key.get_ref()), bad))).collect()
}

fn value<'a>(item: &'a Spanned<DeValue<'a>>, path: String, bad: &mut Vec<NoJson<'a>>) -> Value {
    let number = match item.get_ref() {
        DeValue::Table(table) => return Value::Object(object(table, &path, bad)),
        DeValue::Array(elements) => {
            let numbered = elements.iter().enumerate();
            return numbered.map(|(index, element)| value(element, element_path(&path, index), bad)).collect();
        }
        DeValue::String(text) => return Value::String(text.to_string()),
        DeValue::Boolean(is) => return Value::Bool(*is),
        DeValue::Datetime(time) => return Value::String(time.to_string()),
        DeValue::Integer(typed) => integer(typed).ok_or("must be from -9223372036854775808 to 18446744073709551615"),
        DeValue::Float(typed) => float(typed.as_str()).ok_or("must be a finite number"),
    };
    number.map(Value::Number).unwrap_or_else(|rule| {
        bad.push(NoJson { path, value: item, rule });
        Value::Null
    })
}

fn integer(typed: &DeInteger<'_>) -> Option<Number> {
    Number::from_i128(units::integer(typed))
}

fn float(typed: &str) -> Option<Number> {
    typed.parse().ok().and_then(Number::from_f64)
}
