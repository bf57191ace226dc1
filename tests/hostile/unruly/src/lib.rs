//! A processor that does whatever a message tells it to do: the gateway must bear it.

use omnigate_plugin::prelude::*;
use omnigate_plugin::{AutoReply, Change, Passing, Processor, Verdict, processor};

struct Unruly;

processor!(Unruly, "../manifest.json");

#[derive(Deserialize)]
struct Settings {
    obeys: bool,
}

impl Processor for Unruly {
    fn process(ctx: &Context, message: Passing) -> Result<Verdict, Fault> {
        let settings: Settings = ctx.settings()?;
        let text = message.content.text();
        if !settings.obeys {
            return Ok(Verdict::Pass);
        }
        let (act, argument) = text.split_once(' ').unwrap_or((&text, ""));
        match act {
            "greed" => Ok(drop_of(vec![1_u8; 1 << 30])),
            "fault" => Err(Fault::internal("I was told to fail")),
            "drop" => Ok(Verdict::Drop("I was told to drop it".into())),
            "empty" => Ok(content(Vec::new())),
            "steal" => Ok(content(vec![file(MediaSource::Stored(argument.into()))])),
            "lead" => Ok(content(vec![file(MediaSource::Url("https://example.com/x".into()))])),
            "tags" => Ok(tags((0..33).map(|n| format!("\"t{n}\":1")).collect::<Vec<_>>().join(","))),
            "nonsense" => Ok(Verdict::Change(Change { metadata: Some("[1".into()), ..Change::nothing() })),
            "reply" => Ok(reply(vec![Part::plain("reply reply")])),
            "mute" => Ok(reply(Vec::new())),
            "say" => Ok(content(vec![Part::plain(argument)])),
            _ => Ok(deeds::commit(act, argument).map_or(Verdict::Pass, |said| content(vec![Part::plain(said)]))),
        }
    }
}

fn drop_of(greed: Vec<u8>) -> Verdict {
    Verdict::Drop(format!("{}", greed.len()))
}

fn content(parts: Vec<Part>) -> Verdict {
    Verdict::Change(Change::content(Content::of(parts)))
}

fn tags(pairs: String) -> Verdict {
    Verdict::Change(Change { tags: Some(format!("{{{pairs}}}")), ..Change::nothing() })
}

fn reply(parts: Vec<Part>) -> Verdict {
    let reply = AutoReply { content: Content::of(parts), name: Some("Unruly".into()), pause_ms: 3_600_000 };
    Verdict::Change(Change { reply: Some(reply), ..Change::nothing() })
}

fn file(source: MediaSource) -> Part {
    let kind = MediaKind::File;
    Part::Media(Media { kind, source, content_type: None, name: None, bytes: None, caption: None })
}
