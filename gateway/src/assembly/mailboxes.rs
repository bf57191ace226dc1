//! Channels whose adapter reads and writes mails.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Gateway;
use crate::channels::Channel;
use crate::mail::{self, Account, Intake, Login, Mailbox, Post};
use crate::plugin::Transport;
use crate::store::StoreError;

impl Gateway {
    pub(super) fn start_mailboxes(&self, stop: &CancellationToken, work: &mut JoinSet<Result<(), StoreError>>) {
        for channel in self.edge.channels.iter() {
            if let Some(mailbox) = self.mailbox(channel) {
                work.spawn(mailbox.run(stop.clone()));
            }
        }
    }

    /// Of channels whose adapter has one, and whose settings say where it is.
    fn mailbox(&self, channel: &Arc<Channel>) -> Option<Mailbox> {
        let fetching = account(channel)?.imap?;
        let login = self.login(channel, mail::IMAP_PASSWORD)?;
        let intake = Intake {
            channel: channel.clone(),
            accept: self.edge.accept.clone(),
            quarantine: self.edge.quarantine.clone(),
            store: self.store.clone(),
            retention: self.config.store.retention,
            bytes_max: self.config.mail.bytes_max,
        };
        Some(Mailbox::new(intake, fetching, login, self.config.mail.rate))
    }

    /// Where a channel's letters are handed over.
    pub(super) fn post(&self, channel: &Channel) -> Option<Post> {
        let server = account(channel)?.smtp?;
        let address = channel.config.settings.get("address").and_then(serde_json::Value::as_str);
        Some(Post::new(server, self.login(channel, mail::SMTP_PASSWORD), address))
    }

    /// A token where there is one, else the password of that slot.
    fn login(&self, channel: &Channel, slot: &str) -> Option<Login> {
        if let Some(source) = channel.config.oauth.get(mail::OAUTH) {
            return Some(Login::Token(source.clone(), self.tokens.clone()));
        }
        channel.config.secrets.get(slot).cloned().map(Login::Password)
    }
}

/// The mailbox of a channel, if its adapter has one. Its settings were checked when it was bound.
fn account(channel: &Channel) -> Option<Account> {
    let bound = channel.bound().filter(|bound| bound.plugin.manifest().transport == Transport::Mail)?;
    Account::of(&bound.plugin.manifest().with_defaults(&channel.config.settings)).ok()
}
