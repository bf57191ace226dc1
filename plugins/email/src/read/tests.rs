use super::*;

/// Parts inside a multipart of that kind.
fn multipart(kind: &str, parts: &[&str]) -> String {
    let boundary = format!("b{}", kind.len());
    let inner: String = parts.iter().map(|part| format!("--{boundary}\n{part}\n")).collect();
    format!("Content-Type: multipart/{kind}; boundary={boundary}\n\n{inner}--{boundary}--\n")
}

const TEXT: &str = "Content-Type: text/plain; charset=utf-8\n\nplain\n";
const HTML: &str = "Content-Type: text/html\n\n<b>rich</b>";
const PDF: &str = "Content-Type: application/pdf; name=a.pdf\nContent-Disposition: attachment\nContent-Transfer-Encoding: base64\n\nSGk=";
const IMAGE: &str = "Content-Type: image/png\nContent-ID: <i@x>\nContent-Disposition: inline\n\npng";

fn seen(raw: &str) -> (String, Option<String>, Vec<String>) {
    let mail = Mail::read(raw.as_bytes());
    (mail.text, mail.html, mail.files.into_iter().map(|file| file.name).collect())
}

fn expected(text: &str, html: Option<&str>, files: &[&str]) -> (String, Option<String>, Vec<String>) {
    (text.to_owned(), html.map(str::to_owned), files.iter().map(|&name| name.to_owned()).collect())
}

#[test]
fn multiparts_of_every_shape() {
    let alternative = multipart("alternative", &[TEXT, HTML]);
    let rich = Some("<b>rich</b>");
    assert_eq!(seen(&alternative), expected("plain", rich, &[]));
    assert_eq!(seen(&multipart("mixed", &[&alternative, PDF])), expected("plain", rich, &["a.pdf"]));
    let related = multipart("related", &[HTML, IMAGE]);
    assert_eq!(seen(&multipart("alternative", &[TEXT, &related])), expected("plain", rich, &["part-4.png"]));
    assert_eq!(seen(&multipart("related", &[&alternative, IMAGE])), expected("plain", rich, &["part-4.png"]));
    let apple = multipart("mixed", &[HTML, PDF, "Content-Type: text/html\n\n<i>more</i>"]);
    assert_eq!(
        seen(&multipart("alternative", &[TEXT, &apple])),
        expected("plain", Some("<b>rich</b>\n<i>more</i>"), &["a.pdf"])
    );
    assert_eq!(seen(&multipart("mixed", &[TEXT, TEXT])), expected("plain\n\nplain", None, &[]));
    assert_eq!(seen(HTML), expected("", rich, &[]));
    assert_eq!(seen(PDF), expected("", None, &["a.pdf"]));
}

#[test]
fn a_footer_of_a_list_joins_both_forms() {
    let mail =
        multipart("mixed", &[&multipart("alternative", &[TEXT, HTML]), "Content-Type: text/plain\n\nfooter & more"]);
    assert_eq!(seen(&mail), expected("plain\n\nfooter & more", Some("<b>rich</b>\n<div>footer &amp; more</div>"), &[]));
}

#[test]
fn an_empty_plain_form_says_nothing() {
    let blank = "Content-Type: text/plain\n\n \n";
    assert_eq!(seen(&multipart("alternative", &[blank, HTML])), expected("", Some("<b>rich</b>"), &[]));
}

#[test]
fn text_files_are_files() {
    let log = "Content-Type: text/plain; name=app.log\nContent-Disposition: attachment\n\nline";
    let csv = "Content-Type: text/csv\nContent-Disposition: inline; filename=t.csv\n\na,b";
    let named = "Content-Type: text/plain; name=later.txt\n\nfile";
    assert_eq!(
        seen(&multipart("mixed", &[TEXT, log, csv, named])),
        expected("plain", None, &["app.log", "t.csv", "later.txt"])
    );
}

#[test]
fn files_are_decoded_when_asked_for() {
    let mail = multipart("mixed", &[TEXT, PDF]);
    let mail = Mail::read(mail.as_bytes());
    assert_eq!(
        (mail.files[0].content().as_ref(), mail.files[0].content_type.as_str()),
        (b"Hi".as_slice(), "application/pdf")
    );
}

#[test]
fn signed_and_encrypted_mail_is_labelled() {
    let signature = "Content-Type: application/pkcs7-signature; name=smime.p7s\n\nx";
    let signed = multipart("signed; protocol=\"application/pkcs7-signature\"", &[TEXT, signature]);
    let mail = Mail::read(signed.as_bytes());
    assert_eq!((mail.text.as_str(), mail.signed, mail.files[0].name.as_str()), ("plain", Some("smime"), "smime.p7s"));
    let encrypted = multipart(
        "encrypted",
        &["Content-Type: application/pgp-encrypted\n\nVersion: 1", "Content-Type: application/octet-stream\n\nx"],
    );
    let mail = Mail::read(encrypted.as_bytes());
    assert_eq!((mail.text.as_str(), mail.encrypted, mail.files.len()), ("", Some("pgp"), 2));
    let enveloped = "Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\n\nx";
    assert_eq!(Mail::read(enveloped.as_bytes()).encrypted, Some("smime"));
    assert_eq!(Mail::read(b"\n-----BEGIN PGP MESSAGE-----\nx").encrypted, Some("pgp"));
}

#[test]
fn enclosed_mails_and_invitations_are_told_and_kept() {
    let enclosed = "Content-Type: message/rfc822\n\nFrom: Ann <ann@x.org>\nSubject: a/b\nDate: Sat, 2 May 2026 09:15:04 +0200\n\nHi";
    let calendar = "Content-Type: text/calendar; method=REQUEST\n\nBEGIN:VEVENT\nSUMMARY:s\nEND:VEVENT";
    let mail = multipart("mixed", &[TEXT, enclosed, calendar]);
    let mail = Mail::read(mail.as_bytes());
    assert_eq!(
        (mail.enclosed[0].from.as_deref(), mail.enclosed[0].subject.as_deref()),
        (Some("ann@x.org"), Some("a/b"))
    );
    assert_eq!(mail.invitations[0].method.as_deref(), Some("request"));
    assert_eq!(mail.files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), ["a-b.eml", "invite.ics"]);
}

#[test]
fn a_page_may_tell_its_charset() {
    let raw = b"Content-Type: text/html\n\n<meta charset=\"iso-8859-2\">\xb1".to_vec();
    assert!(Mail::read(&raw).html.unwrap().ends_with('ą'));
}

#[test]
fn long_texts_are_cut_and_told() {
    let raw = format!("Content-Type: text/plain\n\n{}", "ä".repeat(TEXT_MAX));
    let mail = Mail::read(raw.as_bytes());
    assert_eq!((mail.text.len(), mail.limit), (TEXT_MAX, Some("text")));
}
