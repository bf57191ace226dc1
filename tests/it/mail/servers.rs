//! What mailboxes are like besides: with few abilities, silent, full, and left alone for long.

use serde_json::{Value, json};

use super::dovecot::{Dovecot, mail};
use super::fetching::{numbered, wait_for_texts};
use super::quiet::Quiet;
use super::{wait_for_channel, wait_for_state, wait_until_seen};
use crate::support::{Client, ConfigBuilder, Gateway};

const EVERYTHING: &str = "IMAP4rev1 LITERAL+ IDLE MOVE UIDPLUS ENABLE CONDSTORE";

fn asks(commands: &[String], word: &str) -> bool {
    commands.iter().any(|command| command.starts_with(word))
}

#[tokio::test]
async fn a_server_without_idle_is_looked_into() {
    let dovecot = Dovecot::offering("IMAP4rev1 LITERAL+");
    let gateway = Gateway::start(dovecot.channel(ConfigBuilder::new(), json!({}))).await;
    wait_for_state(&gateway.client(), "connected").await;
    for (count, text) in ["first", "second"].iter().enumerate() {
        dovecot.deliver(&[mail(text, "ann@example.com", "")]);
        assert!(wait_for_texts(&gateway.client(), count + 1).await.contains_key(*text));
    }
    let asked = dovecot.asked();
    assert!(asks(&asked, "NOOP") && !asks(&asked, "IDLE"), "{asked:?}");
}

#[tokio::test]
async fn what_a_person_read_first_is_taken_all_the_same() {
    let dovecot = Dovecot::start();
    let gateway = Gateway::start(dovecot.channel(ConfigBuilder::new(), json!({}))).await;
    wait_for_state(&gateway.client(), "connected").await;
    let (_, stopped) = gateway.terminate().await;
    dovecot.deliver(&[mail("read", "ann@example.com", ""), mail("unread", "ann@example.com", "")]);
    let mut session = dovecot.session();
    session.select("INBOX").unwrap();
    session.store("1", "+FLAGS (\\Seen)").unwrap();
    session.logout().unwrap();
    let gateway = stopped.start().await;
    assert!(wait_for_texts(&gateway.client(), 2).await.contains_key("read"));
}

#[tokio::test]
async fn a_server_that_moves_nothing_gets_copies() {
    for (abilities, left) in [("IMAP4rev1 LITERAL+ UIDPLUS", vec![]), ("IMAP4rev1 LITERAL+", vec!["\\Deleted"])] {
        let dovecot = Dovecot::offering(abilities);
        let config = dovecot.channel(ConfigBuilder::new(), json!({ "from": "all", "after": { "move": "Done" } }));
        dovecot.deliver(&[mail("moved", "ann@example.com", "")]);
        let gateway = Gateway::start(config).await;
        wait_for_texts(&gateway.client(), 1).await;
        let away = || dovecot.lying("INBOX").into_iter().map(|(_, flags)| flags).eq(left.iter().copied());
        wait_until_seen("the mail put away", away).await;
        assert_eq!(dovecot.lying("Done").len(), 1, "copied once");
        let asked = dovecot.asked();
        assert_eq!((asks(&asked, "UID MOVE"), asks(&asked, "UID EXPUNGE")), (false, left.is_empty()), "{asked:?}");
        assert!(!asks(&asked, "EXPUNGE"), "what others marked stays: {asked:?}");
    }
}

#[tokio::test]
async fn a_mailbox_in_which_nothing_changed_is_not_searched() {
    let dovecot = Dovecot::offering(EVERYTHING);
    dovecot.deliver(&[mail("one", "ann@example.com", "")]);
    let gateway = Gateway::start(dovecot.channel(ConfigBuilder::new(), json!({ "from": "all", "poll": "1h" }))).await;
    wait_for_texts(&gateway.client(), 1).await;
    let visit = async |gateway: Gateway| {
        wait_for_state(&gateway.client(), "connected").await;
        gateway.terminate().await.1
    };
    let searches = || dovecot.asked().iter().filter(|command| command.starts_with("UID SEARCH")).count();
    let stopped = visit(gateway).await;
    let before = searches();
    assert!(before > 0);
    let stopped = visit(stopped.start().await).await;
    let stopped = visit(stopped.start().await).await;
    assert_eq!(searches(), before, "nothing changed");
    dovecot.deliver(&[mail("two", "ann@example.com", "")]);
    let gateway = stopped.start().await;
    wait_for_texts(&gateway.client(), 2).await;
    assert!(searches() > before);
}

