//! The configuration as operators meet it: files that load, files that are refused and with which words.
//!
//! `UPDATE_EXPECT=1 cargo test --test config` rewrites the expected words.

#![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use omnigate::config::{
    Config, ConfigErrors, Engine, Loaded, Marketing, OnFailure, OnUncertain, Problem, Scope, Ways, parse_duration,
};

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/config");
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// Stands in the environment and in files of the cases, and must never be seen in a message.
const HUSH: &str = "hush-hush-hush-hush";

fn env(name: &str) -> Option<String> {
    match name {
        "OMNIGATE_API_KEY" => Some(HUSH.into()),
        "DESK_SECRET" => Some("whsec_aHVzaC1odXNoLWh1c2gtaHVzaC1odXNoLWh1c2g=".into()),
        "SHORT_SECRET" => Some("whsec_aHVzaA==".into()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

fn parse(text: &str) -> Result<Loaded, ConfigErrors> {
    Config::parse(text, Path::new(CASES), &env)
}

/// All words on a text that must be refused.
fn refusal(text: &str) -> String {
    let errors = parse(text).expect_err("must be refused");
    let mut words = format!("{errors}\n");
    errors.warnings.iter().for_each(|warning| writeln!(words, "warning: {warning}").unwrap());
    words
}

fn toml_files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(Path::new(CASES).join(folder)).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    files
}

#[test]
fn every_bad_file_is_refused_in_its_words() {
    let files = toml_files("bad");
    assert!(files.len() >= 30, "only {} cases", files.len());
    let mut wrong = String::new();
    for file in files {
        let words = refusal(&std::fs::read_to_string(&file).unwrap());
        let expected_file = file.with_extension("err");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&expected_file, &words).unwrap();
        }
        let expected = std::fs::read_to_string(&expected_file).unwrap_or_default();
        if words != expected {
            writeln!(wrong, "--- {} expected\n{expected}--- got\n{words}", file.display()).unwrap();
        }
        assert!(!words.contains("hush-") && !words.contains("aHVza"), "{} shows a secret:\n{words}", file.display());
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_good_file_loads() {
    for file in toml_files("good") {
        let loaded = parse(&std::fs::read_to_string(&file).unwrap());
        assert!(loaded.is_ok(), "{}:\n{}", file.display(), loaded.unwrap_err());
    }
}

#[test]
fn an_empty_file_means_the_defaults() {
    let Loaded { config, warnings, .. } = parse("").unwrap();
    assert_eq!(warnings, []);
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.public_url.as_str(), "http://127.0.0.1:8080/");
    assert_eq!(config.server.request_bytes_max, 4 << 20);
    assert_eq!(config.store.engine, Engine::Sqlite);
    assert_eq!(config.store.path, Path::new(CASES).join("data"));
    assert_eq!(config.store.retention, Duration::from_secs(90 * 86_400));
    assert_eq!(config.plugins.directory, Path::new(CASES).join("target/plugins"));
    assert_eq!(config.plugins.limits.cpu, Duration::from_millis(500));
    assert_eq!(config.media.content_types, ["*/*"]);
    let retries = ["5s", "30s", "2m", "10m", "30m", "2h", "6h", "12h", "24h"];
    assert_eq!(config.delivery.retries, retries.map(|text| parse_duration(text).unwrap()));
    assert!(config.api_keys.is_empty() && config.backends.is_empty() && config.channels.is_empty());
}

#[test]
fn everything_typed_arrives() {
    let Loaded { config, .. } =
        parse(&std::fs::read_to_string(format!("{CASES}/good/everything.toml")).unwrap()).unwrap();
    assert_eq!(config.server.channel_requests_max, 7);
    assert_eq!(config.plugins.limits.http_response, 5 << 20);
    assert_eq!(config.api_keys["desk"].key.expose(), HUSH);
    assert_eq!(config.api_keys["desk"].scopes.iter().collect::<Vec<_>>(), [&Scope::Messages, &Scope::Admin]);
    assert_eq!(config.backends["desk"].url.as_str(), "https://desk.example.com/in?tenant=1");
    let channel = &config.channels["support-sms"];
    assert_eq!(channel.on_uncertain, OnUncertain::Hold);
    assert_eq!(channel.keywords, Some(false));
    assert_eq!((config.consent.stop.len(), config.consent.start.len()), (2, 0));
    assert_eq!(config.consent.marketing, Marketing::OptIn);
    assert_eq!(channel.secrets["auth_token"].expose(), "hush-from-a-file");
    let settings = serde_json::json!({
        "from": "+15557654321", "since": "2026-11-21T10:00:00Z", "list": [1, -2, 1000, 0.5, true], "deep": {"a": {"b": "c"}}
    });
    assert_eq!(serde_json::Value::Object(channel.settings.clone()), settings);
    let connector = &config.connectors["crm"];
    assert_eq!((connector.plugin.as_str(), connector.batch, connector.requests_per_second), ("ledger", 100, 12));
    assert_eq!((&*connector.fields.read["owner"], &*connector.fields.write["telegram"]), ("owner_id", "telegram_id"));
    assert_eq!(connector.lookup_timeout, Duration::from_millis(500));
    let hosts: Vec<String> = channel.grants.hosts.iter().map(ToString::to_string).collect();
    assert_eq!(hosts, ["api.courier.example", "*.example.com", "[::1]:9000"]);
}

#[test]
fn processors_stand_in_the_order_of_the_file_and_routes_as_typed() {
    let text = "[processors.z]\nplugin = \"a\"\n[processors.a]\nplugin = \"b\"\n[processors.m]\nplugin = \"c\"\n";
    let names: Vec<String> =
        parse(text).unwrap().config.processors.into_iter().map(|processor| processor.name).collect();
    assert_eq!(names, ["z", "a", "m"]);
    let everything = std::fs::read_to_string(format!("{CASES}/good/everything.toml")).unwrap();
    let config = parse(&everything).unwrap().config;
    let redact = &config.processors[0];
    assert_eq!((redact.on_failure, redact.ways), (OnFailure::Reject, Ways::In));
    let [german, words] = &config.routes[..] else { panic!("{:?}", config.routes) };
    assert_eq!((german.name.as_deref(), german.keep, german.matches.share), (Some("german"), true, Some(20)));
    assert_eq!(german.matches.attribute["tier"], ["gold", "1"]);
    assert_eq!(german.fallback.as_ref().unwrap().after, Duration::from_secs(600));
    let words = &words.matches.text.as_ref().unwrap().regex;
    assert!(words.is_match("Good Morning, all") && !words.is_match("othello"));
}

#[test]
fn the_shipped_file_starts_anywhere() {
    let path = Path::new(ROOT).join("config.toml");
    let shipped = Config::parse(&std::fs::read_to_string(&path).unwrap(), Path::new(ROOT), &|_| None).unwrap();
    assert_eq!(Config::load(&path).unwrap().config.store.path, Path::new(ROOT).join("data"));
    assert_eq!(shipped.config.api_keys["desk"].key.expose(), "dev-desk-key-change-me");
    assert_eq!(shipped.config.backends["desk"].url.as_str(), "http://127.0.0.1:8090/interactions");
    assert_eq!(shipped.config.channels["website"].adapter, "webchat");
    let warned: Vec<&str> = shipped.warnings.iter().map(Problem::path).collect();
    assert_eq!(warned, ["api.keys.desk.key", "backends.desk.secret"]);
}

/// What the shipped file offers in comments works as soon as the comment signs are gone.
#[test]
fn the_shipped_file_is_right_in_its_comments() {
    let text = std::fs::read_to_string(format!("{ROOT}/config.toml")).unwrap();
    let uncommented: String =
        text.lines().map(|line| format!("{}\n", line.strip_prefix("#:").unwrap_or(line))).collect();
    let loaded = Config::parse(&uncommented, Path::new(ROOT), &|_| Some("set".into())).unwrap();
    let channels: Vec<&str> = loaded.config.channels.keys().map(String::as_str).collect();
    assert_eq!(channels, ["support-mail", "support-sms", "telegram", "website", "whatsapp"]);
    assert_eq!((&*loaded.config.processors[0].plugin, &*loaded.config.routes[0].backends[0]), ("redact", "desk"));
}

#[test]
fn the_reference_tells_every_key_with_default_and_range() {
    let everything = std::fs::read_to_string(format!("{CASES}/good/everything.toml")).unwrap();
    let reference = std::fs::read_to_string(format!("{ROOT}/docs/configuration.md")).unwrap();
    let loaded = parse(&everything).unwrap();
    let mut known = 0;
    for key in loaded.known_keys() {
        known += 1;
        let row = reference.lines().find(|line| line.starts_with(&format!("| `{}` |", key.path)));
        let row = row.unwrap_or_else(|| panic!("docs/configuration.md lacks {}", key.path));
        if let Some([default, min, max]) = &key.bounds {
            let told = format!("| `{default}` | `{min}` to `{max}` |");
            assert!(row.contains(&told), "docs/configuration.md on {}: lacks {told}", key.path);
        }
    }
    let rows = reference.lines().filter(|line| is_key_row(line)).count();
    assert_eq!(known, rows, "docs/configuration.md tells of keys that are unknown");
}

fn is_key_row(line: &str) -> bool {
    line.strip_prefix("| `").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()))
}

