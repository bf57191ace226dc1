//! A Telegram bot (Bot API 10.1).
//!
//! A person is the chat in which the bot can answer: scheme `telegram`, value the chat's id, scope the channel's name
//! (what tells one bot from another is part of the secret token). A chat that reaches the bot through a business account
//! has the scope `{channel}/{business_connection_id}`.

mod api;
mod chat;
mod content;
mod errors;
mod files;
mod html;
mod inbound;
mod metadata;
mod outbound;
mod signals;
mod unsupported;
mod wire;

use omnigate_plugin::prelude::*;

struct Telegram;

impl Channel for Telegram {
    fn handle_request(ctx: &Context, request: Request) -> Result<Outcome, Fault> {
        secrets::equals("webhook_secret", request.signature("x-telegram-bot-api-secret-token")?)?;
        let Ok(update) = request.json::<wire::Update>() else {
            return Ok(Outcome::events(vec![unsupported::event(&request.json()?, None)]));
        };
        let reply = update.callback_query.as_ref().map_or_else(Reply::ok, inbound::stop_spinning);
        let events = match inbound::events(&ctx.channel, &update) {
            Some(events) => events,
            None => vec![unsupported::event(&request.json()?, inbound::sender(&ctx.channel, &update))],
        };
        Ok(Outcome { reply, events })
    }

    fn send(ctx: &Context, message: Outbound) -> Result<Receipt, Fault> {
        outbound::send(ctx, &message)
    }

    fn locate(ctx: &Context, reference: &str) -> Result<http::Request, Fault> {
        files::locate(ctx, reference)
    }

    fn show(ctx: &Context, recipient: &Identity, _last_inbound: Option<&str>, signal: Signal) -> Result<(), Fault> {
        signals::show(ctx, recipient, &signal)
    }
}

channel!(Telegram, "../manifest.json");
