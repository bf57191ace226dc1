//! A connector that breaks on whatever tells it to break: the gateway must bear it, and lose nothing.

use omnigate_plugin::connector::{
    Change, Connector, Context, Found, Item, News, Note, Outcome, Person, Reply, Request, Taken,
};
use omnigate_plugin::{Fault, Value, connector, header, info, json, secrets, serde_json};
use serde::Deserialize;

struct Clumsy;

connector!(Clumsy, "../manifest.json");

#[derive(Deserialize)]
struct Settings {
    mended: bool,
}

impl Connector for Clumsy {
    /// Everybody's contact there has the id of the person here.
    fn deliver(ctx: &Context, items: Vec<Item>) -> Result<Vec<Result<Taken, Fault>>, Fault> {
        let settings: Settings = ctx.settings()?;
        if !settings.mended && items.iter().any(|item| item.interaction.contains("trap")) {
            panic!("as I was told");
        }
        Ok(items.iter().map(|item| Ok(taken(item))).collect())
    }

    fn find(_: &Context, person: Person, _: Option<Note>) -> Result<Found, Fault> {
        let attributes = json!({"owner": "Lee"}).to_string();
        Ok(Found { contact: Some(Note::id(person.id)), attributes: Some(attributes), extra: None })
    }

    /// The body is a change: `{"contact": .., "attributes": {..}}`; the path tells how to fail.
    fn handle_request(ctx: &Context, request: Request) -> Result<Outcome, Fault> {
        secrets::equals("token", header(&request.headers, "x-token").unwrap_or_default())?;
        let settings: Settings = ctx.settings()?;
        match request.path.as_str() {
            _ if settings.mended => {}
            "/trap" => panic!("as I was told"),
            "/internal" => return Err(Fault::internal("it knows no better")),
            "/invalid" => return Err(Fault::invalid("nobody understands that")),
            _ => {}
        }
        let change: Value = serde_json::from_slice(&request.body)?;
        let contact = change["contact"].as_str().unwrap_or_default().to_owned();
        let what = News::Attributes(change["attributes"].to_string());
        Ok(Outcome { reply: Reply::status(204), changes: vec![Change { contact, what }] })
    }
}

fn taken(item: &Item) -> Taken {
    info("one was taken", &[]);
    let contact = item.person.as_ref().map(|person| Note::id(person.id.clone()));
    Taken { contact, activity: Some(Note::id("written")), ..Taken::nothing() }
}
