//! A message as a channel can carry it.

use super::lack::{self, Lack};
use super::segments::Segments;
use super::split::split;
use super::{lists, words};
use crate::interaction::{ChoiceOption, ChoicesStyle, Loss, MediaKind, Part};
use crate::plugin::Capabilities;

/// A text of more pieces is no message: it is refused.
const PIECES_MAX: usize = 10;

/// What goes to the channel, and what that costs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rendered {
    pub parts: Vec<Part>,
    pub loss: Vec<Loss>,
    /// Where texts leave as SMS: one entry for each text.
    pub segments: Vec<Segments>,
    /// Choices that are now a numbered list: their numbers mean these.
    pub list: Vec<ChoiceOption>,
}

/// A part that the channel carries neither as it is nor otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsendable {
    /// Its index in the message.
    pub part: usize,
    pub lack: Lack,
}

/// The message as a channel with these abilities carries it. `link` makes of a file's address one that a person can open.
///
/// # Errors
/// If one of the parts cannot be put otherwise.
pub fn render(abilities: &Capabilities, parts: &[Part], link: impl Fn(&str) -> String) -> Result<Rendered, Unsendable> {
    let mut rendered = Rendered::default();
    for (index, part) in parts.iter().enumerate() {
        let mut rendering = Rendering { abilities, link: &link, index, rendered: &mut rendered };
        rendering.add(part).map_err(|lack| Unsendable { part: index, lack })?;
    }
    if abilities.segments {
        rendered.parts = joined(rendered.parts, abilities.text_max);
        rendered.segments = rendered.parts.iter().filter_map(text_of).map(Segments::of).collect();
    }
    Ok(rendered)
}

/// Texts that follow each other become one, as far as they fit: each SMS costs.
fn joined(parts: Vec<Part>, max: Option<usize>) -> Vec<Part> {
    let mut joined: Vec<Part> = Vec::with_capacity(parts.len());
    for part in parts {
        match (joined.last_mut(), &part) {
            (Some(Part::Text { text: before, html: None }), Part::Text { text, html: None })
                if max.is_none_or(|max| before.chars().count() + 1 + text.chars().count() <= max) =>
            {
                before.push('\n');
                before.push_str(text);
            }
            _ => joined.push(part),
        }
    }
    joined
}

fn text_of(part: &Part) -> Option<&str> {
    match part {
        Part::Text { text, .. } => Some(text),
        _ => None,
    }
}

/// One part on its way.
struct Rendering<'a, L> {
    abilities: &'a Capabilities,
    link: &'a L,
    index: usize,
    rendered: &'a mut Rendered,
}

