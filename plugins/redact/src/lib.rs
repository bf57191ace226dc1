//! Takes out what must not be stored: payment cards, IBANs, and patterns of the operator's own.
//!
//! It looks at everything that is text: parts, captions, names of files, subject, quoted text, metadata. It does not look into
//! files, and not at names and addresses of people.

mod cards;
mod gaps;
mod html;
mod ibans;
mod message;
mod rules;

use omnigate_plugin::prelude::*;
use omnigate_plugin::{Change, Passing, Processor, Verdict, processor};
use rules::Rules;

struct Redact;

processor!(Redact, "../manifest.json");

impl Processor for Redact {
    fn process(ctx: &Context, message: Passing) -> Result<Verdict, Fault> {
        let mut rules = Rules::of(ctx)?;
        let content = message::content(&mut rules, message.content);
        let metadata = message::json(&mut rules, &message.metadata)?;
        let found = rules.found();
        if found.is_empty() {
            return Ok(Verdict::Pass);
        }
        let tags = json!({ "redacted": found }).to_string();
        Ok(Verdict::Change(Change { content: Some(content), metadata: Some(metadata), tags: Some(tags), reply: None }))
    }
}
