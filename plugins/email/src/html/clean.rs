use super::{Attributes, allowed};

/// Writes the markup that may stay. Every tag that it opens it closes.
#[derive(Default)]
pub(super) struct Cleaner {
    html: String,
    open: Vec<String>,
}

impl Cleaner {
    /// Whether the element stays and wants its end.
    pub(super) fn start(&mut self, name: &str, attributes: &Attributes) -> bool {
        let stays = allowed::is_element(name);
        if stays {
            self.tag(name, attributes);
            self.open.push(name.to_owned());
        }
        stays
    }

    pub(super) fn void(&mut self, name: &str, attributes: &Attributes) {
        if allowed::is_element(name) {
            self.tag(name, attributes);
        }
    }

    fn tag(&mut self, name: &str, attributes: &Attributes) {
        self.html.push('<');
        self.html.push_str(name);
        for (key, value) in attributes {
            if let Some((key, value)) = allowed::attribute(name, key, value) {
                self.attribute(key, &value);
            }
        }
        if name == "a" {
            self.attribute("rel", "noopener noreferrer nofollow");
        }
        self.html.push('>');
    }

    fn attribute(&mut self, name: &str, value: &str) {
        self.html.push(' ');
        self.html.push_str(name);
        self.html.push_str("=\"");
        escape_into(value, &mut self.html);
        self.html.push('"');
    }

    pub(super) fn end(&mut self) {
        if let Some(name) = self.open.pop() {
            close(&name, &mut self.html);
        }
    }

    pub(super) fn text(&mut self, text: &str) {
        escape_into(text, &mut self.html);
    }

    /// What was written until now, balanced.
    pub(super) fn so_far(&self) -> String {
        let mut html = self.html.clone();
        self.open.iter().rev().for_each(|name| close(name, &mut html));
        html
    }

    pub(super) fn finish(self) -> String {
        let html = self.so_far();
        html.trim().to_owned()
    }
}

fn close(name: &str, html: &mut String) {
    html.push_str("</");
    html.push_str(name);
    html.push('>');
}

pub(super) fn escape_into(text: &str, html: &mut String) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            c => html.push(c),
        }
    }
}
