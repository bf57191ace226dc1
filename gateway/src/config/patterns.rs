use std::fmt;

use super::read::Section;

const CHANNELS_MAX: usize = 100;

/// Names of channels, by one name or with `*` for any characters: `support-*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePattern(String);

impl NamePattern {
    /// From what was typed.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn parse(text: &str) -> Result<Self, String> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'*');
        let fits = (1..=64).contains(&text.len()) && text.bytes().all(allowed);
        fits.then(|| Self(text.to_owned()))
            .ok_or_else(|| "must be the name of a channel, or a pattern such as \"support-*\"".into())
    }

    /// Whether one of them means a name.
    pub fn any(patterns: &[Self], name: &str) -> bool {
        patterns.iter().any(|pattern| pattern.matches(name))
    }

    /// Whether a name is meant.
    pub fn matches(&self, name: &str) -> bool {
        let mut pieces = self.0.split('*');
        let Some(mut rest) = name.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
        let Some(last) = pieces.next_back() else { return rest.is_empty() };
        for piece in pieces {
            match rest.find(piece) {
                Some(at) => rest = &rest[at + piece.len()..],
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

/// `channels` of a section: all where nothing is said. `known`: those that there are.
pub(super) fn channels(section: &Section<'_>, known: &[String]) -> Vec<NamePattern> {
    let typed = section.texts("channels", 1..=CHANNELS_MAX, NamePattern::parse);
    let Some(patterns) = typed else { return NamePattern::parse("*").into_iter().collect() };
    for pattern in patterns.iter().filter(|pattern| !known.iter().any(|name| pattern.matches(name))) {
        section.warn("channels", Some(format!("\"{pattern}\"")), "no channel has such a name");
    }
    patterns
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        let matches = |pattern: &str, name: &str| NamePattern::parse(pattern).unwrap().matches(name);
        for (pattern, name) in [
            ("a", "a"),
            ("*", ""),
            ("*", "anything"),
            ("support-*", "support-sms"),
            ("*-sms", "support-sms"),
            ("s*-*s", "support-sms"),
            ("a*a", "aa"),
            ("a*b*c", "abbc"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("a", "ab"), ("a", ""), ("support-*", "sales"), ("a*a", "a"), ("a*b*c", "acb"), ("*a", "b")]
        {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
        assert!(["", "A", "a_b", "a.b", &"x".repeat(65)].iter().all(|text| NamePattern::parse(text).is_err()));
    }
}
