//! Why a message is not sent, with the way out.

use axum::http::StatusCode;
use serde_json::json;
use uuid::Uuid;

use crate::config::show_duration;
use crate::customer::{Decision, Unwanted};
use crate::edge::Problem;
use crate::interaction::{Category, Time};
use crate::outbound::Lack;
use crate::plugin::Window;

/// 422 `unsupported` or `too-large`: what of the message a channel cannot carry.
pub(super) fn unsendable(channel: &str, part: usize, lack: &Lack) -> Problem {
    let code = if lack.limit.is_some() { "too-large" } else { "unsupported" };
    let problem = refused(code, channel, format!("message.parts[{part}]: channel {channel} {}", lack.why));
    let problem = problem.with("part", part).with("ability", lack.ability);
    match lack.limit {
        Some(limit) => problem.with("limit", limit),
        None => problem,
    }
}

/// 422 `opted-out`: the person does not want it.
pub(super) fn opted_out(channel: &str, contact: Option<Uuid>, category: Category, why: &Unwanted) -> Problem {
    let name = category.as_str();
    let what = match why {
        Unwanted::Said(Decision { at, channel: Some(_), .. }) => {
            format!("the person refused {name} messages on channel {channel} at {at}")
        }
        Unwanted::Said(Decision { at, .. }) => format!("the person refused {name} messages on all channels at {at}"),
        Unwanted::NeverAllowed => {
            format!("{name} messages need a permission (consent.marketing = \"opt-in\"), and none is known")
        }
    };
    let path =
        contact.map_or_else(|| "/v1/contacts/{id}/consent".to_owned(), |id| format!("/v1/contacts/{id}/consent"));
    let way_out = format!(
        "where words count the person may write START there; a permission that was given elsewhere: PUT {path}"
    );
    let problem = refused("opted-out", channel, format!("{what}; {way_out}")).with("category", name);
    match why {
        Unwanted::Said(decision) => problem.with("since", decision.at.to_string()),
        Unwanted::NeverAllowed => problem,
    }
}

/// 422 `outside-window`: free words are not possible now. `others`: channels that would take the message.
pub(super) fn outside_window(channel: &str, window: &Window, closed_at: Option<Time>, others: &[String]) -> Problem {
    let open = show_duration(window.after_inbound.0);
    let since = match closed_at {
        Some(at) => format!("the last one ended at {at}"),
        None => "no message of this person is known there".to_owned(),
    };
    let mut ways_out: Vec<String> =
        window.outside.iter().map(|part| format!("parts of type {part} alone are possible")).collect();
    if !window.tags.is_empty() {
        let tags: Vec<&str> = window.tags.keys().map(String::as_str).collect();
        ways_out.push(format!("the tags {} keep it open for longer", tags.join(", ")));
    }
    if !others.is_empty() {
        ways_out.push(format!("channels that can take it: {}", others.join(", ")));
    }
    let detail = format!(
        "channel {channel} takes free messages for {open} after the person's newest one, and {since}; {}",
        if ways_out.is_empty() { "wait until the person writes".to_owned() } else { ways_out.join("; ") }
    );
    refused("outside-window", channel, detail).with("closed_at", json!(closed_at)).with(
        "instead",
        json!({ "parts": window.outside, "tags": window.tags.keys().collect::<Vec<_>>(), "channels": others }),
    )
}

fn refused(code: &'static str, channel: &str, detail: String) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail).with("channel", channel)
}
