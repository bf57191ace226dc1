//! Answers that break the contract are told by the rule that they break, and nothing of them is taken.

use omnigate::plugin::exchange::{Broken, Failure, Happening, SessionState};

use crate::bench::Bench;
use crate::limits::message;

#[tokio::test(flavor = "multi_thread")]
async fn every_rule_of_the_contract() {
    let bench = Bench::new().await;
    let channel = bench.channel("answers", &[]);
    for (act, argument, rule) in [
        ("status", "99", "99 is no status of an answer"),
        ("status", "600", "600 is no status of an answer"),
        ("headers", "65", "65 headers of an answer are more than 64"),
        ("headers", "40000", "40000 headers of an answer are more than 64"),
        ("events", "4001", "4001 events are more than 4000"),
        ("id", "0", "an id must have 1 to 512 bytes, not 0"),
        ("id", "1000000", "an id must have 1 to 512 bytes, not 1000000"),
        ("text", "1048577", "a text of 1048577 bytes is longer than 1048576"),
        ("parts", "101", "101 parts are more than 100"),
        ("options", "101", "101 options are more than 100"),
        ("title", "4097", "a title of 4097 bytes is longer than 4096"),
        ("aliases", "17", "17 addresses in one list are more than 16"),
        (
            "identity",
            "",
            "identity: tel value must be E.164: + and 3 to 15 digits; other numbers (short codes, names) have a scheme of their own",
        ),
        ("stranger", "", "identity: scheme \"email\" is not declared; identity_schemes of the manifest: visitor"),
        ("another", "", "identity: scheme \"email\" is not declared; identity_schemes of the manifest: visitor"),
        (
            "known-to-all",
            "",
            "alias: scheme \"email\" is not declared; identity_schemes and alias_schemes of the manifest: visitor, tel",
        ),
        ("latitude", "", "a location must lie within 90 degrees of latitude and 180 of longitude"),
        ("nowhere", "", "a location must lie within 90 degrees of latitude and 180 of longitude"),
        ("metadata", "", "metadata must be a JSON object: EOF while parsing an object at line 1 column 1"),
        ("deep", "128", "a field that must be JSON is not: recursion limit exceeded at line 1 column 128"),
        ("json", "11", "2200033 bytes of JSON are more than 2097152"),
        ("wide", "200000", "a JSON text of 400003 bytes is longer than 262144"),
    ] {
        assert_eq!(bench.broken(&channel, act, argument).await, Broken::Contract(rule.into()), "{act} {argument}");
    }
    bench.is_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_just_allowed_is_taken() {
    let bench = Bench::new().await;
    let channel = bench.channel("answers", &[]);
    for (act, argument) in [
        ("status", "599"),
        ("headers", "64"),
        ("events", "4000"),
        ("id", "512"),
        ("text", "1048576"),
        ("parts", "100"),
        ("options", "100"),
        ("aliases", "16"),
        ("vouched-for", ""),
        ("deep", "127"),
        ("wide", "100000"),
        ("json", "10"),
        ("reply", "1000000"),
    ] {
        let called = bench.act(&channel, act, argument).await;
        assert!(called.result.is_ok(), "{act} {argument}: {:?}", called.result.err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_is_none_is_left_out() {
    let bench = Bench::new().await;
    let outcome = bench.act(&bench.channel("never", &[]), "never", "").await.result.unwrap();
    assert!(matches!(&outcome.happenings[..], [Happening::Message(message)] if message.at.is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_of_a_socket_and_receipts_are_bounded() {
    let bench = Bench::new().await;
    let (plugin, channel) = (&bench.plugin, bench.channel("steps", &[]));
    for (step, rule) in [
        ("frames=1001", "1001 frames of one step are more than 1000"),
        ("memory=65537", "the memory of a socket of 65537 bytes is longer than 65536"),
        ("address=513", "an id must have 1 to 512 bytes, not 513"),
        ("close=1005", "1005 is no code with which a socket may be closed"),
    ] {
        let state = SessionState { address: None, memory: "{}".into() };
        let failure = plugin.frame(&channel, state, step).await.result.unwrap_err();
        assert_eq!(failure, Failure::Broken(Broken::Contract(rule.into())), "{step}");
    }
    let failure = plugin.send(&channel, 1, message("ids=101")).await.result.unwrap_err();
    assert_eq!(failure, Failure::Broken(Broken::Contract("101 external ids are more than 100".into())));
}
