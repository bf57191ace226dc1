//! HTML of strangers: what may be shown of it, and what it says as plain text. One pass, in linear time and memory.

mod allowed;
mod clean;
mod marks;
mod plain;

use html5gum::{DefaultEmitter, Token, Tokenizer};

use clean::Cleaner;
use marks::Mark;
use plain::Writer;

/// What is read of one mail's HTML.
pub(crate) const BYTES_MAX: usize = 1 << 20;
/// Elements inside one another; deeper ones lose their tags and keep their text.
const DEPTH_MAX: usize = 100;

pub(crate) struct Rendered {
    /// Only what `allowed` names, balanced: it can be put into a page.
    pub(crate) html: String,
    pub(crate) text: String,
    /// Where a known mail program began its quote.
    pub(crate) quote: Option<Quote>,
    /// Content-IDs that the mail shows in its text.
    pub(crate) cids: Vec<String>,
}

pub(crate) struct Quote {
    /// In `Rendered::text`.
    pub(crate) text_at: usize,
    /// What stands before it, balanced.
    pub(crate) html_before: String,
}

/// Reads at most `BYTES_MAX` bytes.
pub(crate) fn render(html: &str) -> Rendered {
    let html = &html[..html.floor_char_boundary(BYTES_MAX)];
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let mut page = Page::default();
    for Ok(token) in Tokenizer::new_with_emitter(html, emitter) {
        page.take(token);
    }
    page.finish()
}

/// Text as HTML, for mails that mix both.
pub(crate) fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + text.len() / 8);
    clean::escape_into(text, &mut html);
    html.replace('\n', "<br>\n")
}

#[derive(Default)]
struct Page {
    cleaner: Cleaner,
    writer: Writer,
    open: Vec<Element>,
    /// Start tags that are not on the stack, for it was full.
    overflow: usize,
    quote: Option<Quote>,
    cids: Vec<String>,
}

struct Element {
    name: String,
    is_hidden: bool,
    is_quote: bool,
    is_cleaned: bool,
}

type Attributes = Vec<(String, String)>;

impl Page {
    fn take(&mut self, token: Token) {
        match token {
            Token::StartTag(tag) => {
                let attributes = tag.attributes.iter().map(|(name, value)| (utf8(name), utf8(value))).collect();
                self.start(&utf8(&tag.name), &attributes);
            }
            Token::EndTag(tag) => self.end(&utf8(&tag.name)),
            Token::String(text) => self.text(&utf8(&text)),
            _ => {}
        }
    }

    fn start(&mut self, name: &str, attributes: &Attributes) {
        self.close_implied(name);
        if self.quote.is_none() && marks::of(name, attributes) == Some(Mark::Quote) {
            self.quote = Some(Quote { text_at: self.writer.mark(), html_before: self.cleaner.so_far() });
        }
        if !self.is_hidden() {
            self.writer.start(name, attributes);
            self.note_image(name, attributes);
        }
        if !allowed::is_void(name) {
            self.push(name, attributes);
        } else if !self.is_hidden() {
            self.cleaner.void(name, attributes);
        }
    }

    fn push(&mut self, name: &str, attributes: &Attributes) {
        if self.open.len() >= DEPTH_MAX {
            self.overflow += 1;
            return;
        }
        let is_hidden = self.is_hidden() || allowed::is_dropped(name) || marks::is_hidden(attributes);
        let is_quote = !is_hidden && name == "blockquote";
        let is_cleaned = !is_hidden && self.cleaner.start(name, attributes);
        if is_quote {
            self.writer.indent();
        }
        self.open.push(Element { name: name.to_owned(), is_hidden, is_quote, is_cleaned });
    }

    fn end(&mut self, name: &str) {
        if self.overflow > 0 {
            self.overflow -= 1;
            self.writer.end(name);
            return;
        }
        let Some(place) = self.open.iter().rposition(|element| element.name == name) else {
            // Browsers take this end for a line break.
            if name == "br" {
                self.start("br", &Vec::new());
            }
            return;
        };
        while self.open.len() > place {
            self.pop();
        }
    }

