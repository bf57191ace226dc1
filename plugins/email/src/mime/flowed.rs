/// RFC 3676: joins the lines that the sender's program broke, inside one depth of quoting; quotes stay quotes.
pub(crate) fn unflow(text: &str, deletes_space: bool) -> String {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut is_open = false;
    for line in text.split('\n') {
        let (depth, content) = depth_of(line.strip_suffix('\r').unwrap_or(line));
        let is_signature = content == "-- ";
        match lines.last_mut() {
            Some((above, joined)) if is_open && *above == depth && !is_signature => joined.push_str(content),
            _ => lines.push((depth, content.to_owned())),
        }
        is_open = content.ends_with(' ') && !is_signature;
        if let Some((_, joined)) = lines.last_mut().filter(|_| is_open && deletes_space) {
            joined.pop();
        }
    }
    lines.iter().map(|(depth, line)| quoted(*depth, line)).collect::<Vec<_>>().join("\n")
}

/// How often a line is quoted, and the line without its marks and its stuffing.
fn depth_of(line: &str) -> (usize, &str) {
    let content = line.trim_start_matches('>');
    (line.len() - content.len(), content.strip_prefix(' ').unwrap_or(content))
}

fn quoted(depth: usize, line: &str) -> String {
    match depth {
        0 => line.to_owned(),
        depth => format!("{} {line}", ">".repeat(depth)).trim_end().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_are_joined_inside_their_depth() {
        let text = ">> one \r\n>> two\r\n> three \r\nfour \r\nfive\r\n\r\n From here\r\n-- \r\nAnn \r\nB";
        let expected = ">> one two\n> three\nfour five\n\nFrom here\n-- \nAnn B";
        assert_eq!(unflow(text, false), expected);
    }

    #[test]
    fn with_delsp_the_space_goes() {
        assert_eq!(unflow("今日は \r\nよい天気\r\n", true), "今日はよい天気\n");
    }
}
