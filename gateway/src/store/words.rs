/// What to look for in texts: all of these words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words(Vec<Word>);

/// A word, or several that follow one another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Any characters; what is neither letter nor digit only separates.
    pub text: String,
    /// It may go on.
    pub open: bool,
}

/// Why a text says nothing to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoWords {
    #[error("must have 1 to {TEXT_MAX} characters")]
    Length,
    #[error("must have a word: letters or digits")]
    Empty,
    #[error("must have at most {WORDS_MAX} words")]
    Many,
    #[error("needs at least {OPEN_MIN} letters or digits before *")]
    Open,
}

const TEXT_MAX: usize = 200;
const WORDS_MAX: usize = 16;
/// Fewer would have to be looked up in half of the index.
const OPEN_MIN: usize = 3;

impl Words {
    /// As people type them: words, `"words in this order"`, `begin*`.
    ///
    /// # Errors
    /// See [`NoWords`].
    pub fn parse(typed: &str) -> Result<Self, NoWords> {
        if !(1..=TEXT_MAX).contains(&typed.chars().count()) {
            return Err(NoWords::Length);
        }
        let mut words = Vec::new();
        for (index, piece) in typed.split('"').enumerate() {
            match index % 2 {
                0 => words.extend(piece.split_whitespace().map(Word::of)),
                _ => words.push(Word { text: piece.trim().to_owned(), open: false }),
            }
        }
        words.retain(|word| word.length() > 0);
        match words.as_slice() {
            [] => Err(NoWords::Empty),
            many if many.len() > WORDS_MAX => Err(NoWords::Many),
            some if some.iter().any(|word| word.open && word.length() < OPEN_MIN) => Err(NoWords::Open),
            _ => Ok(Self(words)),
        }
    }

    /// The words.
    pub fn iter(&self) -> impl Iterator<Item = &Word> {
        self.0.iter()
    }
}

impl Word {
    fn of(piece: &str) -> Self {
        match piece.strip_suffix('*') {
            Some(begin) => Self { text: begin.to_owned(), open: true },
            None => Self { text: piece.to_owned(), open: false },
        }
    }

    fn length(&self) -> usize {
        self.text.chars().filter(|c| c.is_alphanumeric()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_people_type_them() {
        let words = Words::parse(r#"  late "my order" deliv* - "#).unwrap();
        let read: Vec<_> = words.iter().map(|word| (word.text.as_str(), word.open)).collect();
        assert_eq!(read, [("late", false), ("my order", false), ("deliv", true)]);
        assert_eq!(Words::parse("\"open end").unwrap().iter().count(), 1);
        for (typed, why) in [
            ("", NoWords::Length),
            (&"x".repeat(201), NoWords::Length),
            ("- * \"\"", NoWords::Empty),
            (&"a ".repeat(17), NoWords::Many),
            ("or*", NoWords::Open),
        ] {
            assert_eq!(Words::parse(typed), Err(why), "{typed}");
        }
    }
}
