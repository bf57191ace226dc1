//! The beginning of a session: from where, and who.

use omnigate_plugin::prelude::*;
use omnigate_plugin::secrets::Algorithm;
use omnigate_plugin::{IdentityChange, State, Step, clock, error};

use crate::frames::{self, Bye, Claim, Hello};
use crate::limits::{ADDRESS_MAX, LANG_MAX, NAME_MAX, PAGE_TITLE_MAX, PAGE_URL_MAX, USER_ID_MAX, cut};
use crate::settings::{IdentityMode, Settings};
use crate::visitor::{self, Page, Visitor};
use crate::{history, outbound, token};

/// Slot: the key with which the site proves who somebody is.
const IDENTITY_KEY: &str = "identity_key";
/// RFC 6455 section 7.4.1: the peer broke the rules.
pub(crate) const POLICY_VIOLATION: u16 = 1008;

/// Only the origin counts: everything else comes in the first frame, since addresses end up in logs.
pub(crate) fn open(ctx: &Context, settings: &Settings, origin: Option<&str>) -> Step {
    if settings.allows(origin, &ctx.url) {
        return Step { state: unbound(), events: Vec::new(), frames: Vec::new(), close: None };
    }
    farewell(Bye::Origin)
}

/// The first frame.
///
/// # Errors
/// `internal` only; a client that is refused gets a frame.
pub(crate) fn hello(ctx: &Context, settings: &Settings, frame: &str) -> Result<Step, Fault> {
    let hello = match serde_json::from_str::<Hello<'_>>(frame) {
        Ok(hello) if hello.kind == "hello" => hello,
        _ => return Ok(closed("the first frame must be hello")),
    };
    let now = clock::now();
    let user = match proven(settings, hello.identity.as_ref())? {
        Ok(user) => user,
        Err(why) => return Ok(farewell(why)),
    };
    let before = unclaimed(returning(&hello, now)?);
    let id = user.or_else(|| before.clone()).unwrap_or_else(visitor::random);
    let visitor = described(id, &hello);
    let stranger = before.filter(|before| visitor::is_known(&visitor.id) && *before != visitor.id);
    welcome(ctx, settings, &hello, &visitor, stranger, now)
}

/// The site's id of the visitor, where it is proven; or why there is no session. A claim without proof counts for
/// nothing: it must not open somebody else's history.
fn proven(settings: &Settings, claim: Option<&Claim>) -> Result<Result<Option<String>, Bye>, Fault> {
    let required = settings.identity == IdentityMode::Required;
    let without = if required { Err(Bye::IdentityRequired) } else { Ok(None) };
    if !secrets::is_set(IDENTITY_KEY) {
        if required {
            error("identity is required, but the slot identity_key has no value: nobody can chat", &[]);
        }
        return Ok(without);
    }
    let Some((claim, hash)) = claim.and_then(|claim| Some((claim, claim.hash.as_deref()?))) else { return Ok(without) };
    let is_plain = (1..=USER_ID_MAX).contains(&claim.id.len()) && !claim.id.chars().any(char::is_control);
    let Some(tag) = hex::decode(hash).ok().filter(|_| is_plain) else { return Ok(Err(Bye::IdentityInvalid)) };
    let genuine = secrets::is_signed(IDENTITY_KEY, Algorithm::HmacSha256, claim.id.as_bytes(), &tag)?;
    Ok(if genuine { Ok(Some(visitor::known(&claim.id))) } else { Err(Bye::IdentityInvalid) })
}

/// The stranger whom the token tells of. Those who signed in prove it each time: after signing out, the browser is a
/// stranger's again.
fn returning(hello: &Hello<'_>, now: f64) -> Result<Option<String>, Fault> {
    let Some(token) = hello.token.as_deref() else { return Ok(None) };
    let visitor = token::visitor(token, now)?;
    Ok(visitor.filter(|visitor| !visitor::is_known(visitor)).map(str::to_owned))
}

/// A stranger's token dies when he signs in: it would open all that he says from then on, and tie him to the next who
/// signs in with that browser.
fn unclaimed(stranger: Option<String>) -> Option<String> {
    stranger.filter(|stranger| outbound::known_as(stranger).is_none())
}

fn described(id: String, hello: &Hello<'_>) -> Visitor {
    let claimed = hello.identity.as_ref().and_then(|claim| claim.name.as_deref());
    let name = claimed.or(hello.name.as_deref()).map(|name| cut(name.trim(), NAME_MAX)).filter(|name| !name.is_empty());
    let page = hello.page.as_ref().filter(|page| !page.url.is_empty());
    let page = page.map(|page| Page { url: cut(&page.url, PAGE_URL_MAX), title: cut(&page.title, PAGE_TITLE_MAX) });
    let lang = hello.lang.as_deref().map(|lang| cut(lang, LANG_MAX)).filter(|lang| !lang.is_empty());
    let typed = |text: &Option<String>| {
        text.as_deref().map(|text| cut(text.trim(), ADDRESS_MAX)).filter(|text| !text.is_empty())
    };
    Visitor { id, name, email: typed(&hello.email), phone: typed(&hello.phone), page, lang }
}

/// `stranger` is who the visitor was before signing in: both are one person from here on.
fn welcome(
    ctx: &Context,
    settings: &Settings,
    hello: &Hello<'_>,
    visitor: &Visitor,
    stranger: Option<String>,
    now: f64,
) -> Result<Step, Fault> {
    let person = visitor.identity(&ctx.channel);
    let previous = stranger.map(|stranger| visitor::address(&stranger, &ctx.channel));
    let people = [Some(&person), previous.as_ref()].into_iter().flatten();
    let mut frames = vec![frames::welcome(&visitor.id, &token::issue(&visitor.id, now)?, settings)];
    frames.extend(history::frames(people, hello.after.as_deref()));
    frames.push(frames::ready());
    let events = previous.map(|previous| {
        outbound::signed_in(&previous.value, &visitor.id);
        let id = format!("identified:{}:{}", previous.value, visitor.id);
        Event::IdentityChange(IdentityChange { id, previous, current: person, at: Some(now) })
    });
    let state = State { address: Some(visitor.id.clone()), memory: visitor.memory() };
    Ok(Step { state, events: events.into_iter().collect(), frames, close: None })
}

fn unbound() -> State {
    State { address: None, memory: "null".to_owned() }
}

fn farewell(why: Bye) -> Step {
    let close = Some((POLICY_VIOLATION, why.code().to_owned()));
    Step { state: unbound(), events: Vec::new(), frames: vec![frames::bye(why)], close }
}

fn closed(reason: &str) -> Step {
    let close = Some((POLICY_VIOLATION, reason.to_owned()));
    Step { state: unbound(), events: Vec::new(), frames: Vec::new(), close }
}
