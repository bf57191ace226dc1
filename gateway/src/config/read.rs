//! Reads one table after another, notes every problem, and remembers which keys were asked for. What stands in a
//! table is read by `values` and `credentials`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::nearest;
use super::place::{Lines, element_path, join};
use super::problem::Problem;

/// A key that the gateway knows, for whoever documents it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownKey {
    /// With `NAME` where the operator chooses a name: `backends.NAME.timeout`.
    pub path: String,
    /// Default, smallest and largest value as they would be typed; numbers, sizes and durations have them.
    pub bounds: Option<[String; 3]>,
}

/// One reading of one file: where it stands and what was found so far.
pub(super) struct Reading<'a> {
    pub(super) file: &'a str,
    pub(super) lines: Lines<'a>,
    pub(super) base_dir: &'a Path,
    pub(super) env: &'a dyn Fn(&str) -> Option<String>,
    pub(super) problems: RefCell<Vec<Problem>>,
    pub(super) warnings: RefCell<Vec<Problem>>,
    pub(super) keys: RefCell<BTreeMap<String, KnownKey>>,
}

impl Reading<'_> {
    fn note(&self, line: Option<usize>, problem: Problem) {
        self.problems.borrow_mut().push(problem.at(self.file, line));
    }

    pub(super) fn line_of<T>(&self, spanned: &Spanned<T>) -> usize {
        self.lines.line(spanned.span().start)
    }
}

/// A value in the file and where it stands.
pub(super) struct Typed<'a> {
    pub(super) path: String,
    pub(super) line: usize,
    pub(super) value: &'a Spanned<DeValue<'a>>,
}

/// One table of the file, or one that is not there and so has defaults alone.
pub(super) struct Section<'a> {
    pub(super) reading: &'a Reading<'a>,
    table: Option<&'a DeTable<'a>>,
    path: String,
    /// The path with `NAME` for names; `None` where keys are documented elsewhere.
    pattern: Option<String>,
    line: Option<usize>,
    known: RefCell<Vec<&'static str>>,
    refused: RefCell<Vec<&'static str>>,
}

impl<'a> Section<'a> {
    /// Reads the whole document.
    pub(super) fn root<T>(reading: &'a Reading<'a>, table: &'a DeTable<'a>, read: impl FnOnce(&Self) -> T) -> T {
        Self::new(reading, Some(table), String::new(), Some(String::new()), None).read(read)
    }

    /// Reads a table that stands as a value.
    pub(super) fn inline<T>(
        reading: &'a Reading<'a>,
        table: &'a DeTable<'a>,
        typed: &Typed<'a>,
        read: impl FnOnce(&Self) -> T,
    ) -> T {
        Self::new(reading, Some(table), typed.path.clone(), None, Some(typed.line)).read(read)
    }

    fn new(
        reading: &'a Reading<'a>,
        table: Option<&'a DeTable<'a>>,
        path: String,
        pattern: Option<String>,
        line: Option<usize>,
    ) -> Self {
        Self { reading, table, path, pattern, line, known: RefCell::default(), refused: RefCell::default() }
    }

    fn read<T>(self, read: impl FnOnce(&Self) -> T) -> T {
        let result = read(&self);
        self.refuse_unknown();
        result
    }

