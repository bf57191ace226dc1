use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use omnigate_plugin::prelude::*;
use regex_lite::{Regex, RegexBuilder};

use crate::html::{Page, Tags};
use crate::{cards, html, ibans};

/// Compiled, of each pattern.
const REGEX_BYTES_MAX: usize = 256 << 10;

#[derive(Deserialize)]
struct Settings {
    cards: bool,
    ibans: bool,
    patterns: BTreeMap<String, String>,
}

/// What is looked for, and what was found.
pub(crate) struct Rules {
    cards: bool,
    ibans: bool,
    patterns: Vec<(String, Regex)>,
    found: BTreeSet<String>,
}

/// Something found: where, and what it is called.
pub(crate) type Find = (Range<usize>, String);

impl Rules {
    /// # Errors
    /// If a pattern is no regular expression.
    pub(crate) fn of(ctx: &Context) -> Result<Self, Fault> {
        let Settings { cards, ibans, patterns } = ctx.settings()?;
        let patterns = patterns.into_iter().map(compiled).collect::<Result<_, _>>()?;
        Ok(Self { cards, ibans, patterns, found: BTreeSet::new() })
    }

    /// Names of everything that was found so far.
    pub(crate) fn found(&self) -> Vec<&String> {
        self.found.iter().collect()
    }

    /// The text with what was found replaced by its name in brackets.
    pub(crate) fn clean(&mut self, text: String) -> String {
        let finds = self.finds(&text);
        if finds.is_empty() {
            return text;
        }
        let (mut clean, mut done) = (String::with_capacity(text.len()), 0);
        for (range, name) in finds {
            clean.push_str(&text[done..range.start]);
            clean.push_str(&format!("[{name}]"));
            done = range.end;
        }
        clean + &text[done..]
    }

    /// The same for HTML, where tags may stand in the middle of what is looked for.
    pub(crate) fn clean_html(&mut self, source: String) -> String {
        let joined = self.clean_page(&Page::read(&source, Tags::Join));
        let cleaned = self.clean_page(&Page::read(&joined, Tags::Part));
        let tags = html::map_tags(&cleaned, |tag| self.clean_page(&Page::read_tag(tag)));
        tags.unwrap_or(cleaned)
    }

    fn clean_page(&mut self, page: &Page<'_>) -> String {
        let finds = self.finds(&page.visible);
        page.replace(&finds)
    }

    /// In order, none within another: the first that begins counts, of several the longest.
    fn finds(&mut self, text: &str) -> Vec<Find> {
        let mut finds = Vec::new();
        if self.cards {
            finds.extend(cards::find(text).into_iter().map(|range| (range, "card".to_owned())));
        }
        if self.ibans {
            finds.extend(ibans::find(text).into_iter().map(|range| (range, "iban".to_owned())));
        }
        for (name, regex) in &self.patterns {
            let matched = regex.find_iter(text).map(|found| found.range()).filter(|range| !range.is_empty());
            finds.extend(matched.map(|range| (range, name.clone())));
        }
        finds.sort_by_key(|(range, _)| (range.start, std::cmp::Reverse(range.end)));
        let finds = apart(finds);
        self.found.extend(finds.iter().map(|(_, name)| name.clone()));
        finds
    }
}

/// What overlaps is one find, as long as all of it: nothing of the second may be left standing.
fn apart(finds: Vec<Find>) -> Vec<Find> {
    let mut apart: Vec<Find> = Vec::with_capacity(finds.len());
    for (range, name) in finds {
        match apart.last_mut() {
            Some((last, _)) if range.start < last.end => last.end = last.end.max(range.end),
            _ => apart.push((range, name)),
        }
    }
    apart
}

fn compiled((name, pattern): (String, String)) -> Result<(String, Regex), Fault> {
    match RegexBuilder::new(&pattern).size_limit(REGEX_BYTES_MAX).build() {
        Ok(regex) => Ok((name, regex)),
        Err(error) => Err(Fault::internal(format!("settings.patterns.{name} is no regular expression: {error}"))),
    }
}

#[cfg(test)]
impl Rules {
    pub(crate) fn with(patterns: &[(&str, &str)]) -> Self {
        let compile = |(name, pattern): &(&str, &str)| match compiled((name.to_string(), pattern.to_string())) {
            Ok(rule) => rule,
            Err(fault) => panic!("{}", fault.message),
        };
        Self { cards: true, ibans: true, patterns: patterns.iter().map(compile).collect(), found: BTreeSet::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overlaps_is_replaced_as_a_whole() {
        let mut rules = Rules::with(&[("order", r"KD-[0-9]{6}"), ("word", "6 [a-z]+")]);
        assert_eq!(rules.clean("ask KD-123456 now, or KD-123457.".into()), "ask [order], or [order].");
        assert_eq!(rules.found(), ["order"]);
    }

    #[test]
    fn html_is_read_as_people_see_it() {
        let mut rules = Rules::with(&[]);
        let html = r#"<p title="4111 1111 1111 1111">4111&nbsp;<b>1111</b> 1111<i> 11</i>11</p>"#;
        assert_eq!(rules.clean_html(html.into()), r#"<p title="[card]">[card]<b></b><i></i></p>"#);
        assert_eq!(rules.clean_html("<p>1 &lt; 2</p>".into()), "<p>1 &lt; 2</p>");
        let digits = "<p>&#52;111&#x31;11111111111</p>";
        assert_eq!(rules.clean_html(digits.into()), "<p>[card]</p>");
        assert_eq!(rules.clean_html("<!-- 4111111111111111 --> 2 < 3 <".into()), "<!-- [card] --> 2 < 3 <");
        for (html, cleaned) in [
            // Cells and lines are no part of a number, whatever stands in the next one.
            (
                "<tr><td>7</td><td>4111111111111111</td><td>12/27</td></tr>",
                "<tr><td>7</td><td>[card]</td><td>12/27</td></tr>",
            ),
            ("Order 5<br>4111 1111 1111 1111<br>\n12", "Order 5<br>[card]<br>\n12"),
            // Source is broken into lines anywhere.
            ("<p>4111 1111\n      1111 1111</p>", "<p>[card]</p>"),
            (
                "<td>4111</td>\n  <td>1111</td>\n  <td>1111</td>\n  <td>1111</td>",
                "<td>[card]</td><td></td><td></td><td></td>",
            ),
            (
                "<a title='&#52;111111111111111' href=\"tel:4111-1111-1111-1111\">x</a>",
                "<a title='[card]' href=\"tel:[card]\">x</a>",
            ),
            ("<p>IBAN DE89\n3704 0044</p>\n<p>0532 0130 00</p>", "<p>IBAN [iban]</p><p></p>"),
            ("<p>a  b\n\n c</p> <p>d</p>", "<p>a  b\n\n c</p> <p>d</p>"),
        ] {
            assert_eq!(rules.clean_html(html.into()), cleaned, "{html}");
        }
    }
}
