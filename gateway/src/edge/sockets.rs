use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use tokio::time::timeout;

use super::requests::unreadable_path;
use super::{Edge, Named, Problem};
use crate::accept::{Told, Trace};
use crate::channels::{Bound, Channel, Socket, count, count_by};
use crate::plugin::Transport;
use crate::plugin::exchange::{Called, Failure, Opening, SessionState, Step};

const FRAME_MAX: usize = 64 << 10;
/// Open on one channel at once.
const SOCKETS_MAX: usize = 10_000;
const PING_EVERY: Duration = Duration::from_secs(25);
/// Pings without an answer until a socket is given up.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How long a browser may take for one message.
const SENDING_MAX: Duration = Duration::from_secs(30);
/// Frames that a visitor may send at once, and a second.
const BURST: f64 = 60.0;
const RATE: f64 = 10.0;

/// WebSocket close codes, RFC 6455 section 7.4.1.
const GOING_AWAY: u16 = 1001;
const POLICY: u16 = 1008;
const INTERNAL: u16 = 1011;
/// IANA's registry of close codes.
const RESTART: u16 = 1012;
const TRY_AGAIN: u16 = 1013;

/// Opens a socket to a channel whose adapter speaks over one.
pub(super) async fn upgrade(
    State(edge): State<Arc<Edge>>,
    name: Named<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Response {
    let Ok(Path(name)) = name else { return unreadable_path() };
    let Some(channel) = edge.channels.get(&name).cloned() else {
        return Problem::not_found(format!("there is no channel {name:?}")).into_response();
    };
    let Some(bound) = channel.bound() else {
        return Problem::unavailable("the channel's plugin is not loaded", Duration::from_secs(5)).into_response();
    };
    if bound.plugin.manifest().transport != Transport::Socket {
        return Problem::not_found(format!("channel {name} has no sockets")).into_response();
    }
    let Ok(upgrade) = upgrade else {
        return Problem::invalid("this address is for WebSocket connections").into_response();
    };
    let opening = opening(query.unwrap_or_default(), &headers);
    upgrade.max_message_size(FRAME_MAX).max_frame_size(FRAME_MAX).on_upgrade(move |socket| async move {
        hold(Conversation { edge: &edge, channel: &channel, bound: &bound }, socket, opening).await;
    })
}

fn opening(query: String, headers: &HeaderMap) -> Opening {
    let text = |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Opening {
        query,
        origin: headers.get(header::ORIGIN).map(text),
        // A page's cookies are none of a plugin's business.
        headers: headers
            .iter()
            .filter(|(name, _)| **name != header::COOKIE)
            .map(|(n, v)| (n.to_string(), text(v)))
            .collect(),
    }
}

/// One socket's life.
struct Conversation<'a> {
    edge: &'a Edge,
    channel: &'a Channel,
    bound: &'a Bound,
}

/// Why a socket ends: a close code and a word.
type End = (u16, String);

/// Boxed: with named lifetimes the compiler can see that the future may change threads.
fn hold<'a>(conversation: Conversation<'a>, mut socket: WebSocket, opening: Opening) -> BoxFuture<'a, ()> {
    Box::pin(async move {
        let Some(mut room) = conversation.edge.hub.enter(&conversation.channel.name, SOCKETS_MAX) else {
            return close(&mut socket, (TRY_AGAIN, "too many visitors".into())).await;
        };
        let end = conversation.talk(&mut socket, &mut room, opening).await;
        close(&mut socket, end).await;
    })
}

