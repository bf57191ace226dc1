//! Values of header fields.

use mail_parser::ContentType;
use mail_parser::parsers::MessageStream;

use super::Headers;
use crate::text::one_line;

/// Recipients of one field; more are no conversation.
const ADDRESSES_MAX: usize = 500;
/// RFC 5321, 4.5.3.1.
const ADDRESS_BYTES_MAX: usize = 320;
const NAME_CHARS_MAX: usize = 200;
const ID_BYTES_MAX: usize = 998;

/// A mailbox: the address with its domain in lower case and in ASCII, and the name that the sender gave it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Address {
    pub(crate) address: String,
    pub(crate) name: Option<String>,
}

impl Address {
    /// `None` for what cannot be written to.
    pub(crate) fn new(address: &str, name: Option<&str>) -> Option<Self> {
        let name = name.map(one_line).filter(|name| !name.is_empty());
        let name = name.map(|name| name.chars().take(NAME_CHARS_MAX).collect());
        Some(Self { address: normalized(address)?, name })
    }

    pub(crate) fn local(&self) -> &str {
        self.address.rsplit_once('@').map_or("", |(local, _)| local)
    }

    /// The same mailbox, as far as addresses tell: local parts that differ in case only are one in practice.
    pub(crate) fn is(&self, other: &str) -> bool {
        self.address.eq_ignore_ascii_case(other)
    }
}

/// RFC 5322, 3.4.1 with RFC 6531: one mailbox with its domain in lower case and in ASCII. Blanks are legal in quotes, used by
/// nobody, and taken by no server.
pub(crate) fn normalized(address: &str) -> Option<String> {
    let address = address.trim().trim_start_matches('<').trim_end_matches('>');
    let (local, domain) = address.rsplit_once('@')?;
    let is_sane = |text: &str| {
        !text.is_empty() && !text.chars().any(|c| c.is_control() || c.is_whitespace() || "<>,".contains(c))
    };
    let is_quoted = local.len() > 2 && local.starts_with('"') && local.ends_with('"');
    let is_local = is_sane(local) || is_quoted && is_sane(&local.replace(',', ""));
    (address.len() <= ADDRESS_BYTES_MAX && is_local && is_sane(domain)).then_some(())?;
    let domain = if domain.starts_with('[') {
        domain.to_ascii_lowercase()
    } else {
        // A letter may become a blank on its way to ASCII.
        idna::domain_to_ascii(domain).ok().filter(|domain| is_sane(domain))?
    };
    Some(format!("{local}@{domain}"))
}

pub(super) fn addresses(value: &[u8]) -> Vec<Address> {
    let Some(parsed) = MessageStream::new(value).parse_address().into_address() else { return Vec::new() };
    let known = parsed.iter().filter_map(|one| Address::new(one.address.as_deref()?, one.name.as_deref()));
    known.take(ADDRESSES_MAX).collect()
}

/// RFC 5322, 3.6.4, and what else is found there.
pub(super) fn ids(value: &str, ids: &mut Vec<String>) {
    let bracketed = value.split('<').skip(1).filter_map(|rest| Some(rest.split_once('>')?.0));
    let before = ids.len();
    ids.extend(bracketed.filter_map(id));
    if ids.len() == before && !value.contains('<') {
        ids.extend(value.split_whitespace().filter(|word| word.contains('@')).filter_map(id));
    }
}

fn id(text: &str) -> Option<String> {
    let id: String = text.chars().filter(|c| !c.is_whitespace() && !c.is_control()).collect();
    (!id.is_empty() && id.len() <= ID_BYTES_MAX).then_some(id)
}

/// `Content-Type`, with the name that the part gets from it or from `Content-Disposition`.
pub(crate) struct MediaType {
    /// `type/subtype`, lower case.
    name: String,
    parameters: Vec<(String, String)>,
    /// `inline`, `attachment` or nothing.
    pub(crate) disposition: Option<String>,
    pub(crate) file_name: Option<String>,
    /// Of a field in `multipart/form-data`.
    pub(crate) field: Option<String>,
}

impl MediaType {
    pub(crate) fn of(headers: &Headers<'_>, fallback: &str) -> Self {
        let content_type = headers.parameters("content-type").unwrap_or_default();
        let disposition = headers.parameters("content-disposition").unwrap_or_default();
        Self {
            name: content_type.essence().unwrap_or_else(|| fallback.to_owned()),
            file_name: headers
                .continued("content-disposition", "filename")
                .or_else(|| disposition.name("filename"))
                .or_else(|| headers.continued("content-type", "name"))
                .or_else(|| content_type.name("name")),
            field: disposition.name("name"),
            parameters: content_type.all,
            disposition: Some(disposition.main).filter(|word| !word.is_empty()),
        }
    }

