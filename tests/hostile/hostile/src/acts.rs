//! What is bad in itself.

use std::hint::black_box;

use omnigate_plugin::bindings::omnigate::host::secrets as host_secrets;
use omnigate_plugin::prelude::*;
use omnigate_plugin::{
    Choice, ChoiceOption, Choices, ChoicesStyle, Extension, Header, Location, State, Step, clock, info,
};

use crate::script;

/// What an act leaves.
pub(crate) struct Made {
    pub(crate) reply: Reply,
    pub(crate) events: Vec<Event>,
}

fn told(body: impl Into<Vec<u8>>) -> Made {
    Made { reply: Reply::body(200, "text/plain", body), events: Vec::new() }
}

fn happened(events: Vec<Event>) -> Made {
    Made { reply: Reply::ok(), events }
}

/// Does what the name says; `argument` is mostly a number.
pub(crate) fn act(name: &str, argument: &str) -> Result<Made, Fault> {
    let number: usize = argument.parse().unwrap_or_default();
    Ok(match name {
        "good" | "" => told("good"),
        "build" => told(crate::build().to_string()),
        "script" => told(script::run(argument)?),
        "loop" => spin(),
        "recurse" => told(recurse(number as u64).to_string()),
        "recurse-asking" => told(recurse_asking(number as u64).to_string()),
        "recurse-with-luggage" => told(recurse_with_luggage(number as u64).to_string()),
        "memory" => told(devour().to_string()),
        "memory-gently" => told(devour_gently().to_string()),
        "calls" => told((0..number).map(|_| clock::now()).fold(0.0, f64::max).to_string()),
        "sign" => told(sign(number)),
        "log" => told(log(number)),
        "half" => half(),
        "panic" => panic!("{argument}"),
        "trap" => std::process::abort(),
        "internal" => return Err(Fault::internal("it knows no better")),
        "fault" => return Err(Fault::invalid(format!("{}\r\nset-cookie: a=b", "x".repeat(number)))),
        "kept" => happened(vec![message("kept", plain(argument))]),
        // The first build breaks on every request, another one digests it.
        "moody-trap" | "moody-loop" | "moody-internal" if crate::build() == '1' => return act(&name[6..], ""),
        "moody-trap" | "moody-loop" | "moody-internal" => happened(vec![message(name, plain(argument))]),
        _ => return answer(name, number),
    })
}

/// Answers that no honest adapter gives.
fn answer(name: &str, number: usize) -> Result<Made, Fault> {
    let long = || "x".repeat(number);
    let part = |part: Part| happened(vec![message("1", vec![part])]);
    Ok(match name {
        "reply" => told(vec![b'x'; number]),
        "status" => Made { reply: Reply::body(number as u16, "text/plain", ""), events: Vec::new() },
        "headers" => {
            let headers = (0..number).map(|n| Header { name: format!("x-{n}"), value: "v".into() });
            Made { reply: Reply { headers: headers.collect(), ..Reply::ok() }, events: Vec::new() }
        }
        "events" => happened((0..number).map(|n| message(&n.to_string(), plain("x"))).collect()),
        "id" => happened(vec![message(&long(), plain("x"))]),
        "text" => part(Part::plain(long())),
        "parts" => happened(vec![message("1", vec![Part::plain("x"); number])]),
        "options" => part(Part::Choices(options(number))),
        "title" => part(Part::Choice(Choice { id: "1".into(), title: long() })),
        "aliases" => happened(vec![Event::Message(Inbound {
            aliases: (0..number).map(|n| Identity::new("visitor", n.to_string())).collect(),
            ..inbound("1", plain("x"))
        })]),
        "identity" => happened(vec![Event::Message(Inbound {
            sender: Identity::new("tel", "not a number"),
            ..inbound("1", plain("x"))
        })]),
        "stranger" => happened(vec![Event::Message(Inbound { sender: stranger(), ..inbound("1", plain("x")) })]),
        "another" => {
            happened(vec![Event::Message(Inbound { recipients: vec![stranger()], ..inbound("1", plain("x")) })])
        }
        "known-to-all" => {
            happened(vec![Event::Message(Inbound { aliases: vec![stranger()], ..inbound("1", plain("x")) })])
        }
        "vouched-for" => happened(vec![Event::Message(Inbound {
            aliases: vec![Identity::new("tel", "+15550100123")],
            claims: vec![stranger()],
            ..inbound("1", plain("x"))
        })]),
        "latitude" => part(place(91.0)),
        "nowhere" => part(place(f64::NAN)),
        "never" => happened(vec![Event::Message(Inbound { at: Some(f64::NAN), ..inbound("1", plain("x")) })]),
        "metadata" => metadata("{".into()),
        "deep" => part(extension("[".repeat(number) + &"]".repeat(number))),
        "json" => happened(vec![message("1", vec![extension(format!("[{}0]", "0,".repeat(100_000))); number])]),
        "wide" => part(extension(format!("[{}0]", "0,".repeat(number)))),
        _ => return Err(Fault::not_found("no such act")),
    })
}

