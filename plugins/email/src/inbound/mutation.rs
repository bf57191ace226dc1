//! Mails that nobody wrote: those of the cases, broken at random with a fixed seed. Whatever comes in, what goes out keeps to the
//! limits of the gateway.

use std::path::Path;

use super::*;
use crate::host::fake::Fake;

const ROUNDS: usize = 6_000;
/// Pieces that parsers trip over.
const WORDS: [&[u8]; 22] = [
    b"\r\n\r\n",
    b"\n--b\n",
    b"\n--b--\n",
    b"--",
    b"\0",
    b"\xff\xfe",
    b"=?utf-8?B?",
    b"?=",
    b"=",
    b"=3",
    b"<",
    b">",
    b"\"",
    b"<!--",
    b"<script",
    b"\nContent-Type: multipart/alternative; boundary=b\n\n",
    b"\nContent-Type: message/rfc822\n\n",
    b"\nContent-Transfer-Encoding: base64\n\n",
    b"; charset=utf-7",
    b"; filename*0*=''%",
    b"\n> ",
    b"On 1 May 2026 x wrote:\n",
];

/// xorshift: the same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % limit.max(1)
    }
}

fn corpus() -> Vec<Vec<u8>> {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut files: Vec<_> = std::fs::read_dir(cases).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "eml"));
    files.sort();
    files.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn mutate(random: &mut Random, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut mail = corpus[random.below(corpus.len())].clone();
    for _ in 0..=random.below(6) {
        let (at, to) = (random.below(mail.len()), random.below(mail.len()));
        let range = at.min(to)..at.max(to);
        match random.below(6) {
            0 => mail[at] = u8::try_from(random.below(256)).unwrap(),
            1 if range.len() < mail.len() / 2 => drop(mail.drain(range)),
            2 if mail.len() < 50_000 => {
                let copy = mail[range].to_vec();
                mail.splice(at..at, copy);
            }
            3 => {
                let other = &corpus[random.below(corpus.len())];
                let tail = other[random.below(other.len())..].to_vec();
                mail.splice(at.., tail);
            }
            _ => drop(mail.splice(at..at, WORDS[random.below(WORDS.len())].iter().copied())),
        }
        if mail.is_empty() {
            break;
        }
    }
    mail
}

#[test]
fn broken_mails_break_nothing() {
    let corpus = corpus();
    assert!(corpus.len() > 40, "{}", corpus.len());
    let mut random = Random(0x5eed);
    let mut kinds = [0; 4];
    for _ in 0..ROUNDS {
        let raw = mutate(&mut random, &corpus);
        for event in told(&raw) {
            kinds[check(&event, &raw)] += 1;
        }
    }
    assert!(kinds.iter().all(|count| *count > 0), "{kinds:?}");
}

fn told(raw: &[u8]) -> Vec<Event> {
    let arrival = Arrival { id: "1.1", at: None, raw: Some(raw), extra: serde_json::Map::new() };
    events(&Fake::default(), &Settings::example(), &Mail::read(raw), &arrival).unwrap()
}

/// The gateway's limits; tells the kind of event.
fn check(event: &Event, raw: &[u8]) -> usize {
    match event {
        Event::Message(message) | Event::Echo(message) => {
            check_message(message, raw);
            usize::from(matches!(event, Event::Echo(_)))
        }
        Event::Unsupported(_) => 2,
        _ => 3,
    }
}

fn check_message(message: &Inbound, raw: &[u8]) {
    let show = || String::from_utf8_lossy(raw).into_owned();
    assert!(!message.id.is_empty() && message.id.len() <= 512, "{}", show());
    assert!(message.in_reply_to.len() <= 64 && message.in_reply_to.iter().all(|id| id.len() <= 512), "{}", show());
    assert!(message.known_as.len() <= 16 && message.recipients.len() <= 256, "{}", show());
    assert!((1..=100).contains(&message.content.parts.len()), "{}", show());
    assert!(message.metadata.as_ref().is_none_or(|json| json.len() <= 256 << 10), "{}", show());
    let lines = message.recipients.iter().chain([&message.sender]);
    for person in lines {
        assert!(crate::mime::normalized(&person.value).is_some(), "{:?} in {}", person.value, show());
        assert!(person.name.as_ref().is_none_or(|name| !name.chars().any(char::is_control)), "{}", show());
    }
    for part in &message.content.parts {
        if let Part::Text(RichText { html: Some(html), .. }) = part {
            crate::html::assert_harmless(html);
        }
    }
}
