//! What the load consists of: signed WhatsApp text webhooks.

use std::io::Write as _;

use ring::hmac;

/// Of the Meta app, on both sides.
pub(crate) const APP_SECRET: &str = "bench-app-secret";
/// The business number.
pub(crate) const PHONE_NUMBER_ID: &str = "106540352242922";
/// People who write, in turn.
pub(crate) const CONVERSATIONS: usize = 500;
/// Where webhooks are posted.
pub(crate) const PATH: &str = "/channels/whatsapp";

const ID: &str = "wamid.HBgNNTUxMTk5OTk5MDAwMBUCABIYFDNB";

/// Makes requests.
pub(crate) struct Webhooks {
    key: hmac::Key,
}

impl Webhooks {
    pub(crate) fn new() -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, APP_SECRET.as_bytes()) }
    }

    /// The body of message `number`, of person `number % CONVERSATIONS`.
    pub(crate) fn body(&self, number: usize) -> String {
        let person = number % CONVERSATIONS;
        let phone = 5_511_999_000_000 + person as u64;
        format!(
            r#"{{"object":"whatsapp_business_account","entry":[{{"id":"102290129340398","time":1767225600,"changes":[{{"field":"messages","value":{{"messaging_product":"whatsapp","metadata":{{"display_phone_number":"15550100200","phone_number_id":"{PHONE_NUMBER_ID}"}},"contacts":[{{"profile":{{"name":"Ana Lima {person}"}},"wa_id":"{phone}","user_id":"BR.8172{phone}"}}],"messages":[{{"from":"{phone}","from_user_id":"BR.8172{phone}","id":"{ID}{number:010}","timestamp":"1767225600","type":"text","text":{{"body":"Hello, I ordered a lamp last week and it still has not arrived. Can you tell me where it is?"}}}}]}}}}]}}]}}"#
        )
    }

    /// `sha256=` and the tag in hexadecimal.
    pub(crate) fn signature(&self, body: &str) -> String {
        format!("sha256={}", hex::encode(hmac::sign(&self.key, body.as_bytes())))
    }

    /// Replaces `request` by message `number` as it goes over the wire.
    pub(crate) fn write(&self, number: usize, request: &mut Vec<u8>) {
        let body = self.body(number);
        let signature = self.signature(&body);
        request.clear();
        let head = write!(
            request,
            "POST {PATH} HTTP/1.1\r\nhost: localhost\r\naccept: */*\r\nuser-agent: facebookexternalua\r\n\
             content-type: application/json\r\nx-hub-signature-256: {signature}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        head.unwrap_or_else(|_| unreachable!("a vector takes every byte"));
        request.extend_from_slice(body.as_bytes());
    }
}

/// The number of the message that an event speaks of.
pub(crate) fn number_of(event: &[u8]) -> Option<usize> {
    let start = event.windows(ID.len()).position(|window| window == ID.as_bytes())? + ID.len();
    std::str::from_utf8(event.get(start..start + 10)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_found_again() {
        let body = Webhooks::new().body(1234);
        assert_eq!(number_of(body.as_bytes()), Some(1234));
        assert_eq!(number_of(b"{}"), None);
        assert!(serde_json::from_str::<serde_json::Value>(&body).is_ok());
    }
}
