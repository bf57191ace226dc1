use std::ops::Range;

use super::Cursor;

/// What is looked for among the properties (MS-OXPROPS).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Property {
    Body,
    Html,
    LongName,
    MediaType,
    ContentId,
}

/// A text or bytes.
pub(super) enum Value<'a> {
    Bytes(&'a [u8]),
    /// UTF-16.
    Wide(&'a [u8]),
}

const STRING: u16 = 0x001e;
const WIDE: u16 = 0x001f;
const OBJECT: u16 = 0x000d;
const BINARY: u16 = 0x0102;
const MANY: u16 = 0x1000;
/// From here on a property has a name besides its number.
const NAMED: u16 = 0x8000;

impl Property {
    fn of(number: u16) -> Option<Self> {
        Some(match number {
            0x1000 => Self::Body,
            0x1013 => Self::Html,
            0x3707 => Self::LongName,
            0x370e => Self::MediaType,
            0x3712 => Self::ContentId,
            _ => return None,
        })
    }
}

/// Those that are looked for, as far as the list can be read.
pub(super) fn properties(bytes: &[u8], range: Range<usize>) -> impl Iterator<Item = (Property, Value<'_>)> {
    let mut cursor = Cursor { bytes: &bytes[range], at: 0 };
    let count = cursor.length().unwrap_or(0);
    // None is shorter than its type and number.
    let all = (0..count.min(bytes.len() / 4)).map_while(move |_| property(&mut cursor));
    all.filter_map(|(number, value)| Some((Property::of(number)?, value?)))
}

/// Number, and value if it is a text or bytes; `None` at the end, or where nobody knows how long the value is.
fn property<'a>(cursor: &mut Cursor<'a>) -> Option<(u16, Option<Value<'a>>)> {
    let head = cursor.u32()?.to_le_bytes();
    let (kind, number) = (u16::from_le_bytes([head[0], head[1]]), u16::from_le_bytes([head[2], head[3]]));
    if number >= NAMED {
        skip_name(cursor)?;
    }
    let count = if kind & MANY != 0 || matches!(kind, STRING | WIDE | OBJECT | BINARY) { cursor.length()? } else { 1 };
    let mut first = None;
    for place in 0..count {
        let value = value(cursor, kind & !MANY)?;
        first = if place == 0 { value } else { first };
    }
    Some((number, first))
}

fn value<'a>(cursor: &mut Cursor<'a>, kind: u16) -> Option<Option<Value<'a>>> {
    let fixed = match kind {
        // Of whatever width, they take four bytes at least.
        0x0002 | 0x0003 | 0x0004 | 0x000a | 0x000b => 4,
        0x0005 | 0x0006 | 0x0007 | 0x0014 | 0x0040 => 8,
        0x0048 => 16,
        STRING | OBJECT | BINARY => return padded(cursor).map(|bytes| Some(Value::Bytes(bytes))),
        WIDE => return padded(cursor).map(|bytes| Some(Value::Wide(bytes))),
        _ => return None,
    };
    cursor.take(fixed).map(|_| None)
}

/// Length, bytes, and zeros up to the next four.
fn padded<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let length = cursor.length()?;
    let bytes = cursor.take(length)?;
    // At the very end they may be missing.
    let _ = cursor.take(length.wrapping_neg() % 4);
    Some(bytes)
}

/// A set, and a number or a text in it.
fn skip_name(cursor: &mut Cursor<'_>) -> Option<()> {
    cursor.take(16)?;
    match cursor.u32()? {
        0 => cursor.take(4).map(drop),
        _ => padded(cursor).map(drop),
    }
}
