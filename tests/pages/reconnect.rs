//! The gateway dies in the middle of a talk.

use serde_json::Value;

use crate::stage::Stage;

#[tokio::test]
async fn nothing_is_lost_doubled_or_disordered_when_the_gateway_is_killed() {
    let mut stage = Stage::start().await;
    let (visitor, agent) = (stage.visitor().await, stage.agent().await);
    visitor.say("message 1").await;
    agent.click("conversation").await;
    agent.wait_texts(&["message 1"]).await;
    for number in 2..=5 {
        visitor.say(&format!("message {number}")).await;
    }
    // Some of them are stored, some are under way, one may be stored and not acknowledged.
    let stopped = stage.gateway.kill();
    for number in 6..=8 {
        visitor.say(&format!("message {number}")).await;
    }
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
    visitor.say("message 9").await;

    let own: Vec<_> = (1..=9).map(|number| format!("message {number}")).collect();
    agent.wait("texts().includes('message 9')", Value::Null).await;
    for page in [&agent, &visitor] {
        let mut texts: Vec<String> = serde_json::from_value(page.run("return texts()", Value::Null).await).unwrap();
        assert_eq!(texts.iter().filter(|text| *text == "answer").count(), 1, "{texts:?}");
        texts.retain(|text| text != "answer");
        assert_eq!(texts, own);
    }
}
