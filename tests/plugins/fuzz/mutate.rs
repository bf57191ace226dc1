//! Changes to a mail: to its bytes, and to what they mean.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::random::Random;

const CHANGES_MAX: usize = 6;
const DEPTH_MAX: usize = 60;
const COPIES_MAX: usize = 2_000;

type Change = fn(&mut Random, &mut Vec<u8>, &[Vec<u8>]);

const CHANGES: [Change; 14] =
    [bytes, bytes, lose, repeat, word, word, splice, header, header_lost, wrap, nest, encode, parameter, line_ends];

/// Pieces that readers of mail trip over.
const WORDS: [&[u8]; 48] = [
    b"\r\n\r\n",
    b"\n--b\n",
    b"\n--b--\n",
    b"--",
    b"\0",
    b"\xff\xfe",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    "\u{202e}".as_bytes(),
    "\u{feff}".as_bytes(),
    b"=?utf-8?B?",
    b"=?utf-8?Q?=C3?= =?utf-8?Q?=A9?=",
    b"=?x?y?z?=",
    b"=?iso-2022-jp?B?GyRC",
    b"?=",
    b"=\r\n",
    b"=3",
    b"=FF",
    b"<",
    b">",
    b"\"",
    b"\\\"",
    b"(((((",
    b"<!--",
    b"<![CDATA[",
    b"<script>",
    b"<img src=cid:x onerror=a>",
    b"<a href=\"java&#115;cript:a\">",
    b"<svg><style><img title=\"</style><img src=x onerror=a>\">",
    b"<table><tr><td><table>",
    b"<blockquote type=cite>",
    b"<div class=gmail_quote>",
    b"&#x110000;&nbsp&lt;",
    b"\n> ",
    b"\n>>>> > > ",
    b"On 1 May 2026 x wrote:\n",
    b"Am 1. Mai 2026 um 10:00 schrieb x <x@y>:\n",
    b"-----Original Message-----\nFrom: a\nSent: b\nTo: c\nSubject: d\n\n",
    b"\n-- \n",
    b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART;TZID=X:20260501T100000\r\n",
    b"Action: failed\r\nStatus: 5.1.1\r\nFinal-Recipient: rfc822; a@b\r\n",
    b"550 5.1.1 <a@b>: unknown",
    b"-----BEGIN PGP MESSAGE-----\n",
    b"begin 644 a.txt\n#0V%T\n`\nend\n",
    b"\x78\x9f\x3e\x22",
    b"support+t.0000@example.com",
    b"undisclosed-recipients:;",
    b"a@xn--zzzzzz.example",
];

const HEADERS: [&str; 34] = [
    "From: a@b",
    "From: =?utf-8?B?w6k=?= <a@b>, c@d",
    "From:",
    "Sender: x@y",
    "To: group: a@b, c@d;, e@f",
    "Cc: \"a, b\" <a@b>",
    "Reply-To: <>",
    "Return-Path: <>",
    "Subject: Re: Aw: Fwd: =?utf-8?Q?x?=",
    "Message-ID: <a@b>",
    "Message-ID: a b",
    "In-Reply-To: <a@b> <c@d>",
    "References: <a@b><c@d>\r\n <e@f>",
    "Date: Fri, 31 Feb 2026 25:61:61 +9999",
    "Auto-Submitted: auto-replied",
    "Precedence: bulk",
    "List-Id: <a.b>",
    "X-Failed-Recipients: a@b",
    "MIME-Version: 1.0",
    "Content-Type: text/html; charset=utf-7",
    "Content-Type: text/plain; format=flowed; delsp=yes",
    "Content-Type: multipart/mixed; boundary=b",
    "Content-Type: multipart/alternative; boundary=\"\"",
    "Content-Type: multipart/report; report-type=delivery-status; boundary=b",
    "Content-Type: message/rfc822",
    "Content-Type: text/calendar; method=REQUEST",
    "Content-Type: application/ms-tnef; name=winmail.dat",
    "Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=b",
    "Content-Transfer-Encoding: base64",
    "Content-Transfer-Encoding: quoted-printable",
    "Content-Transfer-Encoding: x-uuencode",
    "Content-Disposition: attachment; filename*0*=utf-8''%C3; filename*1*=%A9",
    "Content-ID: <x>",
    "Authentication-Results: mx; spf=pass; dkim=fail; dmarc=none",
];

const KINDS: [&str; 8] = ["mixed", "alternative", "related", "report", "signed", "encrypted", "digest", "x"];

const PARAMETERS: [&str; 16] = [
    "charset=gb2312",
    "charset=iso-2022-jp",
    "charset=utf-16",
    "charset=x-unknown",
    "charset=\"\"",
    "charset=koi8-r",
    "charset=utf-7",
    "boundary=b",
    "boundary=\"=_\"",
    "name=\"../../x\"",
    "filename*=utf-8''%00",
    "format=flowed",
    "report-type=disposition-notification",
    "protocol=x",
    "type=text/html",
    "method=CANCEL",
];

/// One of the mails with some changes.
pub fn mutated(random: &mut Random, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut mail = random.one_of(corpus).clone();
    for _ in 0..=random.below(CHANGES_MAX) {
        let change = *random.one_of(&CHANGES);
        change(random, &mut mail, corpus);
    }
    mail
}

/// Some bytes are others, or there are more of them.
fn bytes(random: &mut Random, mail: &mut Vec<u8>, _: &[Vec<u8>]) {
    for _ in 0..=random.below(10) {
        let (at, byte) = (random.below(mail.len()), random.byte());
        match mail.get_mut(at) {
            Some(there) if random.below(4) > 0 => *there = byte,
            _ => mail.insert(at, byte),
        }
    }
}

