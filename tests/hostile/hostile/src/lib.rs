//! An adapter that does whatever it is told to do: the sandbox must bear it.
//!
//! Every export takes the name of an act and does it. See `acts` for what is bad in itself, and `script` for calls of the host
//! with any arguments, whose results are told.

mod acts;
mod script;

use omnigate_plugin::bindings::omnigate::host::secrets::Algorithm;
use omnigate_plugin::prelude::*;
use omnigate_plugin::{Opening, State, Step, decode_hex};

use acts::Made;

struct Hostile;

channel!(Hostile, "../manifest.json");

/// A test makes another build of this component by writing another digit here.
static BUILD: [u8; 16] = *b"BUILD=1.........";

/// Which build this is.
fn build() -> char {
    std::hint::black_box(&BUILD)[6].into()
}

impl Channel for Hostile {
    fn handle_request(_: &Context, request: Request) -> Result<Outcome, Fault> {
        if let Some(signature) = request.header("x-signature") {
            secrets::verify("webhook", Algorithm::HmacSha256, &request.body, &decode_hex(signature)?)?;
        }
        let argument = String::from_utf8_lossy(&request.body).into_owned();
        let Made { reply, events } = acts::act(request.path.trim_start_matches('/'), &argument)?;
        Ok(Outcome { reply, events })
    }

    fn send(_: &Context, message: Outbound) -> Result<Receipt, Fault> {
        let act = message.content.text();
        match act.strip_prefix("ids=").and_then(|count| count.parse().ok()) {
            Some(count) => Ok(Receipt::sent(vec!["id".to_owned(); count])),
            None => acts::act(&act, "").map(|_| Receipt::sent(Vec::new())),
        }
    }

    fn locate(_: &Context, reference: &str) -> Result<http::Request, Fault> {
        if reference.starts_with("http") {
            return Ok(http::get(reference).bearer("token"));
        }
        acts::act(reference, "").map(|_| http::get("https://api.example.com/"))
    }

    fn show(_: &Context, _: &Identity, last_inbound: Option<&str>, _: Signal) -> Result<(), Fault> {
        acts::act(last_inbound.unwrap_or_default(), "").map(drop)
    }

    fn open(_: &Context, opening: Opening) -> Result<Step, Fault> {
        acts::act(&opening.query, "").map(|_| acts::step("", 0))
    }

    fn frame(_: &Context, _: State, frame: &str) -> Result<Step, Fault> {
        match frame.split_once('=') {
            Some((what, number)) => Ok(acts::step(what, number.parse().unwrap_or_default())),
            None => acts::act(frame, "").map(|_| acts::step("", 0)),
        }
    }
}
