//! What a channel keeps, pushes and lets upload: its own, and so much.

use std::time::Duration;

use omnigate::channels::Hub;
use serde_json::{Value, json};

use crate::bench::{Bench, TOKEN, WEBHOOK};

fn put(key: &str, size: usize) -> Value {
    json!({"call": "kv_put", "key": key, "size": size})
}

fn get(key: &str) -> Value {
    json!({"call": "kv_get", "key": key})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_reads_and_removes_its_own_values_alone() {
    let bench = Bench::new().await;
    let (one, other) = (bench.channel("one", &[]), bench.channel("other", &[]));
    bench.script(&one, json!([put("key", 3)])).await;
    let delete = json!({"call": "kv_delete", "key": "key"});
    let seen = bench.script(&other, json!([get("key"), get("../one/key"), get("one\0key"), delete])).await;
    assert_eq!(seen[..3], [json!({"ok": null}), json!({"ok": null}), json!({"ok": null})]);
    assert_eq!(bench.script(&one, json!([get("key")])).await[0]["ok"][0], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_bytes_have_a_quota_that_expires_with_them() {
    let bench = Bench::new().await;
    let channel = bench.channel("quota", &[]);
    let fill = json!([{"call": "fill", "keys": 30, "size": 10}, put("one more", 1), put("key 1", 20)]);
    let filled = bench.script(&channel, fill).await;
    assert_eq!((&filled[0], &filled[1]), (&json!(20), &json!({"err": "KvError::Quota"})));
    assert!(filled[2]["ok"].is_string(), "what is there may be replaced: {filled:?}");
    let channel = bench.channel("bytes", &[]);
    let bytes =
        bench.script(&channel, json!([put("a", 65_000), put("b", 1_000), put("a", 60_000), put("b", 1_000)])).await;
    assert_eq!(bytes[1], json!({"err": "KvError::Quota"}));
    assert!(bytes[3]["ok"].is_string(), "{bytes:?}");
    let keys = bench.script(&channel, json!([put("", 1), put(&"k".repeat(257), 1), get(&"k".repeat(257))])).await;
    assert!(keys.iter().all(|result| *result == json!({"err": "KvError::TooLarge"})), "{keys:?}");
}

/// All at once: the last place is given once.
#[tokio::test(flavor = "multi_thread")]
async fn a_quota_holds_when_many_write_at_once() {
    let bench = Bench::with("kv_bytes = \"64KiB\"\nconcurrency = 32").await;
    let channel = bench.channel("race", &[]);
    let writes = (0..16).map(|n| bench.script(&channel, json!([put(&format!("key {n}"), 20_000)])));
    let written = futures_util::future::join_all(writes).await;
    assert_eq!(written.iter().filter(|results| results[0]["ok"].is_string()).count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_tell_who_was_faster() {
    let bench = Bench::new().await;
    let channel = bench.channel("versions", &[]);
    let put_if = |version: &str| json!({"call": "kv_put", "key": "v", "size": 1, "if_version": version});
    let first = bench.script(&channel, json!([put_if(""), put_if(""), put_if("nonsense"), get("v")])).await;
    let version = first[0]["ok"].as_str().unwrap();
    assert_eq!((&first[1], &first[2]), (&json!({"err": "KvError::Conflict"}), &json!({"err": "KvError::Conflict"})));
    assert_eq!(first[3]["ok"][1], version);
    let second = bench.script(&channel, json!([put_if(version), put_if(version)])).await;
    assert!(second[0]["ok"].is_string());
    assert_eq!(second[1], json!({"err": "KvError::Conflict"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_ends_with_its_time() {
    let bench = Bench::new().await;
    let channel = bench.channel("ttl", &[]);
    let put = json!({"call": "kv_put", "key": "short", "size": 1, "ttl_ms": 1});
    bench.script(&channel, json!([put])).await;
    let gone = async {
        while bench.script(&channel, json!([get("short")])).await[0] != json!({"ok": null}) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), gone).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_is_not_asked_for_ever() {
    let bench = Bench::with("cpu = \"10s\"\nwall = \"60s\"").await;
    let channel = bench.channel("asks", &[]);
    let asked = bench.script(&channel, json!([{"call": "repeat", "times": 1100, "what": get("none")}])).await;
    assert_eq!(asked[0], json!({r#"{"ok":null}"#: 1000, r#"{"err":"KvError::Quota"}"#: 100}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_reaches_sockets_of_its_own_channel() {
    let bench = Bench::new().await;
    let mine = socket(&bench.hub, "mine");
    let mut theirs = socket(&bench.hub, "theirs");
    let push = |size: usize| json!({"call": "push", "address": "ann", "size": size});
    let pushed = bench.script(&bench.channel("mine", &[]), json!([push(5), push(300_000)])).await;
    assert_eq!(pushed, [json!(1), json!(0)], "and no frame of any size");
    drop(mine);
    assert!(theirs.frames.try_recv().is_err());
}

fn socket<'a>(hub: &'a Hub, channel: &str) -> omnigate::channels::Socket<'a> {
    let socket = hub.enter(channel, 9).unwrap();
    socket.bind("ann", std::time::Instant::now());
    socket
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_are_few_and_not_large() {
    let bench = Bench::with("cpu = \"5s\"").await;
    let channel = bench.channel("uploads", &[]);
    let upload = |bytes: u32| json!({"call": "upload", "name": "../../a\r\nb", "content_type": "x", "bytes": bytes});
    let many = json!({"call": "repeat", "times": 30, "what": upload(10)});
    let opened = bench.script(&channel, json!([upload(1 << 21), many])).await;
    assert_eq!(opened[0], json!({"err": "a file must not have more than 1048576 bytes"}));
    assert_eq!(opened[1], json!({r#"{"ok":true}"#: 19, r#"{"err":"too many uploads in one call"}"#: 11}));
}

#[tokio::test(flavor = "multi_thread")]
async fn entropy_history_and_clock_are_bounded() {
    let bench = Bench::new().await;
    let asked = json!([
        {"call": "entropy", "len": u32::MAX}, {"call": "entropy", "len": 0}, {"call": "now"},
        {"call": "history", "value": "nobody", "after": "no id", "limit": u32::MAX},
    ]);
    let told = bench.script(&bench.channel("bounds", &[]), asked).await;
    assert_eq!((&told[0], &told[1], &told[3]), (&json!(4096), &json!(0), &json!(0)));
    assert!(told[2].as_f64().unwrap() > 1.7e12);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_used_and_never_told() {
    let bench = Bench::new().await;
    let channel = bench.channel("secrets", &[]);
    let sign = |slot: &str| json!({"call": "sign", "slot": slot, "data": "x"});
    let is_set = |slot: &str| json!({"call": "is_set", "slot": slot});
    let told = bench
        .script(
            &channel,
            json!([
                sign("webhook"), sign("@channel"), sign("other"), sign("unset"), sign("@Channel"), sign("webhook\0"),
                {"call": "ed25519", "slot": "webhook"},
                {"call": "equals", "slot": "webhook", "candidate": ""},
                {"call": "equals", "slot": "webhook", "candidate": &WEBHOOK[..4]},
                is_set("token"), is_set("unset"), is_set("other"),
            ]),
        )
        .await;
    let names: Vec<_> = told.iter().map(|result| name(result["err"].as_str().unwrap_or_default())).collect();
    assert_eq!(told[..2], [json!({"ok": 32}), json!({"ok": 32})]);
    assert_eq!(names[2..7], ["undeclared", "unset", "undeclared", "undeclared", "wrong-type"]);
    assert_eq!(told[7..], [json!({"ok": false}), json!({"ok": false}), json!(true), json!(false), json!(false)]);
    let all = format!("{told:?}");
    assert!(!all.contains(TOKEN) && !all.contains(WEBHOOK));
}

/// Out of what `Debug` shows of an enum of the contract.
fn name(error: &str) -> &str {
    error.split('"').nth(1).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_genuine_signature_of_the_provider_makes_a_request_authentic() {
    let bench = Bench::new().await;
    let channel = bench.channel("authentic", &[]);
    let authentic = async |calls: Value| bench.act(&channel, "script", &calls.to_string()).await.authentic;
    assert!(!authentic(json!([{"call": "sign", "slot": "webhook", "data": "x"}])).await);
    assert!(!authentic(json!([{"call": "equals", "slot": "webhook", "candidate": "guess"}])).await);
    assert!(!authentic(json!([{"call": "equals", "slot": "@channel", "candidate": "of the channel"}])).await);
    assert!(authentic(json!([{"call": "equals", "slot": "webhook", "candidate": WEBHOOK}])).await);
}
