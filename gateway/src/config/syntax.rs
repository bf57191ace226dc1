//! Errors of TOML itself, with the line and a caret below the spot.

use std::collections::BTreeMap;

use toml::de::Error;

use super::place::Lines;
use super::problem::{Problem, names_secret};

/// One mistake can upset the parser for a whole file; more than these help nobody.
const PROBLEMS_MAX: usize = 20;
/// Characters of a line that are shown around the spot.
const WINDOW_CHARS: usize = 100;
/// Stands for a letter or digit of what might be a secret.
const MASK: char = '·';

/// Whether the document means what it says besides: a key that is given twice upsets nothing else.
pub(super) fn is_readable(errors: &[Error]) -> bool {
    errors.iter().all(|error| error.message() == "duplicate key")
}

/// The first error of each line, in the order of the file.
pub(super) fn problems(errors: &[Error], lines: &Lines<'_>, file: &str) -> Vec<Problem> {
    let mut first_of_line = BTreeMap::new();
    for error in errors {
        let line = error.span().map(|span| lines.line(span.start));
        first_of_line.entry(line).or_insert(error);
    }
    let shown = first_of_line.into_iter().take(PROBLEMS_MAX);
    shown.map(|(line, error)| problem(error, lines, line).at(file, line)).collect()
}

fn problem(error: &Error, lines: &Lines<'_>, line: Option<usize>) -> Problem {
    let (Some(line), Some(span)) = (line, error.span()) else {
        return Problem::new("", None, format!("not TOML: {}", error.message()));
    };
    let message = error.message().trim_end_matches(", expected nothing");
    let hint = if lacks_quotes(lines.content(line)) { "; text, durations and sizes stand in quotes" } else { "" };
    let problem = Problem::new("", None, format!("not TOML: {message}{hint}"));
    problem.with_excerpt(excerpt(lines, line, span.start, span.end))
}

/// Whether the value of a `key = value` begins without a quote or a bracket.
fn lacks_quotes(content: &str) -> bool {
    let value = content.split_once('=').map(|(_, value)| value.trim_start());
    value.is_some_and(|value| value.starts_with(char::is_alphanumeric))
}

fn excerpt(lines: &Lines<'_>, line: usize, start: usize, end: usize) -> String {
    let content = presentable(lines, line);
    let line_start = lines.start(line);
    let column = lines.typed(line_start..start).chars().count().min(content.len());
    let width = lines.typed(start..end).chars().count().min(content.len() - column).max(1);
    let from = column.saturating_sub(WINDOW_CHARS / 2);
    let shown: String = content.iter().skip(from).take(WINDOW_CHARS).collect();
    let caret = " ".repeat(column - from) + &"^".repeat(width.min(WINDOW_CHARS / 2));
    let gutter = " ".repeat(line.to_string().len());
    format!("{gutter} |\n{line} | {}\n{gutter} | {caret}", shown.trim_end())
}

/// The line, one character for each typed one, without what might be a secret.
fn presentable(lines: &Lines<'_>, line: usize) -> Vec<char> {
    let content = lines.content(line);
    let masked_from = match () {
        () if in_long_string(lines, line) => 0,
        () if may_hold_secret(lines, line) => content.find('=').unwrap_or(0),
        () => content.len(),
    };
    let shown = |(at, c): (usize, char)| match c {
        _ if at >= masked_from && c.is_alphanumeric() => MASK,
        _ if c.is_control() => ' ',
        _ => c,
    };
    content.char_indices().map(shown).collect()
}

/// Whether a line is anything but a header, a comment or a plain `key = value` whose names speak of no secret.
fn may_hold_secret(lines: &Lines<'_>, line: usize) -> bool {
    let content = lines.content(line).trim_start();
    let is_header = content.starts_with('[') && !content.contains(['=', ',']);
    let is_assignment = content.split_once('=').is_some_and(|(key, _)| !key.trim().is_empty());
    let header = (1..line).rev().map(|above| lines.content(above)).find(|above| above.trim_start().starts_with('['));
    let secret_near = speaks_of_secret(content) || header.is_some_and(speaks_of_secret);
    !is_header && (!is_assignment || secret_near)
}

fn speaks_of_secret(text: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').any(names_secret)
}

/// Whether the line begins inside a text of several lines.
fn in_long_string(lines: &Lines<'_>, line: usize) -> bool {
    let before = lines.typed(0..lines.start(line));
    ["\"\"\"", "'''"].iter().any(|quotes| before.matches(quotes).count() % 2 == 1)
}

#[cfg(test)]
mod tests {
    use toml::de::DeTable;

    use super::*;

    fn shown(text: &str) -> String {
        let (_, errors) = DeTable::parse_recoverable(text);
        let shown: Vec<String> = problems(&errors, &Lines::new(text), "c").iter().map(Problem::to_string).collect();
        shown.join("\n")
    }

    #[test]
    fn points_at_the_spot() {
        let shown = shown("[server]\nlisten = 127.0.0.1\n");
        assert!(shown.starts_with("c:2: not TOML: ") && shown.contains("in quotes"), "{shown}");
        assert!(shown.contains("\n2 | listen = 127.0.0.1\n  |               ^^^^"), "{shown}");
    }

    #[test]
    fn shows_no_secret_in_any_position() {
        for text in [
            "secret = hunter2\n",
            "[a.secrets]\nx = hunter2\n",
            "desk = { secret = hunter2 }\n",
            "secret = \"\"\"\nhunter2 = \\hunter2\n",
            "secret = \"hunter2\n",
            "list = [\n hunter2\n]\n",
            "hunter2\n",
        ] {
            let shown = shown(text);
            assert!(shown.contains("not TOML") && !shown.contains("hunter2"), "{shown}");
        }
    }

    #[test]
    fn stays_short_whatever_comes() {
        let wide = format!("a = {}", "ä ".repeat(1 << 19));
        assert!(shown(&wide).len() < 1000);
        assert!(shown(&"= \n".repeat(10_000)).lines().count() <= 4 * PROBLEMS_MAX);
    }
}
