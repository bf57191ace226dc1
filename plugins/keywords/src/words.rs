//! Words and phrases in what people say.

use omnigate_plugin::prelude::*;

/// Everything that a person said, one thing under the other.
pub(crate) fn said(content: &Content) -> String {
    let mut lines: Vec<&str> = content.subject.as_deref().into_iter().collect();
    lines.extend(content.parts.iter().filter_map(|part| match part {
        Part::Text(text) => Some(text.text.as_str()),
        Part::Media(file) => file.caption.as_deref(),
        Part::Choice(choice) => Some(choice.title.as_str()),
        _ => None,
    }));
    lines.join("\n")
}

/// The words of a text in lower case.
pub(crate) fn tokens(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

/// A word, or several in a row; the last may have any ending.
pub(crate) struct Phrase {
    words: Vec<String>,
    open: bool,
}

impl Phrase {
    /// `None` if there is no word in it.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let (words, open) = (tokens(text), text.trim_end().ends_with('*'));
        (!words.is_empty()).then_some(Self { words, open })
    }

    pub(crate) fn is_in(&self, tokens: &[String]) -> bool {
        tokens.windows(self.words.len()).any(|window| self.fits(window))
    }

    fn fits(&self, window: &[String]) -> bool {
        let last = self.words.len() - 1;
        let mut pairs = self.words.iter().zip(window).enumerate();
        pairs.all(|(at, (word, said))| if self.open && at == last { said.starts_with(word) } else { said == word })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_whole_and_phrases_in_a_row() {
        let is_in = |phrase: &str, text: &str| Phrase::of(phrase).is_some_and(|phrase| phrase.is_in(&tokens(text)));
        assert!(is_in("invoice", "My INVOICE, please"));
        assert!(is_in("Straße", "in der STRASSE? nein, in der straße!"));
        assert!(is_in("order number", "what is my Order-Number?"));
        assert!(is_in("rechnung*", "Rechnungskopie bitte"));
        assert!(!is_in("invoice", "invoices"));
        assert!(!is_in("order number", "number of my order"));
        assert!(!is_in("a b c", "a b"));
        assert!(Phrase::of(" * ").is_none());
    }
}
