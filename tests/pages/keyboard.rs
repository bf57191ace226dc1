//! Without a mouse.

use serde_json::{Value, json};

use crate::browser::Page;
use crate::stage::Stage;

const TAB: char = '\u{e004}';
const ENTER: char = '\u{e007}';
const ESCAPE: char = '\u{e00c}';
const FOCUSED: &str = "(root.activeElement?.dataset.role ?? null)";

/// Presses Tab until the focus is there.
async fn tab_to(page: &Page, role: &str) {
    for _ in 0..20 {
        page.press(TAB).await;
        if page.run(&format!("return {FOCUSED}"), Value::Null).await == role {
            return;
        }
    }
    panic!("Tab does not lead to {role}");
}

async fn type_text(page: &Page, text: &str) {
    for letter in text.chars() {
        page.press(letter).await;
    }
}

async fn expect_focus(page: &Page, role: &str) {
    page.wait(&format!("{FOCUSED} === args"), json!(role)).await;
}

#[tokio::test]
async fn keys_open_write_send_and_close() {
    let stage = Stage::start().await;
    stage.site.show("en", "");
    let (visitor, agent) = (stage.customer().await, stage.agent().await);
    visitor.wait("one('launcher')", Value::Null).await;
    tab_to(&visitor, "launcher").await;
    visitor.press(ENTER).await;
    expect_focus(&visitor, "input").await;
    type_text(&visitor, "by keys").await;
    visitor.press(ENTER).await;
    visitor.wait_texts(&["by keys"]).await;
    expect_focus(&visitor, "input").await;

    agent.wait("one('conversation')", Value::Null).await;
    tab_to(&agent, "conversation").await;
    agent.press(ENTER).await;
    agent.wait_texts(&["by keys"]).await;
    expect_focus(&agent, "reply").await;
    type_text(&agent, "well").await;
    agent.press(ENTER).await;
    visitor.wait_texts(&["by keys", "well"]).await;

    visitor.press(ESCAPE).await;
    visitor.wait("!one('panel')", Value::Null).await;
    expect_focus(&visitor, "launcher").await;
}