#[test]
fn lines_are_found_for_problems_of_others() {
    let text =
        "[channels.web]\nadapter = \"webchat\"\n\n[channels.web.settings]\ncolor = \"blue\"\nlist = [\n  1,\n  2,\n]\n";
    let loaded = parse(text).unwrap();
    let path = "channels.web.settings.color";
    assert_eq!(loaded.locate(path), Some(5));
    assert_eq!(loaded.locate("channels.web.settings.list[1]"), Some(8));
    assert_eq!(loaded.locate("channels.web.settings.title"), Some(4));
    assert_eq!(loaded.locate("media.bytes_max"), None);
    assert_eq!(loaded.settings_path("web", "/list/1"), "channels.web.settings.list[1]");
    assert_eq!(loaded.settings_path("web", "/a~1b/7"), "channels.web.settings.\"a/b\".7");
    assert_eq!(loaded.settings_path("web", ""), "channels.web.settings");
    let problem = loaded.place(Problem::new(path, Some("\"blue\"".into()), "must be #rrggbb"));
    assert_eq!(problem.to_string(), format!("config.toml:5: {path} = \"blue\": must be #rrggbb"));
}

#[test]
fn literals_and_open_addresses_are_warned_of() {
    let text = "[server]\nlisten = \"0.0.0.0:0\"\n[api.keys.a]\nkey = \"hush-hush-hush-hush\"\nscopes = [\"admin\"]\n";
    let words: Vec<String> = parse(text).unwrap().warnings.iter().map(ToString::to_string).collect();
    assert!(words[0].starts_with("config.toml:1: server.public_url = \"http://0.0.0.0:0\": is not https"), "{words:?}");
    assert!(words[1].starts_with("config.toml:4: api.keys.a.key: is written in the file itself"), "{words:?}");
    assert_eq!(words.len(), 2);
}

