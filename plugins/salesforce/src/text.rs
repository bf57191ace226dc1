//! Plain texts, cut to what fields hold.

/// Characters of a long text area such as a task's comments.
const FIELD_MAX: usize = 32_000;
const CUT: &str = "\n[...]";

/// A text with `below` after it, no longer than a field; the text is cut, and never inside a character.
pub(crate) fn field(text: &str, below: &str) -> String {
    let text = plain(text);
    let left = FIELD_MAX.saturating_sub(units(below));
    if units(&text) <= left {
        return text + below;
    }
    cut(&text, left.saturating_sub(units(CUT))).to_owned() + CUT + below
}

/// One line of at most that many characters.
pub(crate) fn line(text: &str, max: usize) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    cut(line.trim(), max).trim_end().to_owned()
}

/// Salesforce takes no control characters but these.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

fn cut(text: &str, max: usize) -> &str {
    let mut left = max;
    let end = text.char_indices().find_map(|(at, c)| match left.checked_sub(c.len_utf16()) {
        Some(rest) => {
            left = rest;
            None
        }
        None => Some(at),
    });
    &text[..end.unwrap_or(text.len())]
}

/// Salesforce counts as Java does.
fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        for text in ["x".repeat(40_000), "😀".repeat(20_000)] {
            let field = field(&text, "\nSMS");
            assert!((FIELD_MAX - 1..=FIELD_MAX).contains(&units(&field)), "{}", units(&field));
            assert!(field.ends_with("\n[...]\nSMS"));
        }
        assert_eq!(field("short\r\n\u{0}text", "\nSMS"), "short\ntext\nSMS");
    }

    #[test]
    fn a_line_stays_one() {
        assert_eq!(line("  a\r\nb ", 255), "a  b");
        assert_eq!(line("😀😀", 3), "😀");
    }
}
