//! The way out: from the API to the provider, whatever the provider does.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{
    Answer, Backend, Call, Client, ConfigBuilder, Gateway, Provider, ProviderAnswer, Random, Twilio, within,
};

const SMS: Twilio = Twilio("sms");

fn message(to: &str, text: &str) -> Value {
    json!({
        "channel": SMS.0,
        "to": { "scheme": "tel", "value": to },
        "message": { "parts": [{ "type": "text", "text": text }] },
    })
}

async fn send(client: &Client, to: &str, text: &str) -> String {
    id_of(&client.call("POST", "/v1/messages", Some(&message(to, text))).await.expect(202))
}

fn id_of(answer: &Answer) -> String {
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// What was asked of the provider: our id of the message, and its text.
fn sent(call: &Call) -> (String, String) {
    let form: HashMap<String, String> = url::form_urlencoded::parse(&call.body).into_owned().collect();
    let id = form["StatusCallback"].rsplit('/').next().unwrap().to_owned();
    (id, form["Body"].clone())
}

fn taken(_: &Call) -> ProviderAnswer {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    let sid = NEXT.fetch_add(1, Ordering::Relaxed);
    ProviderAnswer::json(
        201,
        &format!(r#"{{"sid":"SM{sid:032}","status":"sent","num_segments":"1","error_code":null}}"#),
    )
}

fn refused(status: u16, code: u32) -> ProviderAnswer {
    ProviderAnswer::json(status, &format!(r#"{{"code":{code},"message":"no","status":{status}}}"#))
}

fn cut() -> ProviderAnswer {
    ProviderAnswer { close: true, ..ProviderAnswer::json(200, "") }
}

async fn start(provider: &Provider, backend: &Backend) -> Gateway {
    let config = ConfigBuilder::new().backend("desk", backend).twilio(&SMS, Some(provider));
    Gateway::start(config.retries(&["50ms"; 20])).await
}

/// Waits for the receipt at the backend.
async fn status(backend: &Backend, id: &str, status: &str) -> Value {
    let is_it = |event: &Value| {
        event["type"] == "omnigate.message.status"
            && event["data"]["message_id"] == id
            && event["data"]["status"] == status
    };
    let find = |all: &[crate::support::Delivery]| all.iter().find(|d| is_it(&d.event)).map(|d| d.event.clone());
    backend.wait_for(&format!("status {status}"), find).await
}

#[tokio::test]
async fn a_message_is_sent_and_its_receipt_forwarded() {
    let (provider, backend) = (Provider::start(taken).await, Backend::start().await);
    let gateway = start(&provider, &backend).await;
    let id = send(&gateway.client(), "+15550100123", "Hello").await;
    provider
        .wait_for("the call", |calls| calls.first().map(sent).filter(|call| *call == (id.clone(), "Hello".into())))
        .await;
    status(&backend, &id, "sent").await;
    let shown = gateway.client().get(&format!("/v1/messages/{id}")).await.expect(200).json();
    let fields = [
        ("AccountSid", Twilio::ACCOUNT),
        ("MessageSid", shown["external_ids"][0].as_str().unwrap()),
        ("MessageStatus", "delivered"),
        ("From", Twilio::NUMBER),
        ("To", "+15550100123"),
    ];
    SMS.form_at(&format!("/status/{id}"), &fields).send(&gateway.client()).await.expect(200);
    status(&backend, &id, "delivered").await;
    let shown = gateway.client().get(&format!("/v1/messages/{id}")).await.expect(200).json();
    assert_eq!((&shown["status"], &shown["final"]), (&json!("delivered"), &json!(false)), "{shown}");
    assert_eq!(provider.calls().len(), 1);
}

#[tokio::test]
async fn what_fails_for_a_while_is_sent_again_under_the_same_id() {
    for trouble in [|| refused(500, 20500), cut, || ProviderAnswer::json(503, "<html>")] {
        let (provider, backend) = (Provider::start(move |_| trouble()).await, Backend::start().await);
        let gateway = start(&provider, &backend).await;
        let id = send(&gateway.client(), "+15550100123", "Hello").await;
        provider.wait_for("two attempts", |calls| (calls.len() >= 2).then_some(())).await;
        provider.behave(taken);
        status(&backend, &id, "sent").await;
        let ids: HashSet<_> = provider.calls().iter().map(|call| sent(call).0).collect();
        assert_eq!(ids, HashSet::from([id]));
    }
}

/// It takes the connection and says nothing: nobody knows whether the message went out, and this channel's operator wants to be
/// asked. Another channel is not delayed meanwhile.
#[tokio::test]
async fn what_may_have_been_sent_is_held_where_the_operator_wants_it() {
    const OTHER: Twilio = Twilio("other");
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (provider, backend) = (Provider::start(taken).await, Backend::start().await);
    let config = ConfigBuilder::new()
        .backend("desk", &backend)
        .twilio(&SMS, Some(&provider))
        .twilio(&OTHER, Some(&provider))
        .set("plugins.limits", "wall", "2s")
        .set("channels.sms", "on_uncertain", "hold")
        .set("channels.sms", "grants", json!({ "hosts": [silent.local_addr().unwrap().to_string()] }));
    let settings = json!({
        "account_sid": Twilio::ACCOUNT,
        "from": Twilio::NUMBER,
        "api_base": format!("http://{}", silent.local_addr().unwrap()),
    });
    let gateway = Gateway::start(config.set("channels.sms", "settings", settings)).await;
    let client = gateway.client();
    let held = send(&client, "+15550100123", "perhaps").await;
    let mut other = message("+15550100124", "at once");
    other["channel"] = json!(OTHER.0);
    let other = id_of(&client.call("POST", "/v1/messages", Some(&other)).await.expect(202));
    status(&backend, &other, "sent").await;
    let failed = status(&backend, &held, "failed").await;
    let text = failed["data"]["reason"]["text"].as_str().unwrap();
    assert!(text.starts_with("nobody knows whether it was sent: "), "{text}");
    let all = backend.attempts();
    let at = |id: &str| all.iter().position(|d| d.event["data"]["message_id"] == id).unwrap();
    assert!(at(&other) < at(&held));
    assert_eq!(client.dead_letter().await["interaction_id"], json!(held));
}

#[tokio::test]
async fn too_many_requests_rest_the_channel() {
    let refusal = ProviderAnswer { headers: vec![("retry-after".into(), "2".into())], ..refused(429, 20429) };
    let first = std::sync::Arc::new(std::sync::Mutex::new(None));
    let noted = first.clone();
    let rule = move |_: &Call| {
        noted.lock().unwrap().get_or_insert_with(Instant::now);
        refusal.clone()
    };
    let (provider, backend) = (Provider::start(rule).await, Backend::start().await);
    let gateway = start(&provider, &backend).await;
    let one = send(&gateway.client(), "+15550100101", "1").await;
    // The refusal has come back, too: what is sent from now on is sent in its pause.
    gateway.log.line("deliveries pause").await;
    let second = std::sync::Arc::new(std::sync::Mutex::new(None));
    let noted = second.clone();
    provider.behave(move |call| {
        noted.lock().unwrap().get_or_insert_with(Instant::now);
        taken(call)
    });
    let two = send(&gateway.client(), "+15550100102", "2").await;
    for id in [&one, &two] {
        status(&backend, id, "sent").await;
    }
    // A pause that must not be shorter; longer it may be.
    let pause = second.lock().unwrap().unwrap() - first.lock().unwrap().unwrap();
    assert!(pause >= Duration::from_secs(2), "{pause:?}");
    assert_eq!(provider.calls().len(), 3, "one refusal, two messages");
}

#[tokio::test]
async fn refused_credentials_hold_the_channel_until_they_are_mended() {
    let (provider, backend) = (Provider::start(|_| refused(401, 20003)).await, Backend::start().await);
    let gateway = start(&provider, &backend).await;
    let client = gateway.client();
    let ids = [send(&client, "+15550100101", "1").await, send(&client, "+15550100102", "2").await];
    gateway.log.line("credentials are refused: deliveries wait").await;
    let channel = client.get("/v1/channels/sms").await.expect(200).json();
    assert_eq!(channel["state"], "bad-credentials", "{channel}");
    backend.wait_for("the news", |all| all.iter().any(|d| d.kind == "omnigate.channel.state").then_some(())).await;
    for id in &ids {
        let shown = client.get(&format!("/v1/messages/{id}")).await.expect(200).json();
        assert_eq!(shown["status"], "queued", "it waits: {shown}");
    }
    provider.behave(taken);
    // The operator mends the token, and reloads.
    gateway.signal("HUP");
    for id in &ids {
        provider.wait_for("the message", |calls| calls.iter().any(|call| sent(call).0 == *id).then_some(())).await;
    }
    within("the state", async {
        while gateway.client().get("/v1/channels/sms").await.expect(200).json()["state"] != "connected" {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_refused_for_good_fails_at_once_and_the_conversation_goes_on() {
    let bad = |call: &Call| if sent(call).1 == "bad" { refused(400, 21211) } else { taken(call) };
    let (provider, backend) = (Provider::start(bad).await, Backend::start().await);
    let gateway = start(&provider, &backend).await;
    let bad = send(&gateway.client(), "+15550100123", "bad").await;
    let good = send(&gateway.client(), "+15550100123", "good").await;
    let failed = status(&backend, &bad, "failed").await;
    assert_eq!(failed["data"]["reason"]["code"], "invalid-recipient", "{failed}");
    assert_eq!(failed["data"]["final"], true, "{failed}");
    status(&backend, &good, "sent").await;
    assert_eq!(provider.calls().iter().map(|call| sent(call).1).collect::<Vec<_>>(), ["bad", "good"]);
}

#[tokio::test]
async fn a_message_given_up_is_a_dead_letter_and_can_be_retried() {
    let (provider, backend) = (Provider::start(|_| refused(500, 20500)).await, Backend::start().await);
    let config =
        ConfigBuilder::new().backend("desk", &backend).twilio(&SMS, Some(&provider)).retries(&["10ms", "10ms"]);
    let gateway = Gateway::start(config).await;
    let client = gateway.client();
    let id = send(&client, "+15550100123", "Hello").await;
    status(&backend, &id, "failed").await;
    assert_eq!(provider.calls().len(), 3);
    let letter = client.dead_letter().await;
    assert_eq!((&letter["interaction_id"], &letter["subscriber"]), (&json!(id), &json!("channel:sms")), "{letter}");
    assert_eq!(letter["attempts"], 3, "{letter}");
    provider.behave(taken);
    let letter = letter["id"].as_str().unwrap();
    client.call("POST", &format!("/v1/dead-letters/{letter}/retry"), None).await.expect(202);
    provider.wait_for("the retry", |calls| (calls.len() == 4).then_some(())).await;
    assert_eq!(sent(&provider.calls()[3]), (id, "Hello".to_owned()));
    client.get(&format!("/v1/dead-letters/{letter}")).await.expect(404);
}

#[tokio::test]
async fn a_delivery_given_up_is_a_dead_letter_and_can_be_retried() {
    use crate::support::Behaviour;
    let backend = Backend::start().await;
    backend.behave(|delivery| if delivery.text == "bad" { Behaviour::Status(500) } else { Behaviour::Take });
    let config = ConfigBuilder::new().backend("desk", &backend).twilio(&SMS, None).retries(&["10ms"]);
    let gateway = Gateway::start(config).await;
    let client = gateway.client();
    SMS.sms("SM1", "+15550100123", "bad").send(&client).await.expect(200);
    let letter = client.dead_letter().await;
    assert_eq!(letter["subscriber"], "backend:desk", "{letter}");
    backend.behave(|_| Behaviour::Take);
    let id = letter["id"].as_str().unwrap();
    client.call("POST", &format!("/v1/dead-letters/{id}/retry"), None).await.expect(202);
    let delivery = backend.wait_for_text("bad").await;
    assert_eq!(delivery.id, letter["interaction_id"].as_str().unwrap());
}

#[tokio::test]
async fn an_idempotency_key_makes_one_message_of_many_requests() {
    let (provider, backend) = (Provider::start(taken).await, Backend::start().await);
    let gateway = start(&provider, &backend).await;
    let key = [("idempotency-key", "order-42")];
    let body = message("+15550100123", "once");
    let client = gateway.client();
    let together = (0..8).map(|_| client.call_with("POST", "/v1/messages", Some(&body), &key));
    let answers = futures_util::future::join_all(together).await;
    let ids: HashSet<String> = answers.into_iter().map(|answer| id_of(&answer.expect(202))).collect();
    assert_eq!(ids.len(), 1);
    let gateway = gateway.kill().start().await;
    let again = gateway.client().call_with("POST", "/v1/messages", Some(&body), &key).await.expect(202);
    assert!(ids.contains(&id_of(&again)));
    let other = message("+15550100123", "another");
    gateway.client().call_with("POST", "/v1/messages", Some(&other), &key).await.expect_problem(
        422,
        "idempotency-key-reused",
        "this Idempotency-Key was used for another request in the last 24 hours",
    );
    send(&gateway.client(), "+15550100123", "last").await;
    provider.wait_for("the last", |calls| calls.iter().any(|call| sent(call).1 == "last").then_some(())).await;
    let sent: HashSet<_> = provider.calls().iter().map(sent).filter(|(_, text)| text != "last").collect();
    assert_eq!(sent, HashSet::from([(ids.into_iter().next().unwrap(), "once".to_owned())]));
}

/// Every 202 reaches the provider, in order for each recipient; what was in flight at a kill may do so twice, under the same id.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accepted_messages_survive_kills() {
    let mut random = Random::new();
    let (provider, backend) = (Provider::start(taken).await, Backend::start().await);
    let mut gateway = start(&provider, &backend).await;
    let mut accepted: Vec<(String, String)> = Vec::new();
    for round in 0..6 {
        for number in 0..random.within(10..60) {
            let (person, client) = (number % 5, gateway.client());
            let text = format!("{person}/{}", 1000 * round + number);
            accepted.push((send(&client, &format!("+1555010020{person}"), &text).await, text));
        }
        gateway = gateway.kill().start().await;
    }
    let all = |calls: &[Call]| {
        let seen: HashSet<_> = calls.iter().map(sent).collect();
        accepted.iter().all(|message| seen.contains(message)).then_some(())
    };
    provider.wait_for("everything accepted", all).await;
    let calls: Vec<_> = provider.calls().iter().map(sent).collect();
    let known: HashSet<_> = accepted.iter().cloned().collect();
    assert!(calls.iter().all(|call| known.contains(call)), "every id keeps its text");
    for person in 0..5 {
        let prefix = format!("{person}/");
        let mut seen = HashSet::new();
        let firsts: Vec<_> = calls.iter().filter(|call| call.1.starts_with(&prefix) && seen.insert(&call.1)).collect();
        let expected: Vec<_> = accepted.iter().filter(|message| message.1.starts_with(&prefix)).collect();
        assert_eq!(firsts, expected);
    }
}
