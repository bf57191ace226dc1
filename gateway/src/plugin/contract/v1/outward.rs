//! From our words to the guest's.

use super::{adapter, mail, session, signals, types};
use crate::interaction::{AuthorKind, ChoiceOption, ChoicesStyle, Identity, MediaKind, Part};
use crate::plugin::Binding;
use crate::plugin::exchange::{
    Arrived, Content, Media, MediaSource, Opening, Outbound, Piece, Request, SessionState, Signal,
};

pub(super) fn context(binding: &Binding, attempt: u32) -> types::Context {
    types::Context {
        channel: binding.channel.clone(),
        medium: binding.medium.clone(),
        settings: binding.settings.clone(),
        url: binding.url.clone(),
        attempt,
        extra: None,
    }
}

pub(super) fn request(request: Request) -> adapter::Request {
    adapter::Request {
        method: request.method,
        path: request.path,
        query: request.query,
        url: request.url,
        headers: headers(request.headers),
        body: request.body,
    }
}

fn headers(pairs: Vec<(String, String)>) -> Vec<types::Header> {
    pairs.into_iter().map(|(name, value)| types::Header { name, value }).collect()
}

/// Files of ours are named by `source_of`.
fn outbound_with(message: Outbound, source_of: impl Fn(String) -> types::MediaSource) -> types::Outbound {
    types::Outbound {
        id: message.id.to_string(),
        recipient: identity(message.recipient),
        author: match message.author {
            AuthorKind::Bot => types::Author::Bot,
            AuthorKind::System => types::Author::System,
            AuthorKind::Agent | AuthorKind::Contact => types::Author::Agent,
        },
        in_reply_to: message.in_reply_to,
        last_inbound: message.last_inbound,
        content: types::Content {
            subject: message.subject,
            parts: message.parts.into_iter().map(|part| self::part(part, &source_of)).collect(),
            quoted_text: None,
        },
        expires_in_ms: message.expires_in.map(|left| u32::try_from(left.as_millis()).unwrap_or(u32::MAX)),
        metadata: (!message.metadata.is_empty()).then(|| serde_json::Value::Object(message.metadata).to_string()),
    }
}

/// For a provider that fetches files itself.
pub(super) fn outbound(message: Outbound) -> types::Outbound {
    outbound_with(message, types::MediaSource::Url)
}

/// For an adapter that puts files into what it writes.
pub(super) fn outbound_with_files(mut message: Outbound) -> types::Outbound {
    let files = std::mem::take(&mut message.files);
    outbound_with(message, |url| match files.get(&url) {
        Some(id) => types::MediaSource::Stored(id.to_string()),
        None => types::MediaSource::Url(url),
    })
}

pub(super) fn arrived(mail: Arrived) -> mail::exports::omnigate::channel::mail::Arrived {
    mail::exports::omnigate::channel::mail::Arrived { id: mail.id, at: mail.at.ms() as f64, raw: mail.raw }
}

pub(super) fn identity(identity: Identity) -> types::Identity {
    let Identity { scheme, value, scope, name } = identity;
    types::Identity { scheme, value, scope, name }
}

/// A message that was not yet written down: its files may still be at the provider.
pub(super) fn content(content: Content) -> types::Content {
    let part = |piece| match piece {
        Piece::Part(part) => self::part(part, &types::MediaSource::Url),
        Piece::Media(file) => types::Part::Media(media(file)),
    };
    types::Content {
        subject: content.subject,
        parts: content.parts.into_iter().map(part).collect(),
        quoted_text: content.quoted_text,
    }
}

fn media(file: Media) -> types::Media {
    types::Media {
        kind: media_kind(file.kind),
        source: match file.source {
            MediaSource::Reference(reference) => types::MediaSource::Reference(reference),
            MediaSource::Stored(id) => types::MediaSource::Stored(id),
            MediaSource::Url(url) => types::MediaSource::Url(url),
        },
        content_type: file.content_type,
        name: file.name,
        bytes: file.bytes.map(|bytes| u32::try_from(bytes).unwrap_or(u32::MAX)),
        caption: file.caption,
    }
}

fn part(part: Part, source_of: &impl Fn(String) -> types::MediaSource) -> types::Part {
    match part {
        Part::Text { text, html } => types::Part::Text(types::RichText { text, html }),
        Part::Media { kind, url, content_type, name, bytes, caption } => types::Part::Media(types::Media {
            kind: media_kind(kind),
            source: source_of(url),
            content_type,
            name,
            bytes: bytes.map(|bytes| u32::try_from(bytes).unwrap_or(u32::MAX)),
            caption,
        }),
        Part::Location { latitude, longitude, name, address } => {
            types::Part::Location(types::Location { latitude, longitude, name, address })
        }
        Part::ContactCard { name, phones, emails } => {
            types::Part::ContactCard(types::ContactCard { name, phones, emails })
        }
        Part::Choices { style, options } => types::Part::Choices(types::Choices {
            style: choices_style(style),
            options: options.into_iter().map(option).collect(),
        }),
        Part::Choice { id, title } => types::Part::Choice(types::Choice { id, title }),
        Part::Template { name, language, parameters, .. } => {
            types::Part::Template(types::Template { name, language, parameters: parameters.to_string() })
        }
        Part::Extension { kind, data } => types::Part::Extension(types::Extension { kind, data: data.to_string() }),
    }
}

fn media_kind(kind: MediaKind) -> types::MediaKind {
    match kind {
        MediaKind::Image => types::MediaKind::Image,
        MediaKind::Audio => types::MediaKind::Audio,
        MediaKind::Video => types::MediaKind::Video,
        MediaKind::File => types::MediaKind::File,
        MediaKind::Sticker => types::MediaKind::Sticker,
        MediaKind::Voice => types::MediaKind::Voice,
    }
}

fn choices_style(style: ChoicesStyle) -> types::ChoicesStyle {
    match style {
        ChoicesStyle::Buttons => types::ChoicesStyle::Buttons,
        ChoicesStyle::List => types::ChoicesStyle::List,
    }
}

fn option(option: ChoiceOption) -> types::ChoiceOption {
    let ChoiceOption { id, title, description, url } = option;
    types::ChoiceOption { id, title, description, url }
}

pub(super) fn signal(signal: Signal) -> signals::exports::omnigate::channel::signals::Signal {
    use signals::exports::omnigate::channel::signals::Signal as Guest;
    match signal {
        Signal::Typing(on) => Guest::Typing(on),
        Signal::Read(id) => Guest::Read(id),
    }
}

pub(super) fn opening(opening: Opening) -> session::exports::omnigate::channel::session::Opening {
    session::exports::omnigate::channel::session::Opening {
        query: opening.query,
        origin: opening.origin,
        headers: headers(opening.headers),
    }
}

pub(super) fn state(state: SessionState) -> session::exports::omnigate::channel::session::State {
    session::exports::omnigate::channel::session::State { address: state.address, memory: state.memory }
}
