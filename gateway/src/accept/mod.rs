//! Everything enters the log here: understood, attributed to a contact and a conversation, written down.
//!
//! Nothing is locked. A commit names the versions that it was decided on; if somebody was faster, it is decided again.

mod drafting;
mod envelope;
mod happened;
mod held;
mod messages;
mod passing;
mod replies;
mod status;
mod submit;

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

pub use envelope::{Trace, channel_lane};
pub use happened::{Accepted, Told};
pub use held::{Held, Retried};
pub use messages::MessageState;
pub use submit::{Addressed, Idempotency, Submission, SubmitError, Submitted, target};

use crate::customer::Directory;
use crate::media::Media;
use crate::processors::Processors;
use crate::store::{Store, StoreError};

/// Rounds until giving up: in each, somebody else got through.
const ROUNDS_MAX: usize = 32;

/// The way into the log.
pub struct Accept {
    store: Arc<dyn Store>,
    directory: Arc<Directory>,
    media: Arc<Media>,
    schema_url: String,
    retention: std::time::Duration,
    processors: Arc<Processors>,
    /// Messages held for one channel, at most.
    held_max: usize,
    held: held::HeldCounts,
}

impl Accept {
    /// `public_url` without a slash at its end; `retention` as long as the log keeps what speaks of a message.
    pub fn new(
        store: Arc<dyn Store>,
        directory: Arc<Directory>,
        media: Arc<Media>,
        public_url: &str,
        retention: std::time::Duration,
    ) -> Self {
        let schema_url = format!("{public_url}/v1/schemas/interaction-1.json");
        let (processors, held) = (Arc::default(), held::HeldCounts::default());
        Self { store, directory, media, schema_url, retention, processors, held_max: 0, held }
    }

    /// Behind processors; `held_max`: messages of one channel that may wait for one that failed.
    #[must_use]
    pub fn behind(self, processors: Arc<Processors>, held_max: usize) -> Self {
        Self { processors, held_max, ..self }
    }

    /// Whether a request of a channel may be kept as it came, although no processor has seen what is in it.
    pub fn let_keep(&self, channel: &str) -> bool {
        self.processors.let_keep(channel)
    }

    /// Somebody was faster: forgets what was read, and allows another round unless there were too many.
    fn lost(&self, rounds: &mut Rounds) -> Result<(), StoreError> {
        self.directory.forget();
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
