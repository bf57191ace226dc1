use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::dovecot::{Dovecot, PASSWORD, Port, mail};
use super::news::News;
use super::{CHANNEL, mend, wait_for_channel, wait_for_state, wait_until_seen};
use crate::support::{Backend, Client, ConfigBuilder, Gateway, PATIENCE};

/// Texts of the messages that are in the log, each with how often it is there.
async fn logged(client: &Client) -> BTreeMap<String, usize> {
    let mut texts = BTreeMap::new();
    let mut after = String::new();
    loop {
        let page =
            client.get(&format!("/v1/interactions?type=message.received&limit=200{after}")).await.expect(200).json();
        for event in page["interactions"].as_array().unwrap() {
            *texts.entry(event["data"]["message"]["text"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return texts,
        }
    }
}

/// Waits until so many different texts are there, none of them twice.
pub async fn wait_for_texts(client: &Client, count: usize) -> BTreeMap<String, usize> {
    let mut texts = BTreeMap::new();
    let waiting = async {
        let mut news = News::of(client).await;
        loop {
            texts = logged(client).await;
            assert!(texts.values().all(|times| *times == 1), "{texts:?}");
            if texts.len() >= count {
                return;
            }
            news.next().await;
        }
    };
    if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
        panic!("{} of {count}: {:?}", texts.len(), texts.keys());
    }
    texts
}

pub fn numbered(from: usize, to: usize) -> Vec<String> {
    (from..to).map(|number| mail(&format!("mail {number}"), &format!("ann{}@example.com", number % 7), "")).collect()
}

#[tokio::test]
async fn a_mail_comes_to_the_backend_as_it_arrives() {
    let (dovecot, backend) = (Dovecot::start(), Backend::start().await);
    dovecot.deliver(&[mail("too early", "ann@example.com", "")]);
    let config = dovecot.channel(ConfigBuilder::new().backend("desk", &backend), json!({ "poll": "1h" }));
    let gateway = Gateway::start(config).await;
    wait_for_state(&gateway.client(), "connected").await;
    dovecot.deliver(&[mail("first", "ann@example.com", ""), mail("second", "bob@example.com", "")]);
    let first = backend.wait_for_text("first").await;
    backend.wait_for_text("second").await;
    assert_eq!(first.event["data"]["channel"]["name"], CHANNEL);
    assert_eq!(first.event["data"]["from"]["value"], "ann@example.com");
    let texts: Vec<_> = backend.taken().into_iter().map(|taken| taken.text).filter(|text| !text.is_empty()).collect();
    assert_eq!(texts.len(), 2, "what lay there before the start is none of ours: {texts:?}");
    assert!(dovecot.lying("INBOX").iter().all(|(_, flags)| flags.is_empty()), "the mailbox is left untouched");
}

#[tokio::test]
async fn each_mail_is_appended_once_whoever_is_killed_or_numbers_anew() {
    let mut dovecot = Dovecot::start();
    dovecot.deliver(&numbered(0, 300));
    let config = dovecot.channel(ConfigBuilder::new(), json!({ "from": "all" })).set("mail", "rate", 100);
    let mut gateway = Gateway::start(config).await;
    for count in [1, 60, 160] {
        wait_for_texts(&gateway.client(), count).await;
        gateway = gateway.kill().start().await;
    }
    wait_for_texts(&gateway.client(), 300).await;
    dovecot.stop();
    wait_for_state(&gateway.client(), "degraded").await;
    dovecot.resume();
    dovecot.deliver(&numbered(300, 320));
    wait_for_texts(&gateway.client(), 320).await;
    let stopped = gateway.terminate().await.1;
    dovecot.stop();
    dovecot.renumber();
    dovecot.resume();
    dovecot.deliver(&numbered(320, 330));
    let gateway = stopped.start().await;
    let texts = wait_for_texts(&gateway.client(), 330).await;
    assert_eq!(texts.len(), 330);
    let is_counted = |channel: &Value| channel["counts"]["received"] == 10;
    let channel = wait_for_channel("ten received", &gateway.client(), is_counted).await;
    assert!(channel["counts"]["duplicates"].as_u64() >= Some(320), "what was numbered anew was looked at: {channel}");
}

#[tokio::test]
async fn mails_are_marked_or_moved_once_they_are_appended() {
    let (dovecot, both) = (Dovecot::start(), [mail("a", "ann@example.com", ""), mail("b", "bob@example.com", "")]);
    let config = dovecot.channel(ConfigBuilder::new(), json!({ "from": "all", "after": "seen" }));
    dovecot.deliver(&both);
    let gateway = Gateway::start(config).await;
    wait_for_texts(&gateway.client(), 2).await;
    wait_until_seen("both seen", || dovecot.lying("INBOX").iter().all(|(_, flags)| flags == "\\Seen")).await;
    // It goes on once it is written down that both were put away.
    dovecot.deliver(&[mail("between", "ann@example.com", "")]);
    wait_for_texts(&gateway.client(), 3).await;
    let stopped = gateway.terminate().await.1;
    let config = dovecot.channel(ConfigBuilder::new(), json!({ "after": { "move": "Done" } }));
    let gateway = stopped.start_with(config).await;
    dovecot.deliver(&[mail("c", "ann@example.com", "")]);
    wait_for_texts(&gateway.client(), 4).await;
    wait_until_seen("c moved", || dovecot.lying("Done").iter().any(|(subject, _)| subject == "c")).await;
    let stays = dovecot.lying("INBOX");
    assert!(["a", "b"].iter().all(|left| stays.iter().any(|(subject, _)| subject == left)), "{stays:?}");
}

#[tokio::test]
async fn a_mail_that_breaks_the_adapter_is_kept_aside_and_replayed() {
    let dovecot = Dovecot::start();
    let mails = [
        mail("break this", "ann@example.com", ""),
        mail("refuse", "ann@example.com", ""),
        mail("good", "ann@example.com", ""),
    ];
    dovecot.deliver(&mails);
    let config = dovecot.channel(ConfigBuilder::new(), json!({ "from": "all" }));
    let gateway = Gateway::start(config).await;
    let client = gateway.client();
    assert!(wait_for_texts(&client, 1).await.contains_key("good"));
    let letters = client.get("/v1/dead-letters").await.expect(200).json()["dead_letters"].as_array().unwrap().clone();
    assert_eq!(letters.len(), 2, "{letters:?}");
    let broken = letters.iter().find(|letter| letter["reason"].as_str().unwrap().contains("trapped")).unwrap();
    let retry = format!("/v1/dead-letters/{}/retry", broken["id"].as_str().unwrap());
    client.call("POST", &retry, None).await.expect(409);
    mend(&gateway);
    gateway.log.line("changed plugins are in use").await;
    client.call("POST", &retry, None).await.expect(202);
    assert!(wait_for_texts(&client, 2).await.contains_key("break this"));
    assert_eq!(client.get("/v1/dead-letters").await.json()["dead_letters"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn of_a_mail_that_is_too_large_the_header_is_kept() {
    let dovecot = Dovecot::start();
    let large = format!("{}{}\r\n", mail("large", "ann@example.com", ""), "x".repeat(5_000));
    dovecot.deliver(&[large, mail("small", "ann@example.com", "")]);
    let config = dovecot.channel(ConfigBuilder::new(), json!({ "from": "all" })).set("mail", "bytes_max", "2KiB");
    let gateway = Gateway::start(config).await;
    assert!(wait_for_texts(&gateway.client(), 1).await.contains_key("small"));
    let unsupported = gateway.client().get("/v1/interactions?type=channel.unsupported").await.expect(200).json();
    let event = &unsupported["interactions"][0];
    assert!(event["data"]["detail"]["what"].as_str().unwrap().contains("mail.bytes_max"), "{event}");
    let raw =
        gateway.client().get(&format!("/v1/interactions/{}/raw", event["id"].as_str().unwrap())).await.expect(200);
    let raw = String::from_utf8_lossy(&raw.body).into_owned();
    assert!(raw.contains("Subject: large") && !raw.contains("xxx"), "{raw}");
}

#[tokio::test]
async fn a_wrong_password_and_a_lost_link_show_and_heal() {
    let mut dovecot = Dovecot::start();
    dovecot.set_password("another");
    let gateway = Gateway::start(dovecot.channel(ConfigBuilder::new(), json!({ "from": "all" }))).await;
    let client = gateway.client();
    let refused = wait_for_state(&client, "bad-credentials").await;
    assert_eq!(refused["why"], "the mailbox does not take the login");
    dovecot.set_password(PASSWORD);
    wait_for_state(&client, "connected").await;
    dovecot.stop();
    wait_for_state(&client, "degraded").await;
    let metrics = String::from_utf8(client.get("/metrics").await.body.to_vec()).unwrap();
    assert!(
        metrics.contains(&format!("omnigate_channel_state{{channel=\"{CHANNEL}\",state=\"degraded\"}} 1")),
        "{metrics}"
    );
    dovecot.resume();
    wait_for_state(&client, "connected").await;
    assert!(!gateway.log.text().contains("s3cret"), "no password in the log");
}

#[tokio::test]
async fn every_kind_of_connection_reads_and_a_stranger_is_not_trusted() {
    let dovecot = Dovecot::start();
    dovecot.deliver(&[mail("x", "ann@example.com", "")]);
    for tls in ["starttls", "none"] {
        let imap = json!({ "from": "all", "tls": tls, "port": dovecot.ports().plain });
        let gateway = Gateway::start(dovecot.channel(ConfigBuilder::new(), imap)).await;
        wait_for_texts(&gateway.client(), 1).await;
    }
    let stranger = Dovecot::start();
    let config = dovecot.channel(ConfigBuilder::new(), json!({ "port": stranger.ports().tls }));
    let gateway = Gateway::start(config).await;
    wait_for_channel("no trust", &gateway.client(), |channel| {
        channel["why"].as_str().is_some_and(|why| why.contains("no trusted connection"))
    })
    .await;
}

#[tokio::test]
async fn a_server_that_sends_without_end_fills_no_memory() {
    let port = super::flooding::start();
    let dovecot = Dovecot::start();
    let imap = json!({ "from": "all", "tls": "none", "port": port, "host": "localhost" });
    let gateway = Gateway::start(dovecot.channel(ConfigBuilder::new(), imap)).await;
    let before = gateway.resident_bytes();
    wait_for_channel("the flood", &gateway.client(), |channel| {
        channel["why"] == "the server sends more than was asked for"
    })
    .await;
    let grown = gateway.resident_bytes().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes more");
    assert!(!gateway.log.text().contains("panic"), "{}", gateway.log.text());
}

#[tokio::test]
async fn the_trouble_of_one_mailbox_delays_no_other() {
    let dovecot = Dovecot::start();
    let config = dovecot.channel(ConfigBuilder::new(), json!({}));
    let mut broken = ConfigBuilder::new();
    let claim = Port::claim();
    let nobody = claim.number();
    for number in 0..5 {
        let imap = json!({ "host": "localhost", "port": nobody, "user": "x" });
        let section = format!("channels.broken{number}");
        broken = broken
            .set(&section, "adapter", "postbox")
            .set(&section, "settings", json!({ "address": "a@example.com", "imap": imap }))
            .set(&section, "secrets", json!({ "imap_password": "x" }))
            .set(&section, "grants", json!({ "hosts": [format!("localhost:{nobody}")] }));
    }
    let gateway = Gateway::start(config.and(broken)).await;
    wait_for_state(&gateway.client(), "connected").await;
    dovecot.deliver(&[mail("through", "ann@example.com", "")]);
    wait_for_texts(&gateway.client(), 1).await;
    for number in 0..5 {
        let path = format!("/v1/channels/broken{number}");
        let channel = gateway.client().get(&path).await.json();
        assert_eq!(channel["state"], "degraded", "{channel}");
    }
}

#[tokio::test]
async fn what_a_mail_answers_is_found_by_any_of_its_names() {
    let dovecot = Dovecot::start();
    let gateway = Gateway::start(dovecot.channel(ConfigBuilder::new(), json!({ "from": "all" }))).await;
    let client = gateway.client();
    dovecot.deliver(&[mail("question", "ann@example.com", "X-Thread: token-1\r\n")]);
    let by = |name: &str, header: &str| mail(name, "ann@example.com", &format!("{header}\r\n"));
    dovecot.deliver(&[
        by("by id", "In-Reply-To: <question@test>"),
        by("by token", "In-Reply-To: <token-1>"),
        by("by an older reference", "References: <question@test> <nobody@knows>"),
        by("by none", "In-Reply-To: <nobody@knows>"),
    ]);
    wait_for_texts(&client, 5).await;
    let events = client.get("/v1/interactions?type=message.received").await.json();
    let events = events["interactions"].as_array().unwrap();
    let of = |text: &str| events.iter().find(|event| event["data"]["message"]["text"] == text).unwrap();
    let question = &of("question")["id"];
    for text in ["by id", "by token", "by an older reference"] {
        assert_eq!(&of(text)["data"]["in_reply_to"], question, "{text}");
    }
    assert_eq!(of("by none")["data"]["in_reply_to"], Value::Null);
    assert_eq!(of("by none")["data"]["metadata"]["in_reply_to_external"], "nobody@knows");
}

#[tokio::test]
async fn a_file_of_a_mail_is_kept_with_it() {
    let dovecot = Dovecot::start();
    dovecot.deliver(&[mail("file of ann", "ann@example.com", "")]);
    let gateway = Gateway::start(dovecot.channel(ConfigBuilder::new(), json!({ "from": "all" }))).await;
    wait_for_texts(&gateway.client(), 1).await;
    let events = gateway.client().get("/v1/interactions?type=message.received").await.json();
    let part = &events["interactions"][0]["data"]["message"]["parts"][1];
    let url = part["url"].as_str().unwrap();
    let file = gateway.client().get(&url[url.find("/v1/").unwrap()..]).await.expect(200);
    assert_eq!(&file.body[..], b"file of ann");
}