#[tokio::test]
async fn a_server_without_modseq_that_tells_nothing_is_looked_into() {
    let (quiet, port) = Quiet::start();
    quiet.put(2, mail("before", "ann@example.com", ""));
    let stranger = Dovecot::start();
    let imap = json!({ "from": "all", "tls": "none", "port": port });
    let gateway = Gateway::start(stranger.channel(ConfigBuilder::new(), imap)).await;
    wait_for_texts(&gateway.client(), 1).await;
    quiet.put(7, mail("new", "ann@example.com", ""));
    wait_for_texts(&gateway.client(), 2).await;
    quiet.put(5, mail("late", "ann@example.com", ""));
    assert!(wait_for_texts(&gateway.client(), 3).await.contains_key("late"), "numbers that show late are not lost");
    let gateway = gateway.kill().start().await;
    quiet.put(8, mail("last", "ann@example.com", ""));
    wait_for_texts(&gateway.client(), 4).await;
    let asked = quiet.asked();
    assert!(asks(&asked, "IDLE"), "{asked:?}");
    let is_counted = |channel: &Value| channel["counts"]["received"] == 1;
    let channel = wait_for_channel("one received", &gateway.client(), is_counted).await;
    assert_eq!(channel["counts"]["duplicates"], 0, "{channel}");
}

#[tokio::test]
async fn a_mail_that_comes_while_the_folder_is_searched_is_not_left_for_the_next_poll() {
    let (quiet, port) = Quiet::start();
    quiet.put(1, mail("before", "ann@example.com", ""));
    let stranger = Dovecot::start();
    let imap = json!({ "from": "all", "tls": "none", "port": port, "poll": "1h" });
    quiet.put_into_a_search(2, mail("meanwhile", "ann@example.com", ""));
    let gateway = Gateway::start(stranger.channel(ConfigBuilder::new(), imap)).await;
    assert!(wait_for_texts(&gateway.client(), 2).await.contains_key("meanwhile"));
}

async fn received(client: &Client) -> Vec<(String, jiff::Timestamp)> {
    let page = client.get("/v1/interactions?type=message.received&limit=200").await.json();
    let events = page["interactions"].as_array().unwrap().iter().map(|event| {
        let at = event["data"]["received_at"].as_str().unwrap().parse().unwrap();
        (event["data"]["message"]["text"].as_str().unwrap().to_owned(), at)
    });
    events.collect()
}

#[tokio::test]
async fn what_came_in_a_long_pause_is_taken_oldest_first_and_not_all_at_once() {
    const RATE: usize = 60;
    let dovecot = Dovecot::start();
    let config = dovecot.channel(ConfigBuilder::new(), json!({})).set("mail", "rate", RATE);
    let gateway = Gateway::start(config).await;
    wait_for_state(&gateway.client(), "connected").await;
    let (_, stopped) = gateway.terminate().await;
    dovecot.deliver(&numbered(0, 200));
    let gateway = stopped.start().await;
    wait_for_texts(&gateway.client(), 200).await;
    let received = received(&gateway.client()).await;
    let texts: Vec<_> = received.iter().map(|(text, _)| text.clone()).collect();
    assert_eq!(texts, (0..200).map(|number| format!("mail {number}")).collect::<Vec<_>>());
    let took = received[199].1.duration_since(received[0].1).as_secs_f64();
    // Before the last commit of fifty there are three pauses.
    assert!(took > 0.95 * 150.0 / RATE as f64, "200 mails within {took} s");
}

/// Whether the mailbox is as the setting `after` wants it, of so many mails.
fn is_put_away(dovecot: &Dovecot, after: &Value, count: usize) -> bool {
    let flags = |folder: &str| dovecot.lying(folder).into_iter().map(|(_, flags)| flags).collect::<Vec<_>>();
    match after.as_str() {
        Some("keep") => flags("INBOX") == vec![""; count],
        Some(_) => flags("INBOX") == vec!["\\Seen"; count],
        None => flags("INBOX").is_empty() && flags("Done") == vec![""; count],
    }
}

#[tokio::test]
async fn whoever_is_killed_in_the_middle_leaves_the_mailbox_as_it_should_be() {
    for after in [json!("keep"), json!("seen"), json!({ "move": "Done" })] {
        let dovecot = Dovecot::start();
        dovecot.deliver(&numbered(0, 160));
        let imap = json!({ "from": "all", "after": after });
        let mut gateway = Gateway::start(dovecot.channel(ConfigBuilder::new(), imap).set("mail", "rate", 100)).await;
        for count in [1, 60] {
            wait_for_texts(&gateway.client(), count).await;
            gateway = gateway.kill().start().await;
        }
        assert_eq!(wait_for_texts(&gateway.client(), 160).await.len(), 160);
        let what = format!("{after} of all");
        wait_until_seen(&what, || is_put_away(&dovecot, &after, 160)).await;
    }
}
