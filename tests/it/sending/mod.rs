//! Sending to a person: which way a message takes, what it becomes there, and who must not be written to.

mod abilities;
mod consent;
mod fallback;
mod way;
mod windows;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::{
    Backend, Call, Client, ConfigBuilder, Delivery, Gateway, Provider, ProviderAnswer, Telegram, Twilio, WhatsApp,
};

pub const SMS: Twilio = Twilio("sms");
pub const WA: WhatsApp = WhatsApp("wa");
pub const BOT: Telegram = Telegram("bot");
/// One person's number, as both networks write it.
pub const NUMBER: &str = "+15550100123";
pub const WA_ID: &str = "15550100123";

/// A gateway with a number, a WhatsApp account and a bot, each with a provider of its own, and a backend.
pub struct Stage {
    pub gateway: Gateway,
    pub sms: Provider,
    pub wa: Provider,
    pub bot: Provider,
    pub backend: Backend,
}

impl Stage {
    pub async fn start() -> Self {
        Self::with(|config| config).await
    }

    pub async fn with(change: impl FnOnce(ConfigBuilder) -> ConfigBuilder) -> Self {
        let sms = Provider::start(sms_taken).await;
        let wa = Provider::start(wa_taken).await;
        let bot = Provider::start(bot_taken).await;
        let backend = Backend::start().await;
        let config = ConfigBuilder::new()
            .backend("desk", &backend)
            .twilio(&SMS, Some(&sms))
            .whatsapp(&WA, Some(&wa))
            .telegram(&BOT, Some(&bot))
            .retries(&["50ms"; 20]);
        Self { gateway: Gateway::start(change(config)).await, sms, wa, bot, backend }
    }

    pub fn client(&self) -> Client {
        self.gateway.client()
    }

    /// The person writes by WhatsApp: its window is open then. Gives back the contact's id.
    pub async fn writes_by_wa(&self, id: &str, text: &str) -> String {
        WA.text(id, WA_ID, text).send(&self.client()).await.expect(200);
        self.contact(text).await
    }

    pub async fn writes_by_sms(&self, sid: &str, text: &str) -> String {
        SMS.sms(sid, NUMBER, text).send(&self.client()).await.expect(200);
        self.contact(text).await
    }

    async fn contact(&self, text: &str) -> String {
        let delivery = self.backend.wait_for_text(text).await;
        delivery.event["data"]["contact"]["id"].as_str().unwrap().to_owned()
    }

    pub async fn send(&self, body: &Value) -> Value {
        self.client().call("POST", "/v1/messages", Some(body)).await.expect(202).json()
    }

    pub async fn message(&self, sent: &Value) -> Value {
        let id = sent["id"].as_str().unwrap();
        self.client().get(&format!("/v1/messages/{id}")).await.expect(200).json()
    }

    /// Waits for a status of a message at the backend; `is_it` looks at the event's data.
    pub async fn status(&self, sent: &Value, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let fits = |delivery: &&Delivery| {
            let data = &delivery.event["data"];
            delivery.kind == "omnigate.message.status" && data["message_id"] == sent["id"] && is_it(data)
        };
        self.backend.wait_for(what, |all| all.iter().find(fits).map(|delivery| delivery.event["data"].clone())).await
    }

    /// Waits until the message is that far, over all its ways.
    pub async fn reaches(&self, sent: &Value, status: &str) -> Value {
        self.status(sent, status, |data| data["status"] == status).await
    }

    /// A receipt of the SMS provider.
    pub async fn sms_receipt(&self, sent: &Value, status: &str) {
        let id = sent["id"].as_str().unwrap();
        let message = self.message(sent).await;
        let way = message["ways"].as_array().unwrap().iter().find(|way| way["channel"] == "sms").unwrap();
        let fields = [
            ("AccountSid", Twilio::ACCOUNT),
            ("MessageSid", way["external_ids"][0].as_str().unwrap()),
            ("MessageStatus", status),
            ("From", Twilio::NUMBER),
            ("To", NUMBER),
        ];
        SMS.form_at(&format!("/status/{id}"), &fields).send(&self.client()).await.expect(200);
    }
}

/// A text to one person by SMS first.
pub fn by_sms(text: &str) -> Value {
    json!({
        "channel": "sms",
        "to": { "scheme": "tel", "value": NUMBER },
        "message": { "parts": [{ "type": "text", "text": text }] },
    })
}

pub fn with(mut body: Value, changes: Value) -> Value {
    for (key, value) in changes.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

/// What an SMS said.
pub fn sms_text(call: &Call) -> String {
    let form: HashMap<String, String> = url::form_urlencoded::parse(&call.body).into_owned().collect();
    form["Body"].clone()
}

/// What a WhatsApp text said.
pub fn wa_text(call: &Call) -> String {
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    body["text"]["body"].as_str().unwrap_or_default().to_owned()
}

pub fn sms_taken(_: &Call) -> ProviderAnswer {
    ProviderAnswer::json(201, &format!(r#"{{"sid":"SM{:032}","status":"sent","error_code":null}}"#, next()))
}

pub fn wa_taken(_: &Call) -> ProviderAnswer {
    let body =
        json!({"messaging_product": "whatsapp", "contacts": [], "messages": [{"id": format!("wamid.{}", next())}]});
    ProviderAnswer::json(200, &body.to_string())
}

fn bot_taken(_: &Call) -> ProviderAnswer {
    ProviderAnswer::json(200, &json!({"ok": true, "result": {"message_id": next()}}).to_string())
}

fn next() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

pub fn refusing(status: u16, code: u32) -> impl FnMut(&Call) -> ProviderAnswer + Send + 'static {
    move |_| ProviderAnswer::json(status, &format!(r#"{{"code":{code},"message":"no","status":{status}}}"#))
}

/// Waits for a call that says this.
pub async fn said(provider: &Provider, what: &str, text: fn(&Call) -> String) {
    provider
        .wait_for(&format!("{what:?} at the provider"), |calls| {
            calls.iter().any(|call| text(call) == what).then_some(())
        })
        .await;
}