    fn pop(&mut self) {
        let Some(element) = self.open.pop() else { return };
        if element.is_quote {
            self.writer.outdent();
        }
        if element.is_cleaned {
            self.cleaner.end();
        }
        if !element.is_hidden {
            self.writer.end(&element.name);
        }
    }

    /// An item ends where the next one begins.
    fn close_implied(&mut self, name: &str) {
        let ends = |open: &str| match name {
            "li" => open == "li",
            "p" => open == "p",
            "tr" => matches!(open, "td" | "th" | "tr"),
            "td" | "th" => matches!(open, "td" | "th"),
            "dt" | "dd" => matches!(open, "dt" | "dd"),
            _ => false,
        };
        while self.overflow == 0 && self.open.last().is_some_and(|element| ends(&element.name)) {
            self.pop();
        }
    }

    fn text(&mut self, text: &str) {
        if !self.is_hidden() {
            let text = crate::text::clean(text);
            self.writer.text(&text);
            self.cleaner.text(&text);
        }
    }

    fn is_hidden(&self) -> bool {
        self.open.last().is_some_and(|element| element.is_hidden)
    }

    fn note_image(&mut self, name: &str, attributes: &Attributes) {
        const CIDS_MAX: usize = 200;
        let cid = allowed::value(attributes, "src").filter(|_| name == "img").and_then(allowed::cid);
        self.cids.extend(cid.filter(|cid| self.cids.len() < CIDS_MAX && !self.cids.contains(cid)));
    }

    fn finish(mut self) -> Rendered {
        while !self.open.is_empty() {
            self.pop();
        }
        Rendered { html: self.cleaner.finish(), text: self.writer.finish(), quote: self.quote, cids: self.cids }
    }
}

