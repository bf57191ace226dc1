use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::browser::{Browser, Page};
use crate::program::Program;
use crate::support::{Backend, ConfigBuilder, Gateway, KEY, Provider, ProviderAnswer};

/// Gateway, desk, a shop that has the chat on its page, and a browser.
pub struct Stage {
    pub gateway: Gateway,
    pub site: Site,
    pub browser: Browser,
    desk: Desk,
}

/// Somebody's own web site, on another origin than the gateway.
pub struct Site {
    server: Provider,
    html: Arc<Mutex<String>>,
    widget: String,
}

struct Desk {
    url: String,
    _program: Program,
}

impl Stage {
    pub async fn start() -> Self {
        // The desk wants to know the gateway's address, and the gateway the desk's.
        let address = format!("127.0.0.1:{}", lasting_port());
        let url = format!("http://{address}");
        let (desk, site) = (Desk::start(&url).await, Site::start(&url).await);
        let config = ConfigBuilder::new()
            .set("server", "listen", address)
            .set("server", "public_url", url)
            .set("backends.desk", "url", format!("{}/interactions", desk.url))
            .set("backends.desk", "secret", Backend::SECRET)
            .set("channels.website", "adapter", "webchat")
            .set("channels.website", "settings", json!({ "title": "Shop", "allowed_origins": [site.url()] }));
        let (gateway, browser) = tokio::join!(Gateway::start(config), Browser::start());
        Self { gateway, site, browser, desk }
    }

    /// A visitor on the gateway's own page, with the chat open and connected.
    pub async fn visitor(&self) -> Page {
        let page = self.browser.open(&format!("http://{}/chat/website", self.gateway.address)).await;
        page.click("launcher").await;
        page.wait("one('status') === undefined && !any('log').matches('[aria-busy=true]')", Value::Null).await;
        page
    }

    /// A visitor on the shop's page, with the chat closed.
    pub async fn customer(&self) -> Page {
        self.browser.open(&self.site.url()).await
    }

    /// An agent who sees the list of conversations.
    pub async fn agent(&self) -> Page {
        let page = self.browser.open(&self.desk.url).await;
        page.wait("document.getElementById('live').dataset.state === 'on'", Value::Null).await;
        page
    }
}

impl Page {
    /// The visitor writes and presses Enter.
    pub async fn say(&self, text: &str) {
        self.write("input", &format!("{text}\n")).await;
    }

    /// The agent writes and sends.
    pub async fn reply(&self, text: &str) {
        self.write("reply", text).await;
        self.click("send").await;
    }
}

impl Desk {
    async fn start(gateway: &str) -> Self {
        // Cargo builds no programs of other packages for a test.
        let path = Path::new(env!("CARGO_BIN_EXE_omnigate")).with_file_name("desk");
        let mut command = Command::new(path);
        command.args(["--listen", "127.0.0.1:0", "--gateway", gateway, "--api-key", KEY, "--secret", Backend::SECRET]);
        let program = Program::start("desk", &mut command, "cargo build -p desk");
        let ready: Value = serde_json::from_str(&program.line("\"ready\"").await).unwrap();
        Self { url: format!("http://{}", ready["listen"].as_str().unwrap()), _program: program }
    }
}

impl Site {
    async fn start(gateway: &str) -> Self {
        let html = Arc::new(Mutex::new(String::new()));
        let shown = html.clone();
        let server = Provider::start(move |_| ProviderAnswer {
            status: 200,
            headers: vec![("content-type".to_owned(), "text/html; charset=utf-8".to_owned())],
            body: Bytes::from(shown.lock().unwrap().clone()),
            close: false,
        })
        .await;
        Self { server, html, widget: format!("{gateway}/chat/website/widget.js") }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// From now on the page is in this language, and calls its visitor by this name. It has no content policy.
    pub fn show(&self, lang: &str, name: &str) {
        let direction = if lang == "ar" { "rtl" } else { "ltr" };
        let name = name.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
        *self.html.lock().unwrap() = format!(
            r#"<!doctype html><html lang="{lang}" dir="{direction}"><meta charset="utf-8"><link rel="icon" href="data:,">
            <meta name="viewport" content="width=device-width, initial-scale=1"><title>Shop</title><h1>Shop</h1>
            <script src="{}" data-name="{name}" defer></script>"#,
            self.widget
        );
    }
}

/// A port below those that systems give away by themselves, so that it is still free after a restart.
fn lasting_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let spread = std::process::id() * 16 + u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(20_000 + spread % 10_000).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
