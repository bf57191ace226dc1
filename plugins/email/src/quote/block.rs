//! The header of an older mail, and the rules that mail programs draw above it.

use super::Start;

/// `From`, lower case.
const FROM: [&str; 32] = [
    "from",
    "von",
    "de",
    "da",
    "van",
    "od",
    "från",
    "fra",
    "lähettäjä",
    "от",
    "від",
    "от кого",
    "差出人",
    "发件人",
    "寄件者",
    "寄件人",
    "보낸 사람",
    "보낸사람",
    "kimden",
    "gönderen",
    "feladó",
    "de la",
    "expéditeur",
    "remitente",
    "remetente",
    "mittente",
    "afzender",
    "absender",
    "από",
    "מאת",
    "من",
    "frá",
];
/// `Sent` or `Date`, `To`, `Cc`, `Subject`, `Reply-To`: any two of them make a header.
const OTHERS: [&str; 86] = [
    "sent",
    "date",
    "to",
    "cc",
    "subject",
    "reply-to",
    "importance",
    "attachments",
    "gesendet",
    "datum",
    "an",
    "kopie",
    "betreff",
    "antwort an",
    "envoyé",
    "envoyé le",
    "à",
    "objet",
    "répondre à",
    "enviado",
    "enviado el",
    "enviado em",
    "enviada em",
    "fecha",
    "data",
    "para",
    "asunto",
    "assunto",
    "inviato",
    "data invio",
    "a",
    "oggetto",
    "verzonden",
    "aan",
    "onderwerp",
    "wysłano",
    "wysłane",
    "do",
    "dw",
    "temat",
    "skickat",
    "till",
    "kopia",
    "ämne",
    "sendt",
    "dato",
    "til",
    "kopi",
    "emne",
    "lähetetty",
    "päiväys",
    "päivämäärä",
    "vastaanottaja",
    "kopio",
    "aihe",
    "odesláno",
    "komu",
    "kopie",
    "předmět",
    "predmet",
    "odoslané",
    "отправлено",
    "дата",
    "кому",
    "копия",
    "тема",
    "надіслано",
    "送信日時",
    "日時",
    "宛先",
    "件名",
    "发送时间",
    "发送日期",
    "日期",
    "时间",
    "收件人",
    "收件者",
    "抄送",
    "主题",
    "主旨",
    "寄件日期",
    "보낸 날짜",
    "받는 사람",
    "제목",
    "gönderildi",
    "konu",
];
/// Between dashes, lower case.
const ORIGINAL: [&str; 32] = [
    "original message",
    "original appointment",
    "original meddelande",
    "original",
    "ursprüngliche nachricht",
    "originalnachricht",
    "original-nachricht",
    "ursprünglicher termin",
    "message d'origine",
    "message original",
    "mensaje original",
    "mensagem original",
    "messaggio originale",
    "oorspronkelijk bericht",
    "oryginalna wiadomość",
    "wiadomość oryginalna",
    "wiadomość oryginalna",
    "ursprungligt meddelande",
    "originalmeddelande",
    "oprindelig meddelelse",
    "opprinnelig melding",
    "alkuperäinen viesti",
    "původní zpráva",
    "původní e-mail",
    "pôvodná správa",
    "исходное сообщение",
    "元のメッセージ",
    "原始邮件",
    "原始郵件",
    "邮件原件",
    "원본 메시지",
    "orijinal mesaj",
];
const FORWARDED: [&str; 21] = [
    "forwarded message",
    "begin forwarded message",
    "weitergeleitete nachricht",
    "anfang der weitergeleiteten nachricht",
    "message transféré",
    "début du message transféré",
    "mensaje reenviado",
    "mensagem encaminhada",
    "messaggio inoltrato",
    "inizio messaggio inoltrato",
    "doorgestuurd bericht",
    "wiadomość przekazana",
    "przekazana wiadomość",
    "vidarebefordrat meddelande",
    "videresendt meddelelse",
    "videresendt melding",
    "välitetty viesti",
    "přeposlaná zpráva",
    "пересылаемое сообщение",
    "転送されたメッセージ",
    "转发的邮件",
];
/// What a person types answers above.
const REPLY_ABOVE: [&str; 4] =
    ["reply above this line", "type your reply above", "antworten sie oberhalb dieser zeile", "please reply above"];

/// Lines of a header, with those that a long field takes.
const HEADER_LINES_MAX: usize = 10;

pub(super) fn rule(lines: &[&str], at: usize) -> Option<Start> {
    let line = lines[at].trim();
    if is_underline(line) {
        let next = (at + 1..lines.len()).find(|next| !super::is_blank(lines[*next]))?;
        return is_header(&lines[next..]).then_some(Start::Header);
    }
    if let Some(start) = titled(line) {
        return Some(start);
    }
    if line.starts_with("##") && REPLY_ABOVE.iter().any(|words| line.to_lowercase().contains(words)) {
        return Some(Start::Header);
    }
    is_header(&lines[at..]).then_some(Start::Header)
}

/// What Outlook draws in plain text.
fn is_underline(line: &str) -> bool {
    line.len() >= 20 && line.bytes().all(|b| b == b'_')
}

/// `-----Original Message-----`, or Apple's `Begin forwarded message:`.
fn titled(line: &str) -> Option<Start> {
    let title = line.trim_matches(['-', '_', ' ', ':', '：', '\u{2014}']).to_lowercase();
    let is_between_dashes = line.starts_with("--") || line.starts_with("__") || line.starts_with('\u{2014}');
    let is_announced = line.ends_with([':', '：']);
    if FORWARDED.contains(&title.as_str()) && (is_between_dashes || is_announced) {
        return Some(Start::Forward);
    }
    (is_between_dashes && ORIGINAL.contains(&title.as_str())).then_some(Start::Header)
}

/// Fields of a header one under the other: who, and two more.
fn is_header(lines: &[&str]) -> bool {
    if !label(lines[0]).is_some_and(|label| FROM.contains(&label.as_str())) {
        return false;
    }
    let below = lines[1..].iter().take(HEADER_LINES_MAX).take_while(|line| !super::is_marked(line));
    below.filter_map(|line| label(line)).filter(|label| OTHERS.contains(&label.as_str())).count() >= 2
}

/// What stands before a colon, lower case, without the asterisks of bold type.
fn label(line: &str) -> Option<String> {
    const CHARS_MAX: usize = 40;
    let line = line.trim().trim_start_matches('*');
    let (label, value) = line.split_once([':', '：'])?;
    let label = label.trim_matches(['*', ' ', '\u{a0}']).to_lowercase();
    (!label.is_empty() && label.len() <= CHARS_MAX && !value.trim_start().starts_with("//")).then_some(label)
}
