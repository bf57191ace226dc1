//! `winmail.dat` (MS-OXTNEF): the package that Outlook makes of a mail for other Outlooks. What it holds lies in it as it is,
//! so nothing grows when it is unpacked. Of a broken package, what comes before the break is read.

mod property;

use std::ops::Range;

use property::{Property, Value, properties};

use crate::mime::to_text;

const SIGNATURE: u32 = 0x223e_9f78;
const ATTRIBUTES_MAX: usize = 10_000;
const FILES_MAX: usize = 100;

const CODE_PAGE: u32 = 0x0006_9007;
const BODY: u32 = 0x0002_800c;
const MESSAGE_PROPERTIES: u32 = 0x0006_9003;
const FILE_BEGINS: u32 = 0x0006_9002;
const FILE_TITLE: u32 = 0x0001_8010;
const FILE_CONTENT: u32 = 0x0006_800f;
const FILE_PROPERTIES: u32 = 0x0006_9005;

/// What lies in a package.
#[derive(Default)]
pub(super) struct Package {
    pub(super) text: Option<String>,
    pub(super) html: Option<String>,
    pub(super) files: Vec<Packed>,
}

/// A file in it; its content is a part of the package's bytes.
#[derive(Default)]
pub(super) struct Packed {
    pub(super) name: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) cid: Option<String>,
    pub(super) content: Range<usize>,
}

/// Reads numbers and ranges; `None` beyond the end.
#[derive(Clone)]
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn range(&mut self, length: usize) -> Option<Range<usize>> {
        let range = self.at..self.at.checked_add(length).filter(|end| *end <= self.bytes.len())?;
        self.at = range.end;
        Some(range)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        self.range(length).map(|range| &self.bytes[range])
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.u32()?).ok()
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    charset: String,
    package: Package,
}

/// Whether a part says that it is a package; servers on the way may not know its type.
pub(super) fn is_package(content_type: &str, file_name: Option<&str>) -> bool {
    matches!(content_type, "application/ms-tnef" | "application/vnd.ms-tnef")
        || content_type == "application/octet-stream"
            && file_name.is_some_and(|name| name.eq_ignore_ascii_case("winmail.dat"))
}

/// What a package holds; nothing if it is none.
pub(super) fn unpack(bytes: &[u8]) -> Package {
    let mut reader = Reader { bytes, charset: "windows-1252".to_owned(), package: Package::default() };
    let mut cursor = Cursor { bytes, at: 0 };
    if cursor.u32() == Some(SIGNATURE) && cursor.take(2).is_some() {
        for _ in 0..ATTRIBUTES_MAX {
            let Some((number, value)) = attribute(&mut cursor) else { break };
            reader.read(number, value);
        }
    }
    // Pictures that stand for a file and objects of other programs have no content here.
    reader.package.files.retain(|file| !file.content.is_empty());
    reader.package
}

fn attribute(cursor: &mut Cursor<'_>) -> Option<(u32, Range<usize>)> {
    cursor.take(1)?;
    let (number, length) = (cursor.u32()?, cursor.length()?);
    let value = cursor.range(length)?;
    cursor.take(2)?;
    Some((number, value))
}

impl Reader<'_> {
    fn read(&mut self, number: u32, value: Range<usize>) {
        let bytes = &self.bytes[value.clone()];
        match number {
            CODE_PAGE => self.charset = charset(bytes),
            BODY => self.package.text = Some(self.text(bytes)),
            MESSAGE_PROPERTIES => self.message(value),
            FILE_BEGINS if self.package.files.len() < FILES_MAX => self.package.files.push(Packed::default()),
            FILE_TITLE | FILE_CONTENT | FILE_PROPERTIES => self.file(number, value),
            _ => {}
        }
    }

    fn message(&mut self, range: Range<usize>) {
        for (property, value) in properties(self.bytes, range) {
            match property {
                Property::Body => self.package.text = Some(self.shown(value)),
                Property::Html => self.package.html = Some(self.page(value)),
                _ => {}
            }
        }
    }

    /// A page is written in the charset that it says itself, whatever the sender's Windows speaks.
    fn page(&self, value: Value<'_>) -> String {
        match value {
            Value::Bytes(bytes) => to_text(super::bodies::html_charset(bytes).as_deref(), bytes),
            wide => self.shown(wide),
        }
    }

    /// Of the file that began last.
    fn file(&mut self, number: u32, range: Range<usize>) {
        let title = self.text(&self.bytes[range.clone()]);
        let told: Vec<_> = match number {
            FILE_PROPERTIES => {
                properties(self.bytes, range.clone()).map(|(property, value)| (property, self.shown(value))).collect()
            }
            _ => Vec::new(),
        };
        let Some(file) = self.package.files.last_mut() else { return };
        match number {
            FILE_TITLE if file.name.is_none() => file.name = Some(title),
            FILE_CONTENT => file.content = range,
            _ => told.into_iter().for_each(|(property, text)| file.tell(property, text)),
        }
    }

    fn shown(&self, value: Value<'_>) -> String {
        match value {
            Value::Wide(bytes) => to_text(Some("utf-16le"), bytes),
            Value::Bytes(bytes) => self.text(bytes),
        }
    }

    fn text(&self, bytes: &[u8]) -> String {
        to_text(Some(&self.charset), bytes)
    }
}

impl Packed {
    fn tell(&mut self, property: Property, text: String) {
        match property {
            Property::LongName => self.name = Some(text),
            Property::MediaType => self.content_type = Some(text),
            Property::ContentId => self.cid = Some(text.trim_matches(['<', '>']).to_owned()),
            Property::Body | Property::Html => {}
        }
    }
}

/// Of the sender's Windows.
fn charset(value: &[u8]) -> String {
    let number = value.get(..4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes);
    match number {
        932 => "shift_jis".to_owned(),
        936 => "gbk".to_owned(),
        949 => "euc-kr".to_owned(),
        950 => "big5".to_owned(),
        65001 => "utf-8".to_owned(),
        number => format!("windows-{number}"),
    }
}

#[cfg(test)]
mod tests;