fn lose(random: &mut Random, mail: &mut Vec<u8>, _: &[Vec<u8>]) {
    let at = random.below(mail.len());
    let end = (at + random.below(400)).min(mail.len());
    mail.drain(at..end);
}

/// The same piece over and over.
fn repeat(random: &mut Random, mail: &mut Vec<u8>, _: &[Vec<u8>]) {
    let at = random.below(mail.len());
    let piece = mail[at..(at + 1 + random.below(80)).min(mail.len())].repeat(random.below(COPIES_MAX));
    mail.splice(at..at, piece);
}

fn word(random: &mut Random, mail: &mut Vec<u8>, _: &[Vec<u8>]) {
    let copies = if random.below(8) == 0 { random.below(COPIES_MAX) } else { 1 };
    let piece = random.one_of(&WORDS).repeat(copies);
    let at = random.below(mail.len() + 1);
    mail.splice(at..at, piece);
}

/// The beginning of this one and the end of another.
fn splice(random: &mut Random, mail: &mut Vec<u8>, corpus: &[Vec<u8>]) {
    let other = random.one_of(corpus);
    mail.truncate(random.below(mail.len() + 1));
    mail.extend_from_slice(&other[random.below(other.len())..]);
}

/// Where lines of the head begin.
fn head_lines(mail: &[u8]) -> Vec<usize> {
    let end = mail.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap_or(mail.len());
    let breaks = mail[..end].iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect()
}

fn header(random: &mut Random, mail: &mut Vec<u8>, _: &[Vec<u8>]) {
    let at = *random.one_of(&head_lines(mail));
    let mut line = random.one_of(&HEADERS).as_bytes().to_vec();
    if random.below(10) == 0 {
        let long = random.one_of(&WORDS).repeat(random.below(COPIES_MAX));
        line.extend(long);
    }
    line.extend_from_slice(b"\r\n");
    mail.splice(at..at, line);
}

fn header_lost(random: &mut Random, mail: &mut Vec<u8>, _: &[Vec<u8>]) {
    let lines = head_lines(mail);
    let which = random.below(lines.len());
    let end = lines.get(which + 1).copied().unwrap_or(lines[which]);
    mail.drain(lines[which]..end);
}

/// Inside of a multipart, beside another mail or a piece of it.
fn wrap(random: &mut Random, mail: &mut Vec<u8>, corpus: &[Vec<u8>]) {
    let (kind, boundary) = (random.one_of(&KINDS), random.below(3));
    let other = random.one_of(corpus);
    let beside = &other[random.range(other.len())];
    let is_mail = random.below(2) == 0;
    let head =
        format!("From: a@b\r\nContent-Type: multipart/{kind}; boundary=\"w{boundary}\"\r\n\r\n--w{boundary}\r\n");
    let between = if is_mail { "Content-Type: message/rfc822\r\n\r\n" } else { "" };
    let mut whole = head.into_bytes();
    whole.extend_from_slice(between.as_bytes());
    whole.append(mail);
    whole.extend_from_slice(format!("\r\n--w{boundary}\r\n").as_bytes());
    whole.extend_from_slice(beside);
    whole.extend_from_slice(format!("\r\n--w{boundary}--\r\n").as_bytes());
    *mail = whole;
}

/// Deep inside of many.
fn nest(random: &mut Random, mail: &mut Vec<u8>, _: &[Vec<u8>]) {
    let kind = *random.one_of(&KINDS);
    let mut head = Vec::new();
    for level in 0..random.below(DEPTH_MAX) {
        let line = if random.below(3) == 0 {
            "Content-Type: message/rfc822\r\n\r\n".to_owned()
        } else {
            format!("Content-Type: multipart/{kind}; boundary=n{level}\r\n\r\n--n{level}\r\n")
        };
        head.extend(line.into_bytes());
    }
    mail.splice(0..0, head);
}

/// The body in another encoding, which the head may tell or not.
fn encode(random: &mut Random, mail: &mut Vec<u8>, _: &[Vec<u8>]) {
    let Some(end) = mail.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return };
    let body = mail.split_off(end + 4);
    let (name, coded) = match random.below(3) {
        0 => ("base64", STANDARD.encode(&body).into_bytes()),
        1 => ("quoted-printable", body.iter().flat_map(|byte| format!("={byte:02x}").into_bytes()).collect()),
        _ => ("8bit", body),
    };
    mail.truncate(end + 2);
    if random.below(4) > 0 {
        mail.extend_from_slice(format!("Content-Transfer-Encoding: {name}\r\n").as_bytes());
    }
    mail.extend_from_slice(b"\r\n");
    mail.extend(coded);
}

/// Another parameter behind a type.
fn parameter(random: &mut Random, mail: &mut Vec<u8>, _: &[Vec<u8>]) {
    let types: Vec<usize> =
        mail.windows(8).enumerate().filter(|(_, word)| *word == b"Content-").map(|(at, _)| at).collect();
    if types.is_empty() {
        return;
    }
    let from = *random.one_of(&types);
    let end = mail[from..].iter().position(|byte| *byte == b'\r').map_or(mail.len(), |length| from + length);
    mail.splice(end..end, format!("; {}", random.one_of(&PARAMETERS)).into_bytes());
}

fn line_ends(random: &mut Random, mail: &mut Vec<u8>, _: &[Vec<u8>]) {
    let to = random.one_of(&["\n", "\r", "\r\r\n", "\n\r"]).as_bytes();
    let range = random.range(mail.len());
    let changed: Vec<u8> = mail[range.clone()].split(|byte| *byte == b'\n').collect::<Vec<_>>().join(to);
    mail.splice(range, changed);
}
