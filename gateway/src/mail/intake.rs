use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::position::{Held, Position};
use super::session::Listed;
use crate::accept::{Accept, Told, Trace};
use crate::channels::{Bound, Channel, ChannelState, Leg, Quarantine, count, count_by};
use crate::interaction::Time;
use crate::plugin::exchange::{Arrived, Failure, FaultKind, Happening, Received, Request};
use crate::store::{Batch, Key, Store, StoreError, Write};

/// What tells a mail in the quarantine from a request, whose address begins with the gateway's own.
const SCHEME: &str = "mailbox:";

/// The way of a mail from its mailbox into the log.
pub struct Intake {
    pub channel: Arc<Channel>,
    pub accept: Arc<Accept>,
    pub quarantine: Arc<Quarantine>,
    pub store: Arc<dyn Store>,
    /// As long as it is remembered that a mail was taken.
    pub retention: Duration,
    /// Larger mails are not fetched.
    pub bytes_max: u64,
}

/// A mail as it came out of the mailbox.
pub(super) struct Mail {
    pub(super) listed: Listed,
    pub(super) content: Content,
}

pub(super) enum Content {
    Whole(Vec<u8>),
    /// Of a mail that is too large.
    Header(Vec<u8>),
}

/// What is to be appended for a mail.
struct Digested {
    received: Received,
    raw: Bytes,
    fingerprint: String,
}

impl Digested {
    fn told(&self) -> Told<'_> {
        let Received { happenings, files } = &self.received;
        Told { happenings, files, raw: Some(&self.raw) }
    }
}

/// Why mails cannot be taken now; they lie where they are.
#[derive(Debug)]
pub(super) struct Later(pub(super) String);

impl From<StoreError> for Later {
    fn from(error: StoreError) -> Self {
        Self(format!("mails cannot be stored: {error}"))
    }
}

impl Intake {
    /// Appends mails and takes the position to `next`, all or nothing.
    pub(super) async fn take(
        self: &Arc<Self>,
        (held, folder): (&Held, &str),
        next: &Position,
        mails: Vec<Mail>,
    ) -> Result<(), Later> {
        let bound = self.channel.bound().ok_or_else(|| Later("the channel's plugin is not loaded".into()))?;
        let tasks: Vec<_> = mails.into_iter().map(|mail| self.begin(&bound, next.uid_validity, mail)).collect();
        let mut digested = Vec::with_capacity(tasks.len());
        for task in tasks {
            let done = task.await.map_err(|error| Later(format!("a mail could not be read: {error}")))?;
            digested.extend(done?);
        }
        self.append(&bound, digested, held.write(&self.channel.name, folder, next)).await
    }

    /// Each in a task of its own: there may be more than one processor.
    fn begin(
        self: &Arc<Self>,
        bound: &Arc<Bound>,
        uid_validity: u32,
        mail: Mail,
    ) -> tokio::task::JoinHandle<Result<Option<Digested>, Later>> {
        let (intake, bound) = (self.clone(), bound.clone());
        tokio::spawn(async move {
            let Mail { listed, content } = mail;
            match content {
                Content::Whole(raw) => intake.digest(&bound, uid_validity, listed, raw).await,
                Content::Header(raw) => intake.too_large(listed, raw).await,
            }
        })
    }

    async fn append(&self, bound: &Bound, digested: Vec<Digested>, position: Write) -> Result<(), Later> {
        let expires = Time::now().plus(self.retention);
        let memory = |digested: &Digested| Write::put(self.key(&digested.fingerprint), "").expiring(expires);
        let writes: Vec<Write> = digested.iter().map(memory).chain([position]).collect();
        let told: Vec<Told<'_>> = digested.iter().map(Digested::told).collect();
        let accepted = self.accept.happened(&bound.reference, &told, &writes, &Trace::from_header(None)).await?;
        count_by(&self.channel.counters.received, accepted.appended);
        count_by(&self.channel.counters.duplicates, accepted.duplicates);
        Ok(())
    }

