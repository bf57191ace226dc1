//! What came of a mail, as far as it counts: which things are there and how large they are about.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use omnigate::config::Limits;
use omnigate::plugin::exchange::{Called, Received};
use serde_json::Value;

/// Fields whose words are few: each word is a kind of its own.
const WORDS: [&str; 12] = [
    "kind",
    "type",
    "automatic",
    "what",
    "code",
    "provider_code",
    "status",
    "encrypted",
    "signed",
    "why",
    "method",
    "content_type",
];
const WORD_MAX: usize = 40;
/// On a busy machine a call takes a little more at times.
const CPU_STEP_MS: u128 = 16;

/// Kinds of outcome that this is: each thing that is there by its size, all things that are there together, and what it cost.
pub fn of(called: &Called<Received>) -> Vec<u64> {
    let mut things = BTreeSet::new();
    match &called.result {
        Ok(received) => walk("", &serde_json::to_value(received).unwrap(), &mut things),
        Err(failure) => {
            things.insert(format!("{failure:?}"));
        }
    }
    let together = things.iter().map(|thing| thing.split('=').next().unwrap()).collect::<Vec<_>>().join(" ");
    things.insert(together);
    // In steps that are small enough to climb up to the limits.
    things.insert(format!("memory={}", called.used.memory >> 20));
    things.insert(format!("cpu={}", called.used.cpu.as_millis() / CPU_STEP_MS));
    things.iter().map(hash).collect()
}

fn hash(text: &String) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// Doubling counts, more does not.
fn size(count: usize) -> u32 {
    usize::BITS - count.leading_zeros()
}

fn walk(path: &str, value: &Value, things: &mut BTreeSet<String>) {
    let name = path.rsplit('.').next().unwrap_or_default();
    let thing = match value {
        Value::Null => return,
        Value::Bool(is) => format!("{path}={is}"),
        Value::Number(number) => format!("{path}={}", size(number.as_f64().unwrap_or(0.0) as usize)),
        Value::String(text) if WORDS.contains(&name) && text.len() <= WORD_MAX => format!("{path}={text}"),
        Value::String(text) => format!("{path}={}", size(text.len())),
        Value::Array(values) => {
            values.iter().for_each(|value| walk(&format!("{path}[]"), value, things));
            format!("{path}[]={}", size(values.len()))
        }
        Value::Object(fields) => {
            return fields.iter().for_each(|(name, value)| walk(&format!("{path}.{name}"), value, things));
        }
    };
    things.insert(thing);
}

/// What must never come of a mail, however it looks.
pub fn wrong(received: &Received, limits: &Limits) -> Option<String> {
    let value = serde_json::to_value(received).unwrap();
    let bytes = value.to_string().len();
    if bytes > limits.output {
        return Some(format!("{bytes} bytes of events"));
    }
    htmls(&value).into_iter().find_map(runs).map(|what| format!("html with {what}"))
}

fn htmls(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(values) => values.iter().flat_map(htmls).collect(),
        Value::Object(fields) => {
            let own = fields.get("html").and_then(Value::as_str);
            own.into_iter().chain(fields.values().flat_map(htmls)).collect()
        }
        _ => Vec::new(),
    }
}

/// What runs or is fetched where the html is shown: elements, and attributes inside of any.
fn runs(html: &str) -> Option<String> {
    const ELEMENTS: [&str; 12] =
        ["script", "iframe", "object", "embed", "form", "input", "link", "meta", "base", "svg", "math", "style"];
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if !rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            continue;
        }
        let tag = tag(rest);
        let name = tag.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default().to_ascii_lowercase();
        if ELEMENTS.contains(&name.as_str()) {
            return Some(format!("<{name}>"));
        }
        let outside_values: String = tag.split('"').step_by(2).collect();
        let attribute =
            outside_values.split_ascii_whitespace().skip(1).find(|word| word.to_ascii_lowercase().starts_with("on"));
        if let Some(attribute) = attribute {
            return Some(attribute.to_owned());
        }
        if tag
            .split('"')
            .skip(1)
            .step_by(2)
            .any(|value| value.trim_start().to_ascii_lowercase().starts_with("javascript:"))
        {
            return Some("an address that is a script".to_owned());
        }
        rest = &rest[tag.len()..];
    }
    None
}

/// Up to its end; a sign inside of quotes does not end it.
fn tag(text: &str) -> &str {
    let mut quoted = false;
    let end = text.find(|c| {
        quoted ^= c == '"';
        c == '>' && !quoted
    });
    &text[..end.unwrap_or(text.len())]
}

#[test]
fn what_runs_is_seen() {
    for html in [
        "<p>a</p><script>",
        "<P ONCLICK=\"x\">",
        "<a href=\"\njavascript:x\">",
        "<a title=\">\" onerror=x>",
        "a < b <iframe src=x>",
    ] {
        assert!(runs(html).is_some(), "{html}");
    }
    let harmless = "<p title=\"<script> on x\">on &lt;script&gt; a &lt; b <a href=\"https://a/?on=1\">on</a> <on></p>";
    assert_eq!(runs(harmless), None);
}
