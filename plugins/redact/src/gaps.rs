//! What stands between groups of digits, and digits as people type them.

/// What a gap is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gap {
    /// Spaces, hyphens, dots and what cannot be seen.
    Mark,
    /// The end of a line.
    Line,
}

/// Whether a character parts groups of one number.
pub(crate) fn gap(c: char) -> Option<Gap> {
    match c {
        '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some(Gap::Line),
        ' ' | '\t' | '-' | '.' | '_' | '/' | '\u{a0}' | '\u{b7}' => Some(Gap::Mark),
        '\u{2000}'..='\u{2015}' | '\u{2022}' | '\u{202f}' | '\u{205f}' | '\u{2212}' | '\u{3000}' => Some(Gap::Mark),
        c if is_unseen(c) => Some(Gap::Mark),
        _ => None,
    }
}

/// Carriages, soft hyphens, joiners, marks of direction and of emoji: `4\u{fe0f}\u{20e3}` is a key of a keypad.
pub(crate) fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\r' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
            | '\u{20e3}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
    )
}

/// The zeros of decimal digits, nine others behind each (Unicode's Nd, as far as keyboards and styled text have them).
const ZEROS: [char; 27] = [
    '0',
    '\u{660}',
    '\u{6f0}',
    '\u{7c0}',
    '\u{966}',
    '\u{9e6}',
    '\u{a66}',
    '\u{ae6}',
    '\u{b66}',
    '\u{be6}',
    '\u{c66}',
    '\u{ce6}',
    '\u{d66}',
    '\u{de6}',
    '\u{e50}',
    '\u{ed0}',
    '\u{f20}',
    '\u{1040}',
    '\u{17e0}',
    '\u{1810}',
    '\u{ff10}',
    // Bold, double-struck, sans-serif, sans-serif bold, monospace; of old computers.
    '\u{1d7ce}',
    '\u{1d7d8}',
    '\u{1d7e2}',
    '\u{1d7ec}',
    '\u{1d7f6}',
    '\u{1fbf0}',
];

/// The digit that a character is.
pub(crate) fn digit(c: char) -> Option<u8> {
    if c.is_ascii() {
        return c.to_digit(10).map(|value| value as u8);
    }
    ZEROS.iter().find_map(|zero| {
        let value = u32::from(c).checked_sub(u32::from(*zero))?;
        u8::try_from(value).ok().filter(|value| *value < 10)
    })
}
