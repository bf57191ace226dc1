//! Processor, memory, stack, output, log: each limit is told by its name, and harms nobody else.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use omnigate::interaction::{AuthorKind, Identity, Part};
use omnigate::plugin::exchange::{Broken, Called, Failure, FaultKind, Opening, Outbound, SessionState, Signal};
use serde_json::{Map, json};
use uuid::Uuid;

use crate::bench::{Bench, LOG};

fn visitor() -> Identity {
    Identity { scheme: "visitor".into(), value: "ann".into(), scope: None, name: None }
}

pub fn message(text: &str) -> Outbound {
    Outbound {
        id: Uuid::now_v7(),
        recipient: visitor(),
        author: AuthorKind::Agent,
        in_reply_to: None,
        files: std::collections::BTreeMap::new(),
        last_inbound: None,
        subject: None,
        parts: vec![Part::Text { text: text.into(), html: None }],
        expires_in: None,
        metadata: Map::new(),
    }
}

fn broken<T: std::fmt::Debug>(called: Called<T>) -> Broken {
    match called.result {
        Err(Failure::Broken(broken)) => broken,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_ends_at_the_processor_limit_in_every_export() {
    let bench = Bench::new().await;
    let (plugin, channel) = (&bench.plugin, bench.channel("loops", &[]));
    let opening = Opening { query: "loop".into(), ..Opening::default() };
    let state = SessionState { address: None, memory: "{}".into() };
    assert_eq!(broken(bench.act(&channel, "loop", "").await), Broken::CpuLimit);
    assert_eq!(broken(plugin.send(&channel, 1, message("loop")).await), Broken::CpuLimit);
    assert_eq!(broken(plugin.locate(&channel, 1, "loop").await), Broken::CpuLimit);
    assert_eq!(broken(plugin.show(&channel, visitor(), Some("loop"), Signal::Typing(true)).await), Broken::CpuLimit);
    assert_eq!(broken(plugin.open(&channel, opening).await), Broken::CpuLimit);
    assert_eq!(broken(plugin.frame(&channel, state, "loop").await), Broken::CpuLimit);
    bench.is_whole().await;
}

/// Each three times for every place of the pool: what is lost once would be missed.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_breaks_a_call_costs_no_place() {
    let bench = Bench::new().await;
    let channel = bench.channel("breaks", &[]);
    let trap = |why: &str| Broken::Trap(why.into());
    let cases = [
        ("loop", "", Broken::CpuLimit),
        // Fewer calls of the host than there are ticks: its work is counted by what it works on.
        ("sign", "30", Broken::CpuLimit),
        ("recurse", "", trap("wasm trap: call stack exhausted")),
        ("recurse-asking", "", trap("wasm trap: call stack exhausted")),
        ("recurse-with-luggage", "", trap("wasm trap: out of bounds memory access")),
        ("memory", "", Broken::MemoryLimit),
        ("reply", "4300000", Broken::OutputLimit),
        ("text", "4300000", Broken::OutputLimit),
        ("events", "100000", Broken::MemoryLimit),
        ("trap", "", trap("wasm trap: wasm `unreachable` instruction executed")),
        ("panic", "in words", trap("wasm trap: wasm `unreachable` instruction executed")),
    ];
    for (act, argument, expected) in cases {
        let calls = (0..3 * bench.limits.concurrency).map(|_| bench.broken(&channel, act, argument));
        for broken in join_all(calls).await {
            assert_eq!(broken, expected, "{act}");
        }
        bench.is_whole().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_refused_beyond_the_limit_and_given_back() {
    let bench = Bench::with("memory = \"256MiB\"\ncpu = \"20s\"\nwall = \"60s\"\nconcurrency = 2").await;
    let channel = bench.channel("memory", &[]);
    bench.is_whole().await;
    let got: usize = bench.told(&channel, "memory-gently", "").await.parse().unwrap();
    assert!((200 << 20..256 << 20).contains(&got), "{got}");
    let before = resident();
    let bombs = join_all((0..6).map(|_| bench.broken(&channel, "memory", ""))).await;
    assert!(bombs.iter().all(|broken| *broken == Broken::MemoryLimit), "{bombs:?}");
    bench.is_whole().await;
    // Other tests run beside: what they hold goes away, what leaks stays.
    let deadline = Instant::now() + Duration::from_secs(20);
    while resident() > before + (200 << 20) {
        assert!(Instant::now() < deadline, "{} MiB more than before", (resident() - before) >> 20);
        // The system does not tell when it has it back.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Bytes, from `/proc/self/statm`.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[tokio::test(flavor = "multi_thread")]
async fn depth_within_the_stack_is_nobodys_fault() {
    let bench = Bench::new().await;
    let channel = bench.channel("depth", &[]);
    assert!(bench.told(&channel, "recurse", "500").await.parse::<u64>().is_ok());
    assert!(bench.told(&channel, "recurse-asking", "500").await.parse::<f64>().is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_calls_of_the_host_are_answered() {
    let bench = Bench::with("cpu = \"5s\"").await;
    let now: f64 = bench.told(&bench.channel("calls", &[]), "calls", "10000").await.parse().unwrap();
    assert!(now > 1.7e12);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_lines_is_cut_told_and_in_one_line_each() {
    LazyLock::force(&LOG);
    let bench = Bench::new().await;
    bench.told(&bench.channel("flood", &[]), "log", "1000").await;
    let lines = LOG.of("flood");
    let (told, left_out): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line["fields"]["suppressed"].is_null());
    assert_eq!(told.len(), 5);
    assert_eq!(left_out[0]["fields"]["suppressed"], 995);
    for line in told {
        let text = line["fields"].to_string();
        assert!(!line["fields"]["message"].as_str().unwrap().contains(['\r', '\n', '\u{1b}']), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_panic_says_stays_inside() {
    LazyLock::force(&LOG);
    let bench = Bench::new().await;
    bench.broken(&bench.channel("panic", &[]), "panic", "the message of a person").await;
    let said = serde_json::to_string(&LOG.of("panic")).unwrap();
    assert!(said.contains("the plugin panicked") && said.contains("acts.rs"), "{said}");
    assert!(!said.contains("the message of a person"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn loops_on_one_channel_leave_the_others_their_places() {
    let bench = Arc::new(Bench::with("cpu = \"600ms\"\nwall = \"60s\"\nconcurrency = 4").await);
    let channel = bench.channel("hangs", &[]);
    let loops: Vec<_> = (0..20)
        .map(|_| {
            let (bench, channel) = (bench.clone(), channel.clone());
            tokio::spawn(async move { bench.broken(&channel, "loop", "").await })
        })
        .collect();
    let good = bench.channel("goes-on", &[]);
    let mut answered = 0;
    let mut pace = tokio::time::interval(Duration::from_millis(10));
    while loops.iter().any(|task| !task.is_finished()) {
        let answer = tokio::time::timeout(Duration::from_millis(1500), bench.told(&good, "good", "")).await;
        assert_eq!(answer.as_deref(), Ok("good"), "after {answered} answers");
        answered += 1;
        pace.tick().await;
    }
    assert!(answered >= 5, "{answered} answers while loops went on");
    for task in loops {
        assert_eq!(task.await.unwrap(), Broken::CpuLimit);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_before_a_trap_is_done_and_what_would_follow_is_not() {
    let bench = Bench::new().await;
    let channel = bench.channel("half", &[]);
    assert!(matches!(bench.broken(&channel, "half", "").await, Broken::Trap(_)));
    let kept = bench.script(&channel, json!([{"call": "kv_get", "key": "half"}])).await;
    assert_eq!(kept[0]["ok"][0], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_is_told_in_a_bounded_sentence() {
    let bench = Bench::new().await;
    match bench.act(&bench.channel("fault", &[]), "fault", "100000").await.result {
        Err(Failure::Fault(fault)) => {
            assert_eq!(fault.kind, FaultKind::Invalid);
            assert_eq!(fault.message.chars().count(), 512);
        }
        other => panic!("{other:?}"),
    }
}
