use std::net::SocketAddr;

use futures_util::{SinkExt as _, StreamExt as _};
use ring::hmac;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::within;

/// A visitor's widget on its socket.
pub struct Visitor {
    socket: WebSocketStream<TcpStream>,
    /// What the browser keeps.
    pub token: String,
    sent: usize,
}

impl Visitor {
    /// The key behind a channel's slot `identity_key`.
    pub const IDENTITY_KEY: &str = "identity-key-of-the-site";

    /// Opens the chat; `hello` is what the page knows besides.
    pub async fn open(address: SocketAddr, channel: &str, hello: Value) -> Self {
        let mut request = format!("ws://{address}/chat/{channel}/socket").into_client_request().unwrap();
        request.headers_mut().insert("origin", format!("http://{address}").parse().unwrap());
        let stream = TcpStream::connect(address).await.unwrap();
        let (socket, _) = within("the opening of the socket", client_async(request, stream)).await.unwrap();
        let mut visitor = Self { socket, token: String::new(), sent: 0 };
        let mut first = json!({ "type": "hello" });
        first.as_object_mut().unwrap().extend(hello.as_object().unwrap().clone());
        visitor.send(&first).await;
        visitor.token = visitor.until("welcome").await["token"].as_str().unwrap().to_owned();
        visitor.until("ready").await;
        visitor
    }

    /// Somebody for whom the site vouches.
    pub fn signed_in(user: &str) -> Value {
        let key = hmac::Key::new(hmac::HMAC_SHA256, Self::IDENTITY_KEY.as_bytes());
        json!({ "id": user, "hash": hex::encode(hmac::sign(&key, user.as_bytes())) })
    }

    /// Says something and waits until it is on disk.
    pub async fn say(&mut self, text: &str) {
        self.sent += 1;
        let id = format!("{}-{}", uuid::Uuid::now_v7(), self.sent);
        self.send(&json!({ "type": "message", "client_id": id, "parts": [{ "type": "text", "text": text }] })).await;
        self.until("ack").await;
    }

    /// Waits for a frame of that kind.
    pub async fn hears(&mut self, kind: &str) -> Value {
        self.until(kind).await
    }

    /// Waits until the gateway closes the socket; gives the close code.
    pub async fn closed(&mut self) -> u16 {
        let close = async {
            loop {
                if let Message::Close(Some(close)) = self.socket.next().await.expect("a close frame first").unwrap() {
                    return close.code.into();
                }
            }
        };
        within("the end of the socket", close).await
    }

    async fn send(&mut self, frame: &Value) {
        self.socket.send(Message::text(frame.to_string())).await.unwrap();
    }

    async fn until(&mut self, kind: &str) -> Value {
        let frame = async {
            loop {
                let message = self.socket.next().await.expect("the socket is open").unwrap();
                let Ok(text) = message.to_text() else { continue };
                let Ok(frame) = serde_json::from_str::<Value>(text) else { continue };
                if frame["type"] == kind {
                    return frame;
                }
            }
        };
        within(&format!("the frame {kind}"), frame).await
    }
}
