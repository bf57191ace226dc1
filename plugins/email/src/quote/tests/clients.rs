//! What mail programs put above what they quote, each in languages that differ in more than words.

use super::{below, check};

/// With quote marks below, as in plain text.
fn marked(line: &str) {
    below(&format!("{line}\n\n> When shall we call?\n> Acme"));
}

/// And without, as HTML that became text has it.
fn both(line: &str) {
    marked(line);
    below(&format!("{line}\n\nWhen shall we call?"));
}

#[test]
fn gmail() {
    for line in [
        "On Sat, May 2, 2026 at 9:15\u{202f}AM Acme Support <support@example.com> wrote:",
        "Acme <support@example.com> escreveu (sábado, 2/05/2026 à(s) 09:15):",
        "Acme <support@example.com>, 2 May 2026 Cmt, 09:15 tarihinde şunu yazdı:",
        "Acme <support@example.com> ezt írta (időpont: 2026. máj. 2., Szo, 9:15):",
        "În sâm., 2 mai 2026 la 09:15, Acme <support@example.com> a scris:",
        "Στις Σάβ 2 Μαΐ 2026 στις 9:15 π.μ., ο χρήστης Acme <support@example.com> έγραψε:",
        "сб, 2 трав. 2026 р. о 09:15 Acme <support@example.com> пише:",
        "сб 2. мај 2026. у 09:15 Acme <support@example.com> је написао/ла:",
        "На сб, 2.05.2026 г. в 9:15 Acme <support@example.com> написа:",
        "sub, 2. svi 2026. u 09:15 Acme <support@example.com> napisao je:",
        "so 2. 5. 2026 o 9:15 Acme <support@example.com> napísal(a):",
        "Vào Th 7, 2 thg 5, 2026 vào lúc 09:15 Acme <support@example.com> đã viết:",
        "ในวันที่ ส. 2 พ.ค. 2026 เวลา 09:15 Acme <support@example.com> เขียนว่า:",
        "Pada tanggal Sab, 2 Mei 2026 pukul 09.15 Acme <support@example.com> menulis:",
        "शनि, 2 मई 2026 को 9:15 am बजे को Acme <support@example.com> ने लिखा:",
        "\u{202b}في السبت، 2 مايو 2026 في 9:15 ص تمت كتابة ما يلي بواسطة \u{202a}Acme\u{202c}\u{200f} <\u{202a}support@example.com\u{202c}\u{200f}>:\u{202c}",
        "2026-05-02, št, 09:15 Acme <support@example.com> rašė:",
    ] {
        both(line);
    }
    for line in [
        "сб, 2 мая 2026 г. в 09:15, Acme <support@example.com>:",
        "2026年5月2日(土) 9:15 Acme <support@example.com>:",
        "Missatge de Acme <support@example.com> del dia ds., 2 de maig 2026 a les 9:15:",
        "\u{202b}בתאריך שבת, 2 במאי 2026 ב-9:15 מאת \u{202a}Acme\u{202c}\u{200f} <\u{202a}support@example.com\u{202c}\u{200f}>:\u{202c}",
    ] {
        marked(line);
    }
}

#[test]
fn apple_mail() {
    for line in [
        "On 2 May 2026, at 09:15, Acme <support@example.com> wrote:",
        "Am 02.05.2026 um 09:15 schrieb Acme <support@example.com>:",
        "El 2 may 2026, a las 9:15, Acme <support@example.com> escribió:",
        "Il giorno 2 mag 2026, alle ore 09:15, Acme <support@example.com> ha scritto:",
        "Op 2 mei 2026 om 09:15 heeft Acme <support@example.com> het volgende geschreven:",
        "Em 2 de mai. de 2026, à(s) 09:15, Acme <support@example.com> escreveu:",
        "Wiadomość napisana przez Acme <support@example.com> w dniu 2 maj 2026, o godz. 09:15:",
        "2 мая 2026 г., в 09:15, Acme <support@example.com> написал(а):",
        "Acme <support@example.com> şunları yazdı (2 May 2026 09:15):",
        "在 2026年5月2日，09:15，Acme <support@example.com> 写道：",
        "2026/05/02 9:15、Acme <support@example.com>のメール:",
        "Acme <support@example.com> kirjoitti 2.5.2026 kello 9.15:",
        "2026. 5. 2. 오전 9:15, Acme <support@example.com> 작성:",
    ] {
        both(line);
    }
    marked("2. 5. 2026 v 9:15, Acme <support@example.com>:");
}

#[test]
fn thunderbird_and_programs_like_it() {
    for line in [
        "On 5/2/26 09:15, Acme wrote:",
        "Le 02/05/2026 à 09:15, Acme a écrit :",
        "El 2/5/26 a las 9:15, Acme escribió:",
        "Às 09:15 de 02/05/2026, Acme escreveu:",
        "2.05.2026 09:15 tarihinde Acme yazdı:",
        "在 2026/5/2 9:15, Acme 写道:",
        "Dne 02. 05. 26 v 9:15 Acme napsal(a):",
        "2026. 05. 02. 9:15 keltezéssel, Acme írta:",
        "Am Samstag, dem 02.05.2026 um 09:15 +0200 schrieb Acme:",
        "On Saturday, 2 May 2026 09:15:04 CEST Acme wrote:",
        "Am 2026-05-02 09:15, schrieb Acme:",
        "Вы писали 2 мая 2026 г., 9:15:04:",
    ] {
        both(line);
    }
    for line in ["Acme <support@example.com> writes:", "Quoting Acme <support@example.com>:", "Zitat von Acme:"] {
        marked(line);
    }
}

