//! Web chat: the widget of `web/` and the other end of its socket, as `PROTOCOL.md` has it.
//!
//! A visitor is a random id, kept by the browser in a signed token, or the site's own id of somebody who signed in:
//! `user:` before it, proven by an HMAC. Who signs in takes along what was said before. Both are unique inside the
//! channel only, so that is their scope.

mod frames;
mod history;
mod inbound;
mod limits;
mod outbound;
mod page;
mod parts;
mod session;
mod settings;
mod time;
mod token;
mod visitor;

use omnigate_plugin::prelude::*;
use omnigate_plugin::{Opening, State, Step};
use settings::Settings;

struct WebChat;

impl Channel for WebChat {
    fn handle_request(ctx: &Context, request: Request) -> Result<Outcome, Fault> {
        Ok(Outcome::reply(page::serve(&ctx.channel, &request)))
    }

    fn send(ctx: &Context, message: Outbound) -> Result<Receipt, Fault> {
        outbound::send(ctx, &message)
    }

    fn show(ctx: &Context, recipient: &Identity, _: Option<&str>, signal: Signal) -> Result<(), Fault> {
        outbound::show(ctx, recipient, &signal)
    }

    fn open(ctx: &Context, opening: Opening) -> Result<Step, Fault> {
        Ok(session::open(ctx, &Settings::of(ctx)?, opening.origin.as_deref()))
    }

    fn frame(ctx: &Context, state: State, frame: &str) -> Result<Step, Fault> {
        match state.address {
            None => session::hello(ctx, &Settings::of(ctx)?, frame),
            Some(_) => inbound::frame(ctx, state, frame),
        }
    }
}

channel!(WebChat, "../manifest.json");
