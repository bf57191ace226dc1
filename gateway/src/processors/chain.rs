use super::{Bound, Figure, Processor, Processors};
use crate::config::OnFailure;
use crate::plugin::exchange::{AutoReply, Change, Failure, Passing, Verdict};

/// Says in `metadata` which processors have not seen a message that went on all the same.
const UNPROCESSED: &str = "unprocessed";

/// A message that came through.
#[derive(Debug)]
pub struct Came {
    pub passing: Passing,
    /// What processors answer, with their names.
    pub replies: Vec<(String, AutoReply)>,
}

/// A message that went no further.
#[derive(Debug)]
pub struct Stopped {
    pub processor: String,
    pub why: Why,
}

/// Why it went no further.
#[derive(Debug, PartialEq, Eq)]
pub enum Why {
    /// A processor wants that.
    Dropped(String),
    /// A processor failed; it is to be kept apart.
    Hold(String),
    /// A processor failed; it is not to be taken.
    Reject(String),
}

impl Processors {
    /// Leads a message past every processor that sees one of the channels.
    ///
    /// # Errors
    /// If one of them stops it, or fails and does not let it pass.
    pub async fn pass(&self, passing: Passing, channels: &[&str]) -> Result<Came, Stopped> {
        let mut came = Came { passing, replies: Vec::new() };
        let direction = came.passing.direction;
        for processor in self.on_the_way(direction, channels) {
            processor.take(&mut came).await?;
        }
        Ok(came)
    }
}

impl Processor {
    async fn take(&self, came: &mut Came) -> Result<(), Stopped> {
        match self.judge(&came.passing).await {
            Ok(Verdict::Pass) => self.counters.count(Figure::Passed),
            Ok(Verdict::Change(change)) => {
                self.counters.count(Figure::Changed);
                came.change(&self.config.name, *change);
            }
            Ok(Verdict::Drop(reason)) => {
                self.counters.count(Figure::Dropped);
                return Err(self.stopped(Why::Dropped(reason)));
            }
            Err(failure) => {
                self.counters.count(Figure::Failed);
                self.failed(came, &failure)?;
            }
        }
        Ok(())
    }

    /// The plugin of now: one that was exchanged since takes over with the next message.
    async fn judge(&self, passing: &Passing) -> Result<Verdict, Failed> {
        let Some(bound) = self.bound.load_full() else {
            return Err(Failed { why: "its plugin is not loaded".to_owned(), for_now: true });
        };
        let Bound { plugin, binding } = &*bound;
        plugin.process(binding, passing.clone()).await.result.map_err(Failed::from)
    }

    fn failed(&self, came: &mut Came, failed: &Failed) -> Result<(), Stopped> {
        let (processor, channel, why) = (&*self.config.name, &*came.passing.channel.name, &*failed.why);
        tracing::error!(processor, channel, why, on_failure = ?self.config.on_failure, "a processor failed");
        match self.config.on_failure {
            OnFailure::Pass => {
                came.mark(&self.config.name);
                Ok(())
            }
            // Work that may succeed in a moment is not kept for a person to look at.
            OnFailure::Hold if !failed.for_now => Err(self.stopped(Why::Hold(failed.why.clone()))),
            OnFailure::Hold | OnFailure::Reject => Err(self.stopped(Why::Reject(failed.why.clone()))),
        }
    }

    fn stopped(&self, why: Why) -> Stopped {
        Stopped { processor: self.config.name.clone(), why }
    }
}

impl Came {
    fn change(&mut self, processor: &str, change: Change) {
        let Change { content, metadata, tags, reply } = change;
        if let Some(content) = content {
            self.passing.content = content;
        }
        if let Some(metadata) = metadata {
            self.passing.metadata = metadata;
        }
        self.passing.tags.extend(tags);
        self.replies.extend(reply.map(|reply| (processor.to_owned(), reply)));
    }

    fn mark(&mut self, processor: &str) {
        let marks = self.passing.metadata.entry(UNPROCESSED).or_insert_with(|| serde_json::json!([]));
        match marks.as_array_mut() {
            Some(marks) => marks.push(processor.into()),
            // A provider's own word of the same name is not ours to keep.
            None => *marks = serde_json::json!([processor]),
        }
    }
}

/// A call that brought no verdict.
#[derive(Debug)]
struct Failed {
    why: String,
    /// The gateway had no room for the call.
    for_now: bool,
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Fault(fault) => Self { why: fault.message, for_now: false },
            Failure::Broken(broken) => Self { why: broken.to_string(), for_now: false },
            Failure::Busy => Self { why: "the gateway has too much to do".to_owned(), for_now: true },
        }
    }
}
