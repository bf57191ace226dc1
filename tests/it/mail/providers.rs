//! The adapter for e-mail with a provider in place of a mailbox: mail in, an answer out, and what becomes of it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::amazon::{self, Amazon, TOPIC, in_s3};
use super::wait_until;
use crate::support::{Call, Client, ConfigBuilder, Gateway, Provider, ProviderAnswer};

const CHANNEL: &str = "post";
/// `any:pw`
const PASSWORD: (&str, &str) = ("authorization", "Basic YW55OnB3");
pub const QUESTION: &str = "From: Ann <ann@example.org>\r\nTo: support@example.com\r\nSubject: Order 7\r\n\
                        Message-ID: <q1@example.org>\r\n\r\nWhen?\r\n";

/// A gateway whose channel goes by a provider.
struct Post {
    provider: Provider,
    client: Client,
    _gateway: Gateway,
}

impl Post {
    async fn open(
        mut settings: Value,
        secrets: Value,
        rule: impl FnMut(&Call) -> ProviderAnswer + Send + 'static,
    ) -> Self {
        let provider = Provider::start(rule).await;
        let base = format!("http://{}", provider.address());
        settings["address"] = "support@example.com".into();
        for name in ["api_base", "sns_base", "s3_base"] {
            if name == "api_base" || settings["provider"] == "ses" {
                settings[name] = base.as_str().into();
            }
        }
        let section = format!("channels.{CHANNEL}");
        let config = ConfigBuilder::new()
            .set(&section, "adapter", "email")
            .set(&section, "settings", settings)
            .set(&section, "secrets", secrets)
            .set(&section, "grants", json!({ "hosts": [provider.address().to_string()] }));
        let gateway = Gateway::start(config).await;
        Self { provider, client: gateway.client(), _gateway: gateway }
    }

