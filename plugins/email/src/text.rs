//! Characters that nobody wants to meet.

/// Letters that turn the direction of writing or hide: in a name or a subject they only deceive.
fn is_deceptive(c: char) -> bool {
    matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A text of several lines: line breaks are `\n`, other control characters go.
pub(crate) fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\r' if characters.peek() == Some(&'\n') => {}
            '\r' => clean.push('\n'),
            '\n' | '\t' => clean.push(c),
            '\u{feff}' => {}
            c if c.is_control() => {}
            c => clean.push(c),
        }
    }
    clean
}

/// A text of one line: runs of white space are one space, nothing deceives, trimmed, at most 998 characters.
pub(crate) fn one_line(text: &str) -> String {
    const CHARS_MAX: usize = 998;
    let spaced: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).filter(|c| !is_deceptive(*c)).collect();
    let words: Vec<&str> = spaced.split_whitespace().collect();
    words.join(" ").chars().take(CHARS_MAX).collect()
}

/// A name for a file: the last step of a path, nothing that a file system or a person could misread, at most 200 bytes.
pub(crate) fn file_name(text: &str) -> Option<String> {
    const BYTES_MAX: usize = 200;
    let last = text.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept: String = one_line(last).chars().map(|c| if "<>:\"|?*".contains(c) { '_' } else { c }).collect();
    let name = kept.trim_matches(['.', ' ']);
    let (stem, extension) = name.rsplit_once('.').filter(|(_, end)| end.len() <= 20).unwrap_or((name, ""));
    let room = BYTES_MAX.saturating_sub(extension.len() + 1);
    let stem = &stem[..stem.floor_char_boundary(room)];
    let name = if extension.is_empty() { stem.to_owned() } else { format!("{stem}.{extension}") };
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_harmless() {
        for (given, expected) in [
            ("../../etc/passwd", "passwd"),
            ("C:\\x\\a.exe", "a.exe"),
            ("invoice\u{202e}fdp.exe", "invoicefdp.exe"),
            ("a\r\nb<>.txt", "a b__.txt"),
            ("...hidden", "hidden"),
        ] {
            assert_eq!(file_name(given).as_deref(), Some(expected), "{given:?}");
        }
        assert_eq!(file_name(" .. "), None);
        assert_eq!(
            file_name(&format!("{}.pdf", "ü".repeat(500))).map(|name| (name.len(), name.ends_with("ü.pdf"))),
            Some((200, true))
        );
    }
}
