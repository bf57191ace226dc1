//! SIGKILL, again and again: what was acknowledged is kept, in order, under one name.

use std::time::Duration;

use crate::support::{Backend, Behaviour, ConfigBuilder, Delivery, Gateway, Load, Random, Telegram};

const KILLS: usize = 12;
/// Of the deliveries before a kill only the last ones may come again: those whose end was not written down yet.
const UNSETTLED_MAX: usize = 256;
/// Deliveries that a gateway and the one before it may have on their way: sixteen each.
const IN_FLIGHT: usize = 32;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_messages_survive_kills() {
    let mut random = Random::new();
    let backend = Backend::start().await;
    let bot = Telegram("bot");
    let config = ConfigBuilder::new().backend("desk", &backend).telegram(&bot, None);
    let mut load = Load::start(bot, 6, &mut random);
    let mut gateway = Gateway::start(config).await;
    let mut kills = Vec::new();
    for _ in 0..KILLS {
        load.turn_to(gateway.client());
        load.acknowledged(random.within(20..200)).await;
        let mut stopped = gateway.kill();
        load.turn_away();
        kills.push(messages(&backend).len());
        if random.within(0..3) == 0 {
            let after = Duration::from_millis(random.within(0..200) as u64);
            stopped = stopped.start_and_kill(after).await;
            kills.push(messages(&backend).len());
        }
        gateway = stopped.start().await;
    }
    load.turn_to(gateway.client());
    load.acknowledged(50).await;
    load.end().await;
    backend.wait_for("everything acknowledged", |all| load.ledger.has_all(all).then_some(())).await;
    bot.text(1, 1, "1/1").send(&gateway.client()).await.expect(200);
    load.ledger.enter((1, 1));
    backend.wait_for_text("1/1").await;

    let verdict = load.ledger.judge(&backend.attempts());
    verdict.expect_kept();
    expect_only_unsettled_repeated(&messages(&backend), &kills);
    println!(
        "{} acknowledged, {} delivered, {} of them again after {KILLS} kills",
        load.ledger.entries().len(),
        messages(&backend).len(),
        verdict.repeated.len()
    );
}

/// A crash of the gateway together with a backend that is away: what waited for its next attempt still comes, once.
#[tokio::test]
async fn what_waits_for_a_backend_survives_a_kill() {
    let backend = Backend::start().await;
    backend.behave(|_| Behaviour::Status(500));
    let bot = Telegram("bot");
    let pauses = ["1s"; 40];
    let config = ConfigBuilder::new().backend("desk", &backend).telegram(&bot, None).retries(&pauses);
    let gateway = Gateway::start(config).await;
    for number in 1..=20 {
        bot.text(number, number % 4, &format!("{number}")).send(&gateway.client()).await.expect(200);
    }
    backend.wait_for("an attempt", |all| (!all.is_empty()).then_some(())).await;
    let stopped = gateway.kill();
    backend.behave(|_| Behaviour::Take);
    let _gateway = stopped.start().await;
    backend.wait_for("all twenty", |all| (taken(all).count() == 20).then_some(())).await;
    let all = backend.attempts();
    for person in 0..4 {
        let numbers: Vec<u64> = taken(&all).map(|d| d.text.parse().unwrap()).filter(|n| n % 4 == person).collect();
        assert!(numbers.is_sorted(), "{numbers:?}");
    }
}

fn taken(all: &[Delivery]) -> impl Iterator<Item = &Delivery> {
    all.iter().filter(|d| d.behaviour == Behaviour::Take && d.kind == "omnigate.message.received")
}

fn messages(backend: &Backend) -> Vec<Delivery> {
    backend.attempts().into_iter().filter(|delivery| delivery.kind == "omnigate.message.received").collect()
}

/// `kills`: how much had been delivered at each kill. What was in flight then may be written down after it.
fn expect_only_unsettled_repeated(messages: &[Delivery], kills: &[usize]) {
    let first_of = |id: &str| messages.iter().position(|delivery| delivery.id == id).unwrap();
    for (index, again) in messages.iter().enumerate().filter(|(_, delivery)| delivery.repeated > 0) {
        let first = first_of(&again.id);
        let near_a_kill = kills
            .iter()
            .any(|&kill| first < kill + IN_FLIGHT && index + IN_FLIGHT >= kill && first + UNSETTLED_MAX >= kill);
        assert!(near_a_kill, "{} came as {first} and again as {index}; kills at {kills:?}", again.text);
    }
}
