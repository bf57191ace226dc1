//! `omnigate check`: everything that is wrong, in one run.

use std::process::Command;

const BAD: &str = r#"
[plugins]
directory = "PLUGINS"
[channels.bot]
adapter = "telegram"
concurency = 3
settings = { api_bas = "x" }
secrets = { bot_token = { env = "NOT_SET_ANYWHERE" }, pin = "0000" }
[channels.sms]
adapter = "twilo"
"#;

pub(crate) fn plugins() -> std::path::PathBuf {
    let default = || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/plugins");
    std::env::var_os("OMNIGATE_PLUGINS").map_or_else(default, Into::into)
}

const PROCESSORS: &str = r#"
[plugins]
directory = "PLUGINS"
[channels.bot]
adapter = "redact"
[processors.swapped]
plugin = "telegram"
[processors.broken]
plugin = "redact"
settings = { patterns = { order = "(" } }
[processors.odd]
plugin = "keywords"
settings = { rules = [{ reply = "Hello {nobody}" }] }
[processors.wrong]
plugin = "redact"
settings = { cards = "yes" }
"#;

#[test]
fn processors_are_tried_with_their_settings() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.toml");
    std::fs::write(&file, PROCESSORS.replace("PLUGINS", &plugins().display().to_string())).unwrap();
    let checked =
        Command::new(env!("CARGO_BIN_EXE_omnigate")).arg("check").arg("--config").arg(&file).output().unwrap();
    let told = String::from_utf8(checked.stderr).unwrap();
    let expected = [
        ":5: channels.bot.adapter = \"redact\": is a plugin for contract processor@1: its place is under [processors]",
        ":7: processors.swapped.plugin = \"telegram\": is a plugin for contract channel@1: its place is under [channels]",
        ":10: processors.broken.settings: plugin redact fails with these settings: settings.patterns.order is no regular",
        ":13: processors.odd.settings: plugin keywords fails with these settings: settings.rules[0].reply: no variable {nobody}",
        ":16: processors.wrong.settings.cards: \"yes\" is not of type \"boolean\"",
        "5 errors",
    ];
    for line in expected {
        assert!(told.contains(line), "{line}\nis not in\n{told}");
    }
}

#[test]
fn what_is_wrong_with_the_file_does_not_hide_what_is_wrong_for_the_plugins() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.toml");
    std::fs::write(&file, BAD.replace("PLUGINS", &plugins().display().to_string())).unwrap();
    let checked =
        Command::new(env!("CARGO_BIN_EXE_omnigate")).arg("check").arg("--config").arg(&file).output().unwrap();
    let told = String::from_utf8(checked.stderr).unwrap();
    assert_eq!(checked.status.code(), Some(1), "{told}");
    let expected = [
        ":6: channels.bot.concurency: unknown key; did you mean \"concurrency\"?",
        ":7: channels.bot.settings",
        ":8: channels.bot.secrets.bot_token: environment variable NOT_SET_ANYWHERE is not set",
        ":8: channels.bot.secrets.pin: plugin telegram has no such slot",
        ":8: channels.bot.secrets.webhook_secret: is required",
        ":10: channels.sms.adapter = \"twilo\": no plugin with this id",
        "6 errors",
    ];
    for line in expected {
        assert!(told.contains(line), "{line}\nis not in\n{told}");
    }
}