#[test]
fn services_on_the_web() {
    for line in [
        "On Saturday, May 2, 2026 at 09:15:04 AM GMT+2, Acme <support@example.com> wrote:",
        "Am Samstag, 2. Mai 2026, 09:15:04 MESZ hat Acme <support@example.com> Folgendes geschrieben:",
        "Il sabato 2 maggio 2026 alle ore 09:15:04 CEST, Acme <support@example.com> ha scritto:",
        "On Saturday, May 2nd, 2026 at 9:15 AM, Acme <support@example.com> wrote:",
        "On 2 May 2026 at 09:15 +0200, Acme <support@example.com>, wrote:",
        "At 2026-05-02 09:15:04, \"Acme\" <support@example.com> wrote:",
        "在 2026-05-02 09:15:04，\"Acme\" <support@example.com> 写道：",
        "---- On Sat, 02 May 2026 09:15:04 +0200 Acme <support@example.com> wrote ----",
        "-----Acme Support/ACME wrote: -----\nTo: ann@example.org\nFrom: Acme Support/ACME\nDate: 02.05.2026 09:15\nSubject: Order 7",
        "------- Original Message -------\nOn Saturday, May 2nd, 2026 at 9:15 AM, Acme wrote:",
    ] {
        both(line);
    }
    for line in [
        "02.05.2026, 09:15, \"Acme\" <support@example.com>:",
        "Суббота, 2 мая 2026, 9:15 +03:00 от Acme <support@example.com>:",
        "02.05.2026, 09:15 von support@example.com:",
    ] {
        marked(line);
    }
}

#[test]
fn headers_of_other_programs() {
    for header in [
        "Gesendet: Samstag, 02. Mai 2026 um 09:15 Uhr\nVon: \"Acme\" <support@example.com>\nAn: ann@example.org\nBetreff: Order 7",
        "Sent: Saturday, May 02, 2026 at 9:15 AM\nFrom: Acme <support@example.com>\nTo: ann@example.org\nSubject: Order 7",
        "envoyé : 2 mai 2026 à 09:15\nde : Acme <support@example.com>\nà : ann@example.org\nobjet : Order 7",
        "From:        Acme <support@example.com>\nTo:          ann@example.org\nDate:        02.05.2026 09:15\nSubject:        Order 7",
        "Feladó: Acme <support@example.com>\nElküldve: 2026. május 2. 9:15\nCímzett: ann@example.org\nTárgy: Order 7",
        "De la: Acme <support@example.com>\nTrimis: sâmbătă, 2 mai 2026 09:15\nCătre: ann@example.org\nSubiect: Order 7",
        "Από: Acme <support@example.com>\nΣτάλθηκε: Σάββατο, 2 Μαΐου 2026 9:15 πμ\nΠρος: ann@example.org\nΘέμα: Order 7",
        "От: Acme <support@example.com>\nИзпратено: събота, 2 май 2026 г. 9:15\nДо: ann@example.org\nОтносно: Order 7",
        "Kimden: Acme <support@example.com>\nGönderildi: 2 Mayıs 2026 Cumartesi 09:15\nKime: ann@example.org\nKonu: Order 7",
        "מאת: Acme <support@example.com>\nנשלח: שבת 02 מאי 2026 09:15\nאל: ann@example.org\nנושא: Order 7",
        "من: Acme <support@example.com>\nتاريخ الإرسال: السبت, مايو 2, 2026\nإلى: ann@example.org\nالموضوع: Order 7",
        "보낸 사람: Acme <support@example.com>\n보낸 날짜: 2026년 5월 2일 토요일 오전 9:15\n받는 사람: ann@example.org\n제목: Order 7",
        "Від: Acme <support@example.com>\nНадіслано: 2 травня 2026 р. 9:15\nКому: ann@example.org\nТема: Order 7",
        "De: Acme <support@example.com>\nEnviat el: dissabte, 2 de maig de 2026 9:15\nPer a: ann@example.org\nAssumpte: Order 7",
        "From: Acme Support\nSent: Saturday, May 2, 2026 9:15 AM\nTo: Ann\nSubject: Order 7",
    ] {
        below(&format!("{header}\n\nWhen shall we call?"));
    }
}

#[test]
fn titles_in_more_languages() {
    for title in [
        "-------- Original message --------",
        "-------- Message d\u{2019}origine --------",
        "-------- Oryginalna wiadomość --------",
        "-------- Исходное сообщение --------",
        "-------- Özgün ileti --------",
        "------------------\u{a0}Original\u{a0}------------------",
        "---- 回复的原邮件 ----",
        "--------- 원본 메일 ---------",
        "-----Original-Nachricht-----",
    ] {
        below(&format!("{title}\nFrom: Acme <support@example.com>\nDate: 02/05/2026 09:15\n\nWhen?"));
    }
    for title in [
        "Początek przekazywanej wiadomości:",
        "Início da mensagem encaminhada:",
        "Inicio del mensaje reenviado:",
        "Начало переадресованного сообщения:",
        "下面是被转发的邮件：",
        "Yönlendirilen ileti başlangıcı:",
    ] {
        let mail = format!("{title}\n\nHelp!");
        check(&mail, &mail, "");
        check(&format!("See below.\n\n{mail}"), "See below.", &mail);
    }
}

#[test]
fn what_a_person_writes_is_no_quote() {
    for text in [
        "From: Berlin\nTo: Rome\nDate: 3 May\nTwo persons, please.",
        "Datum: 3. Mai\nVon: Berlin\nAn: Rom",
        "-- \nAnn, who wrote 2026 pages",
        "--- see what I wrote: ---x",
        "Zitat von Goethe:\nMehr Licht",
        "To: do\nCc: nobody\nand so on",
    ] {
        check(text, text, "");
    }
}
