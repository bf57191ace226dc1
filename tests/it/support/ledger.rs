use std::collections::HashMap;
use std::sync::Mutex;

use super::Delivery;

/// One message: the person who wrote it and a number that grows with every message of that person.
pub type Entry = (u64, u64);

/// What was acknowledged, in the order of the acknowledgements.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<Vec<Entry>>);

/// What is not as it was promised.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Acknowledged and never delivered.
    pub lost: Vec<Entry>,
    /// First deliveries of a person's messages that came after a later one.
    pub reordered: Vec<Entry>,
    /// Delivered, though nobody wrote it.
    pub unknown: Vec<String>,
    /// Delivered under more than one id.
    pub renamed: Vec<Entry>,
    /// Deliveries beyond the first, under the same id.
    pub repeated: Vec<Entry>,
}

impl Ledger {
    /// How a message of the ledger is written.
    pub fn text((person, number): Entry) -> String {
        format!("{person}/{number}")
    }

    /// Enters what was acknowledged; gives the number of entries.
    pub fn enter(&self, entry: Entry) -> usize {
        let mut entries = self.0.lock().unwrap();
        entries.push(entry);
        entries.len()
    }

    pub fn entries(&self) -> Vec<Entry> {
        self.0.lock().unwrap().clone()
    }

    /// Whether everything has come at least once.
    pub fn has_all(&self, deliveries: &[Delivery]) -> bool {
        Verdict::of(&self.entries(), &pairs(deliveries)).lost.is_empty()
    }

    /// Compares with what a backend got.
    pub fn judge(&self, deliveries: &[Delivery]) -> Verdict {
        Verdict::of(&self.entries(), &pairs(deliveries))
    }
}

fn pairs(deliveries: &[Delivery]) -> Vec<(&str, &str)> {
    let messages = deliveries.iter().filter(|delivery| delivery.kind == "omnigate.message.received");
    messages.map(|delivery| (&*delivery.id, &*delivery.text)).collect()
}

impl Verdict {
    /// `delivered`: id and text, in the order of arrival.
    fn of(acknowledged: &[Entry], delivered: &[(&str, &str)]) -> Self {
        let mut verdict = Self::default();
        let mut ids: HashMap<Entry, &str> = HashMap::new();
        let mut latest: HashMap<u64, u64> = HashMap::new();
        for (id, text) in delivered {
            let Some(entry) = parse(text) else {
                verdict.unknown.push((*text).to_owned());
                continue;
            };
            match ids.get(&entry) {
                Some(first) if first == id => verdict.repeated.push(entry),
                Some(_) => verdict.renamed.push(entry),
                None => {
                    ids.insert(entry, id);
                    let latest = latest.entry(entry.0).or_default();
                    if *latest > entry.1 {
                        verdict.reordered.push(entry);
                    }
                    *latest = entry.1.max(*latest);
                }
            }
        }
        verdict.lost = acknowledged.iter().filter(|entry| !ids.contains_key(entry)).copied().collect();
        verdict
    }

    /// Nothing is wrong but repetitions, which come from kills.
    #[track_caller]
    pub fn expect_kept(&self) {
        let Self { lost, reordered, unknown, renamed, repeated: _ } = self;
        assert!(lost.is_empty(), "lost: {lost:?}");
        assert!(reordered.is_empty(), "out of order: {reordered:?}");
        assert!(unknown.is_empty(), "nobody wrote: {unknown:?}");
        assert!(renamed.is_empty(), "under two ids: {renamed:?}");
    }
}

fn parse(text: &str) -> Option<Entry> {
    let (person, number) = text.split_once('/')?;
    Some((person.parse().ok()?, number.parse().ok()?))
}

/// The judge itself: a test that cannot fail proves nothing.
mod tests {
    use super::*;

    const ACKNOWLEDGED: [Entry; 4] = [(7, 1), (8, 1), (7, 2), (8, 2)];
    const DELIVERED: [(&str, &str); 4] = [("a", "8/1"), ("b", "7/1"), ("c", "7/2"), ("d", "8/2")];

    #[test]
    fn persons_may_overtake_each_other() {
        assert_eq!(Verdict::of(&ACKNOWLEDGED, &DELIVERED), Verdict::default());
    }

    #[test]
    fn a_loss_is_seen() {
        let verdict = Verdict::of(&ACKNOWLEDGED, &DELIVERED[..3]);
        assert_eq!(verdict, Verdict { lost: vec![(8, 2)], ..Verdict::default() });
    }

    #[test]
    fn a_changed_order_is_seen() {
        let [a, b, c, d] = DELIVERED;
        let verdict = Verdict::of(&ACKNOWLEDGED, &[a, c, b, d]);
        assert_eq!(verdict, Verdict { reordered: vec![(7, 1)], ..Verdict::default() });
    }

    #[test]
    fn a_repetition_is_seen_and_is_no_change_of_order() {
        let [a, b, c, d] = DELIVERED;
        let verdict = Verdict::of(&ACKNOWLEDGED, &[a, b, c, b, d]);
        assert_eq!(verdict, Verdict { repeated: vec![(7, 1)], ..Verdict::default() });
    }

    #[test]
    fn another_id_is_seen() {
        let [a, b, c, d] = DELIVERED;
        let verdict = Verdict::of(&ACKNOWLEDGED, &[a, b, c, ("e", b.1), d]);
        assert_eq!(verdict, Verdict { renamed: vec![(7, 1)], ..Verdict::default() });
    }

    #[test]
    fn what_nobody_wrote_is_seen() {
        let [a, b, c, d] = DELIVERED;
        let verdict = Verdict::of(&ACKNOWLEDGED, &[a, b, c, d, ("e", "hello")]);
        assert_eq!(verdict, Verdict { unknown: vec!["hello".to_owned()], ..Verdict::default() });
    }
}
