//! Frames that no browser sends: each ends its socket with the code that says why, and none takes memory.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{ConfigBuilder, Gateway, within};

const CONTINUED: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const PING: u8 = 9;
const PONG: u8 = 10;
/// First bit of a frame: the last one of its message.
const LAST: u8 = 0x80;

async fn open(gateway: &Gateway) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let head = format!(
        "GET /chat/website/socket HTTP/1.1\r\nhost: {}\r\norigin: http://{0}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        gateway.address
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(within("the upgrade", stream.read_u8()).await.unwrap());
    }
    assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&answer));
    stream
}

/// RFC 6455, section 5.2, with a mask of zeros; `length` is what it says of itself.
fn frame_of(first: u8, content: &[u8], length: u64) -> Vec<u8> {
    let mut frame = vec![first];
    match length {
        0..126 => frame.push(0x80 | length as u8),
        126..65536 => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend(length.to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(content);
    frame
}

fn frame(first: u8, content: &[u8]) -> Vec<u8> {
    frame_of(first, content, content.len() as u64)
}

/// Code and words of the close frame with which the gateway ends it; what comes before is skipped.
async fn end_of(stream: &mut TcpStream) -> (u16, String) {
    loop {
        let first = within("a frame", stream.read_u8()).await.unwrap();
        let length = match stream.read_u8().await.unwrap() {
            126 => u64::from(stream.read_u16().await.unwrap()),
            127 => stream.read_u64().await.unwrap(),
            short => u64::from(short),
        };
        let mut content = vec![0; length as usize];
        stream.read_exact(&mut content).await.unwrap();
        if first == 0x88 {
            let code = u16::from_be_bytes([content[0], content[1]]);
            return (code, String::from_utf8_lossy(&content[2..]).into_owned());
        }
    }
}

#[tokio::test]
async fn frames_that_break_the_rules_end_their_socket() {
    const MIB: u64 = 1 << 20;
    let gateway = Gateway::start(ConfigBuilder::new().webchat("website")).await;
    let before = gateway.resident_bytes();
    let broken = (1001, "");
    let two_parts = [frame(TEXT, &[b'x'; 60_000]), frame(CONTINUED, &[b'x'; 60_000])].concat();
    for (what, bytes, (code, words)) in [
        ("16 MiB announced", frame_of(LAST | TEXT, b"", 16 * MIB), broken),
        ("an exbibyte announced", frame_of(LAST | TEXT, b"", 1 << 60), broken),
        ("too long in two parts", two_parts, broken),
        ("no mask", vec![LAST | TEXT, 2, b'{', b'}'], broken),
        ("no UTF-8", frame(LAST | TEXT, b"\xff"), broken),
        ("an operation that is not known", frame(LAST | 3, b"x"), broken),
        ("reserved bits", frame(0xf1, b"x"), broken),
        ("a long ping", frame(LAST | PING, &[b'x'; 126]), broken),
        ("a ping in parts", frame(PING, b"x"), broken),
        ("a continuation of nothing", frame(LAST | CONTINUED, b"x"), broken),
        ("binary", frame(LAST | BINARY, b"x"), (1008, "text frames only")),
        ("a flood of pings", frame(LAST | PING, b"x").repeat(1000), (1008, "too many frames")),
        ("a flood of pongs", frame(LAST | PONG, b"x").repeat(1000), (1008, "too many frames")),
    ] {
        let mut stream = open(&gateway).await;
        // It may be closed before the end.
        let _ = stream.write_all(&bytes).await;
        assert_eq!(end_of(&mut stream).await, (code, words.to_owned()), "{what}");
    }
    let grown = gateway.resident_bytes().saturating_sub(before);
    assert!(grown < 16 << 20, "the process has grown by {} MiB", grown >> 20);
    gateway.client().get("/healthz").await.expect(200);
}
