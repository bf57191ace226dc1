//! The values of a table by their kinds. A value that breaks its rule is noted and then treated as if it were not there.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Map, Value};

use super::json;
use super::place::element_path;
use super::read::{Section, Typed};
use super::units::{COUNT, DURATION, SIZE, Unit};

/// Of texts where one would do.
const LIST_MAX: usize = 100;

impl<'a> Section<'a> {
    /// A text that follows `rule`, whose error is the rule in words.
    pub(super) fn text<T>(&self, key: &'static str, rule: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        self.document(key, None);
        self.text_of(&self.typed(key)?, rule)
    }

    /// A list of texts that follow `rule`.
    pub(super) fn texts<T>(
        &self,
        key: &'static str,
        length: RangeInclusive<usize>,
        rule: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        self.list(key, length, |element| self.text_of(element, &rule))
    }

    /// One text, or a list of them.
    pub(super) fn one_or_more<T>(
        &self,
        key: &'static str,
        max: usize,
        rule: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        match self.typed(key) {
            Some(typed) if typed.value.get_ref().as_array().is_some() => {
                self.texts(key, 1..=max, rule).unwrap_or_default()
            }
            _ => self.text(key, rule).into_iter().collect(),
        }
    }

    /// One text that follows the first rule, or a list of texts that follows the second.
    pub(super) fn text_or_texts<T>(
        &self,
        key: &'static str,
        one: impl Fn(&str) -> Result<T, String>,
        many: impl Fn(Vec<String>) -> Result<T, String>,
    ) -> Option<T> {
        let typed = self.typed(key).filter(|typed| typed.value.get_ref().as_array().is_some());
        let Some(typed) = typed else { return self.text(key, one) };
        let texts = self.texts(key, 1..=LIST_MAX, |text| Ok(text.to_owned()))?;
        many(texts).map_err(|rule| self.refuse_value(&typed, &rule)).ok()
    }

    /// A list of durations.
    pub(super) fn durations(
        &self,
        key: &'static str,
        length: RangeInclusive<usize>,
        range: RangeInclusive<Duration>,
    ) -> Option<Vec<Duration>> {
        let range = millis(*range.start())..=millis(*range.end());
        self.list(key, length, |element| self.measure(element, &DURATION, &range).map(Duration::from_millis))
    }

    /// Texts by name, each with its rule.
    pub(super) fn words(
        &self,
        key: &'static str,
        name_rule: fn(&str) -> Result<String, String>,
        rule: fn(&str) -> Result<String, String>,
    ) -> BTreeMap<String, String> {
        self.document(key, None);
        let entries = self.entries(key, name_rule).into_iter();
        entries.filter_map(|(name, typed)| Some((name, self.text_of(&typed, rule)?))).collect()
    }

    /// True or false.
    pub(super) fn flag(&self, key: &'static str, default: bool) -> bool {
        self.optional_flag(key).unwrap_or(default)
    }

    /// True or false, where it was typed.
    pub(super) fn optional_flag(&self, key: &'static str) -> Option<bool> {
        self.document(key, None);
        let typed = self.typed(key)?;
        let flag = typed.value.get_ref().as_bool();
        if flag.is_none() {
            self.refuse_value(&typed, "must be true or false");
        }
        flag
    }

    /// A duration, where it was typed: without it another key counts.
    pub(super) fn optional_duration(&self, key: &'static str, range: RangeInclusive<Duration>) -> Option<Duration> {
        let range = millis(*range.start())..=millis(*range.end());
        self.document(key, None);
        self.typed(key).and_then(|typed| self.measure(&typed, &DURATION, &range)).map(Duration::from_millis)
    }

    /// A whole number.
    pub(super) fn count(&self, key: &'static str, default: u64, range: RangeInclusive<u64>) -> usize {
        self.bounded(key, &COUNT, default, range) as usize
    }

    /// A number of bytes.
    pub(super) fn size(&self, key: &'static str, default: u64, range: RangeInclusive<u64>) -> usize {
        self.bounded(key, &SIZE, default, range) as usize
    }

    /// A duration.
    pub(super) fn duration(&self, key: &'static str, default: Duration, range: RangeInclusive<Duration>) -> Duration {
        let range = millis(*range.start())..=millis(*range.end());
        Duration::from_millis(self.bounded(key, &DURATION, millis(default), range))
    }

    /// A table that is passed on as JSON.
    pub(super) fn json(&self, key: &'static str) -> Map<String, Value> {
        self.document(key, None);
        let Some((typed, table)) = self.typed(key).and_then(|typed| self.table_of(typed)) else {
            return Map::new();
        };
        let mut bad = Vec::new();
        let object = json::object(table, &typed.path, &mut bad);
        for json::NoJson { path, value, rule } in bad {
            self.refuse_value(&Typed { path, line: self.reading.line_of(value), value }, rule);
        }
        object
    }

    fn bounded(&self, key: &'static str, unit: &Unit, default: u64, range: RangeInclusive<u64>) -> u64 {
        self.document(key, Some([default, *range.start(), *range.end()].map(unit.show)));
        self.typed(key).and_then(|typed| self.measure(&typed, unit, &range)).unwrap_or(default)
    }

    fn measure(&self, typed: &Typed<'_>, unit: &Unit, range: &RangeInclusive<u64>) -> Option<u64> {
        let amount = (unit.read)(typed.value.get_ref()).map_err(|rule| self.refuse_value(typed, rule)).ok()?;
        let amount_or_rule = match amount {
            _ if amount < i128::from(*range.start()) => {
                Err(format!("must be at least {}", (unit.show)(*range.start())))
            }
            _ if amount > i128::from(*range.end()) => Err(format!("must be at most {}", (unit.show)(*range.end()))),
            _ => u64::try_from(amount).map_err(|error| error.to_string()),
        };
        amount_or_rule.map_err(|rule| self.refuse_value(typed, &rule)).ok()
    }

    fn text_of<T>(&self, typed: &Typed<'_>, rule: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let text = typed.value.get_ref().as_str().ok_or_else(|| "must be text in quotes".to_owned());
        text.and_then(rule).map_err(|rule| self.refuse_value(typed, &rule)).ok()
    }

    fn list<T>(
        &self,
        key: &'static str,
        length: RangeInclusive<usize>,
        read: impl Fn(&Typed<'a>) -> Option<T>,
    ) -> Option<Vec<T>> {
        self.document(key, None);
        let typed = self.typed(key)?;
        let Some(elements) = typed.value.get_ref().as_array() else {
            self.refuse_value(&typed, "must be a list: [\"...\", \"...\"]");
            return None;
        };
        if !length.contains(&elements.len()) {
            let rule = format!("must have {} to {} entries, not {}", length.start(), length.end(), elements.len());
            self.refuse_value(&typed, &rule);
            return None;
        }
        let element = |(index, value)| {
            let path = element_path(&typed.path, index);
            read(&Typed { path, line: self.reading.line_of(value), value })
        };
        Some(elements.iter().enumerate().filter_map(element).collect())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
