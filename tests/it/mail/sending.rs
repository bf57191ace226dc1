use serde_json::{Value, json};

use super::dovecot::Dovecot;
use super::postfix::Postfix;
use super::{CHANNEL, wait_for_state, wait_until};
use crate::support::{Backend, Client, ConfigBuilder, Gateway};

async fn submit(client: &Client, to: &str, text: &str, more: Value) -> String {
    let mut body = json!({
        "channel": CHANNEL, "to": { "scheme": "email", "value": to }, "message": { "parts": [{ "type": "text", "text": text }] },
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let answer = client.call("POST", "/v1/messages", Some(&body)).await.expect(202);
    answer.json()["id"].as_str().unwrap().to_owned()
}

async fn wait_for_status(client: &Client, id: &str, status: &str) -> Value {
    let path = format!("/v1/messages/{id}");
    wait_until(&format!("status {status}"), client, &path, |message| message["status"] == status).await
}

#[tokio::test]
async fn letters_go_out_over_every_kind_of_connection() {
    let dovecot = Dovecot::start();
    let postfix = Postfix::start(&dovecot);
    let kinds = [("implicit", postfix.tls), ("starttls", postfix.plain), ("none", postfix.plain)];
    for (count, (tls, port)) in kinds.into_iter().enumerate() {
        let config = postfix.channel(&dovecot, ConfigBuilder::new(), json!({ "tls": tls, "port": port }));
        let gateway = Gateway::start(config).await;
        let id = submit(&gateway.client(), "ann@example.com", tls, json!({})).await;
        let message = wait_for_status(&gateway.client(), &id, "sent").await;
        assert_eq!(message["external_ids"], json!([format!("{id}@postbox.example")]), "names are no ids");
        let letters = postfix.wait_for_letters(count + 1).await;
        let letter = letters.iter().find(|letter| letter.contains(&id)).unwrap();
        assert!(
            letter.contains("Return-Path: <support@example.com>") && letter.ends_with(&format!("\n{tls}\n")),
            "{letter}"
        );
        assert_eq!(letter.contains("with ESMTPSA"), tls != "none", "{letter}");
    }
}
