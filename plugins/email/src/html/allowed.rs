//! What may stay. Whoever is not named here goes; text always stays, but for what is no text.

const ELEMENTS: [&str; 57] = [
    "a",
    "abbr",
    "b",
    "big",
    "blockquote",
    "br",
    "caption",
    "center",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "del",
    "div",
    "dl",
    "dt",
    "em",
    "font",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "ins",
    "kbd",
    "li",
    "ol",
    "p",
    "pre",
    "q",
    "s",
    "samp",
    "small",
    "span",
    "strike",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "tt",
    "u",
    "ul",
    "var",
    "wbr",
    "address",
    "time",
];
const VOID: [&str; 14] =
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"];
/// What is inside them is not meant to be read.
const DROPPED: [&str; 7] = ["script", "style", "title", "iframe", "noembed", "noframes", "textarea"];

const SIMPLE: [&str; 20] = [
    "align",
    "alt",
    "bgcolor",
    "border",
    "cellpadding",
    "cellspacing",
    "color",
    "colspan",
    "dir",
    "face",
    "height",
    "lang",
    "rowspan",
    "size",
    "start",
    "title",
    "type",
    "valign",
    "value",
    "width",
];
const STYLES: [&str; 10] = [
    "background-color",
    "color",
    "font-family",
    "font-size",
    "font-style",
    "font-weight",
    "text-align",
    "text-decoration",
    "vertical-align",
    "white-space",
];

pub(super) fn is_element(name: &str) -> bool {
    ELEMENTS.contains(&name)
}

pub(super) fn is_void(name: &str) -> bool {
    VOID.contains(&name)
}

pub(super) fn is_dropped(name: &str) -> bool {
    DROPPED.contains(&name)
}

pub(super) fn value<'a>(attributes: &'a super::Attributes, name: &str) -> Option<&'a str> {
    attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// An attribute as it may stay, perhaps under another name.
pub(super) fn attribute<'a>(element: &str, name: &'a str, value: &str) -> Option<(&'a str, String)> {
    match (element, name) {
        ("a", "href") => link(value).map(|url| (name, url)),
        ("img", "src") => image(value),
        (_, "style") => Some((name, style(value))).filter(|(_, style)| !style.is_empty()),
        _ if SIMPLE.contains(&name) && value.len() <= 1000 => Some((name, value.to_owned())),
        _ => None,
    }
}

/// Where a person may be led to.
pub(super) fn link(value: &str) -> Option<String> {
    let url = without_blanks(value);
    let (scheme, _) = url.split_once(':')?;
    let is_known = ["http", "https", "mailto", "tel"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    (is_known && url.len() <= 4000).then_some(url)
}

/// Images of the mail itself are shown; those of others tell their owner who reads when, so the address waits in `data-src`.
fn image(value: &str) -> Option<(&'static str, String)> {
    const INLINE_MAX: usize = 100_000;
    if let Some(cid) = cid(value) {
        return Some(("src", format!("cid:{cid}")));
    }
    let url = without_blanks(value);
    let lower = url.get(..22).unwrap_or(&url).to_ascii_lowercase();
    let is_data = ["data:image/png;", "data:image/jpeg;", "data:image/gif;"].iter().any(|kind| lower.starts_with(kind));
    if is_data && url.len() <= INLINE_MAX {
        return Some(("src", url));
    }
    link(&url).filter(|_| lower.starts_with("http")).map(|url| ("data-src", url))
}

/// The Content-ID that an address means.
pub(super) fn cid(value: &str) -> Option<String> {
    let value = value.trim();
    let id = value.get(..4).filter(|scheme| scheme.eq_ignore_ascii_case("cid:")).map(|_| &value[4..])?;
    let id = percent_decoded(id);
    let is_sane = !id.is_empty() && id.len() <= 500 && !id.chars().any(|c| c.is_control() || c.is_whitespace());
    is_sane.then_some(id)
}

/// Browsers skip these inside a scheme.
fn without_blanks(value: &str) -> String {
    value.chars().filter(|c| !c.is_control()).collect::<String>().trim().to_owned()
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = tail.get(..2).and_then(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        let decoded = code.filter(|_| *first == b'%');
        bytes.push(decoded.unwrap_or(*first));
        rest = if decoded.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Declarations of known properties whose values can neither fetch nor compute.
fn style(value: &str) -> String {
    const VALUE_MAX: usize = 200;
    let declarations = value.split(';').filter_map(|declaration| {
        let (name, value) = declaration.split_once(':')?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().to_ascii_lowercase());
        let is_plain = value.bytes().all(|b| b.is_ascii_alphanumeric() || b" #%.,-'".contains(&b));
        let is_color = value.strip_prefix("rgb(").and_then(|rest| rest.strip_suffix(')'));
        let is_color = is_color.is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit() || b" ,.%".contains(&b)));
        let stays = STYLES.contains(&name.as_str()) && value.len() <= VALUE_MAX && (is_plain || is_color);
        stays.then(|| format!("{name}:{value}"))
    });
    declarations.collect::<Vec<_>>().join(";")
}
