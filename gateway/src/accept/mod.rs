//! Everything enters the log here: understood, attributed to a contact and a conversation, written down.
//!
//! Nothing is locked. A commit names the versions that it was decided on; if somebody was faster, it is decided again.

mod drafting;
mod envelope;
mod erased;
mod fallback;
mod happened;
mod held;
mod loops;
mod messages;
mod notes;
mod passing;
mod people;
mod replies;
mod status;
mod submit;
mod ways;
mod will;

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

pub use envelope::{Trace, channel_lane};
pub use erased::Parting;
pub use happened::{Accepted, Told};
pub use held::{Held, Retried};
pub use loops::LOOPS;
pub use messages::{MessageState, Step};
pub use people::{PeopleError, Whom};
pub use replies::owed_replies;
pub use status::Report;
pub use submit::{Addressed, Chosen, Idempotency, Submission, SubmitError, Submitted, target};
pub use ways::{Fallback, Way};
pub use will::Will;

use crate::config::Loops;
use crate::customer::{Consents, Directory};
use crate::media::Media;
use crate::processors::Processors;
use crate::routes::Routing;
use crate::store::{Quota, Retention, Store, StoreError, Usage};

/// Rounds until giving up: in each, somebody else got through.
const ROUNDS_MAX: usize = 32;

/// The way into the log.
pub struct Accept {
    store: Arc<dyn Store>,
    directory: Arc<Directory>,
    consents: Arc<Consents>,
    media: Arc<Media>,
    schema_url: String,
    retention: Retention,
    loops: Loops,
    processors: Arc<Processors>,
    routing: Option<Arc<Routing>>,
    /// Messages that wait for a processor, of each channel.
    held: Quota,
}

impl Accept {
    /// `public_url` without a slash at its end; `retention` as long as the log keeps what speaks of a message.
    pub fn new(
        store: Arc<dyn Store>,
        directory: Arc<Directory>,
        consents: Arc<Consents>,
        media: Arc<Media>,
        public_url: &str,
        retention: Retention,
    ) -> Self {
        let schema_url = format!("{public_url}/v1/schemas/interaction-1.json");
        let loops = Loops { bot_messages_per_hour: usize::MAX, bot_mails_per_hour: usize::MAX };
        let (processors, held) = (Arc::default(), Quota::new(store.clone(), Usage::default()));
        let routing = None;
        Self { store, directory, consents, media, schema_url, retention, loops, processors, routing, held }
    }

    /// With routes that say who is to answer.
    #[must_use]
    pub fn routed(self, routing: Arc<Routing>) -> Self {
        Self { routing: Some(routing).filter(|routing| !routing.is_empty()), ..self }
    }

    /// With bounds for what no person writes.
    #[must_use]
    pub fn guarded(self, loops: Loops) -> Self {
        Self { loops, ..self }
    }

    /// Behind processors; `held_max`: messages of one channel that may wait for one that failed.
    #[must_use]
    pub fn behind(self, processors: Arc<Processors>, held_max: Usage) -> Self {
        let held = Quota::new(self.store.clone(), held_max);
        Self { processors, held, ..self }
    }

    /// Whether a request of a channel may be kept as it came, although no processor has seen what is in it.
    pub fn let_keep(&self, channel: &str) -> bool {
        self.processors.let_keep(channel)
    }

    /// Somebody was faster: forgets what was read of people if they are what changed, and allows another round unless there
    /// were too many.
    fn lost(&self, key: &str, rounds: &mut Rounds) -> Result<(), StoreError> {
        self.directory.forget_if(key);
        rounds.0 += 1;
        if rounds.0 < ROUNDS_MAX { Ok(()) } else { Err(StoreError::Unavailable("too many changes at once".into())) }
    }
}

/// How often a decision was overtaken.
#[derive(Default)]
struct Rounds(usize);

/// Where an external id points to the interaction that it belongs to.
fn external_key(channel: &str, external_id: &str) -> crate::store::Key {
    crate::store::Key::of(&["external", channel, external_id])
}

/// Where a further name of a message points to it. Apart from the provider's ids, which receipts speak of: a sender chooses these.
fn name_key(channel: &str, name: &str) -> crate::store::Key {
    crate::store::Key::of(&["named", channel, name])
}

fn id_value(id: Uuid) -> Bytes {
    Bytes::copy_from_slice(id.as_bytes())
}
