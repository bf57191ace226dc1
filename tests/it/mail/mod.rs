//! Mailboxes: a real Dovecot and a real Postfix, each with a configuration and ports of its own.

mod amazon;
mod checking;
#[path = "../../support/dovecot.rs"]
pub mod dovecot;
mod fetching;
mod flooding;
mod letters;
mod loops;
mod news;
mod oauth;
mod postfix;
mod providers;
mod quiet;
mod sending;
mod servers;
mod silent;
mod threads;

use serde_json::{Value, json};

use crate::support::{Client, ConfigBuilder, Gateway};
use dovecot::Dovecot;
use news::{wait_for_channel, wait_until, wait_until_seen};
use postfix::Postfix;

/// Exchanges the adapter for one that does not break any more.
pub(super) fn mend(gateway: &Gateway) {
    let place = gateway.directory().join("plugins/postbox.wasm");
    let mut wasm = std::fs::read(&place).unwrap();
    let at = wasm.windows(8).position(|bytes| bytes == b"MENDED=0").unwrap();
    wasm[at + 7] = b'1';
    std::fs::write(place.with_extension("new"), wasm).unwrap();
    std::fs::rename(place.with_extension("new"), place).unwrap();
}

/// The channel of every test here.
pub(super) const CHANNEL: &str = "inbox";

impl Dovecot {
    /// A channel that reads this mailbox; `more` goes into `imap`.
    pub(super) fn channel(&self, config: ConfigBuilder, more: Value) -> ConfigBuilder {
        let mut imap = json!({
            "host": "localhost", "port": self.ports().tls, "tls": "implicit", "user": dovecot::USER, "poll": "1s",
        });
        imap.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let port = imap["port"].clone();
        let section = format!("channels.{CHANNEL}");
        config
            .trust(self.certificate())
            .set(&section, "adapter", "postbox")
            .set(&section, "settings", json!({ "address": "support@example.com", "imap": imap }))
            .set(&section, "secrets", json!({ "imap_password": dovecot::PASSWORD }))
            .set(&section, "grants", json!({ "hosts": [format!("localhost:{port}")] }))
    }
}

impl Postfix {
    /// A channel that posts here; `more` goes into `smtp`.
    pub(super) fn channel(&self, dovecot: &Dovecot, config: ConfigBuilder, more: Value) -> ConfigBuilder {
        let mut smtp =
            json!({ "host": "localhost", "port": self.ports().tls, "tls": "implicit", "user": dovecot::USER });
        smtp.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let port = smtp["port"].clone();
        let section = format!("channels.{CHANNEL}");
        config
            .trust(dovecot.certificate())
            .set(&section, "adapter", "postbox")
            .set(&section, "settings", json!({ "address": "support@example.com", "smtp": smtp }))
            .set(&section, "secrets", json!({ "smtp_password": dovecot::PASSWORD }))
            .set(&section, "grants", json!({ "hosts": [format!("localhost:{port}")] }))
    }
}

/// For requests that are made by hand.
pub(super) fn authorization() -> (String, String) {
    ("authorization".into(), format!("Bearer {}", crate::support::KEY))
}

/// Waits until the channel is so.
pub(super) async fn wait_for_state(client: &Client, state: &str) -> Value {
    wait_for_channel(&format!("state {state}"), client, |channel| channel["state"] == state).await
}
