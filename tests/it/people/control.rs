//! Several backends, and one in control.

use serde_json::{Value, json};

use super::{SMS, config, conversation_of, post};
use crate::support::{Backend, Client, Delivery, Gateway};

const DESK_KEY: &str = "desk-key-0123456789abcdef";
const BOT_KEY: &str = "bot-key-0123456789abcdef0";

struct Stage {
    gateway: Gateway,
    desk: Backend,
    bot: Backend,
    listener: Backend,
}

impl Stage {
    /// The bot controls what is new; the desk gets what it controls; somebody listens.
    async fn start() -> Self {
        let (desk, bot, listener) = (Backend::start().await, Backend::start().await, Backend::start().await);
        let config = config()
            .backend("desk", &desk)
            .set("backends.desk", "receives", "controlled")
            .backend("bot", &bot)
            .backend("listener", &listener)
            .set("backends.listener", "listen", true)
            .set("conversations", "control", "bot")
            .key("desk", DESK_KEY, &["messages", "contacts"])
            .set("api.keys.desk", "backend", "desk")
            .key("bot", BOT_KEY, &["messages", "contacts"])
            .set("api.keys.bot", "backend", "bot");
        Self { gateway: Gateway::start(config).await, desk, bot, listener }
    }

    fn client(&self, key: &str) -> Client {
        self.gateway.client().with_key(key)
    }
}

fn reply(conversation: &str) -> Value {
    json!({ "conversation_id": conversation, "message": { "parts": [{ "type": "text", "text": "reply" }] } })
}

#[tokio::test]
async fn control_passes_from_one_backend_to_another() {
    let stage = Stage::start().await;
    let (desk, bot) = (stage.client(DESK_KEY), stage.client(BOT_KEY));
    SMS.sms("SM1", "+4930901820", "hello").send(&bot).await.expect(200);
    let id = conversation_of(&stage.bot, "hello").await;
    assert_eq!(super::received(&stage.bot, "hello").await["conversation"]["control"], "bot");
    let refused = post(&desk, "/v1/messages", reply(&id)).await;
    let detail = "backend bot is in control of this conversation: it must pass control first";
    let problem = refused.expect_problem(409, "controlled", detail).json();
    assert_eq!(problem["backend"], "bot");
    let path = format!("/v1/conversations/{id}/control");
    post(&desk, &path, json!({ "backend": "desk" })).await.expect_problem(409, "controlled", detail);
    post(&desk, &format!("/v1/conversations/{id}/close"), json!({})).await.expect(409);
    let body = json!({ "backend": "desk", "reason": "wants a person" });
    let passed = post(&bot, &path, body).await.expect(200).json();
    assert_eq!(passed["control"], "desk");
    SMS.sms("SM2", "+4930901820", "are you a person?").send(&bot).await.expect(200);
    conversation_of(&stage.desk, "are you a person?").await;
    let got: Vec<String> = stage.desk.attempts().iter().map(|delivery| delivery.kind.clone()).collect();
    assert_eq!(got, ["omnigate.conversation.control", "omnigate.message.received"], "nothing of what was before");
    let is_control = |all: &[Delivery]| all.iter().find(|d| d.kind == "omnigate.conversation.control").cloned();
    let told = stage.listener.wait_for("the passing", is_control).await;
    let detail = &told.event["data"]["detail"];
    assert_eq!((&detail["from"], &detail["to"], &detail["by"]), (&json!("bot"), &json!("desk"), &json!("key:bot")));
    post(&desk, "/v1/messages", reply(&id)).await.expect(202);
    post(&bot, "/v1/messages", reply(&id)).await.expect(409);
    post(&stage.gateway.client(), "/v1/messages", reply(&id)).await.expect(202);
}

#[tokio::test]
async fn who_opens_a_conversation_controls_it() {
    let stage = Stage::start().await;
    let to = json!({ "scheme": "tel", "value": "+4930901899" });
    let message = json!({ "parts": [{ "type": "text", "text": "We have news for you" }] });
    let body = json!({ "channel": "sms", "to": to, "message": message });
    let sent = post(&stage.client(DESK_KEY), "/v1/messages", body).await.expect(202).json();
    let path = format!("/v1/conversations/{}", super::id(&sent["conversation_id"]));
    assert_eq!(stage.gateway.client().get(&path).await.expect(200).json()["control"], "desk");
    SMS.sms("SM9", "+4930901899", "which?").send(&stage.gateway.client()).await.expect(200);
    conversation_of(&stage.desk, "which?").await;
}

#[tokio::test]
async fn who_only_listens_is_never_in_control() {
    let stage = Stage::start().await;
    let client = stage.gateway.client();
    SMS.sms("SM1", "+4930901820", "hello").send(&client).await.expect(200);
    let id = conversation_of(&stage.bot, "hello").await;
    let path = format!("/v1/conversations/{id}/control");
    for name in ["listener", "nobody"] {
        let detail = format!("backend: {name:?} is no backend that may be in control; there are: bot, desk");
        post(&client, &path, json!({ "backend": name })).await.expect_problem(422, "invalid", &detail);
    }
    let freed = post(&client, &path, json!({ "backend": null })).await.expect(200).json();
    assert_eq!(freed["control"], json!(null));
    post(&stage.client(DESK_KEY), "/v1/messages", reply(&id)).await.expect(202);
    post(&client, &format!("/v1/conversations/{id}/close"), json!({})).await.expect(200);
    let detail = format!("conversation {id} is closed: open it again first");
    post(&client, &path, json!({ "backend": "desk" })).await.expect_problem(409, "closed", &detail);
}
