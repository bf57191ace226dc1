//! Backends that are down, slow, broken or busy: they delay nobody else, and get everything once they are well.

use std::collections::HashSet;
use std::time::Duration;

use crate::mail::dovecot::Port;
use crate::support::{Backend, Behaviour, ConfigBuilder, Delivery, Gateway, Telegram};

const BOT: Telegram = Telegram("bot");
/// Many short ones: the breaker's pauses lie between them.
const PAUSES: [&str; 50] = ["200ms"; 50];
const PERSONS: u64 = 4;
const MESSAGES: u64 = 40;

/// Sends message after message, `1` to `MESSAGES`, of several persons.
async fn everybody_writes(gateway: &Gateway) {
    for number in 1..=MESSAGES {
        BOT.text(number, number % PERSONS, &number.to_string()).send(&gateway.client()).await.expect(200);
    }
}

fn messages(all: &[Delivery]) -> impl Iterator<Item = &Delivery> {
    all.iter().filter(|delivery| delivery.kind == "omnigate.message.received")
}

fn taken(all: &[Delivery]) -> impl Iterator<Item = &Delivery> {
    messages(all).filter(|delivery| delivery.behaviour == Behaviour::Take)
}

async fn wait_for_all(backend: &Backend) {
    let texts = |all: &[Delivery]| taken(all).map(|delivery| delivery.text.clone()).collect::<HashSet<_>>().len();
    let all = |all: &[Delivery]| (texts(all) == MESSAGES as usize).then_some(());
    backend.wait_for("every message", all).await;
}

/// Each once, under one id, and in order for each person.
#[track_caller]
fn expect_everything_in_order(backend: &Backend) {
    let all = backend.attempts();
    let times = taken(&all).count();
    assert_eq!(times, MESSAGES as usize, "each once");
    expect_order(&all);
}

/// In order for each person, and what comes again comes under its id: it does where an answer is later than the gateway waits.
#[track_caller]
fn expect_order(all: &[Delivery]) {
    for person in 0..PERSONS {
        let mut numbers: Vec<u64> =
            taken(all).map(|d| d.text.parse().unwrap()).filter(|n| n % PERSONS == person).collect();
        numbers.dedup();
        let expected: Vec<u64> = (1..=MESSAGES).filter(|n| n % PERSONS == person).collect();
        assert_eq!(numbers, expected);
    }
    for one in messages(all) {
        assert!(messages(all).all(|other| (other.text == one.text) == (other.id == one.id)), "one id for each message");
    }
}

fn two_backends(healthy: &Backend, sick: &Backend) -> ConfigBuilder {
    ConfigBuilder::new().backend("healthy", healthy).backend("sick", sick).telegram(&BOT, None).retries(&PAUSES)
}

/// The healthy one has everything before the sick one has anything; then that one gets well, and has everything too.
async fn delays_nobody_and_loses_nothing(sickness: Behaviour) {
    let (healthy, sick) = (Backend::start().await, Backend::start().await);
    sick.behave(move |_| sickness);
    let config = two_backends(&healthy, &sick);
    // Only who hangs needs it: on a machine that is busy it would cut off the answers of others.
    let is_patient = sickness != Behaviour::Hang;
    let config = if is_patient { config } else { config.set("backends.sick", "timeout", "300ms") };
    let gateway = Gateway::start(config).await;
    everybody_writes(&gateway).await;
    wait_for_all(&healthy).await;
    sick.wait_for("an attempt", |all| (!all.is_empty()).then_some(())).await;
    assert_eq!(sick.taken().len(), 0);
    sick.behave(|_| Behaviour::Take);
    wait_for_all(&sick).await;
    expect_everything_in_order(&healthy);
    if is_patient {
        expect_everything_in_order(&sick);
    } else {
        expect_order(&sick.attempts());
    }
}

#[tokio::test]
async fn a_backend_that_answers_500_delays_nobody() {
    delays_nobody_and_loses_nothing(Behaviour::Status(500)).await;
}

#[tokio::test]
async fn a_backend_that_redirects_is_not_followed_and_delays_nobody() {
    delays_nobody_and_loses_nothing(Behaviour::Status(302)).await;
}

#[tokio::test]
async fn a_backend_that_hangs_delays_nobody() {
    delays_nobody_and_loses_nothing(Behaviour::Hang).await;
}

#[tokio::test]
async fn a_backend_that_closes_delays_nobody() {
    delays_nobody_and_loses_nothing(Behaviour::Close).await;
}

#[tokio::test]
async fn a_backend_that_closes_halfway_delays_nobody() {
    delays_nobody_and_loses_nothing(Behaviour::CloseHalfway).await;
}

#[tokio::test]
async fn a_backend_that_is_busy_delays_nobody() {
    delays_nobody_and_loses_nothing(Behaviour::RetryAfter(429, 1)).await;
}

#[tokio::test]
async fn a_backend_whose_port_is_closed_delays_nobody() {
    // Nobody else gets it while it is closed.
    let port = Port::claim();
    let address = ([127, 0, 0, 1], port.number()).into();
    let (healthy, sick) = (Backend::start().await, Backend::start_on(address).await);
    let gateway = Gateway::start(two_backends(&healthy, &sick)).await;
    drop(sick);
    everybody_writes(&gateway).await;
    wait_for_all(&healthy).await;
    let sick = Backend::start_on(address).await;
    wait_for_all(&sick).await;
    expect_everything_in_order(&sick);
}

