//! Connectors: plugins that keep a CRM in step.

use serde::Deserialize;

pub use crate::connector_bindings::exports::omnigate::connector::crm::{
    Change, Context, Field, Found, Item, News, Note, Notes, Outcome, Person, Reply, Request, Taken,
};
use crate::interaction::Interaction;
use crate::{Fault, Header};

/// A connector. Every call runs in a fresh instance, as with adapters.
pub trait Connector {
    /// Takes interactions, at most one of each conversation, and answers one by one in their order.
    ///
    /// # Errors
    /// A fault of the whole call speaks for all of them. `rate-limited` lets the CRM rest, `unauthorized` holds everything
    /// until an operator gave better credentials, `unavailable` and `uncertain` come again, `rejected` and `invalid` do not.
    fn deliver(ctx: &Context, items: Vec<Item>) -> Result<Vec<Result<Taken, Fault>>, Fault>;

    /// Who somebody is in the CRM, and what the contact center should know. Backends wait for the answer.
    ///
    /// # Errors
    /// The backend goes on without an answer.
    fn find(ctx: &Context, person: Person, known: Option<Note>) -> Result<Found, Fault>;

    /// A request of the CRM: check that it is authentic, then tell what changed.
    ///
    /// # Errors
    /// `unauthorized` for a wrong signature, `invalid` for an unreadable body.
    fn handle_request(ctx: &Context, request: Request) -> Result<Outcome, Fault> {
        let _ = (ctx, request);
        Err(Fault::not_found("this connector takes no requests"))
    }
}

/// Reads interactions, works on those that can be read, and answers for all of them in their order. What cannot be read harms no
/// other.
///
/// # Errors
/// Those of `work`: a fault of the whole call.
pub fn in_order<'a, Work>(
    items: &'a [Item],
    begin: impl Fn(&'a Item, Interaction) -> Work,
    work: impl FnOnce(&mut [Work]) -> Result<(), Fault>,
    end: impl Fn(Work) -> Result<Taken, Fault>,
) -> Result<Vec<Result<Taken, Fault>>, Fault> {
    let (mut all, mut unreadable) = (Vec::with_capacity(items.len()), Vec::new());
    for (place, item) in items.iter().enumerate() {
        match serde_json::from_str(&item.interaction) {
            Ok(interaction) => all.push(begin(item, interaction)),
            Err(error) => unreadable.push((place, Fault::from(error))),
        }
    }
    work(&mut all)?;
    let mut answers: Vec<_> = all.into_iter().map(end).collect();
    for (place, fault) in unreadable {
        answers.insert(place, Err(fault));
    }
    Ok(answers)
}

impl Context {
    /// The connector's settings in its own type. The gateway has checked them and filled in the defaults.
    ///
    /// # Errors
    /// `internal`: manifest and type do not agree.
    pub fn settings<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Fault> {
        serde_json::from_str(&self.settings)
            .map_err(|error| Fault::internal(format!("settings of another shape: {error}")))
    }

    /// The id of a file of the gateway by its address in an interaction; `None` for an address elsewhere. The address changes
    /// with time, the id stays.
    pub fn file_id<'a>(&self, url: &'a str) -> Option<&'a str> {
        let public_url = self.url.strip_suffix(&self.connector)?.strip_suffix("/connectors/")?;
        let id = url.strip_prefix(public_url)?.strip_prefix("/v1/media/")?;
        id.split(['?', '#']).next()
    }
}

impl Note {
    /// An id in the CRM, with nothing else to remember.
    pub fn id(id: impl Into<String>) -> Self {
        Self { id: id.into(), data: None }
    }
}

impl Taken {
    /// Nothing to note.
    pub fn nothing() -> Self {
        Self { contact: None, conversation: None, activity: None, extra: None }
    }
}

impl Request {
    /// The value of a header field.
    ///
    /// # Errors
    /// `unauthorized` if there is none: without it nobody can tell who sent the request.
    pub fn signature(&self, name: &str) -> Result<&str, Fault> {
        crate::header(&self.headers, name).ok_or_else(|| Fault::unauthorized(format!("no header {name}")))
    }
}

impl Reply {
    /// An empty answer.
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::<Header>::new(), body: Vec::new() }
    }
}

/// Makes a component of a connector: `connector!(MyConnector, "manifest.json");`, the path relative to the source file.
#[macro_export]
macro_rules! connector {
    ($connector:ty, $manifest:literal) => {
        const _: () = {
            $crate::manifest!($manifest);

            struct Exported;

            use $crate::connector as words;

            impl $crate::connector_bindings::exports::omnigate::connector::crm::Guest for Exported {
                fn deliver(
                    ctx: words::Context,
                    items: Vec<words::Item>,
                ) -> Result<Vec<Result<words::Taken, $crate::Fault>>, $crate::Fault> {
                    $crate::install_panic_hook();
                    <$connector as words::Connector>::deliver(&ctx, items)
                }

                fn find(
                    ctx: words::Context,
                    person: words::Person,
                    known: Option<words::Note>,
                ) -> Result<words::Found, $crate::Fault> {
                    $crate::install_panic_hook();
                    <$connector as words::Connector>::find(&ctx, person, known)
                }

                fn handle_request(
                    ctx: words::Context,
                    request: words::Request,
                ) -> Result<words::Outcome, $crate::Fault> {
                    $crate::install_panic_hook();
                    <$connector as words::Connector>::handle_request(&ctx, request)
                }
            }

    $crate::connector_bindings::export!(Exported with_types_in $crate::connector_bindings);
        };
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_answered_in_its_place() {
        let item = |interaction: &str| Item {
            interaction: interaction.into(),
            person: None,
            known: Notes { contact: None, conversation: None, activity: None, about: None },
            attempt: 1,
            uncertain: false,
        };
        let event = |id: &str| {
            let data = crate::json!({"direction": "inbound", "author": {"kind": "contact"}, "occurred_at": ""});
            crate::json!({"id": id, "type": "omnigate.message.received", "data": data}).to_string()
        };
        let items = [item("{"), item(&event("a")), item("[]"), item(&event("b")), item("")];
        let noted = |id: String| Ok(Taken { activity: Some(Note::id(id)), ..Taken::nothing() });
        let answers = in_order(&items, |_, event| event.id, |_| Ok(()), noted);
        let told: Vec<Option<String>> =
            answers.into_iter().flatten().map(|answer| Some(answer.ok()?.activity?.id)).collect();
        assert_eq!(told, [None, Some("a".into()), None, Some("b".into()), None]);
        assert!(in_order(&items, |_, event| event.id, |_| Err(Fault::unavailable("x")), noted).is_err());
    }

    #[test]
    fn files_of_the_gateway_are_known_by_their_address() {
        let ctx = Context {
            connector: "crm".into(),
            settings: "{}".into(),
            read: Vec::new(),
            write: Vec::new(),
            url: "https://gw.example/base/connectors/crm".into(),
            extra: None,
        };
        assert_eq!(ctx.file_id("https://gw.example/base/v1/media/17?expires=1&signature=2"), Some("17"));
        assert_eq!(ctx.file_id("https://gw.example/base/v1/media/17"), Some("17"));
        for other in ["https://gw.example/v1/media/17", "https://evil.example/v1/media/17", "17", ""] {
            assert_eq!(ctx.file_id(other), None, "{other}");
        }
    }
}