    /// Nothing for a mail that was taken before, or is kept aside.
    async fn digest(
        &self,
        bound: &Bound,
        uid_validity: u32,
        listed: Listed,
        raw: Vec<u8>,
    ) -> Result<Option<Digested>, Later> {
        let fingerprint = fingerprint(&raw, 0);
        if self.was_taken(&fingerprint).await? {
            return Ok(None);
        }
        let mail = Arrived { id: format!("{uid_validity}.{}", listed.uid), at: listed.at, raw };
        let called = bound.plugin.receive(&bound.binding, mail.clone()).await;
        let reason = match called.result {
            Ok(received) => return Ok(Some(Digested { received, raw: mail.raw.into(), fingerprint })),
            Err(Failure::Busy) => return Err(Later("there is no room for calls of the plugin".into())),
            Err(Failure::Fault(fault)) if matches!(fault.kind, FaultKind::Unavailable | FaultKind::RateLimited) => {
                return Err(Later(fault.message));
            }
            Err(Failure::Fault(fault)) => fault.message,
            Err(Failure::Broken(broken)) => {
                count(&self.channel.counters.broken);
                broken.to_string()
            }
        };
        self.keep_aside(mail, reason).await?;
        Ok(Some(Digested { received: nothing(), raw: Bytes::new(), fingerprint }))
    }

    /// The mail is ours now: it must be found again once the plugin is mended.
    async fn keep_aside(&self, mail: Arrived, reason: String) -> Result<(), Later> {
        let kept = self.quarantine.keep(&self.channel.name, as_request(mail), reason).await;
        let id = kept.map_err(|error| Later(format!("a mail cannot be kept aside: {error}")))?;
        count(&self.channel.counters.quarantined);
        tracing::error!(channel = self.channel.name, %id, "a mail on which the adapter failed is kept in quarantine; retry it once the plugin is mended");
        Ok(())
    }

    async fn too_large(&self, listed: Listed, header: Vec<u8>) -> Result<Option<Digested>, Later> {
        let fingerprint = fingerprint(&header, listed.bytes);
        if self.was_taken(&fingerprint).await? {
            return Ok(None);
        }
        let what = format!(
            "a mail of {} bytes, more than mail.bytes_max ({}): only its header was fetched",
            listed.bytes, self.bytes_max
        );
        let id = format!("mail-{fingerprint}");
        let happenings = vec![Happening::Unsupported { id, what, sender: None, at: Some(listed.at) }];
        Ok(Some(Digested { received: Received { happenings, files: Vec::new() }, raw: header.into(), fingerprint }))
    }

    async fn was_taken(&self, fingerprint: &str) -> Result<bool, StoreError> {
        let taken = self.store.get(&self.key(fingerprint)).await?.is_some();
        if taken {
            count(&self.channel.counters.duplicates);
        }
        Ok(taken)
    }

    fn key(&self, fingerprint: &str) -> Key {
        Key::of(&["mail-taken", &self.channel.name, fingerprint])
    }

    /// Shows how the mailbox is, and logs it if that is news.
    pub(super) async fn show(&self, state: ChannelState, why: Option<String>) {
        let Some(bound) = self.channel.bound() else { return };
        if !self.channel.set_state_of(Leg::Fetching, state, why.clone()) {
            return;
        }
        tracing::warn!(channel = self.channel.name, state = state.as_str(), why, "the mailbox's state changed");
        if let Err(error) = self.accept.channel_state(&bound.reference, state.as_str(), why.as_deref()).await {
            tracing::warn!(%error, channel = self.channel.name, "the change of state is not in the log");
        }
    }

    /// What was written last.
    pub(super) async fn position(&self, folder: &str) -> Result<Option<Held>, StoreError> {
        Held::load(&*self.store, &self.channel.name, folder).await
    }

    /// Writes a position without any mail.
    pub(super) async fn move_to(&self, held: &Held, folder: &str, next: &Position) -> Result<(), StoreError> {
        let writes = vec![held.write(&self.channel.name, folder, next)];
        self.store.commit(Batch { writes, ..Batch::default() }).await.map(drop)
    }
}

fn nothing() -> Received {
    Received { happenings: Vec::new(), files: Vec::new() }
}

/// The same mail has the same, wherever it lies.
fn fingerprint(raw: &[u8], bytes: u64) -> String {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    context.update(raw);
    context.update(&bytes.to_be_bytes());
    hex::encode(context.finish())
}

/// A mail in the form in which the quarantine keeps what an adapter could not digest.
fn as_request(mail: Arrived) -> Request {
    let url = format!("{SCHEME}{}", mail.id);
    let headers = vec![("at".to_owned(), mail.at.ms().to_string())];
    Request { method: "MAIL".into(), path: format!("/{}", mail.id), url, headers, body: mail.raw, ..Request::default() }
}

/// The mail that the quarantine keeps in this form; `None` for a request.
pub fn arrived(kept: &Request) -> Option<Arrived> {
    let id = kept.url.strip_prefix(SCHEME)?.to_owned();
    let at = kept.headers.first().and_then(|(_, at)| at.parse().ok()).map_or_else(Time::now, Time::from_ms);
    Some(Arrived { id, at, raw: kept.body.clone() })
}
