use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::cut;

/// Text of a file and where its lines begin.
pub(super) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    /// Line of a byte, from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
    }

    /// Text of a line, counted from 1, without its end; empty beyond the file.
    pub(super) fn content(&self, line: usize) -> &'a str {
        let range = self.start(line)..self.start(line + 1);
        self.text.get(range).unwrap_or_default().trim_end_matches(['\r', '\n'])
    }

    /// First byte of a line, counted from 1; the end of the text beyond the last.
    pub(super) fn start(&self, line: usize) -> usize {
        self.starts.get(line.saturating_sub(1)).copied().unwrap_or(self.text.len())
    }

    /// What was typed there.
    pub(super) fn typed(&self, span: Range<usize>) -> &'a str {
        self.text.get(span).unwrap_or_default()
    }
}

/// The line of every key of a document, by its path.
pub(super) fn key_lines(root: &DeTable<'_>, lines: &Lines<'_>) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    visit_table(root, "", lines, &mut found);
    found
}

fn visit_table(table: &DeTable<'_>, path: &str, lines: &Lines<'_>, found: &mut BTreeMap<String, usize>) {
    for (key, value) in table.iter() {
        let path = join(path, key.get_ref());
        found.insert(path.clone(), lines.line(key.span().start));
        visit(value, &path, lines, found);
    }
}

fn visit(value: &Spanned<DeValue<'_>>, path: &str, lines: &Lines<'_>, found: &mut BTreeMap<String, usize>) {
    match value.get_ref() {
        DeValue::Table(table) => visit_table(table, path, lines, found),
        DeValue::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                let path = element_path(path, index);
                found.insert(path.clone(), lines.line(element.span().start));
                visit(element, &path, lines, found);
            }
        }
        _ => {}
    }
}

/// Path of `key` below `path`; a key that is not bare is quoted.
pub(super) fn join(path: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let key = cut(key, 64);
    let key = if bare { key } else { format!("\"{key}\"") };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// Path of an element of the list at `path`.
pub(super) fn element_path(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

/// The path of what holds `path`: `a.b` for `a.b.c` and for `a.b[1]`.
pub(super) fn parent(path: &str) -> Option<&str> {
    path.rfind(['.', '[']).map(|end| &path[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_lines_and_their_text() {
        let lines = Lines::new("a\r\nbc\n\nd");
        assert_eq!([0, 2, 3, 6, 7, 99].map(|offset| lines.line(offset)), [1, 1, 2, 3, 4, 4]);
        assert_eq!([1, 2, 3, 4, 5].map(|line| lines.content(line)), ["a", "bc", "", "d", ""]);
    }

    #[test]
    fn quotes_keys_that_are_not_bare() {
        assert_eq!(join("a", "b_c-1"), "a.b_c-1");
        assert_eq!(join("", "b c\n"), "\"b c\\n\"");
        assert_eq!(join("a", &"x".repeat(1 << 20)), format!("a.{}…", "x".repeat(64)));
    }
}
