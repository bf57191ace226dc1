//! The shortest way through.

use crate::support::{Backend, ConfigBuilder, Gateway, Telegram, Twilio};

#[tokio::test]
async fn a_webhook_becomes_one_signed_event() {
    let backend = Backend::start().await;
    let (bot, sms) = (Telegram("bot"), Twilio("sms"));
    let config = ConfigBuilder::new().backend("desk", &backend).telegram(&bot, None).twilio(&sms, None);
    let gateway = Gateway::start(config).await;
    bot.text(1, 501, "olá").send(&gateway.client()).await.expect(200);
    sms.sms("SM01", "+15550100123", "Is it open?").send(&gateway.client()).await.expect(200);
    let first = backend.wait_for_text("olá").await;
    let second = backend.wait_for_text("Is it open?").await;
    assert_eq!((&*first.kind, &*second.kind), ("omnigate.message.received", "omnigate.message.received"));
    assert_eq!(first.headers["content-type"], "application/cloudevents+json");
    assert_eq!(first.headers["traceparent"], first.event["traceparent"].as_str().unwrap());
    assert_ne!(first.conversation, second.conversation);
    let (status, _) = gateway.terminate().await;
    assert_eq!(status.code(), Some(0));
    let messages = backend.attempts().into_iter().filter(|delivery| !delivery.text.is_empty()).count();
    assert_eq!(messages, 2, "each came once");
}
