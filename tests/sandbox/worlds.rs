//! What holds for adapters holds for connectors, processors and mailboxes: each limit and each right, at every export.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use omnigate::channels::Hub;
use omnigate::config::{self, Limits, Secret};
use omnigate::egress::Egress;
use omnigate::interaction::{AuthorKind, ChannelRef, Direction, Identity, Part, Time};
use omnigate::plugin::connecting::{Item, Notes, Person};
use omnigate::plugin::exchange::{
    Arrived, Broken, Content, Failure, Happening, Outbound, Passing, Piece, Request, Verdict,
};
use omnigate::plugin::{Binding, Plugin};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use crate::bench::{LOG, engine};
use crate::egress::{dripping, peer::Answer, peer::Peer};
use crate::limits::message;

const LIMITS: &str = r#"
memory = "32MiB"
cpu = "100ms"
wall = "120s"
output = "4MiB"
log_lines = 5
http_requests = 4
kv_bytes = "64KiB"
kv_keys = 20
concurrency = 4
"#;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Export {
    Deliver,
    Find,
    Report,
    Process,
    Receive,
    Compose,
}

const ALL: [Export; 6] =
    [Export::Deliver, Export::Find, Export::Report, Export::Process, Export::Receive, Export::Compose];

/// A hostile plugin of each kind, and an account of each.
struct Worlds {
    connector: (Plugin, Arc<Binding>),
    processor: (Plugin, Arc<Binding>),
    mailbox: (Plugin, Arc<Binding>),
    limits: Limits,
    _home: TempDir,
}

impl Worlds {
    /// `hosts`: what all of them may call.
    async fn new(limits: &str, hosts: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let (plugins, limits) = engine(home.path(), limits, Arc::new(Hub::default()), Egress::new()).await;
        let admit = |name: &str| {
            let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/hostile").join(format!("{name}.wasm"));
            plugins.admit(&built).unwrap()
        };
        let grants = config::Grants { hosts: hosts.iter().map(|host| host.parse().unwrap()).collect() };
        let (connector, processor, mailbox) = (admit("grasping"), admit("unruly"), admit("postbox"));
        Self {
            connector: with(connector, |plugin| connector_binding(plugin, &grants, &limits)),
            processor: with(processor, |plugin| processor_binding(plugin, &grants, &limits)),
            mailbox: with(mailbox, |plugin| mailbox_binding(plugin, &grants, &limits)),
            limits,
            _home: home,
        }
    }

    fn of(&self, export: Export) -> &(Plugin, Arc<Binding>) {
        match export {
            Export::Deliver | Export::Find | Export::Report => &self.connector,
            Export::Process => &self.processor,
            Export::Receive | Export::Compose => &self.mailbox,
        }
    }

    /// What the plugin says came of a deed.
    async fn commit(&self, export: Export, deed: &str) -> Result<String, Failure> {
        let (plugin, binding) = self.of(export);
        match export {
            Export::Deliver => {
                let taken =
                    plugin.deliver(binding, vec![item(deed)]).await.result?.remove(0).map_err(Failure::Fault)?;
                Ok(said(&taken.contact.unwrap().data.unwrap()))
            }
            Export::Find => {
                let found = plugin.find(binding, person(deed), None).await.result?;
                Ok(said(&found.attributes.unwrap()["said"]))
            }
            Export::Report => {
                let request = Request { body: deed.into(), ..Request::default() };
                let report = plugin.report(binding, request).await.result?;
                Ok(String::from_utf8(report.reply.body).unwrap())
            }
            Export::Process => match plugin.process(binding, passing(deed)).await.result? {
                Verdict::Change(change) => Ok(text(&change.content.unwrap())),
                other => panic!("{other:?}"),
            },
            Export::Receive => {
                let raw = format!("From: ann@example.com\r\nSubject: deed {deed}\r\n\r\nx");
                let mail = Arrived { id: "1.1".into(), at: Time::now(), raw: raw.into() };
                match &plugin.receive(binding, mail).await.result?.happenings[..] {
                    [Happening::Message(message)] => Ok(text(&message.content)),
                    other => panic!("{other:?}"),
                }
            }
            Export::Compose => {
                let recipient =
                    Identity { scheme: "email".into(), value: "ann@example.com".into(), scope: None, name: None };
                let message = Outbound { recipient, subject: Some(format!("deed {deed}")), ..message("") };
                let letter = plugin.compose(binding, 1, message, None).await.result?;
                let raw = String::from_utf8(letter.raw).unwrap();
                Ok(raw.split_once("\r\n\r\n").unwrap().1.trim().to_owned())
            }
        }
    }

    async fn broken(&self, export: Export, deed: &str) -> Broken {
        match self.commit(export, deed).await {
            Err(Failure::Broken(broken)) => broken,
            other => panic!("{export:?} {deed:.40}: {other:?}"),
        }
    }

