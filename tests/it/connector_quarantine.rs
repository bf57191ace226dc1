//! Connectors that break: what the CRM told is kept and comes later, and who broke one harms nobody else.

use serde_json::{Value, json};

use crate::support::{Answer, Backend, Client, ConfigBuilder, Gateway, Twilio};

const SMS: Twilio = Twilio("sms");
const ANN: &str = "+15550100123";
const TOKEN: &str = "whoever-knows-it-is-the-crm";

fn config() -> ConfigBuilder {
    ConfigBuilder::new()
        .twilio(&SMS, None)
        .retries(&["100ms"; 3])
        .set("plugins.limits", "quarantine", 3)
        .set("connectors.crm", "plugin", "clumsy")
        .set("connectors.crm", "secrets", json!({ "token": TOKEN }))
}

fn mended() -> ConfigBuilder {
    config().set("connectors.crm", "settings", json!({ "mended": true }))
}

/// The CRM tells who owns a contact now.
async fn tells(client: &Client, path: &str, token: &str, contact: &str, owner: &str) -> Answer {
    let body = json!({"contact": contact, "attributes": {"owner": owner}}).to_string();
    let headers = [("x-token".to_owned(), token.to_owned())];
    client.request("POST", &format!("/connectors/crm/{path}"), &headers, body.into()).await.unwrap()
}

async fn kept(client: &Client) -> Vec<Value> {
    client.get("/v1/dead-letters").await.expect(200).json()["dead_letters"].as_array().unwrap().clone()
}

/// Writes, and gives the contact's id and what is known of it.
async fn says(gateway: &Gateway, backend: &Backend, sid: &str) -> (String, Value) {
    SMS.sms(sid, ANN, sid).send(&gateway.client()).await.expect(200);
    let contact = backend.wait_for_text(sid).await.event["data"]["contact"].clone();
    (contact["id"].as_str().unwrap().to_owned(), contact["attributes"]["crm"]["owner"].clone())
}

#[tokio::test]
async fn what_a_crm_told_while_its_connector_was_broken_comes_when_that_is_mended() {
    let backend = Backend::start().await;
    let gateway = Gateway::start(config().backend("desk", &backend)).await;
    let client = gateway.client();
    let (contact, owner) = says(&gateway, &backend, "SM1").await;
    assert_eq!(owner, "Lee");
    tells(&client, "trap", "somebody-else", &contact, "Max").await.expect(401);
    tells(&client, "invalid", TOKEN, &contact, "Max").await.expect(400);
    assert_eq!(kept(&client).await, Vec::<Value>::new(), "neither what is forged nor what is wrong is kept");
    assert_eq!(tells(&client, "trap", TOKEN, &contact, "Max").await.expect(200).body, "");
    assert_eq!(tells(&client, "internal", TOKEN, &contact, "Eve").await.expect(200).body, "");
    gateway.log.line("an authentic request is kept in quarantine").await;

    let letters = kept(&client).await;
    let shown = |letter: &Value| (letter["kind"].clone(), letter["subscriber"].clone(), letter["reason"].clone());
    assert_eq!(shown(&letters[1]), (json!("request"), json!("requests:connector:crm"), json!("it knows no better")));
    assert_eq!(letters[0]["request"]["path"], "/trap");
    let counts = &client.get("/v1/connectors/crm").await.expect(200).json()["counts"];
    assert_eq!((&counts["quarantined"], &counts["broken"], &counts["refused"]), (&json!(2), &json!(1), &json!(2)));
    let metrics = String::from_utf8(client.get("/metrics").await.expect(200).body.to_vec()).unwrap();
    let metric = "omnigate_connector_events_total{connector=\"crm\",event=\"quarantined\"} 2";
    assert!(metrics.contains(metric), "{metrics}");
    assert!(metrics.contains("omnigate_connector_quarantine_entries{connector=\"crm\"} 2"), "{metrics}");
    let aside = client.get("/v1/connectors/crm").await.expect(200).json()["quarantine"].clone();
    assert_eq!((&aside["entries"], &aside["full"]), (&json!(2), &json!(false)));

    let retry = |letter: &Value| format!("/v1/dead-letters/{}/retry", letter["id"].as_str().unwrap());
    client.call("POST", &retry(&letters[0]), None).await.expect(409);
    assert_eq!(kept(&client).await[0]["attempts"], 2);

    let (_, stopped) = gateway.terminate().await;
    let gateway = stopped.start_with(mended().backend("desk", &backend)).await;
    let client = gateway.client();
    for letter in &letters {
        client.call("POST", &retry(letter), None).await.expect(202);
    }
    assert_eq!(kept(&client).await, Vec::<Value>::new());
    assert_eq!(says(&gateway, &backend, "SM2").await.1, "Eve", "the last change counts");
}

#[tokio::test]
async fn only_so_many_requests_of_a_connector_are_kept_and_a_dropped_one_makes_room() {
    let gateway = Gateway::start(config()).await;
    let client = gateway.client();
    for _ in 0..3 {
        tells(&client, "trap", TOKEN, "nobody", "Max").await.expect(200);
    }
    tells(&client, "trap", TOKEN, "nobody", "Max").await.expect(503);
    let letter = kept(&client).await[0]["id"].as_str().unwrap().to_owned();
    client.call("DELETE", &format!("/v1/dead-letters/{letter}"), None).await.expect(204);
    tells(&client, "trap", TOKEN, "nobody", "Max").await.expect(200);
    assert_eq!(kept(&client).await.len(), 3);
}

#[tokio::test]
async fn an_interaction_that_breaks_a_connector_takes_no_other_with_it() {
    const PEOPLE: usize = 20;
    let gateway = Gateway::start(config()).await;
    let client = gateway.client();
    for person in 0..PEOPLE {
        let text = if person == 7 { "trap" } else { "hello" };
        SMS.sms(&format!("SM{person}"), &format!("+155501001{person:02}"), text).send(&client).await.expect(200);
    }
    SMS.sms("SM-last", "+15550100107", "hello again").send(&client).await.expect(200);
    // Hers comes after what was given up.
    gateway.log.lines("one was taken", PEOPLE).await;
    let (_, stopped) = gateway.terminate().await;
    let letters = kept(&stopped.start_with(mended()).await.client()).await;
    assert_eq!(letters.len(), 1, "{letters:#?}");
    assert_eq!((&letters[0]["subscriber"], &letters[0]["attempts"]), (&json!("connector:crm"), &json!(4)));
}
