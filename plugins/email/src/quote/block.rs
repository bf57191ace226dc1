//! The header of an older mail, and the rules that mail programs draw above it.

use super::{Start, attribution};

/// `From`, lower case.
const FROM: [&str; 49] = [
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
    "送信者",
    "寄信人",
    "šalje",
    "pošiljatelj",
    "nuo",
    "saatja",
    "từ",
    "người gửi",
    "จาก",
    "dari",
    "प्रेषक",
    "فرستنده",
    "از",
    "отправитель",
    "відправник",
    "подател",
    "expeditor",
];
/// `Sent` or `Date`, `To`, `Cc`, `Reply-To`, lower case.
const OTHERS: [&str; 132] = [
    "sent",
    "date",
    "to",
    "cc",
    "reply-to",
    "importance",
    "attachments",
    "gesendet",
    "datum",
    "an",
    "kopie",
    "antwort an",
    "envoyé",
    "envoyé le",
    "à",
    "répondre à",
    "enviado",
    "enviado el",
    "enviado em",
    "enviada em",
    "fecha",
    "data",
    "para",
    "inviato",
    "data invio",
    "a",
    "verzonden",
    "aan",
    "wysłano",
    "wysłane",
    "do",
    "dw",
    "skickat",
    "till",
    "kopia",
    "sendt",
    "dato",
    "til",
    "kopi",
    "lähetetty",
    "päiväys",
    "päivämäärä",
    "vastaanottaja",
    "kopio",
    "odesláno",
    "komu",
    "odoslané",
    "отправлено",
    "дата",
    "кому",
    "копия",
    "надіслано",
    "送信日時",
    "日時",
    "宛先",
    "发送时间",
    "发送日期",
    "日期",
    "时间",
    "收件人",
    "收件者",
    "抄送",
    "寄件日期",
    "보낸 날짜",
    "받는 사람",
    "gönderildi",
    "elküldve",
    "dátum",
    "címzett",
    "másolat",
    "trimis",
    "către",
    "dată",
    "στάλθηκε",
    "ημερομηνία",
    "προς",
    "κοιν",
    "נשלח",
    "תאריך",
    "אל",
    "تاريخ الإرسال",
    "التاريخ",
    "إلى",
    "изпратено",
    "до",
    "poslano",
    "poslato",
    "za",
    "prima",
    "išsiųsta",
    "kam",
    "nosūtīts",
    "datums",
    "saadetud",
    "kuupäev",
    "adressaat",
    "enviat el",
    "enviat",
    "per a",
    "ngày",
    "đã gửi",
    "đến",
    "tới",
    "วันที่",
    "ส่ง",
    "ถึง",
    "tanggal",
    "terkirim",
    "kepada",
    "ke",
    "kime",
    "tarih",
    "gönderme tarihi",
    "bilgi",
    "bcc",
    "время",
    "дата отправки",
    "datum und uhrzeit",
    "gesendet am",
    "dátum küldése",
    "日付",
    "送信日",
    "收件",
    "抄送人",
    "ccn",
    "cci",
    "kopi til",
    "उद्देश्य",
    "तारीख",
    "प्रति",
    "تاریخ",
    "به",
];
/// `Subject`, lower case.
const SUBJECTS: [&str; 39] = [
    "subject",
    "betreff",
    "objet",
    "asunto",
    "assunto",
    "oggetto",
    "onderwerp",
    "temat",
    "ämne",
    "emne",
    "aihe",
    "předmět",
    "predmet",
    "тема",
    "件名",
    "主题",
    "主旨",
    "제목",
    "konu",
    "tárgy",
    "subiect",
    "θέμα",
    "נושא",
    "الموضوع",
    "относно",
    "zadeva",
    "naslov",
    "tema",
    "tēma",
    "teema",
    "efni",
    "assumpte",
    "chủ đề",
    "ชื่อเรื่อง",
    "เรื่อง",
    "subjek",
    "perihal",
    "विषय",
    "موضوع",
];
/// Between dashes, lower case.
const ORIGINAL: [&str; 62] = [
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
    "original email",
    "original e-mail",
    "ursprungsnachricht",
    "исходное письмо",
    "оригинальное сообщение",
    "özgün ileti",
    "asıl mesaj",
    "eredeti üzenet",
    "mesaj original",
    "mesajul original",
    "αρχικό μήνυμα",
    "оригинално съобщение",
    "оригінальне повідомлення",
    "izvorna poruka",
    "originalna poruka",
    "izvirno sporočilo",
    "originalus laiškas",
    "algkiri",
    "missatge original",
    "thư gốc",
    "tin nhắn gốc",
    "pesan asli",
    "ข้อความต้นฉบับ",
    "원본 메일",
    "回复的原邮件",
    "原邮件",
    "原始信件",
    "オリジナルメッセージ",
    "הודעה מקורית",
    "الرسالة الأصلية",
    "original besked",
];
const FORWARDED: [&str; 43] = [
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
    "początek przekazywanej wiadomości",
    "início da mensagem encaminhada",
    "início da mensagem reencaminhada",
    "inicio del mensaje reenviado",
    "begin doorgestuurd bericht",
    "начало переадресованного сообщения",
    "пересланное сообщение",
    "vidarebefordrat brev",
    "yönlendirilen ileti başlangıcı",
    "iletilen mesaj",
    "yönlendirilmiş mesaj",
    "开始转发的邮件",
    "下面是被转发的邮件",
    "转发邮件信息",
    "轉寄的郵件",
    "start på videresendt besked",
    "start på videresendt melding",
    "välitetty viesti alkaa",
    "továbbított üzenet",
    "mesaj redirecționat",
    "전달된 메시지",
    "전달된 메일",
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
    let title =
        line.trim_matches(['-', '_', ' ', '\u{a0}', ':', '：', '\u{2014}']).to_lowercase().replace('\u{2019}', "'");
    let is_between_dashes = line.starts_with("--") || line.starts_with("__") || line.starts_with('\u{2014}');
    let is_announced = line.ends_with([':', '：']);
    if FORWARDED.contains(&title.as_str()) && (is_between_dashes || is_announced) {
        return Some(Start::Forward);
    }
    let is_original = is_between_dashes && ORIGINAL.contains(&title.as_str());
    (is_original || attribution::is_rule(line)).then_some(Start::Header)
}

