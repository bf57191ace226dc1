//! Customers' files: fetched with the channel's credentials, kept once, served safely.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use url::Url;

use crate::support::{Backend, Call, Client, ConfigBuilder, Delivery, Gateway, Provider, ProviderAnswer, Twilio};

const SMS: Twilio = Twilio("sms");
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and so on";
/// `AC...11:0123456789abcdef0123456789abcdef`
const BASIC: &str =
    "Basic QUMwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAxMTowMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZg==";

struct Scene {
    gateway: Gateway,
    backend: Backend,
    provider: Provider,
}

impl Scene {
    async fn new(rule: impl FnMut(&Call) -> ProviderAnswer + Send + 'static) -> Self {
        let (backend, provider) = (Backend::start().await, Provider::start(rule).await);
        let config = ConfigBuilder::new().backend("desk", &backend).twilio(&SMS, Some(&provider));
        let config = config.set("media", "bytes_max", "1KiB").retries(&["100ms"; 10]);
        Self { gateway: Gateway::start(config).await, backend, provider }
    }

    /// An MMS with one file at the provider; gives the file's address in the backend's event, below the gateway.
    async fn receive(&self, sid: &str, content_type: &str) -> String {
        self.receive_all(sid, content_type, &[sid]).await.remove(0)
    }

    /// The same with several.
    async fn receive_all(&self, sid: &str, content_type: &str, files: &[&str]) -> Vec<String> {
        let number = files.len().to_string();
        let url = |name: &&str| format!("http://{}/files/{name}", self.provider.address());
        let media: Vec<_> = files.iter().map(url).enumerate().collect();
        let media: Vec<_> = media
            .into_iter()
            .flat_map(|(n, url)| [(format!("MediaUrl{n}"), url), (format!("MediaContentType{n}"), content_type.into())])
            .collect();
        let mut fields = vec![
            ("AccountSid", Twilio::ACCOUNT),
            ("MessageSid", sid),
            ("From", "+15550100123"),
            ("To", Twilio::NUMBER),
            ("NumMedia", &number),
            ("Body", sid),
        ];
        fields.extend(media.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        SMS.form(&fields).send(&self.gateway.client()).await.expect(200);
        let is_it = |delivery: &&Delivery| delivery.event["data"]["external_ids"][0] == sid;
        let event = self.backend.wait_for(sid, |all| all.iter().find(is_it).cloned()).await.event;
        let parts = event["data"]["message"]["parts"].as_array().unwrap().clone();
        let address = |part: &Value| {
            let address: Url = part["url"].as_str().unwrap().parse().unwrap();
            format!("{}?{}", address.path(), address.query().unwrap())
        };
        parts.iter().filter(|part| part["type"] == "media").map(address).collect()
    }

    /// Without a key: the address alone opens it.
    fn stranger(&self) -> Client {
        self.gateway.client().with_key("")
    }
}

fn file(content_type: &str, body: &'static [u8]) -> ProviderAnswer {
    let headers = vec![("content-type".to_owned(), content_type.to_owned())];
    ProviderAnswer { status: 200, headers, body: Bytes::from_static(body), close: false }
}

#[tokio::test]
async fn a_file_is_fetched_with_the_channels_credentials_and_served_to_holders_of_its_address() {
    let scene = Scene::new(|_| file("image/png", PNG)).await;
    let path = scene.receive("MM1", "image/png").await;
    let served = scene.stranger().get(&path).await.expect(200);
    assert_eq!(served.body, PNG);
    assert_eq!(served.header("content-type"), Some("image/png"));
    assert_eq!(served.header("x-content-type-options"), Some("nosniff"));
    let asked = scene.provider.calls();
    assert_eq!(asked.len(), 1, "fetched once");
    assert_eq!(asked[0].headers.get("authorization").unwrap(), BASIC);
    let (address, _) = path.split_once("&signature=").unwrap();
    scene.stranger().get(&format!("{address}&signature=00")).await.expect(403);
}

#[tokio::test]
async fn a_provider_that_fails_at_first_is_asked_again_while_the_reader_waits() {
    let mut asked = 0;
    let scene = Scene::new(move |_| {
        asked += 1;
        if asked < 3 { ProviderAnswer::json(500, "{}") } else { file("image/png", PNG) }
    })
    .await;
    let path = scene.receive("MM2", "image/png").await;
    assert_eq!(scene.stranger().get(&path).await.expect(200).body, PNG);
    assert_eq!(scene.provider.calls().len(), 3);
}

#[tokio::test]
async fn a_file_that_lies_about_itself_is_offered_for_download_only() {
    let scene = Scene::new(|_| file("text/html", b"<script>alert(1)</script>")).await;
    let path = scene.receive("MM3", "text/html").await;
    let served = scene.stranger().get(&path).await.expect(200);
    assert_eq!(served.header("content-type"), Some("application/octet-stream"));
    assert!(served.header("content-disposition").unwrap().starts_with("attachment"));
    assert_eq!(served.header("content-security-policy"), Some("default-src 'none'; sandbox"));
}

#[tokio::test]
async fn a_file_that_is_too_large_or_gone_is_told_to_be_missing_for_good() {
    let scene = Scene::new(|call| match call.path.as_str() {
        "/files/MM4" => file("image/png", &[0; 2048]),
        _ => ProviderAnswer::json(404, "{}"),
    })
    .await;
    let large = scene.receive("MM4", "image/png").await;
    let detail = "the file could not be fetched: the file has more than 1024 bytes (media.bytes_max)";
    scene.stranger().get(&large).await.expect_problem(410, "media-failed", detail);
    let gone = scene.receive("MM5", "image/png").await;
    let detail = "the file could not be fetched: the provider answered 404 Not Found";
    scene.stranger().get(&gone).await.expect_problem(410, "media-failed", detail);
}

#[tokio::test]
async fn every_file_that_is_given_up_is_told_to_be_missing() {
    let scene = Scene::new(|_| ProviderAnswer::json(500, "{}")).await;
    let paths = scene.receive_all("MM6", "image/png", &["one", "two", "three"]).await;
    scene.gateway.client().dead_letter().await;
    for path in paths {
        let detail = "the file could not be fetched: the provider answered 500 Internal Server Error";
        scene.stranger().get(&path).await.expect_problem(410, "media-failed", detail);
    }
}

#[tokio::test]
async fn a_file_that_was_announced_before_a_kill_comes_after_it() {
    let scene = Scene::new(|_| ProviderAnswer::json(500, "{}")).await;
    let path = scene.receive("MM6", "image/png").await;
    let Scene { gateway, provider, .. } = scene;
    let stopped = gateway.kill();
    provider.behave(|_| file("image/png", PNG));
    let gateway = stopped.start().await;
    let served = tokio::time::timeout(Duration::from_secs(20), gateway.client().get(&path)).await.unwrap();
    assert_eq!(served.expect(200).body, PNG);
}
