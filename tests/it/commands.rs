//! The commands that ask a gateway which runs: `dead-letters` and `tap`.

use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::{Backend, Behaviour, ConfigBuilder, Gateway, KEY, Log, Telegram, within};

const BOT: Telegram = Telegram("bot");
const NOBODY: &str = "0198c0de-0000-7000-8000-000000000001";

/// The program with these arguments, for this gateway.
fn command(gateway: &Gateway, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_omnigate"));
    command
        .args(arguments)
        .current_dir(gateway.directory())
        .env("OMNIGATE_URL", format!("http://{}", gateway.address))
        .env_remove("OMNIGATE_API_KEY");
    command
}

async fn run(mut command: Command) -> (Option<i32>, String, String) {
    let ended = tokio::task::spawn_blocking(move || command.output().unwrap());
    let Output { status, stdout, stderr } = within("the end of the command", ended).await.unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// A gateway that gave up two deliveries.
async fn with_dead_letters(backend: &Backend) -> Gateway {
    backend.behave(|delivery| if delivery.text.is_empty() { Behaviour::Take } else { Behaviour::Status(500) });
    let config = ConfigBuilder::new().retries(&[]).backend("desk", backend).telegram(&BOT, None);
    let gateway = Gateway::start(config).await;
    for (update, text) in [(1, "one"), (2, "two")] {
        BOT.text(update, update, text).send(&gateway.client()).await.expect(200);
    }
    let both = async {
        let count = async || {
            let page = gateway.client().get("/v1/dead-letters").await.expect(200).json();
            page["dead_letters"].as_array().unwrap().len()
        };
        while count().await < 2 {
            tokio::task::yield_now().await;
        }
    };
    within("two dead letters", both).await;
    gateway
}

#[tokio::test]
async fn dead_letters_are_listed_shown_retried_and_dropped() {
    let backend = Backend::start().await;
    let gateway = with_dead_letters(&backend).await;
    let (code, table, _) = run(command(&gateway, &["dead-letters", "list"])).await;
    assert_eq!((code, table.lines().count()), (Some(0), 3), "{table}");
    assert!(table.starts_with("ID  ") && table.contains("backend:desk") && table.contains("500"), "{table}");
    let (_, lines, _) =
        run(command(&gateway, &["dead-letters", "list", "--json", "--subscriber", "backend:desk"])).await;
    let letters: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let id = |n: usize| letters[n]["id"].as_str().unwrap();
    let (_, shown, _) = run(command(&gateway, &["dead-letters", "show", id(0)])).await;
    assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), letters[0]);

    backend.behave(|_| Behaviour::Take);
    let (code, said, told) = run(command(&gateway, &["dead-letters", "retry", id(0), NOBODY])).await;
    assert_eq!((code, said), (Some(1), format!("{} retried\n", id(0))), "the others go on");
    assert_eq!(told, format!("{NOBODY} there is no dead letter {NOBODY} (404)\n1 retried, 1 not\n"));
    backend
        .wait_for("the retry", |all| {
            all.iter().any(|d| d.behaviour == Behaviour::Take && !d.text.is_empty()).then_some(())
        })
        .await;
    let (code, said, _) = run(command(&gateway, &["dead-letters", "drop", "--subscriber", "backend:desk"])).await;
    assert_eq!((code, said), (Some(0), format!("{} dropped\n", id(1))));
    let (code, said, told) = run(command(&gateway, &["dead-letters", "list"])).await;
    assert_eq!((code, &*said, &*told), (Some(0), "", "there are no dead letters\n"));
}

#[tokio::test]
async fn what_is_wrong_is_told_with_a_way_out() {
    let gateway = Gateway::start(ConfigBuilder::new().key("narrow", "narrow-key-0123456789", &["contacts"])).await;
    let list = ["dead-letters", "list"];
    let told = async |change: fn(&mut Command) -> &mut Command| {
        let mut command = command(&gateway, &list);
        change(&mut command);
        let (code, said, told) = run(command).await;
        assert_eq!((code, &*said), (Some(1), ""), "{told}");
        told
    };
    let closed = told(|command| command.env("OMNIGATE_URL", "http://127.0.0.1:1/")).await;
    let way = "is the gateway running? --url or OMNIGATE_URL names another one\n";
    assert_eq!(closed, format!("omnigate: http://127.0.0.1:1/: no connection: {way}"));
    let unknown = told(|command| command.env("OMNIGATE_API_KEY", "another-key-0123456789")).await;
    assert_eq!(unknown, "omnigate: this API key is not known: --key-file or OMNIGATE_API_KEY gives another key\n");
    let narrow = told(|command| command.env("OMNIGATE_API_KEY", "narrow-key-0123456789")).await;
    assert_eq!(narrow, "omnigate: this API key lacks the scope \"admin\" (403)\n");
    let nowhere = told(|command| command.env_remove("OMNIGATE_URL")).await;
    assert!(
        nowhere.contains("server.listen has no fixed port: name the address with --url or OMNIGATE_URL"),
        "{nowhere}"
    );
    let keyless = told(|command| command.args(["--config", "nothing.toml"])).await;
    assert!(keyless.contains("no API key: give one with --key-file or OMNIGATE_API_KEY"), "{keyless}");
    let scheme = told(|command| command.args(["--url", "ftp://127.0.0.1/"])).await;
    assert_eq!(scheme, "omnigate: ftp://127.0.0.1/: must begin with http:// or https://\n");
    std::fs::write(gateway.directory().join("key"), format!("{KEY}\n")).unwrap();
    let mut with_file = command(&gateway, &list);
    with_file.args(["--key-file", "key", "--config", "nothing.toml"]);
    assert_eq!(run(with_file).await.0, Some(0));
}

/// Ends with its test.
struct Following(Child, Log);

impl Following {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let said = Log::follow(child.stdout.take().unwrap());
        Self(child, said)
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// In a pipe: JSON lines, without what people wrote.
#[tokio::test]
async fn tap_follows_through_a_restart_and_shows_content_to_those_who_ask() {
    let gateway = Gateway::start(ConfigBuilder::new().telegram(&BOT, None)).await;
    let outline = Following::start(command(&gateway, &["tap", "--type", "message.received"]));
    let content = Following::start(command(&gateway, &["tap", "--channel", "bot", "--content"]));
    let (outline, content) = (&outline.1, &content.1);
    // Until both follow: what comes before is not theirs.
    let mut update = 0;
    let both = async {
        while outline.count("message.received") == 0 || content.count("message.received") == 0 {
            update += 1;
            BOT.text(update, 1, "before").send(&gateway.client()).await.expect(200);
            tokio::task::yield_now().await;
        }
    };
    within("both follow", both).await;
    gateway.signal("HUP");
    gateway.log.line("the configuration is exchanged").await;
    BOT.text(10_000, 1, "my words").send(&gateway.client()).await.expect(200);
    let line: Value = serde_json::from_str(&content.line("my words").await).unwrap();
    let id = line["id"].as_str().unwrap();
    let shown: Value = serde_json::from_str(&outline.line(id).await).unwrap();
    assert_eq!((&shown["type"], &shown["channel"]), (&json!("omnigate.message.received"), &json!("bot")));
    assert_eq!(shown["conversation_id"], line["data"]["conversation"]["id"]);
    assert!(outline.count(id) == 1 && outline.count("my words") == 0, "{}", outline.text());
    assert_eq!(outline.count("conversation.opened"), 0, "only what was asked for");
    let refused = run(command(&gateway, &["tap", "--after", NOBODY])).await;
    assert_eq!(refused.0, Some(1), "{}", refused.2);
}
