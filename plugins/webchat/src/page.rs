//! What a browser loads: the page to try the chat, and the widget.

use std::sync::LazyLock;

use omnigate_plugin::prelude::*;

const PAGE: &str = include_str!("../web/page.html");

/// One script out of many files, each with one job, in a scope of its own: what they declare is theirs, not the page's. In the
/// order in which they use each other while they are read.
const WIDGET: &str = concat!(
    "(() => {\n'use strict';\n",
    include_str!("../web/widget/begin.js"),
    include_str!("../web/widget/words.js"),
    include_str!("../web/widget/tools.js"),
    include_str!("../web/widget/keep.js"),
    include_str!("../web/widget/connection.js"),
    include_str!("../web/widget/outbox.js"),
    include_str!("../web/widget/uploads.js"),
    include_str!("../web/widget/transcript.js"),
    include_str!("../web/widget/parts.js"),
    include_str!("../web/widget/style.js"),
    include_str!("../web/widget/messages.js"),
    include_str!("../web/widget/composer.js"),
    include_str!("../web/widget/panel.js"),
    include_str!("../web/widget/chat.js"),
    include_str!("../web/widget/start.js"),
    "})();\n",
);

/// The widget makes its own style sheet by script; the page has one of its own.
const POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' blob: data:; \
                      media-src 'self' blob:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static WIDGET_TAG: LazyLock<String> = LazyLock::new(|| format!("\"{:016x}\"", fnv1a(WIDGET.as_bytes())));

/// `GET` and `HEAD` of the page and of the widget.
pub(crate) fn serve(channel: &str, request: &Request) -> Reply {
    let reply = match (request.method.as_str(), request.path.as_str()) {
        ("GET" | "HEAD", "/" | "") => page(channel, &request.url),
        ("GET" | "HEAD", "/widget.js") => widget(request.header("if-none-match")),
        (_, "/" | "" | "/widget.js") => Reply { status: 405, ..Reply::ok() }.with_header("allow", "GET, HEAD"),
        _ => Reply { status: 404, ..Reply::ok() },
    };
    let reply = reply.with_header("x-content-type-options", "nosniff");
    if request.method == "HEAD" { Reply { body: Vec::new(), ..reply } } else { reply }
}

fn page(channel: &str, url: &str) -> Reply {
    let page = PAGE.replace("{{gateway}}", &escaped(origin(url))).replace("{{channel}}", &escaped(channel));
    Reply::body(200, "text/html; charset=utf-8", page)
        .with_header("content-security-policy", POLICY)
        .with_header("referrer-policy", "no-referrer")
        .with_header("cache-control", "no-cache")
}

/// Any site may load it; whether it may connect is decided at the socket.
fn widget(known: Option<&str>) -> Reply {
    let is_known =
        known.is_some_and(|tags| tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == *WIDGET_TAG));
    let reply = if is_known {
        Reply { status: 304, ..Reply::ok() }
    } else {
        Reply::body(200, "text/javascript; charset=utf-8", WIDGET)
    };
    reply
        .with_header("etag", &WIDGET_TAG)
        .with_header("cache-control", "no-cache")
        .with_header("access-control-allow-origin", "*")
        .with_header("cross-origin-resource-policy", "cross-origin")
}

/// Scheme, host and port.
fn origin(url: &str) -> &str {
    url.match_indices('/').nth(2).map_or(url, |(end, _)| &url[..end])
}

/// For text and for attributes in double quotes.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// FNV-1a, 64 bits: tells one version from another, and nothing about who made it.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(method: &str, path: &str, tag: Option<&str>) -> Reply {
        let headers = tag.map(|tag| omnigate_plugin::Header { name: "If-None-Match".into(), value: tag.into() });
        let request = Request {
            method: method.into(),
            path: path.into(),
            query: String::new(),
            url: format!("https://gw.example/chat/x{path}?a=b"),
            headers: headers.into_iter().collect(),
            body: Vec::new(),
        };
        serve("a\"<b", &request)
    }

    #[test]
    fn page_names_the_channel_without_markup() {
        let page = String::from_utf8(get("GET", "/", None).body).unwrap();
        assert!(page.contains("a&quot;&lt;b") && !page.contains("{{") && !page.contains("a\"<b"));
        assert!(page.contains("&lt;script src=\"https://gw.example/chat/a&quot;&lt;b/widget.js\" defer&gt;"), "{page}");
    }

    #[test]
    fn widget_is_not_sent_twice() {
        let first = get("GET", "/widget.js", None);
        let tag = omnigate_plugin::header(&first.headers, "etag").unwrap();
        assert_eq!((first.status, first.body.len()), (200, WIDGET.len()));
        for known in [tag.to_owned(), format!("W/{tag}"), format!("\"x\", {tag}")] {
            assert_eq!(get("GET", "/widget.js", Some(&known)).status, 304);
        }
        assert_eq!(get("GET", "/widget.js", Some("\"x\"")).status, 200);
    }

    #[test]
    fn head_has_no_body_and_other_things_are_not_there() {
        let head = get("HEAD", "/widget.js", None);
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert_eq!([get("POST", "/", None).status, get("GET", "/../x", None).status], [405, 404]);
    }
}
