use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use serde_json::{Value, json};

use super::dovecot::{Dovecot, USER, mail};
use super::postfix::Postfix;
use super::sending::{submit, wait_for_status};
use super::{CHANNEL, wait_for_channel, wait_for_state, wait_until};
use crate::support::{Call, ConfigBuilder, Gateway, Provider, ProviderAnswer};

fn answer(status: u16, body: &Value) -> ProviderAnswer {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    ProviderAnswer { status, headers, body: Bytes::from(body.to_string()), close: false }
}

/// Gives a new refresh token with every token, takes only the newest one, and says which tokens are good.
fn server() -> impl FnMut(&Call) -> ProviderAnswer + Send + 'static {
    server_after(0)
}

/// The same once it gave so many, which it has all taken back.
fn server_after(taken_back: usize) -> impl FnMut(&Call) -> ProviderAnswer + Send + 'static {
    let given = AtomicUsize::new(taken_back);
    move |call| {
        let newest = given.load(Ordering::SeqCst);
        if call.path.starts_with("/introspect") {
            let shown = call.headers["authorization"].to_str().unwrap();
            let active = newest > taken_back && shown == format!("Bearer access-{newest}");
            return answer(if active { 200 } else { 401 }, &json!({ "active": active, "username": USER }));
        }
        let form = String::from_utf8(call.body.to_vec()).unwrap();
        if !form.contains(&format!("refresh_token=refresh-{newest}")) || !form.contains("client_secret=hush") {
            return answer(400, &json!({ "error": "invalid_grant", "error_description": "of ann@example.com" }));
        }
        given.store(newest + 1, Ordering::SeqCst);
        let (access, refresh) = (format!("access-{}", newest + 1), format!("refresh-{}", newest + 1));
        answer(200, &json!({ "access_token": access, "refresh_token": refresh, "expires_in": 3600 }))
    }
}

fn with_tokens(dovecot: &Dovecot, server: &Provider, refresh_token: &str) -> ConfigBuilder {
    let config = dovecot.channel(ConfigBuilder::new(), json!({ "from": "all" }));
    config.set(&format!("channels.{CHANNEL}"), "secrets", secrets(server, refresh_token))
}

fn secrets(server: &Provider, refresh_token: &str) -> Value {
    json!({ "oauth": { "oauth2": {
        "token_url": format!("http://{}/token", server.address()), "grant": "refresh_token",
        "client_id": "gateway", "client_secret": "hush", "refresh_token": refresh_token,
    }}})
}

#[tokio::test]
async fn a_mailbox_is_read_with_tokens_that_the_gateway_renews() {
    let tokens = Provider::start(server()).await;
    let dovecot = Dovecot::with_tokens(tokens.address());
    dovecot.deliver(&[mail("read with a token", "ann@example.com", "")]);
    let gateway = Gateway::start(with_tokens(&dovecot, &tokens, "refresh-0")).await;
    wait_for_state(&gateway.client(), "connected").await;
    let path = "/v1/interactions?type=message.received";
    let has_one = |page: &Value| page["interactions"].as_array().unwrap().len() == 1;
    wait_until("the mail", &gateway.client(), path, has_one).await;
    let fetched = |calls: &[Call]| calls.iter().filter(|call| call.path == "/token").count();
    assert_eq!(fetched(&tokens.calls()), 1);
    let gateway = gateway.kill().start().await;
    wait_for_state(&gateway.client(), "connected").await;
    assert_eq!(fetched(&tokens.calls()), 2, "the refresh token that was given last is kept");
    assert!(!gateway.log.text().contains("access-") && !gateway.log.text().contains("refresh-"));
}

#[tokio::test]
async fn a_refused_token_shows_and_heals() {
    let tokens = Provider::start(server()).await;
    let dovecot = Dovecot::with_tokens(tokens.address());
    let mut gateway = Gateway::start(with_tokens(&dovecot, &tokens, "wrong")).await;
    let refused = wait_for_state(&gateway.client(), "bad-credentials").await;
    assert_eq!(refused["why"], "the token server answers 400 invalid_grant");
    gateway.rewrite(with_tokens(&dovecot, &tokens, "refresh-0"));
    gateway.signal("HUP");
    wait_for_state(&gateway.client(), "connected").await;
    tokens.behave(|_| answer(503, &json!({})));
    let gateway = gateway.kill().start().await;
    let away = wait_for_channel("no token", &gateway.client(), |channel| {
        channel["why"].as_str().is_some_and(|why| why.contains("503"))
    })
    .await;
    assert_eq!(away["state"], "degraded", "{away}");
}

#[tokio::test]
async fn letters_go_out_with_tokens_that_the_gateway_renews() {
    let tokens = Provider::start(server()).await;
    let dovecot = Dovecot::with_tokens(tokens.address());
    let mut postfix = Postfix::start(&dovecot);
    let config = postfix.channel(&dovecot, ConfigBuilder::new(), json!({})).retries(&["1s"; 50]);
    let config = config.set(&format!("channels.{CHANNEL}"), "secrets", secrets(&tokens, "refresh-0"));
    let gateway = Gateway::start(config).await;
    let client = gateway.client();
    let first = submit(&client, "ann@example.com", "with a token", json!({})).await;
    wait_for_status(&client, &first, "sent").await;
    assert!(postfix.wait_for_letters(1).await[0].contains("with ESMTPSA"), "it was logged in");
    let shown = |calls: &[Call], token: &str| {
        calls.iter().any(|call| {
            call.path.starts_with("/introspect") && call.headers["authorization"] == format!("Bearer {token}")
        })
    };
    assert!(shown(&tokens.calls(), "access-1"));
    // The connection that is kept ends, and the token is taken back before its time.
    tokens.behave(server_after(1));
    postfix.stop();
    postfix.resume();
    let second = submit(&client, "ann@example.com", "with the next one", json!({})).await;
    wait_for_status(&client, &second, "sent").await;
    assert!(shown(&tokens.calls(), "access-2"));
    wait_for_state(&client, "connected").await;
    assert!(!gateway.log.text().contains("access-") && !gateway.log.text().contains("refresh-"));
}
