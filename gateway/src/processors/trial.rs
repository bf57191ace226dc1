use std::sync::Arc;

use serde_json::Map;

use crate::config::{self, Limits, Problem};
use crate::interaction::{AuthorKind, ChannelRef, Direction, Part};
use crate::plugin::exchange::{Content, Failure, Passing, Piece};
use crate::plugin::{Binding, Plugin};

/// What a processor may import and still say nothing to anybody and ask nobody.
const PURE: [&str; 4] = ["omnigate:types/", "omnigate:host/log@", "omnigate:host/clock@", "omnigate:host/entropy@"];

/// Shows a processor a message of nobody, if it is pure: what is wrong with its settings and no schema can tell, it says then.
pub async fn trial(processor: &config::Processor, plugin: &Plugin, limits: &Limits) -> Option<Problem> {
    let is_pure = |import: &String| PURE.iter().any(|prefix| import.starts_with(prefix));
    if !plugin.imports().iter().all(is_pure) {
        return None;
    }
    let binding = Arc::new(Binding::of_processor(&processor.name, processor, plugin.manifest(), limits));
    let why = match plugin.process(&binding, of_nobody()).await.result {
        Ok(_) | Err(Failure::Busy) => return None,
        Err(Failure::Fault(fault)) => fault.message,
        Err(Failure::Broken(broken)) => broken.to_string(),
    };
    let rule = format!("plugin {} fails with these settings: {why}", plugin.manifest().id);
    Some(Problem::new(format!("processors.{}.settings", processor.name), None, rule))
}

fn of_nobody() -> Passing {
    let text = Piece::Part(Part::Text { text: "a trial".to_owned(), html: None });
    Passing {
        channel: ChannelRef { name: "trial".into(), medium: "trial".into(), adapter: "trial".into() },
        direction: Direction::Inbound,
        author: AuthorKind::System,
        sender: None,
        recipients: Vec::new(),
        automatic: None,
        edited: false,
        content: Content { subject: None, parts: vec![text], quoted_text: None },
        metadata: Map::new(),
        tags: Map::new(),
    }
}
