use unicode_segmentation::UnicodeSegmentation as _;

/// Cuts a text into pieces of at most `max` characters: at the end of a paragraph, a line, a sentence or a word, whichever
/// leaves the piece at least half full; else between what a reader sees as characters. White space at a cut is left out.
pub(super) fn split(text: &str, max: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(end) = beyond(rest, max) {
        let cut = cut(rest, end);
        pieces.push(rest[..cut].trim_end().to_owned());
        rest = rest[cut..].trim_start();
    }
    pieces.push(rest.to_owned());
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// Where a text is longer than that many characters, the byte at which it is.
fn beyond(text: &str, max: usize) -> Option<usize> {
    text.char_indices().nth(max.max(1)).map(|(index, _)| index)
}

/// The best place to cut, at most at `end`, in bytes.
fn cut(text: &str, end: usize) -> usize {
    let marks = ["\n\n", "\n", ". ", "! ", "? ", " "];
    let late = |cut: &usize| *cut >= end / 2;
    let at = |mark: &&str| text[..end].rfind(*mark).map(|index| index + mark.len()).filter(late);
    marks.iter().find_map(at).unwrap_or_else(|| between_characters(text, end))
}

/// What is seen as one character may be many: such a one that alone is too long is torn.
fn between_characters(text: &str, end: usize) -> usize {
    let seen = text.grapheme_indices(true).map(|(index, _)| index).take_while(|index| *index <= end);
    seen.last().filter(|cut| *cut > 0).unwrap_or(end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_fits_stays_whole() {
        assert_eq!(split("äöü", 3), ["äöü"]);
    }

    #[test]
    fn a_paragraph_is_better_than_a_sentence_and_that_than_a_word() {
        assert_eq!(split("First one. More\n\nSecond one", 20), ["First one. More", "Second one"]);
        assert_eq!(split("First one. Second one", 16), ["First one.", "Second one"]);
        assert_eq!(split("some more words", 12), ["some more", "words"]);
        assert_eq!(split("a verylongword", 8), ["a verylo", "ngword"], "a piece of one letter helps nobody");
    }

    #[test]
    fn a_family_is_not_torn_apart() {
        assert_eq!(
            split("ab👨‍👩‍👧", 4),
            ["ab", "👨‍👩‍👧".chars().take(4).collect::<String>().as_str(), "👧"].to_vec(),
            "too long for any piece"
        );
        assert_eq!(split("abcd👨‍👩‍👧", 6), ["abcd", "👨‍👩‍👧"]);
    }

    proptest! {
        #[test]
        fn nothing_but_space_is_lost(text in "[a-z .\n\u{e4}\u{1f600}]{0,200}", max in 1usize..50) {
            let pieces = split(&text, max);
            let solid = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(solid(&pieces.concat()), solid(&text));
            prop_assert!(pieces.iter().all(|piece| piece.chars().count() <= max));
        }
    }
}
