//! Texts for HubSpot's fields, which are shown as HTML.

/// Characters of one field.
const FIELD_MAX: usize = 65_536;
const CUT: &str = "<br>[...]";
/// Characters of one line, such as a subject.
const LINE_MAX: usize = 255;

/// As HTML: what people write must not become markup.
pub(crate) fn html(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            '\n' => html.push_str("<br>"),
            '\r' => {}
            c => html.push(c),
        }
    }
    html
}

/// A text as HTML with `below` after it, no longer than a field: the text is cut, and never inside a character's markup.
pub(crate) fn field(text: &str, below: &str) -> String {
    let whole = html(text) + below;
    if units(&whole) <= FIELD_MAX {
        return whole;
    }
    let mut left = FIELD_MAX.saturating_sub(units(below) + units(CUT));
    let mut cut = String::new();
    for c in text.chars() {
        let escaped = html(c.encode_utf8(&mut [0; 4]));
        let Some(rest) = left.checked_sub(units(&escaped)) else { break };
        left = rest;
        cut.push_str(&escaped);
    }
    cut + CUT + below
}

/// HubSpot counts as JavaScript does.
fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// One line, cut to what a subject may have.
pub(crate) fn line(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(LINE_MAX).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_no_markup() {
        assert_eq!(html("a<b> & \"c\"\r\nd"), "a&lt;b&gt; &amp; &quot;c&quot;<br>d");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        for text in ["x".repeat(70_000), "😀".repeat(40_000), "&".repeat(20_000)] {
            let field = field(&text, "<br>SMS");
            assert!(units(&field) <= FIELD_MAX, "{}", units(&field));
            assert!(units(&field) > FIELD_MAX - 10);
            assert!(field.ends_with("<br>[...]<br>SMS"));
            assert_eq!(field.matches('&').count(), field.matches("&amp;").count());
        }
        assert_eq!(field("short", "<br>SMS"), "short<br>SMS");
    }
}
