//! `[[routes]]`

use std::collections::BTreeMap;
use std::time::Duration;

use hours::Hours;
use regex::RegexBuilder;

use super::read::Section;
use super::{Fallback, Match, NamePattern, Route, Tag, Words, names};

const LIST_MAX: usize = 100;
const BACKENDS_MAX: usize = 32;
const TEXT_MAX: usize = 4096;
const LINE_MAX: usize = 256;
/// Compiled; a larger one would take its time for each message.
const REGEX_BYTES_MAX: usize = 256 << 10;

pub(super) fn routes(root: &Section<'_>) -> Vec<Route> {
    let there = There {
        backends: root.names("backends"),
        channels: root.names("channels"),
        connectors: root.names("connectors"),
    };
    root.tables("routes", |section| route(section, &there))
}

/// What a route may name.
struct There {
    backends: Vec<String>,
    channels: Vec<String>,
    connectors: Vec<String>,
}

fn route(section: &Section<'_>, there: &There) -> Option<Route> {
    let known = &there.backends;
    section
        .require(&[("backends", "who gets these interactions, the one that is to answer first, such as [\"desk\"]")]);
    let name = section.text("name", names::name);
    let matches = section.table("match", |section| matches(section, there));
    let backends = section.texts("backends", 1..=BACKENDS_MAX, |text| backend(text, known));
    let fallback = section.has("fallback").then(|| section.table("fallback", |section| fallback(section, known)));
    let (tags, keep) = (section.json("tags"), section.flag("keep", false));
    let route = Route { name, matches, backends: backends?, fallback: fallback.flatten(), tags, keep };
    if route.fallback.as_ref().is_some_and(|fallback| route.backends.contains(&fallback.backend)) {
        section.problem("fallback", "names a backend of this route, which gets everything anyway: name another one");
    }
    Some(route)
}

fn matches(section: &Section<'_>, there: &There) -> Match {
    let channel = section.one_or_more("channel", LIST_MAX, NamePattern::parse);
    for pattern in channel.iter().filter(|pattern| !there.channels.iter().any(|name| pattern.matches(name))) {
        section.warn("channel", Some(format!("\"{pattern}\"")), "no channel has such a name");
    }
    Match {
        channel,
        medium: section.one_or_more("medium", LIST_MAX, line),
        language: section.one_or_more("language", LIST_MAX, language),
        tag: section.one_or_more("tag", LIST_MAX, tag),
        attribute: attributes(section, &there.connectors),
        text: section.text_or_texts("text", pattern, words),
        hours: section.text("hours", |text| text.parse::<Hours>().map_err(|error| error.to_string())),
        share: section.has("share").then(|| section.count("share", 100, 0..=100) as u8),
    }
}

fn fallback(section: &Section<'_>, known: &[String]) -> Option<Fallback> {
    section.require(&[("backend", "who gets the interactions meanwhile, such as \"desk\"")]);
    let after =
        section.duration("after", Duration::from_secs(300), Duration::from_secs(1)..=Duration::from_secs(86_400));
    let backend = section.text("backend", |text| backend(text, known));
    Some(Fallback { backend: backend?, after })
}

fn backend(text: &str, known: &[String]) -> Result<String, String> {
    if known.iter().any(|name| name == text) {
        return Ok(text.to_owned());
    }
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Err(format!("there is no such backend; there are: {known}"))
}

fn line(text: &str) -> Result<String, String> {
    let fits = (1..=LINE_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned()).ok_or_else(|| format!("must be 1 to {LINE_MAX} bytes without control characters"))
}

/// RFC 5646, as far as it tells languages apart: `de`, `de-AT`.
fn language(text: &str) -> Result<String, String> {
    let subtag = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
    let fits = text.len() >= 2 && text.split('-').all(subtag) && text.as_bytes()[0].is_ascii_alphabetic();
    fits.then(|| text.to_ascii_lowercase()).ok_or_else(|| "must be a language such as \"de\" or \"de-AT\"".into())
}

fn tag(text: &str) -> Result<Tag, String> {
    let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
    Ok(Tag { name: line(name.trim())?, value: value.map(|value| line(value.trim())).transpose()? })
}

/// `tier` of any connector, `crm.tier` of one: the same as `crm = { tier = .. }`.
fn attributes(section: &Section<'_>, connectors: &[String]) -> BTreeMap<String, Vec<String>> {
    let mut attributes = BTreeMap::new();
    for (name, value) in section.json("attribute") {
        match value {
            serde_json::Value::Object(of_one) => {
                if !connectors.contains(&name) {
                    section.warn("attribute", Some(format!("\"{name}\"")), "no connector has such a name");
                }
                of_one
                    .iter()
                    .for_each(|(inner, value)| attribute(section, format!("{name}.{inner}"), value, &mut attributes));
            }
            value => attribute(section, name, &value, &mut attributes),
        }
    }
    attributes
}

fn attribute(
    section: &Section<'_>,
    name: String,
    value: &serde_json::Value,
    attributes: &mut BTreeMap<String, Vec<String>>,
) {
    match scalars(value) {
        Some(values) => drop(attributes.insert(name, values)),
        None => {
            let rule = format!("{name} must be a text, a number, true or false, or a list of them");
            section.problem("attribute", &rule);
        }
    }
}

fn scalars(value: &serde_json::Value) -> Option<Vec<String>> {
    match value {
        serde_json::Value::Array(values) if !values.is_empty() => values.iter().map(super::scalar).collect(),
        value => super::scalar(value).map(|value| vec![value]),
    }
}

/// One text: a regular expression.
fn pattern(text: &str) -> Result<Words, String> {
    let length = text.len();
    if !(1..=TEXT_MAX).contains(&length) {
        return Err(format!("must have 1 to {TEXT_MAX} bytes"));
    }
    compiled(text, text.to_owned())
}

/// Several texts: any of these words, as a whole.
fn words(words: Vec<String>) -> Result<Words, String> {
    let any: Vec<_> = words.iter().map(|word| regex::escape(word.trim())).collect();
    if any.iter().any(String::is_empty) {
        return Err("a word must not be empty".into());
    }
    compiled(&format!(r"(?:^|\W)(?:{})(?:\W|$)", any.join("|")), words.join(", "))
}

fn compiled(pattern: &str, shown: String) -> Result<Words, String> {
    let regex = RegexBuilder::new(pattern).case_insensitive(true).size_limit(REGEX_BYTES_MAX).build();
    let told = |error: regex::Error| {
        let last = error.to_string();
        let last = last.lines().next_back().unwrap_or_default().trim_start_matches("error: ").to_owned();
        format!("must be a regular expression, or a list of words: {last}")
    };
    Ok(Words { regex: regex.map_err(told)?, shown })
}
