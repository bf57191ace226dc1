use std::str::FromStr as _;

use hours::Hours;
use omnigate_plugin::prelude::*;
use omnigate_plugin::serde_json::Map;
use regex_lite::{Regex, RegexBuilder};

use crate::reply::Template;
use crate::settings::{ByLanguage, Priority, RuleSettings, Settings, When, milliseconds};
use crate::words::{Phrase, tokens};

/// Compiled, of each pattern.
const REGEX_BYTES_MAX: usize = 128 << 10;

/// The settings, checked.
pub(crate) struct Rules {
    rules: Vec<Rule>,
    hours: Option<Hours>,
    pub(crate) opening: String,
    pub(crate) name: Option<String>,
    pub(crate) language: String,
    pub(crate) pause_ms: u32,
}

pub(crate) struct Rule {
    /// With the language that they are of.
    phrases: Vec<(Option<String>, Phrase)>,
    pattern: Option<Regex>,
    when: When,
    tags: Map<String, Value>,
    priority: Option<Priority>,
    /// With the language; none is for all.
    pub(crate) replies: Vec<(Option<String>, Template)>,
}

/// A rule that matches, and the language of the word that did.
pub(crate) struct Matched<'a> {
    pub(crate) rule: &'a Rule,
    pub(crate) language: Option<&'a str>,
}

impl Rules {
    /// # Errors
    /// What is wrong with the settings and no schema can tell.
    pub(crate) fn of(settings: Settings) -> Result<Self, Fault> {
        let hours = settings.hours.as_deref().map(Hours::from_str).transpose();
        let hours = hours.map_err(|error| Fault::internal(format!("settings.hours: {error}")))?;
        let numbered = settings.rules.into_iter().enumerate();
        Ok(Self {
            rules: numbered.map(|(at, rule)| Rule::of(rule, at)).collect::<Result<_, _>>()?,
            opening: settings.opening.or(settings.hours).unwrap_or_default(),
            hours,
            name: settings.name,
            language: settings.language,
            pause_ms: milliseconds(&settings.reply_every)?,
        })
    }

    /// The rules that match what was said at that time, in their order.
    pub(crate) fn matching(&self, said: &str, now_ms: f64) -> Vec<Matched<'_>> {
        let open = self.hours.as_ref().is_none_or(|hours| hours.contain(now_ms as i64));
        let tokens = tokens(said);
        let in_time = |rule: &&Rule| match rule.when {
            When::Always => true,
            When::Open => open,
            When::Closed => !open,
        };
        let rules = self.rules.iter().filter(in_time);
        rules.filter_map(|rule| rule.matches(said, &tokens).map(|language| Matched { rule, language })).collect()
    }

    /// Of all rules that match: of two that give one tag the first counts.
    pub(crate) fn tags(&self, matched: &[Matched<'_>]) -> Map<String, Value> {
        let mut tags = Map::new();
        for Matched { rule, .. } in matched {
            for (name, value) in &rule.tags {
                tags.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        if let Some(priority) = matched.iter().filter_map(|matched| matched.rule.priority).max() {
            tags.insert("priority".into(), json!(priority));
        }
        tags
    }
}

impl Rule {
    fn of(rule: RuleSettings, at: usize) -> Result<Self, Fault> {
        Ok(Self {
            phrases: phrases(rule.words, at)?,
            pattern: rule.pattern.map(|pattern| compiled(&pattern, at)).transpose()?,
            when: rule.when,
            tags: rule.tags,
            priority: rule.priority,
            replies: by_language(rule.reply)
                .map(|(language, text)| Ok((language, Template::of(&text, at)?)))
                .collect::<Result<_, Fault>>()?,
        })
    }

    /// Without words and pattern it matches everything.
    fn matches(&self, said: &str, tokens: &[String]) -> Option<Option<&str>> {
        if self.phrases.is_empty() && self.pattern.is_none() {
            return Some(None);
        }
        let found = self.phrases.iter().find(|(_, phrase)| phrase.is_in(tokens));
        let by_pattern = || self.pattern.as_ref().filter(|pattern| pattern.is_match(said)).map(|_| None);
        found.map(|(language, _)| language.as_deref()).or_else(by_pattern)
    }
}

fn phrases(words: Option<ByLanguage<Vec<String>>>, at: usize) -> Result<Vec<(Option<String>, Phrase)>, Fault> {
    let mut phrases = Vec::new();
    for (language, words) in by_language(words) {
        for word in words {
            let phrase = Phrase::of(&word);
            let none = || Fault::internal(format!("settings.rules[{at}].words: {word:?} has no letter or digit"));
            phrases.push((language.clone(), phrase.ok_or_else(none)?));
        }
    }
    Ok(phrases)
}

fn by_language<T>(given: Option<ByLanguage<T>>) -> impl Iterator<Item = (Option<String>, T)> {
    let (all, each) = match given {
        None => (None, None),
        Some(ByLanguage::All(value)) => (Some((None, value)), None),
        Some(ByLanguage::Each(values)) => (None, Some(values)),
    };
    all.into_iter().chain(each.into_iter().flatten().map(|(language, value)| (Some(language), value)))
}

fn compiled(pattern: &str, at: usize) -> Result<Regex, Fault> {
    let regex = RegexBuilder::new(pattern).case_insensitive(true).size_limit(REGEX_BYTES_MAX).build();
    regex.map_err(|error| Fault::internal(format!("settings.rules[{at}].pattern is no regular expression: {error}")))
}
