use super::*;

mod clients;

fn check(text: &str, new: &str, quoted: &str) {
    let split = split(text, None);
    assert_eq!((split.new.as_str(), split.quoted.as_deref().unwrap_or_default()), (new, quoted), "{text}");
}

/// The new text above, the quote below.
fn below(quote: &str) {
    check(&format!("Yes, please.\nAnn\n\n{quote}\n"), "Yes, please.\nAnn", quote);
}

#[test]
fn attributions_in_the_languages_of_mail_programs() {
    for line in [
        "On Sat, 2 May 2026 at 09:15, Acme Support <support@example.com> wrote:",
        "On May 2, 2026, at 9:15 AM, Acme <support@example.com> wrote:",
        "Am 02.05.26 um 09:15 schrieb Acme Support:",
        "Am Sa., 2. Mai 2026 um 09:15 Uhr schrieb Acme <support@example.com>:",
        "Acme hat am 2. Mai 2026 um 09:15 geschrieben:",
        "Le sam. 2 mai 2026 à 09:15, Acme <support@example.com> a écrit :",
        "El sáb, 2 may 2026 a las 9:15, Acme (<support@example.com>) escribió:",
        "Em sáb., 2 de mai. de 2026 às 09:15, Acme <support@example.com> escreveu:",
        "Il giorno sab 2 mag 2026 alle ore 09:15 Acme <support@example.com> ha scritto:",
        "Op za 2 mei 2026 om 09:15 schreef Acme <support@example.com>:",
        "sob., 2 maj 2026 o 09:15 Acme <support@example.com> napisał(a):",
        "W dniu 2.05.2026 o 09:15, Acme pisze:",
        "Den lör 2 maj 2026 kl 09:15 skrev Acme <support@example.com>:",
        "Den lør. 2. maj 2026 kl. 09.15 skrev Acme <support@example.com>:",
        "lør. 2. mai 2026 kl. 09:15 skrev Acme <support@example.com>:",
        "la 2. toukok. 2026 klo 9.15 Acme (support@example.com) kirjoitti:",
        "so 2. 5. 2026 v 9:15 odesílatel Acme <support@example.com> napsal:",
        "сб, 2 мая 2026 г. в 09:15, Acme <support@example.com> пишет:",
        "02.05.2026 9:15, Acme написал:",
        "2026年5月2日(土) 9:15 Acme <support@example.com> さんは書きました：",
        "Acme <support@example.com> 于2026年5月2日周六 09:15写道：",
        "Acme <support@example.com> 於 2026年5月2日 週六 上午9:15寫道：",
        "2026년 5월 2일 (토) 오전 9:15, Acme <support@example.com>님이 작성:",
        "2 May 2026 Cmt, 09:15 tarihinde Acme <support@example.com> şunu yazdı:",
    ] {
        below(&format!("{line}\n\n> When shall we call?\n> Acme"));
        below(&format!("{line}\nWhen shall we call?"));
    }
}

#[test]
fn an_attribution_may_be_wrapped() {
    below(
        "On Sat, 2 May 2026 at 09:15, Acme Support Department of the North\n<support-department@example.com>\nwrote:\n\n> When?",
    );
}

#[test]
fn headers_of_older_mails() {
    for labels in [
        ["From", "Sent", "To", "Subject"],
        ["Von", "Gesendet", "An", "Betreff"],
        ["De", "Envoyé", "À", "Objet"],
        ["De", "Enviado el", "Para", "Asunto"],
        ["De", "Enviada em", "Para", "Assunto"],
        ["Da", "Inviato", "A", "Oggetto"],
        ["Van", "Verzonden", "Aan", "Onderwerp"],
        ["Od", "Wysłano", "Do", "Temat"],
        ["Från", "Skickat", "Till", "Ämne"],
        ["Fra", "Sendt", "Til", "Emne"],
        ["Lähettäjä", "Lähetetty", "Vastaanottaja", "Aihe"],
        ["Od", "Odesláno", "Komu", "Předmět"],
        ["От", "Отправлено", "Кому", "Тема"],
        ["差出人", "送信日時", "宛先", "件名"],
        ["发件人", "发送时间", "收件人", "主题"],
    ] {
        let header: String = labels.iter().map(|label| format!("{label}: x@example.com\n")).collect();
        below(&format!("{header}\nWhen shall we call?"));
        below(&format!("________________________________\n{header}\nWhen shall we call?"));
        let bold: String = labels.iter().map(|label| format!("*{label}:* x\n")).collect();
        below(&format!("{bold}\nWhen?"));
    }
}

#[test]
fn titles_of_older_mails() {
    for title in [
        "-----Original Message-----",
        "-------- Ursprüngliche Nachricht --------",
        "-----Message d'origine-----",
        "----- Messaggio originale -----",
        "------------------ 原始邮件 ------------------",
        "---- Original Message ----",
    ] {
        below(&format!("{title}\nAnything"));
    }
    below("##- Please type your reply above this line -##\n\nYour ticket was updated.");
}

#[test]
fn answers_below_a_quote_are_new() {
    check(
        "On 2 May 2026 Acme wrote:\n> When?\n> Acme\n\nTomorrow.\n",
        "Tomorrow.",
        "On 2 May 2026 Acme wrote:\n> When?\n> Acme",
    );
    check("Hi,\n> When?\nTomorrow.\n", "Hi,\n\nTomorrow.", "> When?");
}

#[test]
fn answers_inside_a_quote_stay_with_it() {
    let text = "On 2 May 2026 Acme wrote:\n> When?\nTomorrow.\n> Where?\nAt home.";
    check(text, text, "");
}

#[test]
fn what_is_passed_on_without_a_word_is_the_message() {
    let mail =
        "---------- Forwarded message ---------\nFrom: Bob <b@example.org>\nDate: 2 May\nTo: x\nSubject: y\n\nHelp!";
    check(mail, mail, "");
    check(&format!("See below.\n\n{mail}"), "See below.", mail);
}

#[test]
fn an_answer_without_a_word_is_empty() {
    check("\n\nOn 2 May 2026 Acme wrote:\n> When?", "", "On 2 May 2026 Acme wrote:\n> When?");
}

#[test]
fn ordinary_text_is_new() {
    for text in [
        "He wrote:\nnothing at all",
        "I wrote on 2 May 2026 and nobody answered",
        "From: my heart\nthank you",
        "Please note: from Berlin to Rome\nTo: be clear",
        "-- \nAnn\n+49 30 1234567",
        "______________________\nAnn",
        "They overwrote: 2026-05-02 09:15",
        "",
    ] {
        check(text, text.trim_end(), "");
    }
}

#[test]
fn the_hint_of_the_markup_counts_where_no_line_tells() {
    let text = "Nej tak\n\nQwerty 2 kwiecien:\nWhen?";
    let split = split(text, Some(text.find("Qwerty").unwrap()));
    assert_eq!(
        (split.new.as_str(), split.quoted.as_deref(), split.is_below),
        ("Nej tak", Some("Qwerty 2 kwiecien:\nWhen?"), true)
    );
    let inline = "Hi\nQwerty:\n> When?\nTomorrow\n> Where?\nHere";
    assert_eq!(super::split(inline, Some(3)).quoted, None);
}
