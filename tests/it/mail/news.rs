//! Waiting until something happened.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::CHANNEL;
use crate::support::{Client, KEY, PATIENCE};

/// Live events of a gateway, as far as they tell that there is something to look at.
pub struct News {
    client: Client,
    lines: Lines<BufReader<OwnedReadHalf>>,
    // Closed with the reader.
    _writer: OwnedWriteHalf,
}

impl News {
    pub async fn of(client: &Client) -> Self {
        let (reader, mut writer) = TcpStream::connect(client.address()).await.unwrap().into_split();
        let head = format!("GET /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\r\n");
        writer.write_all(head.as_bytes()).await.unwrap();
        let mut news = Self { client: client.clone(), lines: BufReader::new(reader).lines(), _writer: writer };
        assert_eq!(news.lines.next_line().await.unwrap().as_deref(), Some("HTTP/1.1 200 OK"));
        while news.lines.next_line().await.unwrap().is_some_and(|line| !line.is_empty()) {}
        news
    }

    /// Waits for the next event. With the configuration the stream is exchanged, too: that may hide one.
    pub async fn next(&mut self) {
        while let Some(line) = self.lines.next_line().await.unwrap() {
            if line.starts_with("data: ") {
                return;
            }
        }
        *self = Self::of(&self.client.clone()).await;
    }
}

/// Asks for what the log holds, again after every event, until the answer is as it must be.
pub async fn wait_until(what: &str, client: &Client, path: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    let asking = async {
        let mut news = News::of(client).await;
        loop {
            last = client.get(path).await.json();
            if is_it(&last) {
                return;
            }
            news.next().await;
        }
    };
    if tokio::time::timeout(PATIENCE, asking).await.is_err() {
        panic!("{what}: did not happen within {PATIENCE:?}: {last}");
    }
    last
}

/// Asks again until the channel is so.
pub async fn wait_for_channel(what: &str, client: &Client, is_it: impl Fn(&Value) -> bool) -> Value {
    let path = format!("/v1/channels/{CHANNEL}");
    let mut last = client.get(&path).await.json();
    let began = std::time::Instant::now();
    while !is_it(&last) {
        assert!(began.elapsed() < PATIENCE, "{what}: did not happen within {PATIENCE:?}: {last}");
        pause().await;
        last = client.get(&path).await.json();
    }
    last
}

/// Looks again until it is so.
pub async fn wait_until_seen(what: &str, is_so: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what}: did not happen within {PATIENCE:?}");
        pause().await;
    }
}

/// Before looking again at what tells nobody that it changed: a reason beside a state, a folder, a log.
async fn pause() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}