#[test]
fn unreadable_files_are_told_of() {
    let folder = std::env::temp_dir().join(format!("omnigate-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("config.toml");
    let words = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        Config::load(&path).unwrap_err().to_string()
    };
    assert!(words(b"[server]\nlisten = \"\xff\"\n").contains("not UTF-8 (line 2)"));
    assert!(words(&vec![b' '; (4 << 20) + 1]).contains("larger than 4194304 bytes"));
    assert!(Config::load(&folder).unwrap_err().to_string().contains("cannot be read"));
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(Config::load(&path).unwrap_err().to_string().contains("No such file"));
}

/// Whatever comes: an answer, soon, and of a bearable length.
#[test]
fn hostile_texts_are_refused_in_few_words() {
    let long = "x".repeat(1 << 20);
    let many = |piece: &str, times: usize| piece.repeat(times);
    for text in [
        format!("[server]\nlisten = \"{long}\"\n"),
        format!("[server]\n{long} = 1\n"),
        format!("[server]\nlisten = \"{long}\n"),
        format!("[{long}]\n"),
        format!("[channels.{long}]\nadapter = \"a\"\n"),
        format!("[channels.a]\nadapter = \"{long}\"\ngrants = {{ hosts = [\"{long}.com\"] }}\n"),
        format!("[plugins.limits]\nlog_lines = {}\n", "9".repeat(1 << 16)),
        format!("[delivery]\nretries = [{}]\n", many("\"1s\",", 100_000)),
        format!("[channels.a]\nadapter = \"a\"\nsettings = {}1{}\n", many("[", 50_000), many("]", 50_000)),
        format!("[channels.a]\nadapter = \"a\"\nsettings.x = {}1{}\n", many("{a=", 50_000), many("}", 50_000)),
        format!("{}x = 1\n", many("a.", 50_000)),
        format!("[api.keys.a]\nkey = {{ file = \"{long}\" }}\nscopes = [\"admin\"]\n"),
        "a = \"\0\"\n".to_owned(),
        "\u{feff}[server]\nlisten = 1\n".to_owned(),
        "\"\" = 1\n\"\\u0000\" = 1\n".to_owned(),
        many("[", 1 << 18),
        many("\"\"\"", 1 << 18),
    ] {
        let start = Instant::now();
        let words = refusal(&text);
        let kind: String = text.chars().take(40).collect();
        assert!(words.len() < 12_000, "{kind}: {} bytes of words", words.len());
        assert!(!words.contains(|c: char| c.is_control() && c != '\n'), "{kind}: {words:?}");
        assert!(start.elapsed() < Duration::from_secs(20), "{kind}: {:?}", start.elapsed());
    }
}

/// A file that is cut anywhere, or has one wrong sign anywhere, gets an answer.
#[test]
fn damaged_files_get_an_answer() {
    let whole = std::fs::read_to_string(format!("{CASES}/good/everything.toml")).unwrap();
    let mut refused = 0;
    for (at, _) in whole.char_indices() {
        let (before, after) = whole.split_at(at);
        refused += usize::from(parse(before).is_err());
        for sign in ["\"", "[", "}", "\n", "=", ".", "\0"] {
            refused += usize::from(parse(&format!("{before}{sign}{after}")).is_err());
        }
    }
    assert!(refused > whole.len(), "only {refused} were refused");
}
