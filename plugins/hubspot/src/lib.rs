//! HubSpot, date-based APIs (2026-03).
//!
//! Everything that is written bears our id in a unique property and is written by it (`batch/upsert`): written twice, it is
//! there once, whatever was cut off in between, and nobody waits for the search index, which lags by seconds.

mod activities;
mod api;
mod contacts;
mod deliver;
mod files;
mod settings;
mod text;
mod tickets;
mod webhook;

use omnigate_plugin::connector::{Connector, Context, Found, Item, Note, Outcome, Person, Request, Taken};
use omnigate_plugin::{Fault, connector};

struct HubSpot;

impl Connector for HubSpot {
    fn deliver(ctx: &Context, items: Vec<Item>) -> Result<Vec<Result<Taken, Fault>>, Fault> {
        deliver::deliver(ctx, &api::Api::of(ctx)?, &items)
    }

    fn find(ctx: &Context, person: Person, known: Option<Note>) -> Result<Found, Fault> {
        contacts::find(&api::Api::of(ctx)?, &person, known.as_ref())
    }

    fn handle_request(ctx: &Context, request: Request) -> Result<Outcome, Fault> {
        webhook::changes(ctx, &request)
    }
}

connector!(HubSpot, "../manifest.json");
