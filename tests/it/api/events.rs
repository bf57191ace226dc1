use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;

use super::{BOT, NOBODY, heard, id, start};
use crate::support::{Gateway, KEY, within};

/// A reader of live events.
struct Reader {
    lines: Lines<BufReader<OwnedReadHalf>>,
    // Closed with the reader.
    _writer: tokio::net::tcp::OwnedWriteHalf,
}

/// One event of the stream.
#[derive(Debug)]
struct Frame {
    id: String,
    event: String,
    data: Value,
}

impl Reader {
    async fn open(gateway: &Gateway, query: &str, more: &str) -> Self {
        let (reader, mut writer) = TcpStream::connect(gateway.address).await.unwrap().into_split();
        let head = format!("GET /v1/events{query} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n{more}\r\n");
        writer.write_all(head.as_bytes()).await.unwrap();
        let mut this = Self { lines: BufReader::new(reader).lines(), _writer: writer };
        assert_eq!(this.line().await.as_deref(), Some("HTTP/1.1 200 OK"));
        while this.line().await.is_some_and(|line| !line.is_empty()) {}
        this
    }

    async fn line(&mut self) -> Option<String> {
        within("a line of the stream", self.lines.next_line()).await.unwrap_or_default()
    }

    /// Chunk sizes and comments lie in between.
    async fn frame(&mut self) -> Frame {
        let mut fields = [("id", String::new()), ("event", String::new()), ("data", String::new())];
        let mut left = fields.len();
        while left > 0 {
            let line = self.line().await.expect("the stream goes on");
            for (name, value) in &mut fields {
                if let Some(found) = line.strip_prefix(&format!("{name}: ")) {
                    *value = found.to_owned();
                    left -= 1;
                }
            }
        }
        let [(_, id), (_, event), (_, data)] = fields;
        Frame { id, event, data: serde_json::from_str(&data).unwrap() }
    }

    async fn text(&mut self) -> String {
        self.frame().await.data["data"]["message"]["text"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn what_happens_comes_live_to_everybody() {
    let (gateway, _provider) = start().await;
    heard(&gateway.client(), 1, "before").await;
    let (mut one, mut other) = (Reader::open(&gateway, "", "").await, Reader::open(&gateway, "", "").await);
    let event = heard(&gateway.client(), 2, "after").await;
    for reader in [&mut one, &mut other] {
        let frame = reader.frame().await;
        assert_eq!((frame.id.as_str(), frame.event.as_str()), (id(&event["id"]), "omnigate.message.received"));
        assert_eq!(frame.data, event);
    }
}

#[tokio::test]
async fn who_comes_back_misses_nothing_and_gets_nothing_twice() {
    let (gateway, _provider) = start().await;
    let client = gateway.client();
    let seen = heard(&client, 1, "seen").await;
    // More than a reader takes at once.
    for update in 2..=251 {
        BOT.text(update, 501, &format!("m{update}")).send(&client).await.expect(200);
    }
    let mut by_header = Reader::open(&gateway, "", &format!("last-event-id: {}\r\n", id(&seen["id"]))).await;
    let mut by_query = Reader::open(&gateway, &format!("?after={}", id(&seen["id"])), "").await;
    heard(&client, 252, "m252").await;
    for reader in [&mut by_header, &mut by_query] {
        for update in 2..=252 {
            assert_eq!(reader.text().await, format!("m{update}"));
        }
    }
}

#[tokio::test]
async fn filters_hold_live_and_when_catching_up() {
    let (gateway, _provider) = start().await;
    let client = gateway.client();
    let first = heard(&client, 1, "mine").await;
    let contact = id(&first["data"]["contact"]["id"]).to_owned();
    BOT.text(2, 502, "another's").send(&client).await.expect(200);
    heard(&client, 3, "mine too").await;
    let query = format!("?after={}&contact={contact}&type=message.received", id(&first["id"]));
    let mut reader = Reader::open(&gateway, &query, "").await;
    assert_eq!(reader.text().await, "mine too");
    BOT.text(4, 502, "another's").send(&client).await.expect(200);
    let answer = json!({"contact_id": contact, "message": {"parts": [{"type": "text", "text": "an answer"}]}});
    client.call("POST", "/v1/messages", Some(&answer)).await.expect(202);
    heard(&client, 5, "mine again").await;
    assert_eq!(reader.text().await, "mine again");
}

#[tokio::test]
async fn places_that_are_not_there_are_told() {
    let (gateway, _provider) = start().await;
    let client = gateway.client();
    let detail = format!("there is no interaction {NOBODY}");
    client.get(&format!("/v1/events?after={NOBODY}")).await.expect_problem(404, "not-found", &detail);
    let answer = client.call_with("GET", "/v1/events", None, &[("last-event-id", "17")]).await;
    answer.expect_problem(400, "invalid", "Last-Event-ID must be the id of an interaction");
}

#[tokio::test]
async fn a_shutdown_ends_the_stream() {
    let (gateway, _provider) = start().await;
    let mut reader = Reader::open(&gateway, "", "").await;
    gateway.signal("TERM");
    while reader.line().await.is_some() {}
    let (status, _) = gateway.ended().await;
    assert_eq!(status.code(), Some(0));
}
