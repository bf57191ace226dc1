//! E-mail: mailboxes over IMAP and SMTP, and providers by webhook and API.
//!
//! The gateway fetches and posts for mailboxes; here mail is understood and written. What a mail says is hostile until it is read: every
//! list has a length and every walk a depth.

mod automatic;
mod bounce;
mod compose;
mod content;
mod host;
mod html;
mod inbound;
mod metadata;
mod mime;
mod providers;
mod quote;
mod read;
mod settings;
mod subject;
mod text;
mod thread;
mod token;

use omnigate_plugin::prelude::*;

use host::Gateway;
use inbound::Arrival;
use read::Mail;
use settings::Settings;

struct Email;

impl Channel for Email {
    fn handle_request(ctx: &Context, request: Request) -> Result<Outcome, Fault> {
        providers::handle(ctx, &request)
    }

    fn send(ctx: &Context, message: Outbound) -> Result<Receipt, Fault> {
        providers::send(ctx, &message)
    }

    fn receive(ctx: &Context, mail: Arrived) -> Result<Vec<Event>, Fault> {
        let settings = Settings::of(ctx)?;
        let arrival = Arrival { id: &mail.id, at: Some(mail.at), raw: Some(&mail.raw), extra: Default::default() };
        inbound::events(&Gateway, &settings, &Mail::read(&mail.raw), &arrival)
    }

    fn compose(ctx: &Context, message: Outbound, answered: Option<&str>) -> Result<Letter, Fault> {
        compose::letter(&Gateway, &Settings::of(ctx)?, &message, answered)
    }
}

channel!(Email, "../manifest.json");
