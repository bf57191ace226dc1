//! Telegram's formatting as HTML.

use crate::wire::Entity;

/// The text with its formatting; `None` if there is none. What is not properly nested is left plain, so the result is
/// well-formed whatever the entities say.
pub(crate) fn render(text: &str, entities: &[Entity]) -> Option<String> {
    let mut marks: Vec<Mark> = entities.iter().filter_map(Mark::of).collect();
    if marks.is_empty() {
        return None;
    }
    marks.sort_by_key(|mark| (mark.start, usize::MAX - mark.end));
    let mut writer = Writer { html: String::with_capacity(text.len() * 2), open: Vec::new() };
    let mut waiting = marks.iter().peekable();
    let mut position = 0;
    for c in text.chars() {
        writer.close_until(position);
        while let Some(mark) = waiting.next_if(|mark| mark.start <= position) {
            writer.open(mark, position);
        }
        writer.write(c);
        position += c.len_utf16();
    }
    writer.close_until(usize::MAX);
    Some(writer.html)
}

/// From and to in UTF-16 code units.
struct Mark<'a> {
    start: usize,
    end: usize,
    tag: &'static str,
    link: Option<&'a str>,
}

impl<'a> Mark<'a> {
    fn of(entity: &'a Entity) -> Option<Self> {
        let link = entity.url.as_deref().filter(|url| url.starts_with("https://") || url.starts_with("http://"));
        let tag = match entity.kind.as_str() {
            "bold" => "b",
            "italic" => "i",
            "underline" => "u",
            "strikethrough" => "s",
            "code" => "code",
            "pre" => "pre",
            "blockquote" | "expandable_blockquote" => "blockquote",
            "text_link" if link.is_some() => "a",
            _ => return None,
        };
        let link = link.filter(|_| tag == "a");
        Some(Self { start: entity.offset, end: entity.offset.checked_add(entity.length)?, tag, link })
    }
}

struct Writer<'a> {
    html: String,
    open: Vec<&'a Mark<'a>>,
}

impl<'a> Writer<'a> {
    fn open(&mut self, mark: &'a Mark<'a>, position: usize) {
        let fits = self.open.last().is_none_or(|outer| mark.end <= outer.end);
        if !fits || mark.start != position || mark.end <= position {
            return;
        }
        self.html.push('<');
        self.html.push_str(mark.tag);
        if let Some(link) = mark.link {
            self.html.push_str(" href=\"");
            link.chars().for_each(|c| self.escape(c));
            self.html.push('"');
        }
        self.html.push('>');
        self.open.push(mark);
    }

    fn close_until(&mut self, position: usize) {
        while let Some(mark) = self.open.pop_if(|mark| mark.end <= position || position == usize::MAX) {
            self.html.push_str("</");
            self.html.push_str(mark.tag);
            self.html.push('>');
        }
    }

    fn write(&mut self, c: char) {
        match c {
            '\n' if !self.open.iter().any(|mark| mark.tag == "pre") => self.html.push_str("<br>"),
            c => self.escape(c),
        }
    }

    fn escape(&mut self, c: char) {
        match c {
            '<' => self.html.push_str("&lt;"),
            '>' => self.html.push_str("&gt;"),
            '&' => self.html.push_str("&amp;"),
            '"' => self.html.push_str("&quot;"),
            c => self.html.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(kind: &str, offset: usize, length: usize) -> Entity {
        Entity { kind: kind.into(), offset, length, url: Some("https://a.example/?b=\"&c".into()) }
    }

    #[test]
    fn offsets_count_utf16() {
        let html = render("👍 ok", &[entity("bold", 3, 2)]);
        assert_eq!(html.as_deref(), Some("👍 <b>ok</b>"));
    }

    #[test]
    fn nesting_and_escaping() {
        let entities = [entity("italic", 0, 3), entity("bold", 0, 5), entity("text_link", 4, 1)];
        let link = "<a href=\"https://a.example/?b=&quot;&amp;c\">c</a>";
        assert_eq!(render("a<b\nc", &entities), Some(format!("<b><i>a&lt;b</i><br>{link}</b>")));
    }

    #[test]
    fn hostile_entities_leave_well_formed_html() {
        let overlapping = [entity("bold", 0, 3), entity("italic", 2, 3)];
        assert_eq!(render("abcdef", &overlapping).as_deref(), Some("<b>abc</b>def"));
        let endless = [entity("code", 1, usize::MAX - 1), entity("bold", 9, 9), entity("u", usize::MAX, usize::MAX)];
        assert_eq!(render("ab", &endless).as_deref(), Some("a<code>b</code>"));
        assert_eq!(render("👍", &[entity("bold", 1, 1)]).as_deref(), Some("👍"));
        assert_eq!(render("a", &[entity("mention", 0, 1)]), None);
    }
}
