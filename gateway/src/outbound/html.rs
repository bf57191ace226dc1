/// Wide enough that no line is broken: how long a line is, the reader's screen decides.
const WIDTH: usize = 100_000;

/// The words of formatted text. `None` where it cannot be read at all.
pub fn to_text(html: &str) -> Option<String> {
    let config = html2text::config::plain_no_decorate().link_footnotes(false);
    let text = config.string_from_read(html.as_bytes(), WIDTH).ok()?;
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    Some(lines.join("\n").trim().to_owned())
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
    }

    #[test]
    fn hostile_markup_ends() {
        assert!(to_text(&"<div>".repeat(20_000)).is_some_and(|text| text.is_empty()));
        assert!(to_text("<table><tr><td colspan=99999999>x").is_some());
        assert_eq!(to_text("plain").as_deref(), Some("plain"));
    }
}
