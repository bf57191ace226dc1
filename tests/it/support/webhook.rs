use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use ring::hmac;
use serde_json::{Value, json};

use super::config::PUBLIC_URL;
use super::{Answer, Client, Failed};

/// A provider's request to a channel.
#[derive(Clone, Debug)]
pub struct Webhook {
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl Webhook {
    /// Sends it; there must be an answer.
    pub async fn send(&self, client: &Client) -> Answer {
        self.try_send(client).await.unwrap()
    }

    /// Sends it; without an answer if the gateway goes away meanwhile.
    pub async fn try_send(&self, client: &Client) -> Result<Answer, Failed> {
        client.request("POST", &self.path, &self.headers, self.body.clone()).await
    }

    /// The value of a header field.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(present, _)| present == name);
        &found.unwrap_or_else(|| panic!("no header {name}")).1
    }

    /// Without a header field.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(present, _)| present != name);
        self
    }

    /// With another value of a header field.
    #[must_use]
    pub fn with(self, name: &str, value: &str) -> Self {
        let mut this = self.without(name);
        this.headers.push((name.to_owned(), value.to_owned()));
        this
    }
}

/// A channel of the adapter `telegram`, by its name: authentic by a token in a header.
#[derive(Clone, Copy, Debug)]
pub struct Telegram(pub &'static str);

impl Telegram {
    pub const BOT_TOKEN: &str = "5550000:AAtoken_1";
    pub const SECRET: &str = "hook_secret-1";
    pub const TOKEN_HEADER: &str = "x-telegram-bot-api-secret-token";

    /// A text in a private chat. `update` names it: the same number again is the same message again.
    pub fn text(&self, update: u64, chat: u64, text: &str) -> Webhook {
        self.update(&json!({
            "update_id": update,
            "message": {
                "message_id": update,
                "from": { "id": chat, "is_bot": false, "first_name": "Ana" },
                "chat": { "id": chat, "type": "private", "first_name": "Ana" },
                "date": 1_767_225_600,
                "text": text,
            },
        }))
    }

    pub fn update(&self, update: &Value) -> Webhook {
        self.body(update.to_string())
    }

    /// Any body, with the right token.
    pub fn body(&self, body: impl Into<Bytes>) -> Webhook {
        let headers = [("content-type", "application/json"), (Self::TOKEN_HEADER, Self::SECRET)];
        Webhook {
            path: format!("/channels/{}", self.0),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            body: body.into(),
        }
    }
}

/// A channel of the adapter `twilio`, by its name: authentic by an HMAC over address and parameters.
#[derive(Clone, Copy, Debug)]
pub struct Twilio(pub &'static str);

impl Twilio {
    pub const ACCOUNT: &str = "AC00000000000000000000000000000011";
    pub const TOKEN: &str = "0123456789abcdef0123456789abcdef";
    pub const NUMBER: &str = "+15550100999";

    /// An SMS. `sid` names it.
    pub fn sms(&self, sid: &str, from: &str, text: &str) -> Webhook {
        self.form(&[
            ("AccountSid", Self::ACCOUNT),
            ("MessageSid", sid),
            ("SmsStatus", "received"),
            ("From", from),
            ("To", Self::NUMBER),
            ("NumMedia", "0"),
            ("Body", text),
        ])
    }

    /// Any form, signed as Twilio signs.
    pub fn form(&self, fields: &[(&str, &str)]) -> Webhook {
        self.form_at("", fields)
    }

    /// The same, below the channel.
    pub fn form_at(&self, below: &str, fields: &[(&str, &str)]) -> Webhook {
        let path = format!("/channels/{}{below}", self.0);
        let mut sorted = fields.to_vec();
        sorted.sort_unstable();
        let parameters: String = sorted.iter().flat_map(|(name, value)| [*name, *value]).collect();
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, Self::TOKEN.as_bytes());
        let tag = hmac::sign(&key, format!("{PUBLIC_URL}{path}{parameters}").as_bytes());
        let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let pairs: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let headers = [
            ("content-type", "application/x-www-form-urlencoded".to_owned()),
            ("x-twilio-signature", STANDARD.encode(tag)),
        ];
        Webhook {
            path,
            headers: headers.map(|(name, value)| (name.to_owned(), value)).to_vec(),
            body: pairs.join("&").into(),
        }
    }
}

/// A channel of the adapter `whatsapp`, by its name: authentic by an HMAC over the body.
#[derive(Clone, Copy, Debug)]
pub struct WhatsApp(pub &'static str);

impl WhatsApp {
    pub const NUMBER_ID: &str = "106540352242922";
    pub const APP_SECRET: &str = "test-app-secret";

    /// A text to the channel's number. `id` names it.
    pub fn text(&self, id: &str, from: &str, text: &str) -> Webhook {
        self.text_to(Self::NUMBER_ID, id, from, text)
    }

    /// A text to any number of the same app.
    pub fn text_to(&self, number_id: &str, id: &str, from: &str, text: &str) -> Webhook {
        let value = json!({
            "messaging_product": "whatsapp",
            "metadata": { "display_phone_number": "15550100200", "phone_number_id": number_id },
            "contacts": [{ "profile": { "name": "Ana" }, "wa_id": from }],
            "messages": [{ "from": from, "id": id, "timestamp": "1767225600", "type": "text", "text": { "body": text } }],
        });
        let entry = json!({ "id": "102290129340398", "changes": [{ "field": "messages", "value": value }] });
        self.body(json!({ "object": "whatsapp_business_account", "entry": [entry] }).to_string())
    }

    /// A text of somebody whose number Meta may not tell.
    pub fn text_of_user(&self, id: &str, user: &str, number: Option<&str>, text: &str) -> Webhook {
        let mut message = json!({
            "from_user_id": user, "id": id, "timestamp": "1767225600", "type": "text", "text": { "body": text },
        });
        let mut contact = json!({ "profile": { "name": "Ana" }, "user_id": user });
        if let Some(number) = number {
            message["from"] = number.into();
            contact["wa_id"] = number.into();
        }
        let value = json!({
            "messaging_product": "whatsapp",
            "metadata": { "display_phone_number": "15550100200", "phone_number_id": Self::NUMBER_ID },
            "contacts": [contact],
            "messages": [message],
        });
        let entry = json!({ "id": "102290129340398", "changes": [{ "field": "messages", "value": value }] });
        self.body(json!({ "object": "whatsapp_business_account", "entry": [entry] }).to_string())
    }

    /// Any body, signed as Meta signs.
    pub fn body(&self, body: impl Into<Bytes>) -> Webhook {
        let body = body.into();
        let key = hmac::Key::new(hmac::HMAC_SHA256, Self::APP_SECRET.as_bytes());
        let signature = format!("sha256={}", hex::encode(hmac::sign(&key, &body)));
        let headers = [("content-type", "application/json"), ("x-hub-signature-256", &signature)];
        Webhook {
            path: format!("/channels/{}", self.0),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            body,
        }
    }
}
