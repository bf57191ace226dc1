use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program::Program;
use crate::support::Client;

const ADVICE: &str = "install the Debian packages chromium and chromium-driver";
/// How long a condition may take to come true in a page, in milliseconds. Only a test that fails uses it up.
const PATIENCE_MS: u32 = 30_000;
/// The key under which WebDriver names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// What every script may use: `all`, `one` and `any` find elements by `data-role`, in the widget or in the desk.
const PRELUDE: &str = r#"
const root = document.querySelector('omnigate-chat')?.shadowRoot ?? document;
const any = (role) => root.querySelector(`[data-role="${role}"]`);
const all = (role) => [...root.querySelectorAll(`[data-role="${role}"]`)].filter((one) => one.checkVisibility());
const one = (role) => all(role)[0];
const texts = () => all('message').map((one) => one.querySelector('.body').textContent);
"#;

/// One Chromium with a profile of its own, spoken to by WebDriver (<https://www.w3.org/TR/webdriver2/>).
#[derive(Clone)]
pub struct Browser(Arc<Session>);

struct Session {
    client: Client,
    path: String,
    // Ends before its profile is removed.
    _driver: Program,
    _profile: TempDir,
}

/// One window.
pub struct Page {
    browser: Browser,
    window: String,
}

impl Browser {
    pub async fn start() -> Self {
        let chromium = in_path("chromium").unwrap_or_else(|| panic!("chromium is missing: {ADVICE}"));
        let (driver, port) = start_driver().await;
        let client = Client::of(SocketAddr::from(([127, 0, 0, 1], port)));
        let profile = tempfile::tempdir().unwrap();
        let wishes = json!({ "capabilities": { "alwaysMatch": capabilities(&chromium, profile.path()) } });
        let session = command(&client, "POST", "/session", &wishes).await;
        let path = format!("/session/{}", session["sessionId"].as_str().unwrap());
        Self(Arc::new(Session { client, path, _driver: driver, _profile: profile }))
    }

    /// Opens an address in a window of its own: a tab in the background would not count as seen.
    pub async fn open(&self, url: &str) -> Page {
        let window = self.post("/window/new", json!({ "type": "window" })).await;
        let page = Page { browser: self.clone(), window: window["handle"].as_str().unwrap().to_owned() };
        page.goto(url).await;
        page
    }

    /// What any page complained of so far.
    pub async fn complaints(&self) -> Vec<String> {
        let entries = self.post("/se/log", json!({ "type": "browser" })).await;
        entries.as_array().unwrap().iter().map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        command(&self.0.client, "POST", &format!("{}{path}", self.0.path), &body).await
    }
}

/// A driver and the port on which it listens. It looks for a port that is free in IPv6, takes it in IPv4 too, and ends where
/// that is not free: then another one is started.
async fn start_driver() -> (Program, u16) {
    loop {
        let driver = Program::start("chromedriver", Command::new("chromedriver").arg("--port=0"), ADVICE);
        let line = driver.line_of(&["started successfully on port", "port not available"]).await;
        if let Ok(port) = line.trim_end_matches('.').rsplit(' ').next().unwrap().parse() {
            return (driver, port);
        }
    }
}

impl Page {
    pub async fn goto(&self, url: &str) {
        self.post("/url", json!({ "url": url })).await;
    }

    /// Runs the body of an asynchronous function; `args` is there by that name.
    pub async fn run(&self, script: &str, args: Value) -> Value {
        let script = format!("{PRELUDE} const args = arguments[0]; return (async () => {{ {script} }})();");
        self.post("/execute/sync", json!({ "script": script, "args": [args] })).await
    }

    /// Waits until the expression is true in the page, and gives its value. The page itself looks every 20 ms.
    pub async fn wait(&self, condition: &str, args: Value) -> Value {
        let script = format!(
            "const deadline = Date.now() + {PATIENCE_MS};
             for (;;) {{
               const value = await (async () => ({condition}))().catch((error) => {{ globalThis.__why = error; }});
               if (value) return {{ value }};
               if (Date.now() > deadline) return {{ late: `${{globalThis.__why ?? ''}}\n${{(root.body ?? root).textContent}}` }};
               await new Promise((done) => setTimeout(done, 20));
             }}"
        );
        let mut answer = self.run(&script, args.clone()).await;
        let late = answer["late"].as_str();
        assert!(late.is_none(), "did not come true: {condition} with {args}; the page shows: {}", late.unwrap());
        answer["value"].take()
    }

    /// Waits until the messages in sight are exactly these.
    pub async fn wait_texts(&self, wanted: &[&str]) {
        self.wait("JSON.stringify(texts()) === JSON.stringify(args)", json!(wanted)).await;
    }

    /// Clicks what has this role as soon as it is there.
    pub async fn click(&self, role: &str) {
        let element = self.element("one(args)", role).await;
        self.post(&format!("/element/{element}/click"), json!({})).await;
    }

    /// Types into what has this role.
    pub async fn write(&self, role: &str, text: &str) {
        let element = self.element("one(args)", role).await;
        self.post(&format!("/element/{element}/value"), json!({ "text": text })).await;
    }

    /// Picks a file, as with the system's dialogue.
    pub async fn pick(&self, file: &Path) {
        let element = self.element("any(args)", "file").await;
        self.post(&format!("/element/{element}/value"), json!({ "text": file.to_str().unwrap() })).await;
    }

    /// Presses and releases one key, wherever the focus is.
    pub async fn press(&self, key: char) {
        let strokes = json!([{ "type": "keyDown", "value": key }, { "type": "keyUp", "value": key }]);
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": strokes });
        self.post("/actions", json!({ "actions": [keyboard] })).await;
    }

    /// The Chrome DevTools command of that name.
    pub async fn devtools(&self, name: &str, parameters: Value) {
        self.post("/goog/cdp/execute", json!({ "cmd": name, "params": parameters })).await;
    }

    async fn element(&self, find: &str, role: &str) -> String {
        self.wait(find, json!(role)).await[ELEMENT].as_str().unwrap().to_owned()
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.browser.post("/window", json!({ "handle": self.window })).await;
        self.browser.post(path, body).await
    }
}

fn capabilities(chromium: &str, profile: &Path) -> Value {
    let profile = format!("--user-data-dir={}", profile.display());
    let arguments = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--lang=en",
        &profile,
    ];
    json!({
        "goog:chromeOptions": { "binary": chromium, "args": arguments },
        "goog:loggingPrefs": { "browser": "WARNING" },
        "timeouts": { "script": 2 * PATIENCE_MS, "pageLoad": PATIENCE_MS },
    })
}

/// One command of WebDriver, which must succeed.
async fn command(client: &Client, method: &str, path: &str, body: &Value) -> Value {
    let headers = [("content-type".to_owned(), "application/json".to_owned())];
    let answer = client.request(method, path, &headers, body.to_string().into()).await.unwrap();
    let mut json = answer.json();
    assert_eq!(answer.status, 200, "{method} {path}: {}: {}", json["value"]["error"], json["value"]["message"]);
    json["value"].take()
}

fn in_path(program: &str) -> Option<String> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|directory| directory.join(program)).find(|file| file.is_file())?;
    Some(found.to_str()?.to_owned())
}