fn utf8(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Whatever a browser would make of it.
#[cfg(test)]
pub(crate) fn assert_harmless(html: &str) {
    for Ok(token) in Tokenizer::new(html) {
        let Token::StartTag(tag) = token else { continue };
        let name = utf8(&tag.name);
        assert!(allowed::is_element(&name), "<{name}> in {html}");
        for (key, value) in &tag.attributes {
            let (key, value) = (utf8(key), utf8(value));
            let is_cid = key == "src" && (value.starts_with("cid:") || value.starts_with("data:image/"));
            let stays = key == "rel"
                || key == "data-src"
                || is_cid
                || allowed::attribute(&name, &key, &value) == Some((&key, value.clone()));
            assert!(stays, "{key}={value} in {html}");
        }
    }
    assert!(!html.contains("<!") && !html.contains("<?"), "{html}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(html: &str) -> String {
        render(html).html
    }

    fn plain(html: &str) -> String {
        render(html).text
    }

    #[test]
    fn nothing_that_runs_or_calls_home_is_left() {
        for html in [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "<a href=\"javascript:alert(1)\">",
            "<a href=\"java\tscript:alert(1)\">",
            "<a href=\" &#106;avascript:alert(1)\">",
            "<a href='data:text/html,<script>alert(1)</script>'>",
            "<svg onload=alert(1)><script>alert(1)</script></svg>",
            "<math><mi xlink:href=\"javascript:alert(1)\">",
            "<iframe src=javascript:alert(1)></iframe>",
            "<style>@import 'http://evil.example/x.css';</style>",
            "<div style=\"background:url(http://evil.example/x)\">",
            "<div style=\"width:expression(alert(1))\">",
            "<p style=\"color:red;position:fixed;top:0\">",
            "<form action=http://evil.example><input name=password></form>",
            "<meta http-equiv=refresh content=\"0;url=http://evil.example\">",
            "<base href=http://evil.example/>",
            "<link rel=stylesheet href=http://evil.example>",
            "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\"></noscript>",
            "<textarea><img src=x onerror=alert(1)></textarea>",
            "<title><img src=x onerror=alert(1)></title>",
            "<!--><img src=x onerror=alert(1)>-->",
            "<math><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">",
            "<img src=\"http://evil.example/pixel.gif\">",
            "<object data=javascript:alert(1)><embed src=javascript:alert(1)>",
        ] {
            assert_harmless(&cleaned(html));
        }
    }

    #[test]
    fn what_looks_like_a_tag_in_an_attribute_stays_text() {
        assert_eq!(
            cleaned("<img alt='\"><script>x</script>' src=cid:a>"),
            "<img alt=\"&quot;&gt;&lt;script&gt;x&lt;/script&gt;\" src=\"cid:a\">"
        );
        assert_eq!(cleaned("a < b && c &lt;i&gt;"), "a &lt; b &amp;&amp; c &lt;i&gt;");
    }

    #[test]
    fn harmless_markup_stays_and_is_balanced() {
        assert_eq!(
            cleaned("<P>One <B>two<p>three</i> <a HREF=\"https://x.example/?a=1&amp;b\" target=_top onclick=x>four"),
            "<p>One <b>two<p>three <a href=\"https://x.example/?a=1&amp;b\" rel=\"noopener noreferrer nofollow\">four</a></p></b></p>"
        );
        assert_eq!(cleaned("<ul><li>a<li>b</ul>"), "<ul><li>a</li><li>b</li></ul>");
        assert_eq!(
            cleaned("<p style='color: RED; margin: 0; font-weight:bold'>x"),
            "<p style=\"color:red;font-weight:bold\">x</p>"
        );
    }

    #[test]
    fn remote_images_wait_to_be_asked_for() {
        assert_eq!(
            cleaned("<img src=\"https://x.example/a.png\" alt=logo width=10>"),
            "<img alt=\"logo\" data-src=\"https://x.example/a.png\" width=\"10\">"
        );
        let page = render("<img src=\"cid:one%40x\"><img src='CID:two'><img src=cid:two>");
        assert_eq!(page.cids, ["one@x", "two"]);
    }

    #[test]
    fn text_reads_as_it_looks() {
        let html = "<html><head><title>T</title><style>p{}</style></head><body><h1>Hi  there</h1>\n<p>One\n two&nbsp;three<br>four</p>\
                    <ul><li>a</li><li>b</li></ul><table><tr><td>1</td><td>2</td></tr><tr><td>3</td></tr></table>\
                    <div style=\"DISPLAY : none\">preheader</div><a href=\"https://x.example/\">site</a> <img alt=logo src=x></body>";
        assert_eq!(
            plain(html),
            "Hi there\n\nOne two three\nfour\n\n- a\n- b\n\n1 2\n3\nsite <https://x.example/> [logo]"
        );
    }

    #[test]
    fn quotes_are_marked_and_indented() {
        let page = render(
            "<div>yes</div><blockquote type=cite><p>really?</p><blockquote>so</blockquote></blockquote><p>no</p>",
        );
        assert_eq!(page.text, "yes\n\n> really?\n>>\n>> so\n\nno");
        let quote = page.quote.unwrap();
        assert_eq!((&page.text[..quote.text_at].trim_end(), quote.html_before.as_str()), (&"yes", "<div>yes</div>"));
    }

    #[test]
    fn the_outlook_family_is_known() {
        for mark in [
            "<div id=\"divRplyFwdMsg\" dir=ltr>",
            "<div id=\"x_appendonsend\">",
            "<div style=\"border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm\">",
            "<div class=\"gmail_quote gmail_quote_container\">",
            "<div class=\"yahoo_quoted\">",
            "<div class=\"moz-cite-prefix\">",
        ] {
            let page = render(&format!("<div><p>new</p>{mark}<b>Von:</b> Ann</div></div>"));
            assert_eq!(page.quote.map(|quote| quote.html_before).as_deref(), Some("<div><p>new</p></div>"), "{mark}");
        }
    }

    #[test]
    fn depth_and_size_are_bounded() {
        let deep = format!("{}text{}", "<div><b>".repeat(100_000), "</b></div>".repeat(100_000));
        let page = render(&deep);
        assert!(page.html.len() < 2_000, "{}", page.html.len());
        let long = render(&"äö".repeat(1 << 20));
        assert!(long.text.len() <= BYTES_MAX);
    }
}
