//! Whether a person may be written to: the person's will, and the time that the channel leaves.

use std::sync::Arc;

use uuid::Uuid;

use crate::customer::{Consents, Unwanted};
use crate::interaction::{Category, Identity, Kind, Part, Time};
use crate::plugin::Window;
use crate::store::{Filter, Order, Store, StoreError};

/// Decides it.
pub struct Permits {
    pub store: Arc<dyn Store>,
    pub consents: Arc<Consents>,
}

/// A message to somebody, as far as a permit needs to know.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub channel: &'a str,
    pub window: Option<&'a Window>,
    /// Ids under which the person is known; none for whom nobody knows.
    pub contacts: &'a [Uuid],
    pub to: &'a Identity,
    pub category: Category,
    /// As they go to the channel.
    pub parts: &'a [Part],
    pub tag: Option<&'a str>,
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    OptedOut(Unwanted),
    /// Free words are not possible now.
    OutsideWindow {
        /// Since when; `None` if the person never wrote on the channel.
        closed_at: Option<Time>,
        /// Types of parts that are possible all the same.
        outside: Vec<String>,
        /// Tags that make it possible all the same.
        tags: Vec<String>,
    },
}

impl Permits {
    /// What speaks against a message now; `None` where nothing does.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn refusal(&self, request: Request<'_>, now: Time) -> Result<Option<Refusal>, StoreError> {
        let (refused, outside) = tokio::try_join!(
            self.consents.refusal(request.contacts, request.to, request.channel, request.category),
            self.outside(request, now),
        )?;
        Ok(refused.map(Refusal::OptedOut).or(outside))
    }

    async fn outside(&self, request: Request<'_>, now: Time) -> Result<Option<Refusal>, StoreError> {
        let Some(window) = request.window.filter(|window| !window.is_for_all(request.parts)) else { return Ok(None) };
        let heard = self.last_heard(request).await?;
        Ok(window.closed(heard, request.tag, now))
    }

    /// When the person's newest message on the channel came.
    async fn last_heard(&self, request: Request<'_>) -> Result<Option<Time>, StoreError> {
        if request.contacts.is_empty() {
            return Ok(None);
        }
        let filter = Filter {
            contacts: request.contacts.to_vec(),
            channel: Some(request.channel.to_owned()),
            kinds: vec![Kind::MessageReceived],
            ..Filter::default()
        };
        let newest = self.store.page(&filter, None, Order::NewestFirst, 1).await?;
        Ok(newest.first().map(|record| record.time))
    }
}

impl Window {
    /// Whether everything may be sent at any time.
    fn is_for_all(&self, parts: &[Part]) -> bool {
        parts.iter().all(|part| self.outside.iter().any(|name| name == part.type_name()))
    }

    /// `heard`: when the person's newest message came.
    fn closed(&self, heard: Option<Time>, tag: Option<&str>, now: Time) -> Option<Refusal> {
        let tagged = tag.and_then(|tag| self.tags.get(tag)).map(|span| span.0);
        let open_for = tagged.unwrap_or_default().max(self.after_inbound.0);
        let closed_at = heard.map(|heard| heard.plus(open_for));
        if closed_at.is_some_and(|end| now < end) {
            return None;
        }
        let tags = self.tags.keys().cloned().collect();
        Some(Refusal::OutsideWindow { closed_at, outside: self.outside.clone(), tags })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const HOUR: i64 = 3_600_000;

    fn window() -> Window {
        serde_json::from_value(json!({"after_inbound": "24h", "outside": ["template"], "tags": {"human": "7d"}}))
            .unwrap()
    }

    fn closed_at(heard: Option<i64>, tag: Option<&str>, now: i64) -> Option<Option<i64>> {
        match window().closed(heard.map(Time::from_ms), tag, Time::from_ms(now))? {
            Refusal::OutsideWindow { closed_at, .. } => Some(closed_at.map(Time::ms)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_window_closes_a_day_after_the_newest_message() {
        assert_eq!(closed_at(Some(0), None, 24 * HOUR - 1), None);
        assert_eq!(closed_at(Some(0), None, 24 * HOUR), Some(Some(24 * HOUR)));
        assert_eq!(closed_at(None, None, 0), Some(None), "who never wrote");
    }

    #[test]
    fn a_tag_keeps_it_open_for_longer() {
        assert_eq!(closed_at(Some(0), Some("human"), 24 * HOUR), None);
        assert_eq!(closed_at(Some(0), Some("human"), 7 * 24 * HOUR), Some(Some(7 * 24 * HOUR)));
        assert_eq!(closed_at(Some(0), Some("other"), 24 * HOUR), Some(Some(24 * HOUR)));
    }

    #[test]
    fn every_part_must_be_one_that_may_go_outside() {
        let parts = |types: Value| serde_json::from_value::<Vec<Part>>(types).unwrap();
        let (template, text) = (
            json!({"type": "template", "name": "t", "language": "en", "parameters": []}),
            json!({"type": "text", "text": "a"}),
        );
        assert!(window().is_for_all(&parts(json!([template]))));
        assert!(!window().is_for_all(&parts(json!([template, text]))));
    }
}