#[tokio::test]
async fn a_conversation_that_fails_delays_no_other() {
    let backend = Backend::start().await;
    let is_sick = |delivery: &Delivery| delivery.text.parse::<u64>().is_ok_and(|number| number % PERSONS == 0);
    backend.behave(move |delivery| if is_sick(delivery) { Behaviour::Status(500) } else { Behaviour::Take });
    let config = ConfigBuilder::new().backend("desk", &backend).telegram(&BOT, None).retries(&PAUSES);
    let gateway = Gateway::start(config).await;
    everybody_writes(&gateway).await;
    let others = (MESSAGES - MESSAGES / PERSONS) as usize;
    backend.wait_for("everybody else's", |all| (taken(all).count() == others).then_some(())).await;
    let attempts = backend.attempts();
    assert!(
        messages(&attempts).filter(|d| is_sick(d)).all(|d| d.text == PERSONS.to_string()),
        "the first one holds its conversation"
    );
    backend.behave(|_| Behaviour::Take);
    wait_for_all(&backend).await;
    expect_everything_in_order(&backend);
}

#[tokio::test]
async fn retry_after_rests_the_whole_backend() {
    let backend = Backend::start().await;
    backend.behave(|_| Behaviour::RetryAfter(429, 2));
    let config = ConfigBuilder::new()
        .backend("desk", &backend)
        .set("backends.desk", "concurrency", 1)
        .telegram(&BOT, None)
        .retries(&["1ms"]);
    let gateway = Gateway::start(config).await;
    everybody_writes(&gateway).await;
    let first = backend.wait_for("the refusal", |all| all.first().cloned()).await;
    backend.behave(|_| Behaviour::Take);
    wait_for_all(&backend).await;
    let second = &backend.attempts()[1];
    // What is measured is a pause that must not be shorter; longer it may be.
    assert!(second.at - first.at >= Duration::from_secs(2), "{:?}", second.at - first.at);
    expect_everything_in_order(&backend);
}

#[tokio::test]
async fn gone_ends_the_subscription_and_is_remembered() {
    let (healthy, gone) = (Backend::start().await, Backend::start().await);
    gone.behave(|_| Behaviour::Status(410));
    let config = two_backends(&healthy, &gone).set("backends.sick", "concurrency", 1);
    let gateway = Gateway::start(config).await;
    BOT.text(1, 1, "1").send(&gateway.client()).await.expect(200);
    gateway.log.line("deliveries are stopped").await;
    let (_, stopped) = gateway.terminate().await;
    let gateway = stopped.start().await;
    everybody_writes(&gateway).await;
    wait_for_all(&healthy).await;
    assert_eq!(gone.attempts().len(), 1, "nothing after 410");
}

#[tokio::test]
async fn after_the_last_retry_the_conversation_goes_on() {
    let backend = Backend::start().await;
    backend.behave(|delivery| if delivery.text == "bad" { Behaviour::Status(422) } else { Behaviour::Take });
    let config = ConfigBuilder::new().backend("desk", &backend).telegram(&BOT, None).retries(&["10ms", "10ms"]);
    let gateway = Gateway::start(config).await;
    for (update, text) in [(1, "good"), (2, "bad"), (3, "better")] {
        BOT.text(update, 1, text).send(&gateway.client()).await.expect(200);
    }
    backend.wait_for_text("better").await;
    let all = backend.attempts();
    let texts: Vec<_> = messages(&all).map(|delivery| &*delivery.text).collect();
    assert_eq!(texts, ["good", "bad", "bad", "bad", "better"]);
}

#[tokio::test]
async fn a_webhook_that_comes_again_is_acknowledged_and_not_appended() {
    let backend = Backend::start().await;
    let gateway = Gateway::start(ConfigBuilder::new().backend("desk", &backend).telegram(&BOT, None)).await;
    for _ in 0..5 {
        BOT.text(1, 1, "once").send(&gateway.client()).await.expect(200);
    }
    let (client, webhook) = (gateway.client(), BOT.text(2, 2, "at once"));
    let together: Vec<_> = (0..8).map(|_| webhook.send(&client)).collect();
    for answer in futures_util::future::join_all(together).await {
        answer.expect(200);
    }
    let gateway = gateway.kill().start().await;
    BOT.text(1, 1, "once").send(&gateway.client()).await.expect(200);
    BOT.text(3, 1, "end").send(&gateway.client()).await.expect(200);
    BOT.text(4, 2, "end").send(&gateway.client()).await.expect(200);
    backend.wait_for("both ends", |all| (messages(all).filter(|d| d.text == "end").count() == 2).then_some(())).await;
    let all = backend.attempts();
    let different = |text: &str| {
        let ids: HashSet<_> = messages(&all).filter(|d| d.text == text).map(|d| &d.id).collect();
        ids.len()
    };
    assert_eq!((different("once"), different("at once")), (1, 1));
}