    /// What the provider hears that posts this.
    async fn post(&self, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> u16 {
        let headers: Vec<_> = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let body: Vec<u8> = body.into();
        let path = format!("/channels/{CHANNEL}");
        self.client.request("POST", &path, &headers, body.into()).await.unwrap().status
    }

    async fn received(&self) -> Vec<Value> {
        let page = self.client.get("/v1/interactions?type=message.received").await.expect(200).json();
        page["interactions"].as_array().unwrap().clone()
    }

    /// The only mail that came: the question.
    async fn question(&self) -> Value {
        let received = self.received().await;
        let [question] = &received[..] else { panic!("not one mail: {received:#?}") };
        assert_eq!(question["data"]["external_ids"][0], "q1@example.org", "{question}");
        assert_eq!(question["data"]["message"]["text"], "When?");
        question.clone()
    }

    /// Answers the question; tells the message's id, and the call that hands it over at this path.
    async fn answer(&self, question: &Value, path: &str) -> (String, Call) {
        let message = json!({
            "channel": CHANNEL, "to": { "scheme": "email", "value": "ann@example.org" }, "in_reply_to": question["id"],
            "message": { "parts": [{ "type": "text", "text": "Tomorrow" }] },
        });
        let sent = self.client.call("POST", "/v1/messages", Some(&message)).await.expect(202).json();
        let find = |calls: &[Call]| calls.iter().find(|call| call.path == path).cloned();
        (sent["id"].as_str().unwrap().to_owned(), self.provider.wait_for("the answer", find).await)
    }

    async fn wait_for_status(&self, id: &str, status: &str) -> Value {
        let path = format!("/v1/messages/{id}");
        wait_until(status, &self.client, &path, |message| message["status"] == status).await
    }
}

fn form(fields: &[(&str, &str)]) -> String {
    let field = |(name, value): &(&str, &str)| {
        format!("--form\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    fields.iter().map(field).collect::<String>() + "--form--\r\n"
}

const FORM: (&str, &str) = ("content-type", "multipart/form-data; boundary=form");
const JSON: (&str, &str) = ("content-type", "application/json");

fn parsed(call: &Call) -> Value {
    serde_json::from_slice(&call.body).unwrap()
}

#[tokio::test]
async fn a_conversation_by_postmark() {
    let taken = r#"{"To":"ann@example.org","MessageID":"b7bc","ErrorCode":0,"Message":"OK"}"#;
    let secrets = json!({ "api_key": "pm-token", "webhook_password": "pw" });
    let post = Post::open(json!({ "provider": "postmark" }), secrets, move |_| ProviderAnswer::json(200, taken)).await;
    let mail = json!({
        "FromFull": { "Email": "ann@example.org", "Name": "Ann" }, "ToFull": [{ "Email": "support@example.com", "Name": "" }],
        "Subject": "Order 7", "MessageID": "m1", "TextBody": "When?", "OriginalRecipient": "support@example.com",
        "Headers": [{ "Name": "Message-ID", "Value": "<q1@example.org>" }],
    });
    let mail = mail.to_string();
    assert_eq!(post.post(&[JSON, ("authorization", "Basic YTpi")], mail.clone()).await, 401);
    assert_eq!(post.received().await.len(), 0);
    for _ in 0..2 {
        assert_eq!(post.post(&[JSON, PASSWORD], mail.clone()).await, 200);
    }
    let (id, call) = post.answer(&post.question().await, "/email").await;
    let body = parsed(&call);
    assert_eq!(call.headers["x-postmark-server-token"], "pm-token");
    assert_eq!((&body["Subject"], &body["Metadata"]["omnigate_id"]), (&json!("Re: Order 7"), &json!(id)), "{body}");
    let answers = json!({ "Name": "In-Reply-To", "Value": "<q1@example.org>" });
    assert!(body["Headers"].as_array().unwrap().contains(&answers), "{body}");
    let bounce = json!({ "RecordType": "Bounce", "Type": "HardBounce", "Email": "ann@example.org", "Metadata": { "omnigate_id": id } });
    assert_eq!(post.post(&[JSON], bounce.to_string()).await, 401);
    assert_eq!(post.post(&[JSON, PASSWORD], bounce.to_string()).await, 200);
    assert_eq!(post.wait_for_status(&id, "failed").await["reason"]["code"], "invalid-recipient");
}

#[tokio::test]
async fn a_conversation_by_sendgrid() {
    let random = SystemRandom::new();
    let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.as_ref(), &random).unwrap();
    // SubjectPublicKeyInfo of a point on P-256.
    let head = hex::decode("3059301306072a8648ce3d020106082a8648ce3d030107034200").unwrap();
    let public = STANDARD.encode([&head, key.public_key().as_ref()].concat());
    let sign = |body: &str| STANDARD.encode(key.sign(&random, format!("1777713304{body}").as_bytes()).unwrap());
    let secrets = json!({ "api_key": "SG.key", "webhook_key": public });
    let taken = |_: &Call| ProviderAnswer {
        headers: vec![("x-message-id".to_owned(), "xm9".to_owned())],
        ..ProviderAnswer::json(202, "")
    };
    let post = Post::open(json!({ "provider": "sendgrid" }), secrets, taken).await;
    let timestamp = ("x-twilio-email-event-webhook-timestamp", "1777713304");
    let signature = |body: &str| ("x-twilio-email-event-webhook-signature", sign(body));
    let mail = form(&[("email", QUESTION), ("envelope", r#"{"to":["support@example.com"],"from":"ann@example.org"}"#)]);
    let (name, right) = signature(&mail);
    let (_, wrong) = signature("another body");
    assert_eq!(post.post(&[FORM, timestamp, (name, &wrong)], mail.clone()).await, 401);
    assert_eq!(post.post(&[FORM], mail.clone()).await, 401);
    for _ in 0..2 {
        assert_eq!(post.post(&[FORM, timestamp, (name, &right)], mail.clone()).await, 200);
    }
    let (id, call) = post.answer(&post.question().await, "/v3/mail/send").await;
    let body = parsed(&call);
    assert_eq!(call.headers["authorization"], "Bearer SG.key");
    assert_eq!(body["headers"]["In-Reply-To"], "<q1@example.org>", "{body}");
    assert_eq!(body["personalizations"][0]["custom_args"]["omnigate_id"], id.as_str());
    post.wait_for_status(&id, "sent").await;
    let events = json!([{ "event": "delivered", "email": "ann@example.org", "omnigate_id": id, "sg_event_id": "e1" }]);
    let events = format!("{events}\r\n");
    let (name, right) = signature(&events);
    assert_eq!(post.post(&[JSON, timestamp, (name, &wrong)], events.clone()).await, 401);
    assert_eq!(post.post(&[JSON, timestamp, (name, &right)], events.clone()).await, 200);
    post.wait_for_status(&id, "delivered").await;
}

/// What proves a webhook of Mailgun: time, token, and the tag over both.
fn mailgun(token: &str, key: &str) -> [String; 3] {
    let at = jiff::Timestamp::now().as_second().to_string();
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let tag = hex::encode(hmac::sign(&key, format!("{at}{token}").as_bytes()));
    [at, token.to_owned(), tag]
}

#[tokio::test]
async fn a_conversation_by_mailgun() {
    let taken = |_: &Call| ProviderAnswer::json(200, r#"{"id":"<mg1@example.com>","message":"Queued"}"#);
    let secrets = json!({ "api_key": "mg-key", "webhook_key": "mg-signing" });
    let post = Post::open(json!({ "provider": "mailgun", "domain": "mg.example.com" }), secrets, taken).await;
    let mail = |[at, token, tag]: &[String; 3], mime: &str| {
        form(&[
            ("recipient", "support@example.com"),
            ("body-mime", mime),
            ("timestamp", at),
            ("token", token),
            ("signature", tag),
        ])
    };
    let proof = mailgun("token-1", "mg-signing");
    assert_eq!(post.post(&[FORM], mail(&mailgun("token-0", "wrong"), QUESTION)).await, 401);
    for _ in 0..2 {
        assert_eq!(post.post(&[FORM], mail(&proof, QUESTION)).await, 200);
    }
    let other = QUESTION.replace("q1@", "q2@");
    assert_eq!(post.post(&[FORM], mail(&proof, &other)).await, 401, "a token proves one request");
    let (id, call) = post.answer(&post.question().await, "/v3/mg.example.com/messages.mime").await;
    assert_eq!(call.headers["authorization"], format!("Basic {}", STANDARD.encode("api:mg-key")));
    let body = String::from_utf8(call.body.to_vec()).unwrap();
    assert!(body.contains("In-Reply-To: <q1@example.org>") && body.contains(&id), "{body}");
    let message = post.wait_for_status(&id, "sent").await;
    assert!(message["external_ids"].as_array().unwrap().contains(&json!("mg1@example.com")), "{message}");
    let event = |[timestamp, token, signature]: [String; 3]| {
        json!({
            "signature": { "timestamp": timestamp, "token": token, "signature": signature },
            "event-data": {
                "event": "failed", "severity": "permanent", "recipient": "ann@example.org", "user-variables": { "omnigate_id": id },
                "delivery-status": { "code": 550, "message": "5.1.1 no such user", "enhanced-code": "5.1.1" },
            },
        })
    };
    assert_eq!(post.post(&[JSON], event(mailgun("token-2", "wrong")).to_string()).await, 401);
    assert_eq!(post.post(&[JSON], event(mailgun("token-3", "mg-signing")).to_string()).await, 200);
    assert_eq!(post.wait_for_status(&id, "failed").await["reason"]["code"], "invalid-recipient");
}

async fn with_ses() -> (Post, Amazon) {
    let settings =
        json!({ "provider": "ses", "region": "eu-west-1", "access_key_id": "AKIDEXAMPLE", "topic_arn": TOPIC });
    let post = Post::open(settings, json!({ "api_key": "secret" }), amazon::answers).await;
    let amazon = Amazon::at(post.provider.address());
    (post, amazon)
}

#[tokio::test]
async fn a_conversation_by_ses() {
    let (post, amazon) = with_ses().await;
    let text = ("content-type", "text/plain; charset=UTF-8");
    let confirmation =
        [("SubscribeURL", format!("{}/?Action=ConfirmSubscription", amazon.base)), ("Token", "2336".to_owned())];
    let confirmation = amazon.signed("SubscriptionConfirmation", &json!("you have chosen"), &confirmation);
    assert_eq!(post.post(&[text], confirmation.to_string()).await, 200);
    let is_confirmed = |calls: &[Call]| calls.iter().any(|call| call.path == "/?Action=ConfirmSubscription");
    assert!(is_confirmed(&post.provider.calls()));
    let mail = amazon.notification(&in_s3("in/k1"));
    let mut forged = mail.clone();
    forged["Message"] = in_s3("in/k2").to_string().into();
    let mut elsewhere = mail.clone();
    elsewhere["SigningCertURL"] = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a1b.pem".into();
    let mut other = mail.clone();
    other["TopicArn"] = format!("{TOPIC}-2").into();
    for refused in [forged, elsewhere, other] {
        assert_eq!(post.post(&[text], refused.to_string()).await, 401);
    }
    assert_eq!(post.received().await.len(), 0);
    for _ in 0..2 {
        assert_eq!(post.post(&[text], mail.to_string()).await, 200);
    }
    let fetched = |calls: &[Call], path: &str| calls.iter().filter(|call| call.path == path).count();
    assert_eq!(fetched(&post.provider.calls(), "/SimpleNotificationService-0a1b.pem"), 1, "it is remembered");
    let (id, call) = post.answer(&post.question().await, "/v2/email/outbound-emails").await;
    assert!(call.headers["authorization"].to_str().unwrap().starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"));
    let letter = STANDARD.decode(parsed(&call)["Content"]["Raw"]["Data"].as_str().unwrap()).unwrap();
    assert!(String::from_utf8(letter).unwrap().contains("In-Reply-To: <q1@example.org>"));
    post.wait_for_status(&id, "sent").await;
    // SES gave the letter another Message-ID, which is what the person's mail program answers.
    let again = QUESTION
        .replace("<q1@example.org>", "<q2@example.org>\r\nIn-Reply-To: <0102018f-aaaa@eu-west-1.amazonses.com>");
    let again =
        json!({ "notificationType": "Received", "mail": { "messageId": "k3" }, "content": STANDARD.encode(again) });
    assert_eq!(post.post(&[text], amazon.notification(&again).to_string()).await, 200);
    assert_eq!(post.received().await[1]["data"]["in_reply_to"], id.as_str());
    let delivered = json!({
        "eventType": "Delivery", "mail": { "messageId": "0102018f-aaaa", "tags": { "omnigate_id": [id] } },
        "delivery": { "recipients": ["ann@example.org"] },
    });
    assert_eq!(post.post(&[text], amazon.notification(&delivered).to_string()).await, 200);
    post.wait_for_status(&id, "delivered").await;
}

#[tokio::test]
async fn a_mail_that_cannot_be_had_from_s3_waits_until_it_can() {
    let (post, amazon) = with_ses().await;
    let text = ("content-type", "text/plain; charset=UTF-8");
    post.provider.behave(|call| match call.path.starts_with("/mail-in/") {
        true => ProviderAnswer::json(403, "{}"),
        false => amazon::answers(call),
    });
    assert_eq!(post.post(&[text], amazon.notification(&in_s3("in/k1")).to_string()).await, 200, "it is kept");
    let letters = post.client.get("/v1/dead-letters").await.expect(200).json();
    let letter = &letters["dead_letters"][0];
    assert!(letter["reason"].as_str().unwrap().contains("s3:GetObject"), "{letters}");
    post.provider.behave(amazon::answers);
    let retry = format!("/v1/dead-letters/{}/retry", letter["id"].as_str().unwrap());
    post.client.call("POST", &retry, None).await.expect(202);
    post.question().await;
    post.provider.behave(|_| ProviderAnswer::json(503, "{}"));
    assert_eq!(post.post(&[text], amazon.notification(&in_s3("in/k4")).to_string()).await, 503, "SNS sends it again");
}

#[tokio::test]
async fn a_mail_in_s3_that_is_too_large_is_told() {
    let (post, amazon) = with_ses().await;
    let text = ("content-type", "text/plain; charset=UTF-8");
    let large = format!("{QUESTION}{}", "x".repeat(5 << 20));
    post.provider.behave(move |call| match call.path.starts_with("/mail-in/") {
        true => ProviderAnswer::json(200, &large),
        false => amazon::answers(call),
    });
    assert_eq!(post.post(&[text], amazon.notification(&in_s3("in/k1")).to_string()).await, 200);
    let unsupported = post.client.get("/v1/interactions?type=channel.unsupported").await.expect(200).json();
    let what = unsupported["interactions"][0]["data"]["detail"]["what"].as_str().unwrap();
    assert!(what.contains("plugins.limits.http_response"), "{unsupported}");
    assert_eq!(post.received().await.len(), 0);
}