fn inbound(id: &str, parts: Vec<Part>) -> Inbound {
    Inbound::of(id, Identity::new("visitor", "ann"), Content::of(parts))
}

/// Of a scheme that the manifest does not name.
fn stranger() -> Identity {
    Identity::new("email", "ann@example.com")
}

fn message(id: &str, parts: Vec<Part>) -> Event {
    Event::Message(inbound(id, parts))
}

fn plain(text: &str) -> Vec<Part> {
    vec![Part::plain(text)]
}

fn metadata(text: String) -> Made {
    happened(vec![Event::Message(Inbound { metadata: Some(text), ..inbound("1", plain("x")) })])
}

fn extension(data: String) -> Part {
    Part::Extension(Extension { kind: "hostile".into(), data })
}

fn place(latitude: f64) -> Part {
    Part::Location(Location { latitude, longitude: 0.0, name: None, address: None })
}

fn options(count: usize) -> Choices {
    let option = ChoiceOption { id: "1".into(), title: "one".into(), description: None, url: None };
    Choices { style: ChoicesStyle::List, options: vec![option; count] }
}

/// Steps of a socket: `frames`, `memory`, `address` and `close` with a number.
pub(crate) fn step(what: &str, number: usize) -> Step {
    let long = |name| if what == name { "x".repeat(number) } else { "{}".to_owned() };
    Step {
        state: State { address: (what == "address").then(|| long("address")), memory: long("memory") },
        events: Vec::new(),
        frames: if what == "frames" { vec!["x".to_owned(); number] } else { Vec::new() },
        close: (what == "close").then(|| (number as u16, "bye".to_owned())),
    }
}

fn spin() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// So deep; for ever with 0. Little on the guest's own stack, so that the machine's ends first.
fn recurse(left: u64) -> u64 {
    if left == 1 { 1 } else { black_box(recurse(left.wrapping_sub(1))) + 1 }
}

/// The host must have room on the stack wherever it is called.
fn recurse_asking(left: u64) -> f64 {
    let now = clock::now();
    if left == 1 { now } else { black_box(recurse_asking(left.wrapping_sub(1))).max(now) }
}

/// Down to the end of the guest's own stack, which lies in its memory.
fn recurse_with_luggage(left: u64) -> u64 {
    let room = black_box([left; 128]);
    if left == 1 { room[0] } else { black_box(recurse_with_luggage(left.wrapping_sub(1))) + room[127] }
}

fn devour() -> usize {
    let mut held = Vec::new();
    loop {
        held.push(black_box(vec![1_u8; 1 << 20]));
    }
}

/// Stops when it is refused, and tells how much it got.
fn devour_gently() -> usize {
    let mut held: Vec<Vec<u8>> = Vec::new();
    loop {
        let mut piece = Vec::new();
        if piece.try_reserve_exact(1 << 20).is_err() {
            return held.len() << 20;
        }
        piece.resize(1 << 20, 1);
        held.push(black_box(piece));
    }
}

/// Lets the host work.
fn sign(times: usize) -> &'static str {
    let data = vec![0; 3 << 20];
    for _ in 0..times {
        black_box(host_secrets::sign("webhook", secrets::Algorithm::HmacSha512, &data).is_ok());
    }
    "signed"
}

fn log(lines: usize) -> &'static str {
    for line in 0..lines {
        info(&format!("line {line}\r\nforged: true \u{1b}[2J"), &[("field", "a\nb")]);
    }
    "logged"
}

/// What is kept was kept; what would have happened did not.
fn half() -> Made {
    let kept = kv::put("half", b"kept", None);
    black_box(message("half", plain(&format!("{kept:?}"))));
    std::process::abort()
}
