use std::collections::BTreeSet;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Longer texts are no keywords: nobody folds a book.
const LENGTH_MAX: usize = 100;

/// Words that are an order about messages, and no message.
#[derive(Clone, Debug)]
pub struct Keywords {
    stop: BTreeSet<String>,
    start: BTreeSet<String>,
}

impl Keywords {
    /// Of words as people write them.
    pub fn new<S: AsRef<str>>(stop: &[S], start: &[S]) -> Self {
        let folded =
            |words: &[S]| words.iter().map(|word| fold(word.as_ref())).filter(|word| !word.is_empty()).collect();
        Self { stop: folded(stop), start: folded(start) }
    }

    /// Whether a text refuses (false) or allows (true) messages: only if the whole text is such a word.
    pub fn meaning(&self, text: &str) -> Option<bool> {
        if text.len() > LENGTH_MAX {
            return None;
        }
        let word = fold(text);
        if self.stop.contains(&word) {
            return Some(false);
        }
        self.start.contains(&word).then_some(true)
    }
}

/// Without case, accents, and whatever is neither letter nor digit.
fn fold(text: &str) -> String {
    let plain = text.nfkd().filter(|c| !is_combining_mark(*c));
    plain.flat_map(char::to_lowercase).filter(|c| c.is_alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{START, STOP};

    fn meaning(text: &str) -> Option<bool> {
        Keywords::new(&STOP, &START).meaning(text)
    }

    #[test]
    fn a_word_counts_if_it_is_the_whole_text() {
        for stop in
            ["STOP", " stop. ", "Stop all", "STOP-ALL", "opt-out!", "Arrêt", "arret", "¡Basta!", "„Stopp“", "ＳＴＯＰ"]
        {
            assert_eq!(meaning(stop), Some(false), "{stop}");
        }
        for start in ["START", "unstop", "Opt in", "réabonner", "REABONNER"] {
            assert_eq!(meaning(start), Some(true), "{start}");
        }
        for other in ["please stop calling", "cancel my order", "yes", "", "...", "STOPPED", &"stop ".repeat(100)] {
            assert_eq!(meaning(other), None, "{other}");
        }
    }

    #[test]
    fn no_word_means_both() {
        let both = Keywords::new(&STOP, &START);
        assert_eq!((both.stop.len(), both.start.len()), (STOP.len(), START.len()), "none is there twice");
        assert!(both.stop.is_disjoint(&both.start));
    }

    #[test]
    fn the_operators_words_take_the_place_of_ours() {
        let own = Keywords::new(&["Genug"], &["Weiter"]);
        assert_eq!(
            [own.meaning("genug!"), own.meaning("weiter"), own.meaning("stop")],
            [Some(false), Some(true), None]
        );
    }
}