    /// The table below `key`; `read` gets an empty one where there is none.
    pub(super) fn table<T>(&self, key: &'static str, read: impl FnOnce(&Section<'a>) -> T) -> T {
        let found = self.typed(key).and_then(|typed| self.table_of(typed));
        let (table, line) = found.map(|(typed, table)| (table, typed.line)).unzip();
        let pattern = self.pattern.as_ref().map(|pattern| join(pattern, key));
        Section::new(self.reading, table, join(&self.path, key), pattern, line).read(read)
    }

    /// The tables below `key`, each under a name that the operator chose.
    pub(super) fn named<T>(
        &self,
        key: &'static str,
        name_rule: impl Fn(&str) -> Result<String, String>,
        read: impl Fn(&Section<'a>) -> Option<T>,
    ) -> BTreeMap<String, T> {
        let pattern = self.pattern.as_ref().map(|pattern| join(&join(pattern, key), "NAME"));
        let entries = self.entries(key, name_rule).into_iter();
        entries
            .filter_map(|(name, typed)| {
                let (typed, table) = self.table_of(typed)?;
                let section = Section::new(self.reading, Some(table), typed.path, pattern.clone(), Some(typed.line));
                section.read(&read).map(|value| (name, value))
            })
            .collect()
    }

    /// The tables of a list, `[[key]]`.
    pub(super) fn tables<T>(&self, key: &'static str, read: impl Fn(&Section<'a>) -> Option<T>) -> Vec<T> {
        let Some(typed) = self.typed(key) else { return Vec::new() };
        let Some(elements) = typed.value.get_ref().as_array() else {
            self.refuse_name(&typed, &format!("must be a list of tables: [[{key}]] with its keys below"));
            return Vec::new();
        };
        let pattern = self.pattern.as_ref().map(|pattern| join(pattern, key));
        let element = |(index, value)| {
            let typed = Typed { path: element_path(&typed.path, index), line: self.reading.line_of(value), value };
            let (typed, table) = self.table_of(typed)?;
            let section = Section::new(self.reading, Some(table), typed.path, pattern.clone(), Some(typed.line));
            section.read(&read)
        };
        elements.iter().enumerate().filter_map(element).collect()
    }

    /// The names below `key` as they were typed, whatever is wrong with what stands there.
    pub(super) fn names(&self, key: &'static str) -> Vec<String> {
        let table = self.table.and_then(|table| table.get(key)).and_then(|value| value.get_ref().as_table());
        table.into_iter().flat_map(|table| table.keys().map(|name| name.get_ref().to_string())).collect()
    }

    /// What stands below `key`, by name. A name that breaks `name_rule` is noted and does not hide what is wrong below it.
    pub(super) fn entries(
        &self,
        key: &'static str,
        name_rule: impl Fn(&str) -> Result<String, String>,
    ) -> Vec<(String, Typed<'a>)> {
        let Some((typed, table)) = self.typed(key).and_then(|typed| self.table_of(typed)) else {
            return Vec::new();
        };
        let mut entries = Vec::with_capacity(table.len());
        for (name, value) in table {
            let path = join(&typed.path, name.get_ref());
            let entry = Typed { path, line: self.reading.line_of(name), value };
            if let Err(rule) = name_rule(name.get_ref()) {
                self.refuse_name(&entry, &rule);
            }
            entries.push((name.get_ref().to_string(), entry));
        }
        entries
    }

    /// The names that stand below `key`, whatever is wrong with what they name.
    pub(super) fn names_below(&self, key: &str) -> Vec<String> {
        let table = self.table.and_then(|table| table.get(key)).and_then(|value| value.get_ref().as_table());
        table.into_iter().flat_map(|table| table.keys().map(|name| name.get_ref().to_string())).collect()
    }

    /// Keys without which the table means nothing, each with a way out.
    pub(super) fn require(&self, keys: &[(&'static str, &str)]) {
        for (key, way_out) in keys.iter().filter(|(key, _)| !self.has(key)) {
            let rule = format!("is missing: {way_out}");
            self.reading.note(self.line, Problem::new(join(&self.path, key), None, rule));
        }
    }

    /// A key that people may expect and this version does not have.
    pub(super) fn refuse(&self, key: &'static str, why: &str) {
        self.refused.borrow_mut().push(key);
        if self.has(key) {
            self.problem(key, why);
        }
    }

    /// Notes a rule that the key breaks together with others.
    pub(super) fn problem(&self, key: &str, rule: &str) {
        self.reading.note(self.line_of_key(key), Problem::new(join(&self.path, key), None, rule));
    }

    /// Notes what is allowed but hardly wanted.
    pub(super) fn warn(&self, key: &str, value: Option<String>, advice: &str) {
        let warning = Problem::new(join(&self.path, key), value, advice);
        self.reading.warnings.borrow_mut().push(warning.at(self.reading.file, self.line_of_key(key)));
    }

    /// The last name of the path, which the operator chose.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or_default()
    }

    /// Where its first key stands in the file: tables are read in the order of their names.
    pub(super) fn begins_at(&self) -> usize {
        self.table.into_iter().flatten().map(|(key, _)| key.span().start).min().unwrap_or(usize::MAX)
    }

    /// Path of the table.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Whether the key was typed.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// Notes that a value breaks a rule, and shows it.
    pub(super) fn refuse_value(&self, typed: &Typed<'_>, rule: &str) {
        let shown = match typed.value.get_ref() {
            DeValue::Table(_) | DeValue::Array(_) => None,
            _ => Some(self.reading.lines.typed(typed.value.span()).to_owned()),
        };
        self.reading.note(Some(typed.line), Problem::new(typed.path.clone(), shown, rule));
    }

    /// Notes that a name, or a value that must not be shown, breaks a rule.
    pub(super) fn refuse_name(&self, typed: &Typed<'_>, rule: &str) {
        self.reading.note(Some(typed.line), Problem::new(typed.path.clone(), None, rule));
    }

    /// Puts a key into the list for documents; a default comes with the smallest and the largest value.
    pub(super) fn document(&self, key: &str, bounds: Option<[String; 3]>) {
        if let Some(pattern) = &self.pattern {
            let path = join(pattern, key);
            self.reading.keys.borrow_mut().insert(path.clone(), KnownKey { path, bounds });
        }
    }

    /// What was typed for the key, if anything.
    pub(super) fn typed(&self, key: &'static str) -> Option<Typed<'a>> {
        self.known.borrow_mut().push(key);
        let (name, value) = self.table?.get_key_value(key)?;
        Some(Typed { path: join(&self.path, key), line: self.reading.line_of(name), value })
    }

    /// The table that was typed. What else was typed is not shown: it may be a secret in the wrong place.
    pub(super) fn table_of(&self, typed: Typed<'a>) -> Option<(Typed<'a>, &'a DeTable<'a>)> {
        match typed.value.get_ref() {
            DeValue::Table(table) => return Some((typed, table)),
            DeValue::Array(_) => self.refuse_name(&typed, "must be one table, [...] or { ... }, not a list of them"),
            _ => self.refuse_name(&typed, "must be a table: [...] with its keys below, or { ... }"),
        }
        None
    }

    fn refuse_unknown(&self) {
        let (known, refused) = (self.known.borrow(), self.refused.borrow());
        for (key, _) in self.table.into_iter().flatten() {
            let name: &str = key.get_ref();
            if !known.contains(&name) && !refused.contains(&name) {
                let rule = format!("unknown key; {}", nearest::suggestion(name, &known));
                self.reading.note(Some(self.reading.line_of(key)), Problem::new(join(&self.path, name), None, rule));
            }
        }
    }

    fn line_of_key(&self, key: &str) -> Option<usize> {
        let typed = self.table.and_then(|table| table.get_key_value(key));
        typed.map(|(name, _)| self.reading.line_of(name)).or(self.line)
    }
}