    /// `type/subtype`, lower case.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn is(&self, name: &str) -> bool {
        self.name == name
    }

    pub(crate) fn is_multipart(&self) -> bool {
        self.name.starts_with("multipart/")
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A word, perhaps a second one behind a slash, and parameters.
#[derive(Default)]
pub(super) struct Parameters {
    main: String,
    sub: Option<String>,
    all: Vec<(String, String)>,
}

impl Parameters {
    pub(super) fn of(value: ContentType<'_>) -> Self {
        let attributes = value.attributes.unwrap_or_default().into_iter();
        Self {
            main: value.c_type.trim().to_ascii_lowercase(),
            sub: value.c_subtype.map(|sub| sub.trim().to_ascii_lowercase()),
            all: attributes.map(|one| (one.name.to_ascii_lowercase(), one.value.into_owned())).collect(),
        }
    }

    /// `None` for what is no media type: the part is text then, as RFC 2045, 5.2 says.
    fn essence(&self) -> Option<String> {
        let sub = self.sub.as_deref()?;
        let is_token = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && !b"()<>@,;:\\\"[]?=/".contains(&b))
        };
        let name = format!("{}/{sub}", self.main);
        (name.len() <= 127 && is_token(&self.main) && is_token(sub)).then_some(name)
    }

    /// RFC 2231 is the parser's; encoded words in parameters are against the rules and common.
    fn name(&self, parameter: &str) -> Option<String> {
        let (_, name) = self.all.iter().find(|(key, _)| key == parameter)?;
        let decoded =
            name.contains("=?").then(|| Headers::of_block(format!("n: {name}\n").as_bytes()).text("n")).flatten();
        Some(decoded.unwrap_or_else(|| name.clone())).filter(|name| !name.trim().is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(value: &str) -> Vec<(String, Option<String>)> {
        addresses(format!("{value}\n").as_bytes()).into_iter().map(|one| (one.address, one.name)).collect()
    }

    fn one(address: &str, name: Option<&str>) -> (String, Option<String>) {
        (address.to_owned(), name.map(str::to_owned))
    }

    #[test]
    fn addresses_in_every_shape() {
        assert_eq!(all("Ana <Ana@Example.ORG>"), [one("Ana@example.org", Some("Ana"))]);
        assert_eq!(all("\"Doe, Ana\" <a@x.org>, b@x.org"), [one("a@x.org", Some("Doe, Ana")), one("b@x.org", None)]);
        assert_eq!(all("undisclosed-recipients:;"), []);
        assert_eq!(all("Team: a@x.org, B <b@x.org>;"), [one("a@x.org", None), one("b@x.org", Some("B"))]);
        assert_eq!(all("=?utf-8?q?J=C3=BCrgen?= <j@bücher.example>"), [one("j@xn--bcher-kva.example", Some("Jürgen"))]);
        assert_eq!(all("<>"), []);
        assert_eq!(all("nobody"), []);
        assert_eq!(all("jürgen@x.org"), [one("jürgen@x.org", None)]);
    }

    #[test]
    fn names_cannot_turn_the_direction_of_writing() {
        assert_eq!(all("\"Evil \u{202e}moc.knab\" <a@x.org>"), [one("a@x.org", Some("Evil moc.knab"))]);
    }

    #[test]
    fn what_cannot_be_written_to_is_no_address() {
        for address in [
            "",
            "a",
            "@x.org",
            "a@",
            "a b@x.org",
            "\"a b\"@x.org",
            "a\u{3000}b@x.org",
            "a@x\u{a0}.org",
            "a@x.org\r\nBcc: b@y.org",
            "a\0@x.org",
            "a@x,y",
        ] {
            assert_eq!(normalized(address), None, "{address:?}");
        }
        assert_eq!(normalized("\"a,b\"@x.org").as_deref(), Some("\"a,b\"@x.org"));
        assert_eq!(normalized("a@[127.0.0.1]").as_deref(), Some("a@[127.0.0.1]"));
    }

    fn media(fields: &str) -> MediaType {
        MediaType::of(&Headers::of_block(fields.as_bytes()), "text/plain")
    }

    #[test]
    fn file_names_in_every_coding() {
        for disposition in [
            "attachment; filename*=UTF-8''na%C3%AFf.pdf",
            "attachment; filename*0*=UTF-8''na%C3%AF; filename*1=f.pdf",
            "attachment; filename=\"=?utf-8?Q?na=C3=AFf.pdf?=\"",
            "attachment; filename=\"naïf.pdf\"",
        ] {
            let media = media(&format!("Content-Disposition: {disposition}\n"));
            assert_eq!(media.file_name.as_deref(), Some("naïf.pdf"), "{disposition}");
            assert_eq!(media.disposition.as_deref(), Some("attachment"));
        }
        assert_eq!(media("Content-Type: image/png; name=a.png\n").file_name.as_deref(), Some("a.png"));
    }

    #[test]
    fn what_is_no_media_type_is_text() {
        for broken in
            ["Content-Type: text\n", "Content-Type: \n", "Content-Type: ;charset=utf-8\n", "Content-Type: a b/c\n"]
        {
            assert_eq!(media(broken).name(), "text/plain", "{broken}");
        }
        let media = media("Content-Type: TEXT/HTML; Charset=\"UTF-8\"\n");
        assert_eq!((media.name(), media.parameter("charset")), ("text/html", Some("UTF-8")));
    }
}