    /// Every place can be had at once.
    async fn is_whole(&self) {
        for export in ALL {
            let calls = (0..self.limits.concurrency).map(|_| self.commit(export, "get nothing"));
            let answers = tokio::time::timeout(Duration::from_secs(20), join_all(calls)).await.unwrap();
            assert!(answers.iter().all(|answer| *answer == Ok("false".into())), "{export:?}: {answers:?}");
        }
    }
}

fn with(plugin: Plugin, bind: impl Fn(&Plugin) -> Binding) -> (Plugin, Arc<Binding>) {
    let binding = Arc::new(bind(&plugin));
    (plugin, binding)
}

fn connector_binding(plugin: &Plugin, grants: &config::Grants, limits: &Limits) -> Binding {
    let connector = config::Connector {
        plugin: "grasping".into(),
        settings: Map::new(),
        secrets: BTreeMap::new(),
        oauth: BTreeMap::new(),
        grants: grants.clone(),
        fields: config::Fields::default(),
        channels: Vec::new(),
        lookup_timeout: Duration::from_secs(2),
        batch: 50,
        concurrency: 1,
        requests_per_second: 10_000,
    };
    let url = "https://gate.example".parse().unwrap();
    Binding::of_connector("same", &connector, plugin.manifest(), &url, limits, Secret::new("of the connector"))
}

fn processor_binding(plugin: &Plugin, grants: &config::Grants, limits: &Limits) -> Binding {
    let processor = config::Processor {
        name: "same".into(),
        plugin: "unruly".into(),
        settings: Map::new(),
        secrets: BTreeMap::new(),
        oauth: BTreeMap::new(),
        grants: grants.clone(),
        on_failure: config::OnFailure::Hold,
        ways: config::Ways::Both,
        channels: Vec::new(),
    };
    Binding::of_processor("same", &processor, plugin.manifest(), limits)
}

fn mailbox_binding(plugin: &Plugin, grants: &config::Grants, limits: &Limits) -> Binding {
    let settings = json!({"address": "desk@example.com"}).as_object().unwrap().clone();
    let channel = config::Channel { settings, grants: grants.clone(), ..config::Channel::of("postbox") };
    let url = "https://gate.example".parse().unwrap();
    Binding::new("same", &channel, plugin.manifest(), &url, limits, Secret::new("of the channel"))
}

fn item(deed: &str) -> Item {
    Item {
        interaction: json!(deed).to_string(),
        person: None,
        known: Notes::default(),
        attempt: 1,
        uncertain: false,
        files: BTreeMap::new(),
    }
}

fn person(deed: &str) -> Person {
    Person { id: Uuid::now_v7(), name: Some(deed.into()), identities: Vec::new() }
}

fn passing(deed: &str) -> Passing {
    let part = Piece::Part(Part::Text { text: deed.into(), html: None });
    Passing {
        channel: ChannelRef { name: "sms".into(), medium: "sms".into(), adapter: "twilio".into() },
        direction: Direction::Inbound,
        author: AuthorKind::Contact,
        sender: None,
        recipients: Vec::new(),
        automatic: None,
        edited: false,
        content: Content { subject: None, parts: vec![part], quoted_text: None },
        metadata: Map::new(),
        tags: Map::new(),
    }
}

fn text(content: &Content) -> String {
    match &content.parts[..] {
        [Piece::Part(Part::Text { text, .. })] => text.clone(),
        other => panic!("{other:?}"),
    }
}

