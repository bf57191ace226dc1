use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Keywords;
use crate::config;
use crate::interaction::{Category, ChannelRef, Identity, Time};
use crate::store::{Entry, Key, Store, StoreError, Write};

/// Changes kept of one person or address.
const HISTORY_MAX: usize = 100;
/// Characters kept of an evidence.
const EVIDENCE_MAX: usize = 1000;

/// One decision about messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// On which channel; without one, on all.
    pub channel: Option<String>,
    pub category: Category,
    pub granted: bool,
    pub at: Time,
    pub source: Source,
    /// Who told it: the name of an API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What shows that it is so: the person's words, the number of a form.
    pub evidence: Option<String>,
}

/// Where a decision was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The person wrote a word that means it.
    Keyword,
    /// The provider told it.
    Provider,
    /// A caller of the API told it.
    Api,
}

/// Whose decisions.
#[derive(Clone, Debug)]
pub enum Subject<'a> {
    /// They stay with the address, whoever it belongs to.
    Address(&'a Identity),
    Contact(Uuid),
}

/// Decisions of one subject.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// The newest for each channel and category.
    pub current: Vec<Decision>,
    /// All, oldest first.
    pub history: Vec<Decision>,
}

/// What people allow.
pub struct Consents {
    store: Arc<dyn Store>,
    keywords: Keywords,
    marketing: config::Marketing,
    /// Channels where the operator said whether words count.
    channels: BTreeMap<String, bool>,
}

impl Consents {
    pub fn new(store: Arc<dyn Store>, rules: &config::Consent, channels: &BTreeMap<String, config::Channel>) -> Self {
        let said = |(name, channel): (&String, &config::Channel)| Some((name.clone(), channel.keywords?));
        Self {
            store,
            keywords: Keywords::new(&rules.stop, &rules.start),
            marketing: rules.marketing,
            channels: channels.iter().filter_map(said).collect(),
        }
    }

    /// Whether a text of a person on that channel refuses (false) or allows (true) messages.
    pub fn meaning(&self, channel: &ChannelRef, text: &str) -> Option<bool> {
        let counts = self.channels.get(&channel.name).copied().unwrap_or(channel.medium == "sms");
        if counts { self.keywords.meaning(text) } else { None }
    }

    /// What speaks against a message; `None` where nothing does. `contacts`: under which the owner of the address is known.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn refusal(
        &self,
        contacts: &[Uuid],
        to: &Identity,
        channel: &str,
        category: Category,
    ) -> Result<Option<Unwanted>, StoreError> {
        let subjects = contacts.iter().map(|id| Subject::Contact(*id)).chain([Subject::Address(to)]);
        let subjects: Vec<_> = subjects.collect();
        let known = try_join_all(subjects.iter().map(|subject| self.of(subject))).await?;
        let all = known.iter().flat_map(|consent| &consent.current).filter(|decision| decision.category == category);
        Ok(match counting(all, channel) {
            Some(decision) if !decision.granted => Some(Unwanted::Said(decision.clone())),
            None if category == Category::Marketing && self.marketing == config::Marketing::OptIn => {
                Some(Unwanted::NeverAllowed)
            }
            _ => None,
        })
    }

    /// What is known of a subject.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn of(&self, subject: &Subject<'_>) -> Result<Consent, StoreError> {
        Ok(self.entry(subject).await?.0)
    }

    /// What is known of a person under all ids of its members, whatever the address.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn of_person(&self, members: &[Uuid]) -> Result<Consent, StoreError> {
        let mut consent = Consent::default();
        for id in members {
            consent.join(self.of(&Subject::Contact(*id)).await?);
        }
        Ok(consent)
    }

    /// The subject's consent with these decisions, to be written: it names the version that was read.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn with(&self, subject: &Subject<'_>, decisions: &[Decision]) -> Result<Write, StoreError> {
        let (mut consent, entry) = self.entry(subject).await?;
        decisions.iter().for_each(|decision| consent.decide(decision));
        let value =
            serde_json::to_vec(&consent).unwrap_or_else(|error| unreachable!("consent has string keys: {error}"));
        Ok(Write::over(subject.key(), entry.as_ref(), value))
    }

    async fn entry(&self, subject: &Subject<'_>) -> Result<(Consent, Option<Entry>), StoreError> {
        let Some(entry) = self.store.get(&subject.key()).await? else { return Ok((Consent::default(), None)) };
        let consent =
            serde_json::from_slice(&entry.value).map_err(|error| StoreError::Corrupt(format!("consent: {error}")))?;
        Ok((consent, Some(entry)))
    }
}

/// Why a person must not be written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unwanted {
    /// This decision says so.
    Said(Decision),
    /// Marketing needs a permission that was never given.
    NeverAllowed,
}

