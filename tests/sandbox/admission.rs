//! Files that are no plugin of ours, each refused in one sentence that helps.

use std::path::Path;

use omnigate::plugin::exchange::Failure;
use omnigate::plugin::{Artefacts, NoServices, Plugins, Tools};

use crate::bench::{self, Bench, rebuilt};

fn tools() -> Tools {
    Tools { egress: std::sync::Arc::default(), services: std::sync::Arc::new(NoServices) }
}

/// A component in text, with the hostile adapter's manifest.
fn written(text: &str) -> Vec<u8> {
    let manifest =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/hostile/hostile/manifest.json"));
    let manifest = manifest.unwrap().replace('"', "\\\"").replace('\n', " ");
    wat::parse_str(format!("(component (@custom \"omnigate:manifest\" \"{manifest}\") {text})")).unwrap()
}

/// The sentence for a file with these bytes.
fn refusal(plugins: &Plugins, bytes: &[u8]) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    plugins.admit(file.path()).err().expect("it must be refused").to_string()
}

const REBUILD: &str = "rebuild it with an SDK for channel@1";
const OFFERED: &str =
    "this gateway offers channel@1, connector@1 and processor@1: rebuild it with an SDK for what is offered";

#[tokio::test]
async fn each_refusal_names_the_plugin_the_rule_and_the_way_out() {
    let bench = Bench::with("memory = \"8MiB\"\ncpu = \"100ms\"").await;
    let plugins = bench::plugins(&bench.limits, tools());
    let cases = [
        (rebuilt(&[("channel@1\"", "channel@9\"")]),
         format!("plugin hostile wants contract channel@9, and {OFFERED}, or run a gateway that offers channel@9")),
        (rebuilt(&[("omnigate:host/clock@1.0.0", "wasi:clocks/wallclk@0.2.3")]),
         "plugin hostile imports wasi:clocks/wallclk@0.2.3, which this gateway does not offer: plugins run without WASI; build for wasm32-unknown-unknown, or stub WASI with your toolchain's option".into()),
        (rebuilt(&[("omnigate:host/clock@1.0.0", "omnigate:disk/files@1.0.0")]),
         "plugin hostile imports omnigate:disk/files@1.0.0, which this gateway does not offer: see the interfaces under wit/".into()),
        (rebuilt(&[("omnigate:manifest", "omnigate:nothing!")]),
         "holds no manifest: embed one with the SDK's channel! macro, or as custom section \"omnigate:manifest\"".into()),
        (rebuilt(&[("\"id\": \"hostile\"", "\"id\": \"HOSTILE\"")]),
         "holds a wrong manifest: id \"HOSTILE\" must be 1 to 64 of a-z 0-9 - _".into()),
        (rebuilt(&[("\"hosts\": [\"api.example.com\"]", "\"hosts\": [\"https://a.examp\"]")]),
         "holds a wrong manifest: host \"https://a.examp\": must be a host without a scheme: \"api.example.com\", not \"https://...\"".into()),
        (rebuilt(&[("\"medium\":", "\"median\":")]),
         "holds a manifest that cannot be read: unknown field `median`".into()),
        (wat::parse_str("(module (memory 1))").unwrap(),
         "is a core WebAssembly module, not a component: build for wasm32-unknown-unknown with wasm-component-ld as linker, or wrap it with `wasm-tools component new`".into()),
        (b"\x7fELF\x02\x01\x01\0 and so on".to_vec(),
         "is machine code compiled elsewhere, which is never loaded: give the .wasm component itself".into()),
        (Vec::new(), "is no WebAssembly component".into()),
        (b"#!/bin/sh\nexit 0\n".to_vec(), "is no WebAssembly component".into()),
        (rebuilt(&[])[..100_000].to_vec(), "is broken WebAssembly: ".into()),
        (written(""), format!("plugin hostile does not fit contract channel@1: no exported instance named `omnigate:channel/adapter@1.0.0`: {REBUILD}")),
        (written("(core module $m (func $f unreachable) (start $f)) (core instance (instantiate $m))"),
         "plugin hostile does not start: it trapped: wasm trap: wasm `unreachable` instruction executed: mend what it does before its first call, and rebuild it".into()),
        (written("(core module $m (func $f (loop $l br $l)) (start $f)) (core instance (instantiate $m))"),
         "plugin hostile does not start: it used more processor time than plugins.limits.cpu: mend what it does before its first call, and rebuild it".into()),
        (written("(core module $m (memory 1)) (core instance (instantiate $m)) (core instance (instantiate $m)) (core instance (instantiate $m))"),
         "plugin hostile cannot be compiled: ".into()),
        (written("(core module $m (memory 1000)) (core instance (instantiate $m))"),
         "plugin hostile does not start: it asked for more memory than plugins.limits.memory: mend".into()),
        (written("(core module $m (table 1000000 funcref)) (core instance (instantiate $m))"), "plugin hostile cannot be compiled: ".into()),
        (written(&format!("(core module $m) {}", "(core instance (instantiate $m)) ".repeat(41))), "plugin hostile cannot be compiled: ".into()),
        // Grows as long as it may, then traps: a table bomb.
        (written("(core module $m (table $t 1 funcref) (func $f (loop $l (br_if $l (i32.ge_s (table.grow $t (ref.null func) (i32.const 1000)) (i32.const 0)))) unreachable) (start $f)) (core instance (instantiate $m))"),
         "plugin hostile does not start: it trapped: wasm trap: wasm `unreachable` instruction executed: mend".into()),
    ];
    for (bytes, expected) in cases {
        let told = refusal(&plugins, &bytes);
        let golden = expected.ends_with(": ") || expected.ends_with(": mend") || expected.ends_with("`median`");
        assert!(if golden { told.starts_with(&expected) } else { told == expected }, "{told}\n  is not\n{expected}");
        assert!(!told.contains('\n') && told.chars().count() < 900, "{told}");
    }
    bench.is_whole().await;
}

