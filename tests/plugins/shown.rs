//! What came out, as it stands in the files beside the cases.

use std::collections::BTreeMap;

use omnigate::plugin::KeptFile;
use omnigate::plugin::connecting::Taken;
use omnigate::plugin::exchange::{Called, Failure, Fault, Letter, Outcome, Step};
use serde_json::{Map, Value, json};

use crate::peer;

pub fn shown<T>(called: Called<T>, show: impl FnOnce(T) -> Value) -> (Value, bool) {
    let value = match called.result {
        Ok(result) => json!({ "result": show(result) }),
        Err(Failure::Fault(fault)) => json!({ "fault": fault }),
        Err(Failure::Broken(broken)) => json!({ "broken": broken.to_string() }),
        Err(Failure::Busy) => json!({ "busy": true }),
    };
    (value, called.authentic)
}

pub fn shown_answer(answer: Result<Taken, Fault>) -> Value {
    match answer {
        Ok(taken) => json!({ "taken": taken }),
        Err(fault) => json!({ "fault": fault }),
    }
}

pub fn shown_outcome(outcome: &Outcome) -> Value {
    let headers: BTreeMap<_, _> = outcome.reply.headers.iter().cloned().collect();
    let body = String::from_utf8_lossy(&outcome.reply.body);
    let body = if body.len() > 2_000 { format!("{} bytes", body.len()) } else { body.into_owned() };
    let reply = json!({"status": outcome.reply.status, "headers": headers, "body": body});
    with_files(json!({"reply": reply, "events": outcome.happenings}), &outcome.files)
}

/// Most calls keep none.
pub fn with_files(mut shown: Value, files: &[KeptFile]) -> Value {
    if !files.is_empty() {
        shown["files"] = json!(files);
    }
    shown
}

/// Line by line, so that a difference can be read.
pub fn shown_letter(letter: &Letter) -> Value {
    let raw = String::from_utf8_lossy(&letter.raw);
    let mut shown = json!(letter);
    shown["raw"] = raw.trim_end_matches("\r\n").split("\r\n").collect();
    shown
}

pub fn shown_step(step: &Step) -> Value {
    let frames: Vec<Value> = step.frames.iter().map(|frame| parsed(frame)).collect();
    let state = json!({"address": step.state.address, "memory": parsed(&step.state.memory)});
    json!({"state": state, "events": step.happenings, "frames": frames, "close": step.close})
}

pub fn shown_download(request: &omnigate::egress::Request) -> Value {
    json!({"method": request.method.as_str(), "url": request.url.as_str(), "headers": shown_headers(&request.headers)})
}

pub fn shown_headers(headers: &hyper::HeaderMap) -> Map<String, Value> {
    let shown = ["authorization", "content-type"].into_iter().filter_map(|name| {
        let value = headers.get(name)?;
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        // A signature over the address of the peer, which has another port every time.
        let shown =
            value.split_once("Signature=").map_or(value.clone(), |(before, _)| format!("{before}Signature=..."));
        Some((name.to_owned(), shown.into()))
    });
    shown.collect()
}

pub fn shown_call(call: &peer::Call) -> Value {
    let text = String::from_utf8_lossy(&call.body);
    let form =
        call.headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form"));
    let body = if form {
        url::form_urlencoded::parse(&call.body).map(|(name, value)| json!([name, value])).collect()
    } else {
        parsed(&text)
    };
    json!({"method": call.method, "path": call.path, "headers": shown_headers(&call.headers), "body": body})
}

pub fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}
