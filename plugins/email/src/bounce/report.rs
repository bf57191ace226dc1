//! RFC 3464 (delivery), RFC 8098 (reading) and RFC 5965 (complaints).

use super::{Fate, Kind, codes};
use crate::mime::Headers;

const RECIPIENTS_MAX: usize = 100;

pub(super) fn fates(kind: &str, parts: &[(String, String)]) -> Vec<Fate> {
    let part = |name: &str| parts.iter().find(|(given, _)| given == name).map(|(_, text)| text.as_str());
    let delivery = part("message/delivery-status").or_else(|| part("message/global-delivery-status"));
    match (kind, delivery) {
        (_, Some(text)) => delivered(text),
        ("disposition-notification", None) => {
            part("message/disposition-notification").and_then(read).into_iter().collect()
        }
        ("feedback-report", None) => part("message/feedback-report").and_then(complained).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// The first block is of the message, each other one of a recipient; some servers write one block for both.
fn delivered(text: &str) -> Vec<Fate> {
    let text = text.replace("\r\n", "\n");
    text.split("\n\n").filter_map(|block| recipient(block.trim_start())).take(RECIPIENTS_MAX).collect()
}

fn recipient(block: &str) -> Option<Fate> {
    let headers = Headers::of_block(block.as_bytes());
    let kind = match headers.word("action")?.as_str() {
        "failed" => Kind::Failed,
        "delayed" => Kind::Delayed,
        "delivered" => Kind::Delivered,
        "relayed" | "expanded" => Kind::Relayed,
        _ => return None,
    };
    let status = headers.text("status").and_then(|text| text.split_whitespace().next().map(str::to_owned));
    let text = headers.text("diagnostic-code").unwrap_or_default();
    // The general code of a status is worth less than a precise one in the words of the other server.
    let said = codes::find(&text).filter(|code| codes::is_enhanced(code));
    let status = status.filter(|status| codes::is_enhanced(status));
    let code = if status.as_deref().is_none_or(|status| status.ends_with(".0.0")) { said.or(status) } else { status };
    Some(Fate { recipient: address(&headers, &["original-recipient", "final-recipient"]), kind, code, text, at: None })
}

/// `rfc822; ann@example.org`; the address to which we wrote comes first.
fn address(headers: &Headers<'_>, names: &[&str]) -> Option<String> {
    let texts = names.iter().filter_map(|name| headers.text(name));
    let addresses = texts.filter_map(|text| {
        let address = text.split_once(';').map_or(text.as_str(), |(_, address)| address).to_owned();
        crate::mime::normalized(address.trim())
    });
    addresses.into_iter().next()
}

fn read(text: &str) -> Option<Fate> {
    let headers = Headers::of_block(text.as_bytes());
    let disposition = headers.text("disposition")?.to_ascii_lowercase();
    let is_displayed = disposition.rsplit(';').next().is_some_and(|word| word.trim().starts_with("displayed"));
    let recipient = address(&headers, &["original-recipient", "final-recipient"]);
    is_displayed.then_some(Fate { recipient, kind: Kind::Read, code: None, text: String::new(), at: None })
}

fn complained(text: &str) -> Option<Fate> {
    let headers = Headers::of_block(text.as_bytes());
    let kind = headers.word("feedback-type")?;
    let counts = matches!(kind.as_str(), "abuse" | "fraud" | "opt-out" | "other");
    // The address is mostly blotted out.
    let recipient = address(&headers, &["original-rcpt-to", "removal-recipient"]);
    counts.then_some(Fate {
        recipient,
        kind: Kind::Complaint,
        code: None,
        text: format!("complaint: {kind}"),
        at: None,
    })
}
