//! WhatsApp Business by Meta's Cloud API, one channel for each business number.
//!
//! A person is known by the telephone number (`tel`), by the business-scoped user id (`whatsapp`), or by both: people
//! with a user name hide their number. A user id is unique inside a business portfolio, which no webhook names; its
//! scope is therefore the WhatsApp business account, the `id` of the webhook's entry.

mod account;
mod content;
mod delivery;
mod errors;
mod inbound;
mod media;
mod message;
mod outbound;
mod people;
mod settings;
mod signals;
mod status;
mod template;
mod wire;

use omnigate_plugin::prelude::*;
use omnigate_plugin::secrets::Algorithm;
use settings::Settings;

/// Slot: secret of the Meta app, with which webhooks are signed.
const APP_SECRET: &str = "app_secret";
/// Slot: bearer token for every call.
const ACCESS_TOKEN: &str = "access_token";
/// Slot: the operator's own word, which Meta repeats in the handshake.
const VERIFY_TOKEN: &str = "verify_token";

struct WhatsApp;

impl Channel for WhatsApp {
    fn handle_request(ctx: &Context, request: Request) -> Result<Outcome, Fault> {
        match request.method.as_str() {
            "POST" => webhook(ctx, &request),
            "GET" => handshake(&request),
            _ => Ok(Outcome::reply(Reply { status: 405, ..Reply::ok() }.with_header("allow", "GET, POST"))),
        }
    }

    fn send(ctx: &Context, message: Outbound) -> Result<Receipt, Fault> {
        delivery::send(ctx, &Settings::of(ctx)?, &message)
    }

    fn locate(ctx: &Context, reference: &str) -> Result<http::Request, Fault> {
        media::locate(&Settings::of(ctx)?, reference)
    }

    fn show(ctx: &Context, _: &Identity, last_inbound: Option<&str>, signal: Signal) -> Result<(), Fault> {
        signals::show(ctx, &Settings::of(ctx)?, last_inbound, signal)
    }
}

fn webhook(ctx: &Context, request: &Request) -> Result<Outcome, Fault> {
    let digest = request.signature("x-hub-signature-256")?;
    let digest = digest.strip_prefix("sha256=").ok_or_else(|| Fault::unauthorized("the signature is not sha256"))?;
    secrets::verify(APP_SECRET, Algorithm::HmacSha256, &request.body, &omnigate_plugin::decode_hex(digest)?)?;
    let text = str::from_utf8(&request.body).map_err(|_| Fault::invalid("the body is not UTF-8"))?;
    Ok(Outcome::events(inbound::events(text, &Settings::of(ctx)?.phone_number_id, digest)?))
}

/// Meta asks once whether this address expects it. Some servers on the way turn the dots of the names into underscores.
fn handshake(request: &Request) -> Result<Outcome, Fault> {
    let query = request.query();
    let parameter = |dotted, plain| query.get(dotted).or_else(|| query.get(plain));
    let challenge = parameter("hub.challenge", "hub_challenge").ok_or_else(|| Fault::invalid("no hub.challenge"))?;
    let token = parameter("hub.verify_token", "hub_verify_token").unwrap_or_default();
    if parameter("hub.mode", "hub_mode") != Some("subscribe") || !is_verify_token(token)? {
        return Err(Fault::new(FaultKind::Rejected, "the verify token does not match"));
    }
    let reply =
        Reply::body(200, "text/plain; charset=utf-8", challenge).with_header("x-content-type-options", "nosniff");
    Ok(Outcome::reply(reply))
}

fn is_verify_token(candidate: &str) -> Result<bool, Fault> {
    match secrets::equals(VERIFY_TOKEN, candidate) {
        Err(fault) if fault.kind == FaultKind::Unauthorized => Ok(false),
        other => other.map(|()| true),
    }
}

channel!(WhatsApp, "../manifest.json");
