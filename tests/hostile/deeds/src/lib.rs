//! What hostile plugins of every kind do, each by a name.

use std::hint::black_box;

use omnigate_plugin::prelude::*;
use omnigate_plugin::{error, secrets};

/// Does what the name says, where it is one of these, and tells in a few words what came of it.
pub fn commit(act: &str, argument: &str) -> Option<String> {
    let number: usize = argument.parse().unwrap_or_default();
    Some(match act {
        "loop" => spin(),
        "trap" => std::process::abort(),
        "panic" => panic!("{argument}"),
        "recurse" => recurse(0).to_string(),
        "memory" => devour(),
        "output" => "x".repeat(number),
        "log" => log(number),
        "call" => call(argument),
        "calls" => calls(argument),
        "put" => format!("{:?}", kv::put(argument, argument.as_bytes(), None).is_ok()),
        "get" => format!("{:?}", kv::get(argument).ok().flatten().is_some()),
        "fill" => fill(number),
        "sign" => format!("{:?}", secrets::sign(argument, secrets::Algorithm::HmacSha256, b"x").is_ok()),
        _ => return None,
    })
}

fn spin() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// For ever, as far as anybody will see.
fn recurse(depth: u64) -> u64 {
    if depth == u64::MAX { 0 } else { black_box(recurse(depth + 1)) + 1 }
}

fn devour() -> ! {
    let mut held = Vec::new();
    loop {
        held.push(black_box(vec![1_u8; 1 << 20]));
    }
}

fn log(lines: usize) -> String {
    for line in 0..lines {
        error(&format!("line {line}"), &[]);
    }
    "logged".into()
}

fn call(url: &str) -> String {
    match http::get(url).send() {
        Ok(response) => format!("answered {}", response.status),
        Err(fault) => format!("refused: {}", fault.message),
    }
}

/// `100 http://...`: how many were answered.
fn calls(argument: &str) -> String {
    let (count, url) = argument.split_once(' ').unwrap_or(("0", ""));
    let count: usize = count.parse().unwrap_or_default();
    (0..count).filter(|_| http::get(url).send().is_ok()).count().to_string()
}

/// How many values of 1 KiB were kept.
fn fill(count: usize) -> String {
    (0..count).filter(|n| kv::put(&n.to_string(), &[0; 1024], None).is_ok()).count().to_string()
}