/// Its names fit, its types do not: it would fail in every call.
#[tokio::test]
async fn a_component_of_another_draft_of_the_contract_is_refused() {
    let bench = Bench::new().await;
    let plugins = bench::plugins(&bench.limits, tools());
    let told = refusal(&plugins, &rebuilt(&[("in-reply-to", "in-reply-on")]));
    let begin = "plugin hostile does not fit contract channel@1: ";
    assert!(told.starts_with(begin) && told.contains("in-reply-on"), "{told}");
    assert!(told.ends_with(": rebuild it with an SDK for channel@1"), "{told}");
}

#[tokio::test]
async fn what_is_no_file_is_not_waited_for() {
    let bench = Bench::new().await;
    let plugins = bench::plugins(&bench.limits, tools());
    let pipe = bench.home.path().join("pipe.wasm");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert_eq!(plugins.admit(&pipe).err().unwrap().to_string(), "is no regular file");
    assert_eq!(plugins.admit(bench.home.path()).err().unwrap().to_string(), "is no regular file");
    let huge = bench.home.path().join("huge.wasm");
    std::fs::File::create(&huge).unwrap().set_len(65 << 20).unwrap();
    assert_eq!(plugins.admit(&huge).err().unwrap().to_string(), "has more than 67108864 bytes");
}

/// What lies in the directory of compiled plugins is executed.
#[test]
fn a_directory_that_was_open_to_others_is_closed() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = tempfile::tempdir().unwrap();
    let mode = || std::fs::metadata(home.path()).unwrap().permissions().mode() & 0o777;
    std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    Artefacts::open(home.path()).unwrap();
    assert_eq!(mode(), 0o700);
}

/// A broken file leaves the other files, and its own predecessor, in use.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_version_leaves_its_predecessor_in_use() {
    let bench = Bench::new().await;
    let folder = bench.home.path().join("plugins");
    std::fs::create_dir(&folder).unwrap();
    let plugins = Plugins::new(&folder, &bench.limits, None, tools()).unwrap();
    let file = folder.join("hostile.wasm");
    let publish = |bytes: &[u8]| {
        std::fs::write(folder.join("aside"), bytes).unwrap();
        std::fs::rename(folder.join("aside"), &file).unwrap();
    };
    publish(&rebuilt(&[]));
    assert!(plugins.refresh().is_empty());
    let first = plugins.get("hostile").unwrap().digest().to_owned();
    publish(&rebuilt(&[("channel@1\"", "channel@9\"")]));
    assert_eq!(plugins.refresh().len(), 1);
    assert_eq!(plugins.get("hostile").unwrap().digest(), first);
    assert!(plugins.refresh().is_empty(), "told once, not every second");
    publish(&rebuilt(&[("BUILD=1", "BUILD=2")]));
    assert!(plugins.refresh().is_empty());
    assert_ne!(plugins.get("hostile").unwrap().digest(), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_finds_no_place_in_time_is_told_to_come_again() {
    let bench = Bench::with("cpu = \"500ms\"\nwall = \"600ms\"\nconcurrency = 1").await;
    let channel = bench.channel("busy", &[]);
    let calls = (0..8).map(|_| bench.act(&channel, "loop", ""));
    let failures = futures_util::future::join_all(calls).await;
    assert!(failures.iter().any(|called| called.result.as_ref().err() == Some(&Failure::Busy)));
    bench.is_whole().await;
}