/// The decision that counts on a channel. The newest one does; but a permission for all channels does not undo a refusal on
/// this one: who said stop here, meant here.
fn counting<'a>(decisions: impl Iterator<Item = &'a Decision>, channel: &str) -> Option<&'a Decision> {
    let (mut here, mut everywhere) = (None, None);
    for decision in decisions {
        let place = match &decision.channel {
            None => &mut everywhere,
            Some(name) if name == channel => &mut here,
            Some(_) => continue,
        };
        if place.is_none_or(|known: &Decision| known.at <= decision.at) {
            *place = Some(decision);
        }
    }
    match (here, everywhere) {
        (Some(here), Some(everywhere)) if !everywhere.granted && everywhere.at > here.at => Some(everywhere),
        (here, everywhere) => here.or(everywhere),
    }
}

impl Subject<'_> {
    /// Where it is kept.
    pub fn key(&self) -> Key {
        match self {
            Self::Address(identity) => Key::of(&["consent", "address", &identity.address()]),
            Self::Contact(id) => Key::of(&["consent", "contact", &id.to_string()]),
        }
    }
}

impl Consent {
    /// With what another member decided: the newest counts.
    fn join(&mut self, other: Self) {
        self.history.extend(other.history);
        for decision in other.current {
            match self.current.iter_mut().find(|known| known.is_about(&decision)) {
                Some(known) if known.at < decision.at => *known = decision,
                Some(_) => {}
                None => self.current.push(decision),
            }
        }
    }

    fn decide(&mut self, decision: &Decision) {
        self.current.retain(|known| !known.is_about(decision));
        self.current.push(decision.clone());
        self.history.push(decision.clone());
        let surplus = self.history.len().saturating_sub(HISTORY_MAX);
        self.history.drain(..surplus);
    }
}

impl Decision {
    /// Whether it is about the same messages as another.
    fn is_about(&self, other: &Self) -> bool {
        (&self.channel, self.category) == (&other.channel, other.category)
    }

    /// On one channel, heard there; about this category or about all.
    pub fn heard(
        channel: &str,
        category: Option<Category>,
        granted: bool,
        at: Time,
        source: Source,
        evidence: Option<&str>,
    ) -> Vec<Self> {
        let decision = |category| Self {
            channel: Some(channel.to_owned()),
            category,
            granted,
            at,
            source,
            by: None,
            evidence: evidence.map(|text| text.chars().take(EVIDENCE_MAX).collect()),
        };
        Category::ALL.into_iter().filter(|one| category.is_none_or(|wanted| wanted == *one)).map(decision).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(channel: Option<&str>, granted: bool, at: i64) -> Decision {
        Decision {
            channel: channel.map(str::to_owned),
            category: Category::Service,
            granted,
            at: Time::from_ms(at),
            source: Source::Api,
            by: None,
            evidence: None,
        }
    }

    fn granted(decisions: &[Decision]) -> Option<bool> {
        counting(decisions.iter(), "sms").map(|decision| decision.granted)
    }

    #[test]
    fn the_newest_decision_counts() {
        let here = |granted, at| decision(Some("sms"), granted, at);
        assert_eq!(granted(&[]), None);
        assert_eq!(granted(&[here(false, 1), here(true, 2)]), Some(true));
        assert_eq!(granted(&[here(true, 2), here(false, 1)]), Some(true));
        assert_eq!(granted(&[decision(Some("mail"), false, 9)]), None, "another channel");
    }

    #[test]
    fn all_channels_may_be_refused_later_but_not_allowed_over_a_refusal() {
        let (stop, start) = (decision(Some("sms"), false, 1), decision(Some("sms"), true, 1));
        assert_eq!(granted(&[stop, decision(None, true, 2)]), Some(false));
        assert_eq!(granted(&[start.clone(), decision(None, false, 2)]), Some(false));
        assert_eq!(granted(&[start, decision(None, false, 0)]), Some(true));
        assert_eq!(granted(&[decision(None, true, 2)]), Some(true));
    }

    #[test]
    fn the_history_is_bounded_and_one_decision_is_current() {
        let mut consent = Consent::default();
        (0..200).for_each(|n| consent.decide(&decision(Some("sms"), n % 2 == 0, n)));
        assert_eq!((consent.current.len(), consent.history.len()), (1, HISTORY_MAX));
        assert_eq!(consent.current[0].at, Time::from_ms(199));
    }

    #[test]
    fn of_two_members_the_newest_decision_is_current() {
        let with = |decisions: &[Decision]| {
            let mut consent = Consent::default();
            decisions.iter().for_each(|decision| consent.decide(decision));
            consent
        };
        let mut person = with(&[decision(Some("sms"), true, 1), decision(None, true, 5)]);
        person.join(with(&[decision(Some("sms"), false, 2), decision(None, false, 4)]));
        assert_eq!(person.current, [decision(Some("sms"), false, 2), decision(None, true, 5)]);
        assert_eq!(person.history.len(), 4);
    }

    #[test]
    fn without_a_category_both_are_meant() {
        let of = |category| Decision::heard("sms", category, false, Time::now(), Source::Keyword, Some("STOP")).len();
        assert_eq!([of(None), of(Some(Category::Marketing))], [2, 1]);
    }
}