impl Conversation<'_> {
    async fn talk(&self, socket: &mut WebSocket, room: &mut Socket<'_>, opening: Opening) -> End {
        let began = Instant::now();
        let opened = self.bound.plugin.open(&self.bound.binding, opening).await;
        let mut state = match self.take(socket, room, opened, began).await {
            ControlFlow::Continue(state) => state,
            ControlFlow::Break(end) => return end,
        };
        let mut ping = tokio::time::interval(PING_EVERY);
        let mut heard = Instant::now();
        let mut allowance = Allowance::new();
        loop {
            tokio::select! {
                () = self.edge.hub.closed() => return (RESTART, "the gateway changes".into()),
                pushed = room.frames.recv() => match pushed {
                    Some(frame) => if let Err(end) = send(socket, frame).await { return end },
                    None => return (TRY_AGAIN, "too slow".into()),
                },
                _ = ping.tick() => {
                    if heard.elapsed() > SILENCE_MAX {
                        return (GOING_AWAY, "silence".into());
                    }
                    if let Err(end) = put(socket, Message::Ping(super::EMPTY)).await {
                        return end;
                    }
                }
                message = socket.recv() => {
                    heard = Instant::now();
                    match self.hear(socket, room, &mut state, message, &mut allowance).await {
                        ControlFlow::Continue(()) => {}
                        ControlFlow::Break(end) => return end,
                    }
                }
            }
        }
    }

    async fn hear(
        &self,
        socket: &mut WebSocket,
        room: &Socket<'_>,
        state: &mut SessionState,
        message: Option<Result<Message, axum::Error>>,
        allowance: &mut Allowance,
    ) -> ControlFlow<End> {
        let text = match message {
            Some(Ok(Message::Close(_)) | Err(_)) | None => return ControlFlow::Break((GOING_AWAY, String::new())),
            // Pings, too: each is answered.
            Some(Ok(_)) if !allowance.take() => return ControlFlow::Break((POLICY, "too many frames".into())),
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return ControlFlow::Continue(()),
            Some(Ok(Message::Binary(_))) => return ControlFlow::Break((POLICY, "text frames only".into())),
        };
        let began = Instant::now();
        let called = self.bound.plugin.frame(&self.bound.binding, state.clone(), &text).await;
        *state = self.take(socket, room, called, began).await?;
        ControlFlow::Continue(())
    }

    /// First to disk, then to the visitor: an acknowledgement means that it is kept.
    async fn take(
        &self,
        socket: &mut WebSocket,
        room: &Socket<'_>,
        called: Called<Step>,
        began: Instant,
    ) -> ControlFlow<End, SessionState> {
        let step = match called.result {
            Ok(step) => step,
            Err(failure) => return ControlFlow::Break(self.end_of(failure)),
        };
        let told = Told { happenings: &step.happenings, files: &step.files, raw: None };
        let trace = Trace::from_header(None);
        let accepted = self.edge.accept.happened(&self.bound.reference, &[told], &[], &trace).await;
        match accepted {
            Ok(accepted) => {
                count_by(&self.channel.counters.received, accepted.appended);
                count_by(&self.channel.counters.duplicates, accepted.duplicates);
            }
            Err(error) => {
                tracing::error!(channel = self.channel.name, %error, "a visitor's frame cannot be stored");
                return ControlFlow::Break((TRY_AGAIN, "try again later".into()));
            }
        }
        if let Some(address) = &step.state.address {
            room.bind(address, began);
        }
        for frame in step.frames {
            if let Err(end) = send(socket, frame).await {
                return ControlFlow::Break(end);
            }
        }
        match step.close {
            Some(end) => ControlFlow::Break(end),
            None => ControlFlow::Continue(step.state),
        }
    }

    fn end_of(&self, failure: Failure) -> End {
        match failure {
            Failure::Fault(fault) => {
                count(&self.channel.counters.refused);
                (POLICY, fault.message)
            }
            Failure::Broken(broken) => {
                count(&self.channel.counters.broken);
                tracing::error!(channel = self.channel.name, %broken, "the adapter broke on a frame");
                (INTERNAL, "the channel failed".into())
            }
            Failure::Busy => (TRY_AGAIN, "busy".into()),
        }
    }
}

async fn send(socket: &mut WebSocket, frame: String) -> Result<(), End> {
    put(socket, Message::Text(frame.into())).await
}

/// Whoever reads nothing would hold a place for ever.
async fn put(socket: &mut WebSocket, message: Message) -> Result<(), End> {
    match timeout(SENDING_MAX, socket.send(message)).await {
        Ok(sent) => sent.map_err(|_| (GOING_AWAY, String::new())),
        Err(_) => Err((TRY_AGAIN, "too slow".into())),
    }
}

/// RFC 6455 section 5.5: at most 123 bytes of reason. Whoever is gone already does not hear it.
async fn close(socket: &mut WebSocket, (code, reason): End) {
    let reason: String = reason.chars().take(40).collect();
    let _ = put(socket, Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await;
}

/// A token bucket.
struct Allowance {
    tokens: f64,
    filled: Instant,
}

impl Allowance {
    fn new() -> Self {
        Self { tokens: BURST, filled: Instant::now() }
    }

    fn take(&mut self) -> bool {
        self.tokens = (self.tokens + self.filled.elapsed().as_secs_f64() * RATE).min(BURST);
        self.filled = Instant::now();
        let allowed = self.tokens >= 1.0;
        if allowed {
            self.tokens -= 1.0;
        }
        allowed
    }
}
