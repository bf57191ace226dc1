//! What every test stands on: the program, its peers, and how to wait for them.

mod backend;
mod client;
mod config;
mod gateway;
#[allow(dead_code, reason = "the tests of the sandbox need none")]
mod hubspot;
mod ledger;
mod load;
mod log;
#[allow(dead_code, reason = "the tests of plugins use the rest of it")]
#[path = "../../support/peer.rs"]
mod peer;
mod provider;
mod random;
#[allow(dead_code, reason = "the tests of the sandbox need none")]
mod salesforce;
#[allow(dead_code, reason = "not all who include this have visitors")]
mod visitor;
mod webhook;

use std::time::Duration;

pub use backend::{Backend, Behaviour, Delivery};
pub use client::{Answer, Client, Failed};
pub use config::{ConfigBuilder, KEY};
pub use gateway::Gateway;
#[allow(unused_imports, reason = "the tests of the sandbox need none")]
pub use hubspot::{HubSpot, Mood, Object, Upload};
pub use ledger::Ledger;
pub use load::Load;
pub use log::Log;
pub use peer::{Answer as ProviderAnswer, Call};
pub use provider::Provider;
pub use random::Random;
#[allow(unused_imports, reason = "the tests of the sandbox need none")]
pub use salesforce::Salesforce;
pub use visitor::Visitor;
pub use webhook::{Telegram, Twilio, WhatsApp};

/// How long anything may take that must happen. Generous: it is only ever used up by a test that fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `look` finds what it looks for; it looks again whenever `news` brings something.
pub async fn wait_for<T, N>(
    what: &str,
    news: &mut tokio::sync::watch::Receiver<N>,
    mut look: impl FnMut() -> Option<T>,
) -> T {
    let found = async {
        loop {
            news.borrow_and_update();
            if let Some(found) = look() {
                return found;
            }
            assert!(news.changed().await.is_ok(), "{what}: ended before it happened");
        }
    };
    match tokio::time::timeout(PATIENCE, found).await {
        Ok(found) => found,
        Err(_) => panic!("{what}: did not happen within {PATIENCE:?}"),
    }
}

/// A future that must end.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: did not end within {PATIENCE:?}"),
    }
}
