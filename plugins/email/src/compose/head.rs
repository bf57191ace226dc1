//! Header fields. Whatever comes in, a field stays one field: line breaks are never written but by the folding itself.

use std::fmt::Write;

use email_encoding::headers::writer::EmailWriter;
use email_encoding::headers::{quoted_string, rfc2047, rfc2231};

use crate::mime::Address;
use crate::text::one_line;

/// A word of that length cannot be folded into a line of 78.
const WORD_MAX: usize = 70;
const NAME_CHARS_MAX: usize = 200;

#[derive(Default)]
pub(super) struct Head(String);

impl Head {
    /// Text for people: RFC 2047 where it is not ASCII.
    pub(super) fn text(&mut self, name: &str, text: &str) {
        let text = one_line(text);
        let is_plain = text.is_ascii() && !text.contains("=?") && text.split(' ').all(|word| word.len() <= WORD_MAX);
        self.field(name, |w| if is_plain { w.folding().write_str(&text) } else { rfc2047::encode(&text, w) });
    }

    /// A value of words that may be folded between them, such as ids; nothing is encoded.
    pub(super) fn line(&mut self, name: &str, value: &str) {
        let value = one_line(value);
        self.field(name, |w| w.folding().write_str(&value));
    }

    /// Nothing for nobody.
    pub(super) fn addresses(&mut self, name: &str, list: &[Address]) {
        if list.is_empty() {
            return;
        }
        self.field(name, |w| {
            for (n, one) in list.iter().enumerate() {
                if n > 0 {
                    w.write_char(',')?;
                    w.space();
                }
                address(one, w)?;
            }
            Ok(())
        });
    }

    /// A value, and parameters after RFC 2231.
    pub(super) fn parameters(&mut self, name: &str, value: &str, parameters: &[(&str, &str)]) {
        let value = one_line(value);
        self.field(name, |w| {
            w.write_str(&value)?;
            for (key, text) in parameters {
                w.write_char(';')?;
                w.space();
                rfc2231::encode(key, &one_line(text), w)?;
            }
            Ok(())
        });
    }

    fn field(&mut self, name: &str, write: impl FnOnce(&mut EmailWriter<'_>) -> std::fmt::Result) {
        let _ = write!(self.0, "{name}: ");
        let mut writer = EmailWriter::new(&mut self.0, name.len() + 2, 0, false);
        // A string takes everything.
        let _ = write(&mut writer);
        drop(writer);
        self.0.truncate(self.0.trim_end_matches(' ').len());
        self.0.push_str("\r\n");
    }

    /// Without the blank line that ends it.
    pub(super) fn finish(self) -> Vec<u8> {
        self.0.into_bytes()
    }
}

fn address(one: &Address, w: &mut EmailWriter<'_>) -> std::fmt::Result {
    let name = one.name.as_deref().map(one_line).filter(|name| !name.is_empty());
    if let Some(name) = &name {
        let name: String = name.chars().take(NAME_CHARS_MAX).collect();
        let is_long = name.split(' ').any(|word| word.len() > WORD_MAX) || name.contains("=?");
        if is_long {
            rfc2047::encode(&name, w)?
        } else {
            quoted_string::encode(&name, w)?
        }
        w.space();
    }
    // An address is one word: folding happens before it.
    w.folding().write_str(&format!("<{}>", one.address))
}
