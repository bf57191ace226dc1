//! Frames of a visitor who has been welcomed.

use omnigate_plugin::prelude::*;
use omnigate_plugin::uploads::{self, Upload};
use omnigate_plugin::{State, Step, Typing, clock, socket};

use crate::frames::{self, Frame};
use crate::limits::{FILE_BYTES_MAX, LABEL_MAX, cut, is_id};
use crate::parts::{self, Refusal};
use crate::session::POLICY_VIOLATION;
use crate::time::rfc3339;
use crate::visitor::Visitor;

/// What happened, and what is answered.
#[derive(Default)]
struct Answer {
    event: Option<Event>,
    frame: Option<String>,
}

/// # Errors
/// `internal` only; whatever the client sends is answered by a frame.
pub(crate) fn frame(ctx: &Context, state: State, frame: &str) -> Result<Step, Fault> {
    let visitor = Visitor::of(&state.memory)?;
    let Ok(frame) = serde_json::from_str::<Frame<'_>>(frame) else {
        let frame = frames::error(None, "invalid", "This message cannot be read.");
        return Ok(step(state, Answer { event: None, frame: Some(frame) }));
    };
    let answer = match &*frame.kind {
        "message" => message(ctx, &visitor, &frame),
        "typing" => signal(Event::Typing(Typing { sender: visitor.identity(&ctx.channel), on: frame.on })),
        "delivered" => receipt(ctx, &visitor, &frame, DeliveryState::Delivered),
        "read" => receipt(ctx, &visitor, &frame, DeliveryState::Read),
        "upload" => upload(&frame),
        "hello" => {
            let close = Some((POLICY_VIOLATION, "hello comes once".to_owned()));
            return Ok(Step { close, ..step(state, Answer::default()) });
        }
        // A newer widget may say more than we know.
        _ => Answer::default(),
    };
    Ok(step(state, answer))
}

fn step(state: State, answer: Answer) -> Step {
    Step { state, events: answer.event.into_iter().collect(), frames: answer.frame.into_iter().collect(), close: None }
}

fn signal(event: Event) -> Answer {
    Answer { event: Some(event), frame: None }
}

/// The acknowledgement leaves when the message is on disk; a repetition has the same id and is acknowledged again.
fn message(ctx: &Context, visitor: &Visitor, frame: &Frame<'_>) -> Answer {
    match written(ctx, visitor, frame) {
        Ok(answer) => answer,
        Err(Refusal { code, text }) => {
            let client_id = frame.client_id.as_deref().filter(|id| is_id(id));
            Answer { event: None, frame: Some(frames::error(client_id, code, &text)) }
        }
    }
}

fn written(ctx: &Context, visitor: &Visitor, frame: &Frame<'_>) -> Result<Answer, Refusal> {
    let client_id = frame
        .client_id
        .as_deref()
        .filter(|id| is_id(id))
        .ok_or(Refusal::new("invalid", "The message has no client_id."))?;
    let raw = frame.parts.ok_or(Refusal::new("invalid", "The message has no parts."))?;
    let parts = parts::read(raw.get())?;
    let now = clock::now();
    let at = rfc3339(now);
    socket::push(&visitor.id, &frames::own(client_id, &at, raw));
    let event = Event::Message(Inbound {
        claims: visitor.claims(),
        at: Some(now),
        metadata: visitor.metadata(),
        ..Inbound::of(format!("{}:{client_id}", visitor.id), visitor.identity(&ctx.channel), Content::of(parts))
    });
    Ok(Answer { event: Some(event), frame: Some(frames::ack(client_id, &at)) })
}

/// The widget knows our messages by our own ids.
fn receipt(ctx: &Context, visitor: &Visitor, frame: &Frame<'_>, state: DeliveryState) -> Answer {
    let Some(id) = frame.id.clone().filter(|id| is_id(id)) else {
        return Answer { event: None, frame: Some(frames::error(None, "invalid", "The receipt names no message.")) };
    };
    signal(Event::Status(Status {
        message_id: Some(id.clone()),
        external_id: Some(id),
        recipient: Some(visitor.identity(&ctx.channel)),
        state,
        at: Some(clock::now()),
        reason: None,
    }))
}

fn upload(frame: &Frame<'_>) -> Answer {
    let reference = cut(frame.reference.as_deref().unwrap_or_default(), LABEL_MAX);
    let refused = |text: &str| frames::refused(&reference, text);
    let answer = match frame.bytes.map(u32::try_from) {
        None | Some(Ok(0)) => refused("The file is empty."),
        Some(Ok(bytes)) if bytes <= FILE_BYTES_MAX => match uploads::open(&announced(frame, bytes)) {
            Ok(ticket) => frames::ticket(&reference, &ticket.id, &ticket.url),
            Err(why) => refused(&why),
        },
        Some(_) => refused(&format!("Files may have at most {} MB.", FILE_BYTES_MAX / 1_048_576)),
    };
    Answer { event: None, frame: Some(answer) }
}

fn announced(frame: &Frame<'_>, bytes: u32) -> Upload {
    let name = frame.name.as_deref().filter(|name| !name.is_empty()).unwrap_or("file");
    let content_type =
        frame.content_type.as_deref().filter(|kind| !kind.is_empty()).unwrap_or("application/octet-stream");
    Upload { name: cut(name, LABEL_MAX), content_type: cut(content_type, LABEL_MAX), bytes }
}
