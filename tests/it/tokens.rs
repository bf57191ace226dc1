//! Tokens of OAuth 2 for requests of a plugin.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

use crate::support::{Call, Client, ConfigBuilder, Gateway, Provider, ProviderAnswer, WhatsApp};

const CHANNEL: WhatsApp = WhatsApp("wa");

/// Gives numbered tokens, and takes messages with the newest one alone.
fn provider() -> impl FnMut(&Call) -> ProviderAnswer + Send + 'static {
    let given = AtomicUsize::new(0);
    move |call| {
        if call.path == "/token" {
            let number = given.fetch_add(1, Ordering::SeqCst) + 1;
            let body = String::from_utf8(call.body.to_vec()).unwrap();
            assert!(body.contains("grant_type=client_credentials") && body.contains("client_secret=hush"), "{body}");
            return ProviderAnswer::json(200, &json!({ "access_token": format!("token-{number}") }).to_string());
        }
        ProviderAnswer::json(200, r#"{"messages":[{"id":"wamid.1"}]}"#)
    }
}

fn config(provider: &Provider) -> ConfigBuilder {
    asking_with(provider, json!({ "grant": "client_credentials", "client_id": "gateway", "client_secret": "hush" }))
}

fn asking_with(provider: &Provider, mut oauth: Value) -> ConfigBuilder {
    oauth["token_url"] = format!("http://{}/token", provider.address()).into();
    let secrets = json!({ "access_token": { "oauth2": oauth }, "app_secret": WhatsApp::APP_SECRET });
    ConfigBuilder::new().whatsapp(&CHANNEL, Some(provider)).set("channels.wa", "secrets", secrets)
}

async fn submit(client: &Client, text: &str) {
    let to = json!({ "scheme": "tel", "value": "+15551234567" });
    let part = json!({ "type": "template", "name": "greeting", "language": "en", "parameters": [text] });
    let body = json!({ "channel": "wa", "to": to, "message": { "parts": [part] } });
    client.call("POST", "/v1/messages", Some(&body)).await.expect(202);
}

fn shown(call: &Call) -> String {
    call.headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_plugin_calls_with_a_token_that_it_never_sees() {
    let provider = Provider::start(provider()).await;
    let gateway = Gateway::start(config(&provider)).await;
    let sent = |count: usize| {
        move |calls: &[Call]| {
            let sent: Vec<_> = calls.iter().filter(|call| call.path != "/token").map(shown).collect();
            (sent.len() >= count).then_some(sent)
        }
    };
    submit(&gateway.client(), "one").await;
    provider.wait_for("the first message", sent(1)).await;
    submit(&gateway.client(), "two").await;
    let sent = provider.wait_for("the second message", sent(2)).await;
    assert_eq!(sent, ["Bearer token-1", "Bearer token-1"]);
    assert_eq!(provider.calls().iter().filter(|call| call.path == "/token").count(), 1, "one token serves both");
    assert!(!gateway.log.text().contains("token-1"));
}

#[tokio::test]
async fn a_channel_without_a_token_has_bad_credentials() {
    let provider = Provider::start(|_| ProviderAnswer::json(401, r#"{"error":"invalid_client"}"#)).await;
    let gateway = Gateway::start(config(&provider)).await;
    submit(&gateway.client(), "one").await;
    gateway.log.line("the channel's state changed").await;
    let channel = gateway.client().get("/v1/channels/wa").await.json();
    assert_eq!(channel["state"], "bad-credentials", "{channel}");
    assert!(channel["why"].as_str().unwrap().contains("invalid_client"), "{channel}");
    assert!(provider.calls().iter().all(|call| call.path == "/token"), "no message left without a token");
}

const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/config/key.pem");

/// Takes assertions that the key's owner signed for this server, and that end soon; gives numbered tokens, and takes messages
/// with those that `is_taken`.
fn asserted(is_taken: fn(&str) -> bool, lifetime: Option<u32>) -> impl FnMut(&Call) -> ProviderAnswer + Send + 'static {
    let given = AtomicUsize::new(0);
    move |call| {
        if call.path != "/token" {
            let taken = shown(call).strip_prefix("Bearer ").is_some_and(is_taken);
            return match taken {
                true => ProviderAnswer::json(200, r#"{"messages":[{"id":"wamid.1"}]}"#),
                false => ProviderAnswer::json(401, r#"{"error":{"code":190}}"#),
            };
        }
        if let Err(why) = check(call) {
            return ProviderAnswer::json(
                400,
                &json!({ "error": "invalid_grant", "error_description": why }).to_string(),
            );
        }
        let number = given.fetch_add(1, Ordering::SeqCst) + 1;
        let token = json!({ "access_token": format!("token-{number}"), "expires_in": lifetime });
        ProviderAnswer::json(200, &token.to_string())
    }
}

/// RFC 7523 section 3, with a key that the server knows.
fn check(call: &Call) -> Result<(), &'static str> {
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&call.body).into_owned().collect();
    let field = |name: &str| form.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str());
    if field("grant_type") != Some("urn:ietf:params:oauth:grant-type:jwt-bearer") || form.len() != 2 {
        return Err("another grant");
    }
    let (signed, signature) = field("assertion").and_then(|text| text.rsplit_once('.')).ok_or("no assertion")?;
    let key = RsaKeyPair::from_pkcs8(PrivatePkcs8KeyDer::from_pem_file(KEY).unwrap().secret_pkcs8_der()).unwrap();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref());
    let decoded = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| "no base64url");
    public.verify(signed.as_bytes(), &decoded(signature)?).map_err(|_| "another signature")?;
    let (header, claims) = signed.split_once('.').ok_or("no header")?;
    let [header, claims] =
        [decoded(header)?, decoded(claims)?].map(|json| serde_json::from_slice::<Value>(&json).unwrap());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let ends_soon = claims["exp"].as_u64().is_some_and(|end| (now + 1..=now + 180).contains(&end));
    let origin = format!("http://{}", call.headers["host"].to_str().unwrap());
    match () {
        () if header["alg"] != "RS256" => Err("another algorithm"),
        () if claims["aud"] != origin => Err("for somebody else"),
        () if (&claims["iss"], &claims["sub"]) != (&json!("consumer-key"), &json!("gateway@acme.example")) => {
            Err("who?")
        }
        () if !ends_soon => Err("another time"),
        () => Ok(()),
    }
}

