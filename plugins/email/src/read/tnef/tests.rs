use super::super::Mail;
use super::*;

fn attribute(level: u8, number: u32, value: &[u8]) -> Vec<u8> {
    let sum = value.iter().fold(0_u16, |sum, byte| sum.wrapping_add((*byte).into()));
    let length = u32::try_from(value.len()).unwrap();
    [&[level][..], &number.to_le_bytes(), &length.to_le_bytes(), value, &sum.to_le_bytes()].concat()
}

fn package(attributes: &[Vec<u8>]) -> Vec<u8> {
    [&SIGNATURE.to_le_bytes()[..], &[1, 0], &attributes.concat()].concat()
}

fn padded(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap();
    let padding = vec![0; (4 - bytes.len() % 4) % 4];
    [&1_u32.to_le_bytes()[..], &length.to_le_bytes(), bytes, &padding].concat()
}

fn wide(text: &str) -> Vec<u8> {
    padded(&text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect::<Vec<_>>())
}

fn list(properties: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let count = u32::try_from(properties.len()).unwrap();
    let all = properties.iter().flat_map(|(tag, value)| [&tag.to_le_bytes()[..], value].concat());
    count.to_le_bytes().into_iter().chain(all).collect()
}

/// As Outlook writes it: two files, the second with nothing but its old name.
fn example() -> Vec<u8> {
    let named = [&[7; 16][..], &1_u32.to_le_bytes(), &5_u32.to_le_bytes(), b"a\0b\0\0\0\0\0", &[9; 8]].concat();
    let properties = list(&[
        (0x8001_0040, named),
        (0x0e20_0003, vec![4, 0, 0, 0]),
        (0x3707_001f, wide("Übersicht 2026.pdf")),
        (0x370e_001e, padded(b"application/pdf\0")),
        (0x3712_001e, padded(b"<c1@x>\0")),
    ]);
    package(&[
        attribute(1, CODE_PAGE, &[0xe3, 4, 0, 0, 0, 0, 0, 0]),
        attribute(1, BODY, b"\xcf\xf0\xe8\xe2\xe5\xf2\0"),
        attribute(2, FILE_BEGINS, &[0; 14]),
        attribute(2, FILE_TITLE, b"UBERSI~1.PDF\0"),
        attribute(2, FILE_CONTENT, b"%PDF"),
        attribute(2, FILE_PROPERTIES, &properties),
        attribute(2, FILE_BEGINS, &[0; 14]),
        attribute(2, FILE_TITLE, b"..\\a.txt\0"),
        attribute(2, FILE_CONTENT, b"text"),
        attribute(2, FILE_BEGINS, &[0; 14]),
    ])
}

fn mail(package: &[u8], more: &str) -> Vec<u8> {
    let head = format!("Content-Type: multipart/mixed; boundary=m\n\n{more}--m\nContent-Type: application/ms-tnef\n\n");
    [head.as_bytes(), package, b"\n--m--\n"].concat()
}

fn files(raw: &[u8]) -> Vec<(String, String, Vec<u8>)> {
    let mail = Mail::read(raw);
    let files = mail.files.iter();
    files.map(|file| (file.name.clone(), file.content_type.clone(), file.content().into_owned())).collect()
}

#[test]
fn files_come_out_beside_the_package() {
    let raw = mail(&example(), "");
    let expected = |name: &str, kind: &str, content: &[u8]| (name.to_owned(), kind.to_owned(), content.to_vec());
    let told = files(&raw);
    assert_eq!(told[0], expected("winmail.dat", "application/ms-tnef", &example()));
    assert_eq!(told[1], expected("Übersicht 2026.pdf", "application/pdf", b"%PDF"));
    assert_eq!(told[2], expected("a.txt", "application/octet-stream", b"text"));
    assert_eq!(told.len(), 3, "what has no content is no file");
    assert_eq!(Mail::read(&raw).files[1].cid.as_deref(), Some("c1@x"));
}

#[test]
fn its_text_counts_where_the_mail_has_none() {
    assert_eq!(Mail::read(&mail(&example(), "")).text, "Привет");
    assert_eq!(Mail::read(&mail(&example(), "--m\n\nplain\n")).text, "plain");
    let html = list(&[(0x1013_0102, padded("<b>Grüße</b>".as_bytes()))]);
    let raw = mail(&package(&[attribute(1, MESSAGE_PROPERTIES, &html)]), "");
    assert_eq!(Mail::read(&raw).html.as_deref(), Some("<b>Grüße</b>"));
}

#[test]
fn a_broken_package_is_read_to_its_break() {
    let whole = example();
    for end in 0..whole.len() {
        unpack(&whole[..end]);
    }
    let cut = &whole[..whole.len() - 40];
    assert_eq!(unpack(cut).files.len(), 1);
    for place in 0..whole.len() {
        for value in [0, 0x7f, 0xff] {
            let mut broken = whole.clone();
            broken[place] = value;
            unpack(&broken);
        }
    }
    assert!(unpack(b"PK\x03\x04").files.is_empty());
}

#[test]
fn lengths_that_lie_cost_nothing() {
    let many = list(&[(0x1000_101f, u32::MAX.to_le_bytes().to_vec())]);
    let giant = [&SIGNATURE.to_le_bytes()[..], &[1, 0, 1], &BODY.to_le_bytes(), &u32::MAX.to_le_bytes()].concat();
    assert!(unpack(&package(&[attribute(1, MESSAGE_PROPERTIES, &many)])).text.is_none());
    assert!(unpack(&giant).text.is_none());
    let file = [attribute(2, FILE_BEGINS, &[]), attribute(2, FILE_CONTENT, b"x")].concat();
    assert_eq!(unpack(&package(&vec![file; 1_000])).files.len(), FILES_MAX);
}
