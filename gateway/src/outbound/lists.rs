//! Choices that went out as a numbered list: what a person types back is looked up here.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::interaction::{ChoiceOption, Identity, Time};
use crate::store::{Batch, Key, Store, StoreError, Write};

/// A list of more is nothing that a person reads.
pub(super) const OPTIONS_MAX: usize = 50;
/// How long an answer is waited for.
const OPEN_FOR: Duration = Duration::from_secs(24 * 3600);
/// Longer texts, in bytes, are no answers to a list: most messages are not looked up.
const ANSWER_MAX: usize = 40;

/// A numbered list that a person has not answered yet. Of several the last one counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenList {
    /// The message that asked.
    pub message: Uuid,
    /// Number 1 first.
    pub options: Vec<Typed>,
}

/// An option that can be typed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Typed {
    pub id: String,
    pub title: String,
}

impl OpenList {
    /// Keys are `list/{channel}/{address}`.
    pub const PREFIX: &str = "list";

    /// Of a message's options.
    pub fn of(message: Uuid, options: Vec<ChoiceOption>) -> Self {
        let typed = |ChoiceOption { id, title, .. }| Typed { id, title };
        Self { message, options: options.into_iter().map(typed).collect() }
    }

    /// Waits for an answer, instead of what was asked before. Must be there before the question is.
    ///
    /// # Errors
    /// As the store's commit.
    pub async fn open(&self, store: &dyn Store, channel: &str, person: &Identity) -> Result<(), StoreError> {
        let value = serde_json::to_vec(self).unwrap_or_else(|error| unreachable!("texts are JSON: {error}"));
        let write = Write::put(key(channel, person), value).expiring(Time::now().plus(OPEN_FOR));
        store.commit(Batch { writes: vec![write], ..Batch::default() }).await.map(drop)
    }

    /// The list that a text answers, what was picked, and what closes the list.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn answered(
        store: &dyn Store,
        channel: &str,
        person: &Identity,
        text: &str,
    ) -> Result<Option<(Self, Typed, Write)>, StoreError> {
        if text.len() > ANSWER_MAX {
            return Ok(None);
        }
        let key = key(channel, person);
        let Some(entry) = store.get(&key).await? else { return Ok(None) };
        let list: Self =
            serde_json::from_slice(&entry.value).map_err(|error| StoreError::Corrupt(format!("open list: {error}")))?;
        let Some(picked) = list.picked(text).cloned() else { return Ok(None) };
        Ok(Some((list, picked, Write::delete(key))))
    }

    /// By number, or by title without regard to case.
    fn picked(&self, text: &str) -> Option<&Typed> {
        let text = text.trim();
        let number = text.trim_start_matches('#').trim_end_matches(['.', ')', '!']);
        if !number.is_empty() && number.len() <= 2 && number.bytes().all(|byte| byte.is_ascii_digit()) {
            return number.parse::<usize>().ok().and_then(|number| self.options.get(number.checked_sub(1)?));
        }
        let title = text.to_lowercase();
        self.options.iter().find(|option| option.title.trim().to_lowercase() == title)
    }
}

fn key(channel: &str, person: &Identity) -> Key {
    Key::of(&[OpenList::PREFIX, channel, &person.address()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_titles_pick() {
        let typed = |id: &str, title: &str| Typed { id: id.into(), title: title.into() };
        let list = OpenList { message: Uuid::nil(), options: vec![typed("y", "Yes, please"), typed("n", "Nein")] };
        let picked = |text: &str| list.picked(text).map(|option| option.id.as_str());
        for text in ["1", " 1 ", "1.", "1)", "#1", "01", "yes, please", "YES, PLEASE"] {
            assert_eq!(picked(text), Some("y"), "{text:?}");
        }
        assert_eq!(picked("2"), Some("n"));
        for text in ["0", "3", "", "yes", "1 2", "one", "100", "-1", "1st"] {
            assert_eq!(picked(text), None, "{text:?}");
        }
    }
}