fn signing(provider: &Provider) -> ConfigBuilder {
    let key = json!({ "file": KEY });
    let subject = "gateway@acme.example";
    asking_with(
        provider,
        json!({ "grant": "jwt-bearer", "issuer": "consumer-key", "subject": subject, "private_key": key }),
    )
}

fn tokens_shown(calls: &[Call]) -> Vec<String> {
    calls.iter().filter(|call| call.path != "/token").map(shown).collect()
}

async fn sent(provider: &Provider, count: usize) -> Vec<String> {
    let enough = |calls: &[Call]| Some(tokens_shown(calls)).filter(|tokens| tokens.len() >= count);
    provider.wait_for("messages", enough).await
}

#[tokio::test]
async fn a_token_is_given_for_what_the_gateway_signs() {
    let provider = Provider::start(asserted(|_| true, None)).await;
    let gateway = Gateway::start(signing(&provider)).await;
    submit(&gateway.client(), "one").await;
    sent(&provider, 1).await;
    submit(&gateway.client(), "two").await;
    assert_eq!(sent(&provider, 2).await, ["Bearer token-1", "Bearer token-1"]);
    let log = gateway.log.text();
    let key = std::fs::read_to_string(KEY).unwrap();
    let secrets = key.lines().chain(["token-1", "eyJ"]);
    assert_eq!(secrets.filter(|secret| log.contains(secret)).collect::<Vec<_>>(), Vec::<&str>::new());
}

#[tokio::test]
async fn a_token_that_ended_is_not_used() {
    let provider = Provider::start(asserted(|_| true, Some(0))).await;
    let gateway = Gateway::start(signing(&provider)).await;
    for number in 1..=3 {
        submit(&gateway.client(), "hello").await;
        sent(&provider, number).await;
    }
    assert_eq!(sent(&provider, 3).await, ["Bearer token-1", "Bearer token-2", "Bearer token-3"]);
}

#[tokio::test]
async fn a_token_that_the_provider_takes_no_longer_is_fetched_anew_once() {
    let provider = Provider::start(asserted(|token| token == "token-2", None)).await;
    let gateway = Gateway::start(signing(&provider)).await;
    submit(&gateway.client(), "one").await;
    assert_eq!(sent(&provider, 2).await, ["Bearer token-1", "Bearer token-2"]);
    submit(&gateway.client(), "two").await;
    assert_eq!(sent(&provider, 3).await[2], "Bearer token-2");
    let channel = gateway.client().get("/v1/channels/wa").await.expect(200).json();
    assert_eq!(channel["state"], "connected", "{channel}");
}

#[tokio::test]
async fn a_provider_that_takes_no_token_is_asked_twice_and_no_more() {
    let provider = Provider::start(asserted(|_| false, None)).await;
    let gateway = Gateway::start(signing(&provider)).await;
    submit(&gateway.client(), "one").await;
    gateway.log.line("\"state\":\"bad-credentials\"").await;
    assert_eq!(tokens_shown(&provider.calls()), ["Bearer token-1", "Bearer token-2"]);
}
