//! How mail programs mark what they quote.

use super::{Attributes, allowed};

#[derive(PartialEq)]
pub(super) enum Mark {
    Quote,
}

/// Outlook on the web writes `x_` before what it passes on.
const IDS: [&str; 11] = [
    "divrplyfwdmsg",
    "appendonsend",
    "olk_src_body_section",
    "mail-editor-reference-message-container",
    "stopspelling",
    "replysplit",
    "isforwardcontent",
    "isreplycontent",
    "reply-intro",
    "zwchr",
    "original-content",
];
const CLASSES: [&str; 20] = [
    "gmail_quote",
    "gmail_extra",
    "yahoo_quoted",
    "yahoo-quoted-begin",
    "moz-cite-prefix",
    "moz-forward-container",
    "protonmail_quote",
    "tutanota_quote",
    "zmail_extra",
    "ms-outlook-mobile-reference-message",
    "hmmessage_quote",
    "mail_quote",
    "quoted-email",
    "front-blockquote",
    "missive_quote",
    "sh-quoted-content",
    "ntes-mailmaster-quote",
    "mail-quote-collapse",
    "alimail-quote",
    "gmail_quote_container",
];
/// What Outlook on the desktop draws above the header of the mail that it quotes; the colours changed over the years.
const RULES: [&str; 4] =
    ["border-top:solid#e1e1e1", "border-top:solid#b5c4df", "border-top:1ptsolid", "border-top:solid#c"];

/// What a start tag begins.
pub(super) fn of(name: &str, attributes: &Attributes) -> Option<Mark> {
    let is_cite = name == "blockquote" && (is(attributes, "type", "cite") || is(attributes, "class", "gmail_quote"));
    let is_quote = is_cite
        || attributes.iter().any(|(key, value)| match key.as_str() {
            "id" => IDS.contains(&without_prefix(value).as_str()),
            "class" => value.split_whitespace().any(|class| CLASSES.contains(&without_prefix(class).as_str())),
            "name" => matches!(value.as_str(), "messageReplySection" | "quote"),
            "style" => name == "div" && is_rule(value),
            _ => false,
        });
    is_quote.then_some(Mark::Quote)
}

fn is(attributes: &Attributes, name: &str, value: &str) -> bool {
    allowed::value(attributes, name).is_some_and(|given| given.trim().eq_ignore_ascii_case(value))
}

fn without_prefix(text: &str) -> String {
    let text = text.trim().to_ascii_lowercase();
    text.trim_start_matches("x_").to_owned()
}

fn is_rule(style: &str) -> bool {
    let style: String = style.to_ascii_lowercase().chars().filter(|c| !c.is_whitespace()).collect();
    style.contains("border:none;") && RULES.iter().any(|rule| style.contains(rule))
}

/// Text for machines only: preheaders, invisible tokens.
pub(super) fn is_hidden(attributes: &Attributes) -> bool {
    let Some(style) = allowed::value(attributes, "style") else { return false };
    let style: String = style.to_ascii_lowercase().chars().filter(|c| !c.is_whitespace()).collect();
    style.contains("display:none") || style.contains("visibility:hidden")
}
