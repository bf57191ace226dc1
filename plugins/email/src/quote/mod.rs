//! Tells what is new in a mail from what it answers.
//!
//! Nothing is thrown away: what is not new is the quoted text. In doubt a line is new.

mod attribution;
mod block;

/// A mail's text in two.
#[derive(Debug, PartialEq)]
pub(crate) struct Split {
    pub(crate) new: String,
    pub(crate) quoted: Option<String>,
    /// The quote is all that stands below the new text.
    pub(crate) is_below: bool,
}

/// What lies at a place where a quote may begin.
#[derive(Clone, Copy, PartialEq)]
enum Start {
    /// Somebody wrote something at some time, or a mark of the mail program: the quote may be marked line by line.
    Attribution,
    /// A rule or a header of the older mail: everything below is old.
    Header,
    /// The same, of a mail that was passed on.
    Forward,
    /// A line with a quote mark.
    Mark,
}

/// Splits a text with line breaks `\n`. `hint` is where the mail's own markup says that a quote begins.
pub(crate) fn split(text: &str, hint: Option<usize>) -> Split {
    let lines: Vec<&str> = text.split('\n').collect();
    let hinted = hint.map(|at| text[..text.floor_char_boundary(at)].matches('\n').count());
    match start(&lines, hinted) {
        None => whole(text),
        Some((at, Start::Header)) => below(&lines, at),
        Some((at, Start::Forward)) => forwarded(&lines, at, text),
        Some((at, Start::Attribution | Start::Mark)) => around(&lines, at, text),
    }
}

fn whole(text: &str) -> Split {
    Split { new: trimmed(text), quoted: None, is_below: false }
}

fn below(lines: &[&str], at: usize) -> Split {
    let (new, quoted) = (joined(&lines[..at]), joined(&lines[at..]));
    Split { new, is_below: true, quoted: Some(quoted).filter(|quoted| !quoted.is_empty()) }
}

/// What somebody passes on without a word is his message.
fn forwarded(lines: &[&str], at: usize, text: &str) -> Split {
    let split = below(lines, at);
    if split.new.is_empty() { whole(text) } else { split }
}

/// The quote may end, and new text follow or stand in between.
fn around(lines: &[&str], at: usize, text: &str) -> Split {
    let first = lines[at..].iter().position(|line| is_marked(line)).map(|first| at + first);
    let Some(first) = first.filter(|first| is_near(&lines[at..*first])) else { return below(lines, at) };
    let end = lines[first..].iter().position(|line| !is_marked(line) && !is_blank(line)).map(|end| first + end);
    let Some(end) = end else { return below(lines, at) };
    if lines[end..].iter().any(|line| is_marked(line)) {
        return whole(text);
    }
    let new = [joined(&lines[..at]), joined(&lines[end..])];
    let new = new.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n\n");
    Split { new, quoted: Some(joined(&lines[at..end])), is_below: false }
}

/// An attribution of a few lines stands above its quote.
fn is_near(between: &[&str]) -> bool {
    between.iter().filter(|line| !is_blank(line)).count() <= 4
}

/// The first place at which a quote begins.
fn start(lines: &[&str], hinted: Option<usize>) -> Option<(usize, Start)> {
    let found = (0..lines.len()).find_map(|at| Some((at, start_at(lines, at)?)));
    match (found, hinted.filter(|at| *at < lines.len())) {
        (Some((at, start)), Some(hinted)) if at <= hinted => Some((at, start)),
        (_, Some(hinted)) => Some((hinted, hinted_start(lines, hinted))),
        (found, None) => found,
    }
}

fn hinted_start(lines: &[&str], at: usize) -> Start {
    let next = (at..lines.len()).filter(|at| !is_blank(lines[*at])).take(2);
    next.filter_map(|at| start_at(lines, at)).next().unwrap_or(Start::Attribution)
}

fn start_at(lines: &[&str], at: usize) -> Option<Start> {
    let line = lines[at];
    if is_blank(line) {
        None
    } else if is_marked(line) {
        Some(Start::Mark)
    } else if let Some(start) = block::rule(lines, at) {
        Some(start)
    } else {
        attribution::begins(&lines[at..]).then_some(Start::Attribution)
    }
}

fn is_marked(line: &str) -> bool {
    line.trim_start().starts_with('>')
}

fn is_blank(line: &str) -> bool {
    line.trim().is_empty()
}

fn joined(lines: &[&str]) -> String {
    trimmed(&lines.join("\n"))
}

/// Without blank lines around it; the first line keeps its indent.
fn trimmed(text: &str) -> String {
    let begin = text.len() - text.trim_start().len();
    let line = text[..begin].rfind('\n').map_or(0, |at| at + 1);
    text[line..].trim_end().to_owned()
}

#[cfg(test)]
mod tests;
