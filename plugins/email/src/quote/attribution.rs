//! "On Monday Ann wrote:", as mail programs say it.

/// What the person did, in the languages of mail programs; lower case.
const VERBS: [&str; 77] = [
    "wrote",
    "writes",
    "schrieb",
    "geschrieben",
    "a écrit",
    "écrit",
    "escribió",
    "escribio",
    "escreveu",
    "ha scritto",
    "scrisse",
    "scritto",
    "schreef",
    "geschreven",
    "pisze",
    "napisał",
    "napisała",
    "napisał(a)",
    "skrev",
    "kirjoitti",
    "napsal",
    "napsala",
    "napsal(a)",
    "napísal",
    "napísala",
    "napísal(a)",
    "пишет",
    "написал",
    "написала",
    "писал",
    "написав",
    "пише",
    "написа",
    "写道",
    "寫道",
    "写",
    "のメール",
    "書きました",
    "さんは書きました",
    "のメッセージ",
    "님이 작성",
    "작성",
    "yazdı",
    "şunu yazdı",
    "írta",
    "a scris",
    "έγραψε",
    "napisao",
    "napisala",
    "je napisal",
    "kirjutas",
    "rakstīja",
    "rašė",
    "כתב",
    "כתבה",
    "كتب",
    "đã viết",
    "เขียน",
    "menulis",
    "va escriure",
    "scríobh",
    "skrifaði",
    "quoting",
    "zitat von",
    "schreibt",
    "napisana przez",
    "писали",
    "написали",
    "написао",
    "लिखा",
    "نوشت",
    "نوشته",
    "كتبت",
    "تمت كتابة",
    "idatzi",
    "escribiu",
    "shkroi",
];

/// Lines over which an attribution may be wrapped.
const LINES_MAX: usize = 4;
const CHARS_MAX: usize = 400;

/// Whether an attribution begins with the first of these lines.
pub(super) fn begins(lines: &[&str]) -> bool {
    let mut text = String::new();
    for (n, line) in lines.iter().take(LINES_MAX).enumerate() {
        if super::is_blank(line) || super::is_marked(line) {
            return false;
        }
        text.push_str(line.trim());
        text.push(' ');
        if is_whole(text.trim_end(), &lines[n + 1..]) {
            return true;
        }
    }
    false
}

/// It ends with a colon, says that somebody wrote, and when or from where; a quote may take the place of the latter.
fn is_whole(text: &str, rest: &[&str]) -> bool {
    let text = text.trim_end_matches(is_mark_of_direction);
    let Some(head) = text.strip_suffix([':', '：']) else { return false };
    if head.len() > CHARS_MAX {
        return false;
    }
    let lower = head.to_lowercase();
    let says = says(&lower);
    let next_is_quote = rest.iter().find(|line| !super::is_blank(line)).is_some_and(|line| super::is_marked(line));
    let is_dated = is_dated(&lower);
    says && (next_is_quote || is_dated || head.contains('@') && lower.bytes().any(|b| b.is_ascii_digit()))
        || is_dated && next_is_quote && head.contains('@')
}

/// `-----Ann wrote: -----` or `---- On Monday Ann wrote ----`: what follows is not marked.
pub(super) fn is_rule(line: &str) -> bool {
    let inner = line.trim_matches('-').trim();
    let is_between = line.starts_with("--") && line.ends_with("--") && inner.len() <= CHARS_MAX;
    let lower = inner.to_lowercase();
    is_between && says(&lower) && (inner.ends_with(':') || is_dated(&lower))
}

fn says(lower: &str) -> bool {
    VERBS.iter().any(|verb| contains_word(lower, verb))
}

/// Digits of any script.
fn is_dated(text: &str) -> bool {
    text.chars().filter(|c| c.is_numeric()).count() >= 4
}

/// What scripts that go to the left put behind the colon.
fn is_mark_of_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Not inside a longer word; scripts without spaces have no such words.
fn contains_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        let is_apart = |c: Option<char>| c.is_none_or(|c| !c.is_alphabetic() || !c.is_lowercase());
        is_apart(before) && is_apart(after)
    })
}
