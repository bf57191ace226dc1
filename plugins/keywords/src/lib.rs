//! Gives tags and a priority to what people write, and answers by itself.
//!
//! It answers people alone: the gateway takes care that nobody answers what no person wrote, and that there is one answer in a
//! conversation at a time.

mod reply;
mod rules;
mod settings;
mod words;

use omnigate_plugin::prelude::*;
use omnigate_plugin::{Change, Direction, Passing, Processor, Verdict, Writer, clock, processor};
use rules::Rules;

struct Keywords;

processor!(Keywords, "../manifest.json");

impl Processor for Keywords {
    fn process(ctx: &Context, message: Passing) -> Result<Verdict, Fault> {
        let rules = Rules::of(ctx.settings()?)?;
        if message.direction == Direction::Outbound || message.edited {
            return Ok(Verdict::Pass);
        }
        let matched = rules.matching(&words::said(&message.content), clock::now());
        let tags = rules.tags(&matched);
        let by_person = message.author == Writer::Contact && message.automatic.is_none();
        let reply = if by_person { rules.reply(ctx, &message, &matched) } else { None };
        if tags.is_empty() && reply.is_none() {
            return Ok(Verdict::Pass);
        }
        let tags = (!tags.is_empty()).then(|| Value::Object(tags).to_string());
        Ok(Verdict::Change(Change { tags, reply, ..Change::nothing() }))
    }
}