impl<L: Fn(&str) -> String> Rendering<'_, L> {
    fn add(&mut self, part: &Part) -> Result<(), Lack> {
        let Some(lack) = lack::lack(self.abilities, part) else {
            self.rendered.parts.push(part.clone());
            return Ok(());
        };
        match part {
            Part::Text { text, .. } => self.text(text, lack),
            Part::Media { kind, .. } => self.media(part, *kind, lack),
            Part::Choices { style, options } => self.choices(part, *style, options, lack),
            other => self.said(other, lack),
        }
    }

    /// Formatted text without its format, long text in pieces. What carries no text at all, carries no piece of it.
    fn text(&mut self, text: &str, lack: Lack) -> Result<(), Lack> {
        match lack.ability {
            "html" => {
                self.lose(&lack, "the plain text");
                self.plain(text.to_owned())
            }
            "text_max" => self.plain(text.to_owned()),
            _ => Err(lack),
        }
    }

    /// Words that stand for something else, or are simply too long.
    fn plain(&mut self, text: String) -> Result<(), Lack> {
        let part = Part::Text { text, html: None };
        let Some(lack) = lack::lack(self.abilities, &part) else {
            self.rendered.parts.push(part);
            return Ok(());
        };
        let (Part::Text { text, .. }, Some(max)) = (part, lack.limit) else { return Err(lack) };
        let pieces = split(&text, usize::try_from(max).unwrap_or(usize::MAX));
        if pieces.len() > PIECES_MAX {
            return Err(lack);
        }
        self.lose(&lack, &format!("{} texts", pieces.len()));
        self.rendered.parts.extend(pieces.into_iter().map(|text| Part::Text { text, html: None }));
        Ok(())
    }

    /// As a file of any kind, else as its address.
    fn media(&mut self, part: &Part, kind: MediaKind, lack: Lack) -> Result<(), Lack> {
        let mut file = part.clone();
        if let Part::Media { kind: as_kind, .. } = &mut file {
            *as_kind = MediaKind::File;
        }
        if kind != MediaKind::File && lack::lack(self.abilities, &file).is_none() {
            self.lose(&lack, "a file to download");
            self.rendered.parts.push(file);
            return Ok(());
        }
        let Part::Media { url, name, caption, .. } = part else { return Err(lack) };
        let text = words::of_file(caption.as_deref(), name.as_deref(), &(self.link)(url));
        self.instead(text, "a link", lack)
    }

    /// In the other style, else as a numbered list whose numbers are understood.
    fn choices(&mut self, part: &Part, style: ChoicesStyle, options: &[ChoiceOption], lack: Lack) -> Result<(), Lack> {
        let (other, name) = match style {
            ChoicesStyle::Buttons => (ChoicesStyle::List, "a list"),
            ChoicesStyle::List => (ChoicesStyle::Buttons, "buttons"),
        };
        let restyled = Part::Choices { style: other, options: options.to_vec() };
        if lack::lack(self.abilities, &restyled).is_none() {
            self.lose(&lack, name);
            self.rendered.parts.push(restyled);
            return Ok(());
        }
        if options.len() > lists::OPTIONS_MAX {
            return Err(lack);
        }
        self.said(part, lack)?;
        self.rendered.list.extend_from_slice(options);
        Ok(())
    }

    fn said(&mut self, part: &Part, lack: Lack) -> Result<(), Lack> {
        match words::of(part) {
            Some((text, name)) => self.instead(text, name, lack),
            None => Err(lack),
        }
    }

    /// Words, if the channel carries any: what it lacks first is told.
    fn instead(&mut self, text: String, name: &str, lack: Lack) -> Result<(), Lack> {
        self.lose(&lack, name);
        self.plain(text).map_err(|_| lack)
    }

    fn lose(&mut self, lack: &Lack, instead: &str) {
        self.rendered.loss.push(Loss {
            part: self.index,
            ability: lack.ability.to_owned(),
            what: lack.why.clone(),
            instead: instead.to_owned(),
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn rendered(abilities: Value, parts: Value) -> Result<Rendered, Unsendable> {
        let abilities: Capabilities = serde_json::from_value(abilities).unwrap();
        let parts: Vec<Part> = serde_json::from_value(parts).unwrap();
        render(&abilities, &parts, |url| format!("{url}?signed"))
    }

    fn texts(rendered: &Rendered) -> Vec<&str> {
        rendered.parts.iter().map(|part| text_of(part).unwrap()).collect()
    }

    fn losses(rendered: &Rendered) -> Vec<(usize, &str, &str)> {
        rendered.loss.iter().map(|loss| (loss.part, loss.ability.as_str(), loss.instead.as_str())).collect()
    }

    #[test]
    fn what_is_carried_stays_as_it_is() {
        let parts = json!([{"type": "text", "text": "hi"}]);
        let rendered = rendered(json!({"parts": ["text"], "text_max": 2}), parts.clone()).unwrap();
        assert_eq!(json!(rendered.parts), parts);
        assert!(rendered.loss.is_empty() && rendered.segments.is_empty());
    }

    #[test]
    fn a_channel_of_texts_gets_texts() {
        let options = json!([{"id": "y", "title": "Yes"}, {"id": "n", "title": "No"}]);
        let parts = json!([
            {"type": "text", "text": "Now?", "html": "<b>Now?</b>"},
            {"type": "choices", "style": "buttons", "options": options},
            {"type": "media", "kind": "image", "url": "https://f.example/1", "caption": "Map"},
        ]);
        let rendered = rendered(json!({"parts": ["text"]}), parts).unwrap();
        assert_eq!(texts(&rendered), ["Now?", "1. Yes\n2. No", "Map\nhttps://f.example/1?signed"]);
        assert_eq!(
            losses(&rendered),
            [(0, "html", "the plain text"), (1, "parts", "a numbered list"), (2, "parts", "a link")]
        );
        assert_eq!(json!(rendered.list), options);
    }

    #[test]
    fn long_texts_go_in_pieces() {
        let parts = json!([{"type": "text", "text": "one two three"}]);
        let rendered = rendered(json!({"parts": ["text"], "text_max": 8}), parts).unwrap();
        assert_eq!(texts(&rendered), ["one two", "three"]);
        assert_eq!(losses(&rendered), [(0, "text_max", "2 texts")]);
    }

    #[test]
    fn a_book_is_no_message() {
        let book = |words: usize| json!([{"type": "text", "text": "word ".repeat(words)}]);
        let sent = |words| rendered(json!({"parts": ["text"], "text_max": 5}), book(words));
        assert_eq!(sent(10).unwrap().parts.len(), 10);
        assert_eq!(sent(11).unwrap_err().lack.limit, Some(5));
    }

    #[test]
    fn texts_that_leave_as_sms_are_joined_and_counted() {
        let text = |text: &str| json!({"type": "text", "text": text});
        let abilities = json!({"parts": ["text"], "segments": true, "text_max": 8});
        let rendered = rendered(abilities, json!([text("one"), text("two"), text("three")])).unwrap();
        assert_eq!(texts(&rendered), ["one\ntwo", "three"]);
        assert_eq!((rendered.segments.len(), rendered.loss.len()), (2, 0));
    }

    #[test]
    fn the_nearest_form_is_taken() {
        let options: Vec<Value> = (0..4).map(|n| json!({"id": n.to_string(), "title": "x"})).collect();
        let abilities = json!({
            "parts": ["text", "choices", "media"], "choices": {"buttons_max": 3, "list_max": 10},
            "media": [{"kind": "image", "content_types": ["image/png"]}, {"kind": "file"}],
        });
        let parts = json!([
            {"type": "choices", "style": "buttons", "options": options},
            {"type": "media", "kind": "image", "url": "https://f.example/1", "content_type": "image/gif"},
        ]);
        let rendered = rendered(abilities, parts).unwrap();
        assert!(matches!(&rendered.parts[0], Part::Choices { style: ChoicesStyle::List, .. }));
        assert!(matches!(&rendered.parts[1], Part::Media { kind: MediaKind::File, .. }));
        assert_eq!(losses(&rendered), [(0, "choices", "a list"), (1, "media.content_types", "a file to download")]);
        assert!(rendered.list.is_empty());
    }

    #[test]
    fn what_no_words_say_is_refused() {
        let template = json!([{"type": "text", "text": "a"}, {"type": "template", "name": "t", "language": "en", "parameters": []}]);
        let unsendable = rendered(json!({"parts": ["text"]}), template).unwrap_err();
        assert_eq!((unsendable.part, unsendable.lack.ability), (1, "parts"));
        let place = json!([{"type": "location", "latitude": 1.0, "longitude": 2.0}]);
        assert!(rendered(json!({"parts": ["media"]}), place).is_err(), "a channel without words");
    }
}