fn said(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// All exports at once: whoever breaks takes no place of the others.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_breaks_a_call_breaks_it_in_every_world() {
    let worlds = Worlds::new(LIMITS, &[]).await;
    let trap = |why: &str| Broken::Trap(why.into());
    for (deed, expected) in [
        ("loop".to_owned(), Broken::CpuLimit),
        ("trap".to_owned(), trap("wasm trap: wasm `unreachable` instruction executed")),
        ("panic words".to_owned(), trap("wasm trap: wasm `unreachable` instruction executed")),
        ("recurse".to_owned(), trap("wasm trap: call stack exhausted")),
        ("memory".to_owned(), Broken::MemoryLimit),
    ] {
        let broken = join_all(ALL.map(|export| worlds.broken(export, &deed))).await;
        assert!(broken.iter().all(|broken| *broken == expected), "{deed}: {broken:?}");
    }
    // Connectors and mailboxes may hand over files. Who puts so much into JSON or a letter has no memory left for it.
    for (export, bytes, expected) in [
        (Export::Deliver, 50_000_000, Broken::MemoryLimit),
        (Export::Find, 50_000_000, Broken::MemoryLimit),
        (Export::Report, 42_500_000, Broken::OutputLimit),
        (Export::Process, 4_300_000, Broken::OutputLimit),
        (Export::Receive, 101_000_000, Broken::OutputLimit),
        (Export::Compose, 101_000_000, Broken::MemoryLimit),
    ] {
        assert_eq!(worlds.broken(export, &format!("output {bytes}")).await, expected, "{export:?}");
    }
    worlds.is_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_reached_from_any_world_that_was_not_granted() {
    let peer = Peer::with(|_| Answer::json(200, "{}")).await;
    let there = format!("call {}", peer.url());
    let shut = Worlds::new(LIMITS, &["127.0.0.1", "localhost"]).await;
    let granted = Worlds::new(LIMITS, &[&peer.address.to_string()]).await;
    for export in ALL {
        for deed in [&*there, "call https://127.0.0.1/", "call https://169.254.169.254/", "call https://localhost/"] {
            let said = shut.commit(export, deed).await.unwrap();
            assert!(said.starts_with("refused: "), "{export:?} {deed}: {said}");
        }
    }
    assert!(peer.calls().is_empty(), "{:?}", peer.calls());
    for export in ALL {
        assert_eq!(granted.commit(export, &there).await.unwrap(), "answered 200", "{export:?}");
    }
}

/// A connector has more requests than others: it does the work of fifty conversations in one call.
#[tokio::test(flavor = "multi_thread")]
async fn requests_lines_and_values_are_counted_in_every_world() {
    LazyLock::force(&LOG);
    let peer = Peer::with(|_| Answer { body: Bytes::new(), ..Answer::json(200, "") }).await;
    let worlds = Worlds::new(LIMITS, &[&peer.address.to_string()]).await;
    for export in ALL {
        let requests = if worlds.of(export).0.manifest().id == "grasping" { "64" } else { "4" };
        assert_eq!(worlds.commit(export, &format!("calls 100 {}", peer.url())).await.unwrap(), requests, "{export:?}");
        let before = LOG.of(&worlds.of(export).1.channel).len();
        worlds.commit(export, "log 1000").await.unwrap();
        let lines = LOG.of(&worlds.of(export).1.channel);
        assert_eq!(lines.len() - before, 6, "{export:?}: five, and how many were left out");
        assert_eq!(lines.last().unwrap()["fields"]["suppressed"], 995, "{export:?}");
    }
    for export in [Export::Deliver, Export::Process, Export::Receive] {
        assert_eq!(worlds.commit(export, "fill 1000").await.unwrap(), "20", "{export:?}: plugins.limits.kv_keys");
    }
}

/// A channel, a connector and a processor of one name.
#[tokio::test(flavor = "multi_thread")]
async fn each_world_has_its_own_memory_and_its_own_secrets() {
    let worlds = Worlds::new(LIMITS, &[]).await;
    for (writer, readers) in [
        (Export::Deliver, [Export::Process, Export::Receive]),
        (Export::Process, [Export::Find, Export::Receive]),
        (Export::Receive, [Export::Report, Export::Process]),
    ] {
        let key = format!("{writer:?}");
        assert_eq!(worlds.commit(writer, &format!("put {key}")).await.unwrap(), "true");
        assert_eq!(worlds.commit(writer, &format!("get {key}")).await.unwrap(), "true");
        for reader in readers {
            assert_eq!(
                worlds.commit(reader, &format!("get {key}")).await.unwrap(),
                "false",
                "{reader:?} of {writer:?}"
            );
        }
    }
    for export in ALL {
        for slot in ["imap_password", "webhook", "nobody's"] {
            assert_eq!(worlds.commit(export, &format!("sign {slot}")).await.unwrap(), "false", "{export:?} {slot}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_drips_is_a_timeout_before_the_wall_in_every_world() {
    let address = dripping().await;
    let limits = "wall = \"500ms\"\ncpu = \"100ms\"\nconcurrency = 16";
    let worlds = Worlds::new(limits, &[&address]).await;
    let deed = format!("call http://{address}/");
    for (export, said) in ALL.iter().zip(join_all(ALL.map(|export| worlds.commit(export, &deed))).await) {
        assert!(said.as_ref().is_ok_and(|said| said.starts_with("refused: ")), "{export:?}: {said:?}");
    }
    worlds.is_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_a_connector_are_bounded() {
    let worlds = Worlds::new(LIMITS, &[]).await;
    let (plugin, binding) = &worlds.connector;
    for (count, rule) in [(0, "0 answers for 2 interactions"), (3, "3 answers for 2 interactions")] {
        let items = vec![item(&format!("answers {count}")), item("x")];
        let failure = plugin.deliver(binding, items).await.result.unwrap_err();
        assert_eq!(failure, Failure::Broken(Broken::Contract(rule.into())));
    }
    for (deed, rule) in
        [("attributes 10000", "attributes"), ("names 100000", "bytes"), ("output 100000", "attributes has")]
    {
        let failure = plugin.find(binding, person(deed), None).await.result.unwrap_err();
        assert!(
            matches!(&failure, Failure::Broken(Broken::Contract(told)) if told.contains(rule)),
            "{deed}: {failure:?}"
        );
    }
    let failure = plugin.deliver(binding, vec![item("output 10000")]).await.result.unwrap_err();
    let rule = "what is noted has 10002 bytes, more than 8192";
    assert_eq!(failure, Failure::Broken(Broken::Contract(rule.into())));
}
