//! Salesforce, REST API.
//!
//! Everything that is written bears our id in an external id field and is written by it: written twice, it is there once,
//! whatever was cut off in between. What goes together is one call of the org's daily quota.

mod activities;
mod api;
mod cases;
mod contacts;
mod creating;
mod deliver;
mod files;
mod outbound_message;
mod refusal;
mod settings;
mod soql;
mod text;

use omnigate_plugin::connector::{Connector, Context, Found, Item, Note, Outcome, Person, Request, Taken};
use omnigate_plugin::{Fault, connector};

struct Salesforce;

impl Connector for Salesforce {
    fn deliver(ctx: &Context, items: Vec<Item>) -> Result<Vec<Result<Taken, Fault>>, Fault> {
        deliver::deliver(ctx, &api::Api::of(ctx)?, &items)
    }

    fn find(ctx: &Context, person: Person, known: Option<Note>) -> Result<Found, Fault> {
        contacts::find(&api::Api::of(ctx)?, &person, known.as_ref())
    }

    fn handle_request(ctx: &Context, request: Request) -> Result<Outcome, Fault> {
        outbound_message::changes(ctx, &request)
    }
}

connector!(Salesforce, "../manifest.json");
