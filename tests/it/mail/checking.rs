use std::process::Command;

use serde_json::json;

use crate::support::ConfigBuilder;

/// What `omnigate check` says about a channel with these settings, secrets and hosts.
fn said(settings: &serde_json::Value, secrets: &serde_json::Value, hosts: &[&str]) -> String {
    let home = tempfile::tempdir().unwrap();
    let plugins = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/hostile");
    let config = ConfigBuilder::new()
        .set("plugins", "directory", plugins)
        .set("channels.inbox", "adapter", "postbox")
        .set("channels.inbox", "settings", settings.clone())
        .set("channels.inbox", "secrets", secrets.clone())
        .set("channels.inbox", "grants", json!({ "hosts": hosts }));
    std::fs::write(home.path().join("config.toml"), config.text()).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_omnigate"))
        .args(["check", "--config"])
        .arg(home.path().join("config.toml"))
        .output();
    let output = output.unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    said.lines().filter(|line| line.starts_with("error: ")).map(|line| format!("{line}\n")).collect()
}

#[test]
fn what_is_wrong_with_a_mailbox_is_told_before_it_is_opened() {
    let server = json!({ "host": "mail.example.com" });
    let settings = json!({ "address": "support@example.com", "imap": server, "smtp": server });
    let all = json!({ "imap_password": "x", "smtp_password": "y" });
    let granted = ["mail.example.com:993", "mail.example.com:465"];
    assert_eq!(said(&settings, &all, &granted), "");
    let bare = said(&settings, &json!({}), &["mail.example.com"]);
    for expected in [
        "channels.inbox.grants.hosts: the mailbox is at mail.example.com:993, which is not granted: add \"mail.example.com:993\"",
        "channels.inbox.grants.hosts: the mailbox is at mail.example.com:465, which is not granted: add \"mail.example.com:465\"",
        "channels.inbox.secrets.imap_password: is needed to log in",
        "channels.inbox.secrets.smtp_password: is needed to log in",
    ] {
        assert!(bare.contains(expected), "{expected}\n{bare}");
    }
    let address = json!({ "address": "support@example.com", "imap": { "host": "imaps://mail.example.com:993" } });
    let address = said(&address, &all, &granted);
    assert!(
        address.contains("channels.inbox.settings.imap.host: must be the name or the address of a host alone"),
        "{address}"
    );
    let often = json!({ "imap": { "host": "mail.example.com", "poll": "200ms", "user": "" } });
    let often = said(&often, &json!({}), &granted);
    assert!(often.contains("channels.inbox.settings.imap.poll: must be a duration from \"1s\" to \"1h\""), "{often}");
}
