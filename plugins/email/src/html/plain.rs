use super::{Attributes, allowed};

/// Writes what HTML says as lines of text; quotes get their marks.
#[derive(Default)]
pub(super) struct Writer {
    text: String,
    line: String,
    depth: usize,
    /// Line breaks that are due before the next line.
    breaks: usize,
    preformatted: usize,
    links: Vec<(usize, String)>,
}

impl Writer {
    pub(super) fn start(&mut self, name: &str, attributes: &Attributes) {
        match name {
            "br" => self.new_line(),
            "hr" => self.block(1),
            "img" => self.image(attributes),
            "li" => {
                self.block(1);
                self.line.push_str("- ");
            }
            "td" | "th" => self.space(),
            "pre" => {
                self.block(2);
                self.preformatted += 1;
            }
            "a" => {
                let url =
                    allowed::value(attributes, "href").and_then(allowed::link).filter(|url| url.starts_with("http"));
                self.links.push((self.line.len(), url.unwrap_or_default()));
            }
            name => self.block(breaks_around(name)),
        }
    }

    pub(super) fn end(&mut self, name: &str) {
        match name {
            "pre" => {
                self.preformatted = self.preformatted.saturating_sub(1);
                self.block(2);
            }
            "a" => self.link(),
            "li" => self.block(1),
            name => self.block(breaks_around(name)),
        }
    }

    pub(super) fn text(&mut self, text: &str) {
        if self.preformatted > 0 {
            return self.preformatted_text(text);
        }
        for piece in text.split_inclusive(is_space) {
            let word = piece.trim_end_matches(is_space);
            self.line.push_str(&word.replace('\u{a0}', " "));
            if word.len() < piece.len() {
                self.space();
            }
        }
    }

    fn preformatted_text(&mut self, text: &str) {
        for (n, line) in text.split('\n').enumerate() {
            if n > 0 {
                self.new_line();
            }
            self.line.push_str(line);
        }
    }

    pub(super) fn indent(&mut self) {
        self.block(2);
        self.depth += 1;
    }

    pub(super) fn outdent(&mut self) {
        self.flush();
        self.depth = self.depth.saturating_sub(1);
        self.breaks = 2;
    }

    /// Ends the line; tells where the next one begins.
    pub(super) fn mark(&mut self) -> usize {
        self.block(1);
        self.line_breaks();
        self.text.len()
    }

    pub(super) fn finish(mut self) -> String {
        self.flush();
        self.text.trim_matches('\n').to_owned()
    }

    fn space(&mut self) {
        if !self.line.is_empty() && !self.line.ends_with(' ') {
            self.line.push(' ');
        }
    }

    fn new_line(&mut self) {
        if self.line.trim().is_empty() {
            self.line.clear();
            self.breaks = (self.breaks + 1).min(2);
        } else {
            self.flush();
            self.breaks = 1;
        }
    }

    /// The next text begins a line, after so many line breaks.
    fn block(&mut self, breaks: usize) {
        if breaks > 0 {
            self.flush();
            self.breaks = self.breaks.max(breaks);
        }
    }

    fn flush(&mut self) {
        self.links.iter_mut().for_each(|(start, _)| *start = 0);
        let line = std::mem::take(&mut self.line);
        let line = line.trim_end();
        if line.is_empty() {
            return;
        }
        self.line_breaks();
        self.quote_marks();
        if self.depth > 0 {
            self.text.push(' ');
        }
        self.text.push_str(line);
        self.breaks = 1;
    }

    /// A blank line inside a quote is quoted.
    fn line_breaks(&mut self) {
        let breaks = std::mem::take(&mut self.breaks);
        if self.text.is_empty() {
            return;
        }
        let there = self.text.len() - self.text.trim_end_matches('\n').len();
        for n in there..breaks {
            if n > 0 && self.is_inside_quote() {
                self.quote_marks();
            }
            self.text.push('\n');
        }
    }

    fn is_inside_quote(&self) -> bool {
        self.depth > 0 && self.text.lines().next_back().is_some_and(|line| line.starts_with('>'))
    }

    fn quote_marks(&mut self) {
        const SHOWN_MAX: usize = 20;
        self.text.extend(std::iter::repeat_n('>', self.depth.min(SHOWN_MAX)));
    }

    fn image(&mut self, attributes: &Attributes) {
        let alt = allowed::value(attributes, "alt").map(crate::text::one_line).filter(|alt| !alt.is_empty());
        if let Some(alt) = alt {
            self.space();
            self.line.push_str(&format!("[{alt}]"));
        }
    }

    /// The address behind a link, where its text does not tell.
    fn link(&mut self) {
        let Some((start, url)) = self.links.pop() else { return };
        let text = self.line.get(start..).unwrap_or_default().trim();
        let told = url.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
        if !url.is_empty() && !text.is_empty() && !text.contains(told) {
            self.line.push_str(&format!(" <{url}>"));
        }
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\n' | '\t' | '\r')
}

/// The line breaks before and after an element.
fn breaks_around(name: &str) -> usize {
    match name {
        "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "ul" | "ol" | "dl" | "blockquote" => 2,
        "div" | "table" | "tr" | "section" | "article" | "header" | "footer" | "center" | "address" | "dt" | "dd"
        | "form" | "fieldset" | "main" | "nav" | "caption" => 1,
        _ => 0,
    }
}
