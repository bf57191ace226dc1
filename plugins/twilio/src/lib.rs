//! SMS, MMS and WhatsApp through Twilio's Programmable Messaging (REST API 2010-04-01).
//!
//! The provider calls the channel's address for messages and `/status/{our message id}` below it for receipts.

mod address;
mod consent;
mod errors;
mod inbound;
mod outbound;
mod settings;
mod signature;
mod status;
mod unsupported;

use omnigate_plugin::prelude::*;
use settings::Settings;

struct Twilio;

impl Channel for Twilio {
    fn handle_request(ctx: &Context, request: Request) -> Result<Outcome, Fault> {
        let fields = fields(&request);
        signature::check(&request, &fields)?;
        let settings = Settings::of(ctx)?;
        settings.check_account(fields.text("AccountSid"))?;
        Ok(Outcome { reply: nothing_to_say(), events: events(&settings, &request, &fields) })
    }

    fn send(ctx: &Context, message: Outbound) -> Result<Receipt, Fault> {
        outbound::send(ctx, &Settings::of(ctx)?, &message)
    }

    /// References are the addresses that Twilio gave; they want the account's credentials and redirect to the file.
    fn locate(ctx: &Context, reference: &str) -> Result<http::Request, Fault> {
        let settings = Settings::of(ctx)?;
        Ok(http::get(settings.media_url(reference)?).basic(&settings.account_sid, "auth_token"))
    }
}

/// Twilio's parameters, wherever its console was told to put them.
fn fields(request: &Request) -> Form<'_> {
    match request.content_type().as_str() {
        _ if request.method == "GET" => request.query(),
        signature::FORM => request.form(),
        _ => Form::parse(b""),
    }
}

fn events(settings: &Settings, request: &Request, fields: &Form) -> Vec<Event> {
    let events = match status::word(fields) {
        Some(word) => status::event(settings, request, fields, word).map(|status| vec![status]),
        None => inbound::events(settings, fields),
    };
    events.unwrap_or_else(|| vec![unsupported::event(settings, request, fields)])
}

/// TwiML without a verb: anything else than markup would be sent to the customer as an answer.
fn nothing_to_say() -> Reply {
    Reply::body(200, "text/xml", "<Response/>")
}

channel!(Twilio, "../manifest.json");
