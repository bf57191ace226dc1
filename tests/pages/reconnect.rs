//! The gateway dies in the middle of a talk.

use serde_json::{Value, json};

use crate::stage::Stage;

/// Writes and sends, faster than anybody could type.
const WRITE: &str = "for (let number = args.from; number <= args.to; number++) {
    any('input').value = `message ${number}`;
    any('input').dispatchEvent(new Event('input'));
    any('send').click();
}";

#[tokio::test]
async fn nothing_is_lost_doubled_or_disordered_when_the_gateway_is_killed() {
    let mut stage = Stage::start().await;
    let (visitor, agent) = (stage.visitor().await, stage.agent().await);
    visitor.say("message 1").await;
    agent.click("conversation").await;
    agent.wait_texts(&["message 1"]).await;
    visitor.run(WRITE, json!({ "from": 2, "to": 20 })).await;
    visitor.wait("['sent', 'read'].includes(all('message')[4].dataset.state)", Value::Null).await;
    // Some of them are stored, one is under way or stored and not acknowledged, the rest waits.
    let stopped = stage.gateway.kill();
    visitor.run(WRITE, json!({ "from": 21, "to": 24 })).await;
    agent.reply("answer").await;
    agent.wait("/^Not sent: /.test(one('notice')?.textContent)", Value::Null).await;
    visitor.wait("/No connection/.test(one('status')?.textContent)", Value::Null).await;
    stage.gateway = stopped.start().await;
    agent.click("send").await;
    agent.wait("!one('notice')", Value::Null).await;
    visitor.wait("texts().includes('answer')", Value::Null).await;
    visitor
        .wait("all('message').every((one) => !['sending', 'failed'].includes(one.dataset.state))", Value::Null)
        .await;
    visitor.say("message 25").await;

    let own: Vec<_> = (1..=25).map(|number| format!("message {number}")).collect();
    agent.wait("texts().includes('message 25')", Value::Null).await;
    for page in [&agent, &visitor] {
        let mut texts: Vec<String> = serde_json::from_value(page.run("return texts()", Value::Null).await).unwrap();
        assert_eq!(texts.iter().filter(|text| *text == "answer").count(), 1, "{texts:?}");
        texts.retain(|text| text != "answer");
        assert_eq!(texts, own);
    }
}
