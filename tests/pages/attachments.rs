//! Files in both directions.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::browser::Page;
use crate::stage::Stage;

/// One red pixel.
const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";
const NAME: &str = "Façade – 7 & 8.txt";

fn write(directory: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let file = directory.join(name);
    std::fs::write(&file, bytes).unwrap();
    file
}

#[tokio::test]
async fn files_arrive_on_both_sides_byte_by_byte() {
    let (stage, files) = (Stage::start().await, tempfile::tempdir().unwrap());
    let (visitor, agent) = (stage.visitor().await, stage.agent().await);
    let picture = write(files.path(), "pixel.png", &STANDARD.decode(PIXEL).unwrap());
    visitor.pick(&picture).await;
    visitor.pick(&write(files.path(), NAME, "what is broken: ✓".as_bytes())).await;
    visitor.say("Two files").await;
    agent.click("conversation").await;
    expect_files(&agent, "what is broken: ✓").await;
    visitor.wait("one('message').dataset.state === 'read'", Value::Null).await;

    agent.pick(&picture).await;
    agent.pick(&write(files.path(), NAME, b"how to mend it")).await;
    agent.reply("Here you are").await;
    expect_files(&visitor, "how to mend it").await;
    assert_eq!(stage.browser.complaints().await, Vec::<String>::new());
}

/// The newest message shows the picture, and its file can be opened.
async fn expect_files(page: &Page, content: &str) {
    page.wait("all('message').at(-1)?.querySelector('img')?.naturalWidth === 1", Value::Null).await;
    let opened = "(async () => {
        const link = all('message').at(-1).querySelector('a.file');
        return link.querySelector('bdi').textContent === args.name && await (await fetch(link.href)).text() === args.content;
    })()";
    page.wait(opened, json!({ "name": NAME, "content": content })).await;
}
