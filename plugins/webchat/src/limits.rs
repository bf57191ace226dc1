//! How much a visitor may say at once. The gateway holds a frame to 64 KiB before it comes here.

/// Characters in a text part.
pub(crate) const TEXT_MAX: usize = 8_000;
/// Parts of a message.
pub(crate) const PARTS_MAX: usize = 20;
/// Bytes of one file.
pub(crate) const FILE_BYTES_MAX: u32 = 10_485_760;
/// Bytes of the site's id of a visitor; an address in the gateway has at most 512.
pub(crate) const USER_ID_MAX: usize = 256;
/// Characters of a visitor's name.
pub(crate) const NAME_MAX: usize = 100;
/// Characters of an address that a visitor typed; RFC 5321 allows 254.
pub(crate) const ADDRESS_MAX: usize = 254;
/// Characters of a page's address, and of its title.
pub(crate) const PAGE_URL_MAX: usize = 2_048;
pub(crate) const PAGE_TITLE_MAX: usize = 200;
/// Characters of a language tag (RFC 5646 needs 35).
pub(crate) const LANG_MAX: usize = 35;
/// Bytes of an id that the widget makes, or that it repeats to us.
pub(crate) const ID_MAX: usize = 128;
/// Characters of a file's name, a choice's title, a caption.
pub(crate) const LABEL_MAX: usize = 1_024;

/// Cut to a number of characters.
pub(crate) fn cut(text: &str, max: usize) -> String {
    text.chars().take(max).collect()
}

/// An id that can be part of another: letters, digits, `-` and `_`.
pub(crate) fn is_id(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=ID_MAX).contains(&text.len()) && text.bytes().all(is_plain)
}
