//! A small contact-center desk: the example of a backend that uses nothing but the gateway's public contract.
//!
//! `webhook` proves who is calling, `event` reads what it says, `inbox` and `conversation` keep it, `gateway` answers, `routes` ties them
//! together, and `web/` shows it. To make a real backend of it, put a database where `inbox` is and a login in front.

mod conversation;
mod event;
mod gateway;
mod inbox;
mod routes;
mod webhook;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;

pub use gateway::Gateway;
use inbox::{Change, Inbox};
pub use routes::router;
pub use webhook::Secret;

/// How many changes a slow browser may lag behind before it is told to load everything again.
const LIVE_BACKLOG: usize = 256;

/// One desk.
pub struct Desk {
    secret: Secret,
    gateway: Gateway,
    inbox: Mutex<Inbox>,
    live: broadcast::Sender<Arc<str>>,
}

impl Desk {
    pub fn new(secret: Secret, gateway: Gateway) -> Arc<Self> {
        let live = broadcast::Sender::new(LIVE_BACKLOG);
        Arc::new(Self { secret, gateway, inbox: Mutex::default(), live })
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells every open page. Nobody listening is fine.
    fn publish(&self, change: &Change) {
        if let Ok(json) = serde_json::to_string(change) {
            let _ = self.live.send(json.into());
        }
    }
}