/// Fields of a header one under the other: who, and two more; a subject or an address among them, for a person may also write
/// from where to where he travels. Some programs begin with the date.
fn is_header(lines: &[&str]) -> bool {
    let Some(first) = label(lines[0]).filter(|label| is_field(label)) else { return false };
    let block = lines.iter().take(HEADER_LINES_MAX + 1).take_while(|line| !super::is_marked(line));
    let labels: Vec<(String, &str)> = block.filter_map(|line| Some((label(line)?, *line))).collect();
    let begins =
        FROM.contains(&first.as_str()) || labels.iter().take(3).any(|(label, _)| FROM.contains(&label.as_str()));
    let others = labels.iter().skip(1).filter(|(label, _)| is_field(label)).count();
    let is_of_a_mail = labels
        .iter()
        .any(|(label, line)| is_field(label) && (SUBJECTS.contains(&label.as_str()) || line.contains('@')));
    begins && others >= 2 && is_of_a_mail
}

fn is_field(label: &str) -> bool {
    FROM.contains(&label) || OTHERS.contains(&label) || SUBJECTS.contains(&label)
}

/// What stands before a colon, lower case, without the asterisks of bold type.
fn label(line: &str) -> Option<String> {
    const CHARS_MAX: usize = 40;
    let line = line.trim().trim_start_matches('*');
    let (label, value) = line.split_once([':', '：'])?;
    let label = label.trim_matches(['*', ' ', '\u{a0}']).to_lowercase();
    (!label.is_empty() && label.len() <= CHARS_MAX && !value.trim_start().starts_with("//")).then_some(label)
}
