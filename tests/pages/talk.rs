//! Words, statuses, typing, tabs.

use serde_json::{Value, json};

use crate::stage::Stage;

#[tokio::test]
async fn a_visitor_and_an_agent_talk_and_see_what_was_read() {
    let stage = Stage::start().await;
    let (visitor, agent) = (stage.visitor().await, stage.agent().await);
    visitor.say("Is my order on its way?").await;
    visitor.wait("one('message').dataset.state === 'sent'", Value::Null).await;
    agent
        .wait("/^Visitor [0-9a-f]{6}$/.test(one('conversation').querySelector('.name').textContent)", Value::Null)
        .await;
    agent.click("conversation").await;
    agent.wait_texts(&["Is my order on its way?"]).await;
    visitor.wait("one('message').dataset.state === 'read'", Value::Null).await;
    visitor.wait("/Read$/.test(one('message').querySelector('.meta').textContent)", Value::Null).await;
    agent.reply("Yes, it left this morning.").await;
    visitor.wait_texts(&["Is my order on its way?", "Yes, it left this morning."]).await;
    agent.wait("all('message').at(-1).dataset.status === 'read'", Value::Null).await;
    agent.wait("one('status').textContent === 'read'", Value::Null).await;
    assert_eq!(stage.browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_nobody_looks_at_is_delivered_and_not_read() {
    let stage = Stage::start().await;
    let (visitor, agent) = (stage.visitor().await, stage.agent().await);
    visitor.say("hello").await;
    agent.click("conversation").await;
    agent.wait_texts(&["hello"]).await;
    visitor.click("close").await;
    agent.reply("Good morning.").await;
    agent.wait("one('status')?.textContent === 'delivered'", Value::Null).await;
    visitor.wait("one('badge')?.textContent === '1'", Value::Null).await;
    visitor.click("launcher").await;
    agent.wait("one('status')?.textContent === 'read'", Value::Null).await;
    visitor.wait("!one('badge')", Value::Null).await;
}

#[tokio::test]
async fn typing_shows_on_both_sides_and_ends() {
    let stage = Stage::start().await;
    let (visitor, agent) = (stage.visitor().await, stage.agent().await);
    visitor.say("hello").await;
    agent.click("conversation").await;
    agent.wait_texts(&["hello"]).await;
    visitor.write("input", "One more").await;
    agent.wait("/is typing/.test(one('typing')?.textContent)", Value::Null).await;
    agent.wait("one('conversation').querySelector('.preview').textContent === 'typing…'", Value::Null).await;
    visitor.write("input", &"\u{e003}".repeat("One more".len())).await;
    agent.wait("!one('typing')", Value::Null).await;
    agent.write("reply", "Yes").await;
    visitor.wait("any('typing').textContent === '\u{2068}Support\u{2069} is typing'", Value::Null).await;
    agent.click("send").await;
    visitor.wait_texts(&["hello", "Yes"]).await;
    visitor.wait("any('typing').textContent === ''", Value::Null).await;
}

#[tokio::test]
async fn a_second_tab_shows_every_message_once() {
    let stage = Stage::start().await;
    let agent = stage.agent().await;
    let (one, two) = (stage.visitor().await, stage.visitor().await);
    one.say("from one").await;
    two.wait_texts(&["from one"]).await;
    two.say("from two").await;
    one.wait_texts(&["from one", "from two"]).await;
    agent.click("conversation").await;
    agent.wait_texts(&["from one", "from two"]).await;
    agent.reply("to both").await;
    let late = stage.visitor().await;
    for tab in [&one, &two, &late] {
        tab.wait_texts(&["from one", "from two", "to both"]).await;
        tab.wait(
            "all('message').filter((one) => one.dataset.state).every((one) => one.dataset.state === 'read')",
            json!(null),
        )
        .await;
    }
    assert_eq!(agent.run("return all('conversation').length", Value::Null).await, 1, "one visitor, one conversation");
}

#[tokio::test]
async fn a_click_that_has_begun_survives_news() {
    let stage = Stage::start().await;
    let (visitor, agent) = (stage.visitor().await, stage.agent().await);
    visitor.say("hello").await;
    agent.wait("globalThis.line = one('conversation')", Value::Null).await;
    visitor.say("is somebody there?").await;
    agent.wait("one('unread')?.textContent === 'unread: 2'", Value::Null).await;
    agent.run("line.click()", Value::Null).await;
    agent.wait_texts(&["hello", "is somebody there?"]).await;
    visitor.wait("all('message').every((one) => one.dataset.state === 'read')", Value::Null).await;
    assert_eq!(agent.run("return line === one('conversation') && line.ariaCurrent", Value::Null).await, "true");
}
