//! The export of a processor, and what crosses there.

use std::time::Duration;

use serde_json::{Map, Value};
use wasmtime::component::{Instance, InstancePre};
use wasmtime::{Result, Store};

use super::calls::{Answer, checked};
use super::content::{content, few, object, short, some_line};
use super::inward::Broken;
use super::{outward, transform, types};
use crate::interaction::{AuthorKind, Direction, Part};
use crate::plugin::Binding;
use crate::plugin::exchange::{AutoReply, Change, Content, MediaSource, Passing, Piece, Verdict};
use crate::plugin::state::CallState;
use transform::exports::omnigate::processor::transform as guest;

const TAGS_MAX: usize = 32;
const TAGS_BYTES_MAX: usize = 16 << 10;
const REASON_MAX: usize = 512;
const PAUSE_MIN: Duration = Duration::from_secs(60);

/// What a processor exports.
pub(super) struct ProcessorCalls(transform::ProcessorPre<CallState>);

impl ProcessorCalls {
    pub(super) fn of(pre: InstancePre<CallState>) -> Result<Self> {
        Ok(Self(transform::ProcessorPre::new(pre)?))
    }

    /// Whether the types of the export are the contract's.
    pub(super) fn fit(store: &mut Store<CallState>, instance: &Instance) -> Result<()> {
        transform::Processor::new(store, instance).map(drop)
    }

    pub(super) async fn process(&self, store: &mut Store<CallState>, passing: Passing) -> Answer<Verdict> {
        let instance = self.0.instantiate_async(&mut *store).await?;
        let context = context(&store.data().binding, &passing);
        let files = sources(&passing.content);
        let transform = instance.omnigate_processor_transform();
        let answer = transform.call_process(&mut *store, &context, &message(passing)).await?;
        Ok(checked(answer, |answer| verdict(answer, &files)))
    }
}

fn context(binding: &Binding, passing: &Passing) -> types::Context {
    types::Context {
        channel: passing.channel.name.clone(),
        medium: passing.channel.medium.clone(),
        ..outward::context(binding, 1)
    }
}

fn message(passing: Passing) -> guest::Message {
    guest::Message {
        direction: match passing.direction {
            Direction::Inbound => guest::Direction::Inbound,
            Direction::Outbound => guest::Direction::Outbound,
        },
        author: author(passing.author),
        sender: passing.sender.map(outward::identity),
        recipients: passing.recipients.into_iter().map(outward::identity).collect(),
        automatic: passing.automatic,
        edited: passing.edited,
        content: outward::content(passing.content),
        metadata: Value::Object(passing.metadata).to_string(),
        tags: Value::Object(passing.tags).to_string(),
        extra: None,
    }
}

fn author(kind: AuthorKind) -> guest::Author {
    match kind {
        AuthorKind::Contact => guest::Author::Contact,
        AuthorKind::Agent => guest::Author::Agent,
        AuthorKind::Bot => guest::Author::Bot,
        AuthorKind::System => guest::Author::System,
    }
}

fn verdict(verdict: guest::Verdict, files: &[MediaSource]) -> Result<Verdict, Broken> {
    Ok(match verdict {
        guest::Verdict::Pass => Verdict::Pass,
        guest::Verdict::Drop(reason) => Verdict::Drop(reason.chars().take(REASON_MAX).collect()),
        guest::Verdict::Change(changed) => Verdict::Change(Box::new(change(changed, files)?)),
    })
}

fn change(change: guest::Change, files: &[MediaSource]) -> Result<Change, Broken> {
    Ok(Change {
        content: change.content.map(|new| replacement(new, files)).transpose()?,
        metadata: change.metadata.map(|text| object(Some(&text))).transpose()?,
        tags: tags(change.tags.as_deref())?,
        reply: change.reply.map(reply).transpose()?,
    })
}

/// A processor says less or other words; it neither empties a message nor leads anybody to other files.
fn replacement(new: types::Content, files: &[MediaSource]) -> Result<Content, Broken> {
    let new = content(new)?;
    if new.parts.is_empty() {
        return Err("a replacement must have at least one part; to keep a message from going on, drop it".into());
    }
    match sources(&new).iter().find(|source| !files.contains(source)) {
        Some(_) => Err("a replacement names a file that the message does not have".into()),
        None => Ok(new),
    }
}

fn sources(content: &Content) -> Vec<MediaSource> {
    let files = content.parts.iter().filter_map(|piece| match piece {
        Piece::Media(file) => Some(file.source.clone()),
        Piece::Part(Part::Media { url, .. }) => Some(MediaSource::Url(url.clone())),
        Piece::Part(_) => None,
    });
    files.collect()
}

fn tags(text: Option<&str>) -> Result<Map<String, Value>, Broken> {
    let text = text.map(|text| short(text.to_owned(), TAGS_BYTES_MAX, "the JSON of tags")).transpose()?;
    let tags = object(text.as_deref())?;
    few(tags.len(), TAGS_MAX, "tags")?;
    Ok(tags)
}

fn reply(reply: guest::Reply) -> Result<AutoReply, Broken> {
    let new = content(reply.content)?;
    let parts: Vec<_> = new.parts.into_iter().map(without_file).collect::<Result<_, _>>()?;
    if parts.is_empty() {
        return Err("a reply must have at least one part".into());
    }
    Ok(AutoReply {
        subject: new.subject,
        parts,
        name: some_line(reply.name, "a name")?,
        pause: Duration::from_millis(reply.pause_ms.into()).max(PAUSE_MIN),
    })
}

fn without_file(piece: Piece) -> Result<Part, Broken> {
    match piece {
        Piece::Part(part) => Ok(part),
        Piece::Media(_) => Err("a reply must not have files".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> types::Part {
        types::Part::Text(types::RichText { text: text.into(), html: None })
    }

    fn file(source: types::MediaSource) -> types::Part {
        let kind = types::MediaKind::Image;
        types::Part::Media(types::Media { kind, source, content_type: None, name: None, bytes: None, caption: None })
    }

    fn of(parts: Vec<types::Part>) -> types::Content {
        types::Content { subject: None, parts, quoted_text: None }
    }

    #[test]
    fn files_are_those_of_the_message() {
        let reference = |name: &str| types::MediaSource::Reference(name.into());
        let files = [MediaSource::Reference("a".into())];
        assert!(replacement(of(vec![file(reference("a"))]), &files).is_ok());
        assert!(replacement(of(vec![text("no file any more")]), &files).is_ok());
        for source in [reference("b"), types::MediaSource::Stored("a".into()), types::MediaSource::Url("a".into())] {
            assert!(replacement(of(vec![text("x"), file(source)]), &files).unwrap_err().contains("file"));
        }
        assert!(replacement(of(Vec::new()), &files).unwrap_err().contains("at least one part"));
    }

    #[test]
    fn replies_and_tags_have_bounds() {
        let reply_of = |parts| reply(guest::Reply { content: of(parts), name: None, pause_ms: 1 });
        assert_eq!(reply_of(vec![text("hi")]).unwrap().pause, PAUSE_MIN);
        assert!(reply_of(Vec::new()).is_err());
        assert!(reply_of(vec![file(types::MediaSource::Url("https://x".into()))]).unwrap_err().contains("files"));
        let many: Map<String, Value> = (0..=TAGS_MAX).map(|n| (n.to_string(), Value::Null)).collect();
        assert!(tags(Some(&Value::Object(many).to_string())).is_err());
        assert!(tags(Some("[]")).is_err());
        assert!(tags(None).unwrap().is_empty());
    }
}
