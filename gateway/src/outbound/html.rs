use std::collections::HashMap;

/// Wide enough that no line is broken: how long a line is, the reader's screen decides.
const WIDTH: usize = 100_000;
/// What is nested deeper takes a time that grows with the square of its length.
const DEPTH_MAX: usize = 100;
/// Elements that hold nothing, or that end where the next one of their kind begins: they nest inside others only.
const SHALLOW: [&str; 25] = [
    "area", "base", "br", "col", "dd", "dt", "embed", "hr", "img", "input", "li", "link", "meta", "option", "p",
    "param", "source", "tbody", "td", "tfoot", "th", "thead", "tr", "track", "wbr",
];

/// The words of formatted text. `None` where it cannot be read, or is nested too deeply for anybody to have meant it.
pub fn to_text(html: &str) -> Option<String> {
    if !is_flat(html) {
        return None;
    }
    let config = html2text::config::plain_no_decorate().link_footnotes(false);
    let text = config.string_from_read(html.as_bytes(), WIDTH).ok()?;
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    Some(lines.join("\n").trim().to_owned())
}

/// Whether no more elements are open at once than there may be. An end without a beginning closes nothing.
fn is_flat(html: &str) -> bool {
    let mut open: HashMap<String, usize> = HashMap::new();
    let mut depth = 0;
    for tag in html.split('<').skip(1) {
        let (ends, rest) = tag.strip_prefix('/').map_or((false, tag), |rest| (true, rest));
        let name: String = rest.chars().take_while(char::is_ascii_alphanumeric).take(32).collect();
        let name = name.to_ascii_lowercase();
        if name.is_empty() || SHALLOW.contains(&name.as_str()) {
            continue;
        }
        let count = open.entry(name).or_default();
        if !ends {
            (*count, depth) = (*count + 1, depth + 1);
        } else if *count > 0 {
            (*count, depth) = (*count - 1, depth - 1);
        }
        if depth > DEPTH_MAX {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_remain() {
        let html = "<p>Hello <b>Ann</b>,</p><ul><li>one</li><li>two</li></ul><script>alert(1)</script>";
        let text = to_text(html).unwrap();
        assert!(text.starts_with("Hello Ann,\n"), "{text:?}");
        assert!(text.contains("one\n") && text.ends_with("two") && !text.contains("alert"), "{text:?}");
        assert_eq!(to_text("plain &amp; simple").as_deref(), Some("plain & simple"));
    }

    #[test]
    fn a_long_letter_is_no_deep_one() {
        let letter = "<div><p>A paragraph<br>of <b>two</b> lines<ul><li>a<li>b</ul></div>".repeat(1000);
        assert!(to_text(&letter).is_some_and(|text| text.matches("A paragraph").count() == 1000));
    }

    #[test]
    fn hostile_markup_ends() {
        for tag in ["<div>", "<b>", "<ul><li>", "<blockquote>", "<table><tr><td>", "<div></b>", "<DIV ", "<pre>"] {
            assert_eq!(to_text(&tag.repeat(20_000)), None, "{tag}");
        }
        assert!(to_text(&"</div>".repeat(20_000)).is_some());
        assert!(to_text("<table><tr><td colspan=99999999>x").is_some());
    }
}
