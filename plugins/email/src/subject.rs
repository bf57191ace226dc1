//! Subjects without what mail programs put before them.

/// `Re`, `Fwd` and their like in the languages of mail programs, lower case.
const ANSWER: [&str; 25] = [
    "re",
    "aw",
    "antw",
    "antwort",
    "sv",
    "vs",
    "vá",
    "odp",
    "ref",
    "rif",
    "r",
    "res",
    "ynt",
    "yan",
    "отв",
    "ответ",
    "απ",
    "回复",
    "回覆",
    "答复",
    "答覆",
    "返信",
    "회신",
    "bls",
    "atb",
];
const FORWARD: [&str; 22] = [
    "fw",
    "fwd",
    "wg",
    "tr",
    "rv",
    "enc",
    "i",
    "vb",
    "pd",
    "dal",
    "továbbítás",
    "přep",
    "vl",
    "ilt",
    "i̇lt",
    "πρθ",
    "转发",
    "轉寄",
    "転送",
    "전달",
    "doorst",
    "rb",
];
/// Said by too many people to tie messages together.
const GENERIC: [&str; 30] = [
    "hi",
    "hello",
    "help",
    "hey",
    "hallo",
    "hilfe",
    "frage",
    "anfrage",
    "question",
    "questions",
    "bonjour",
    "hola",
    "ciao",
    "pregunta",
    "consulta",
    "info",
    "information",
    "request",
    "support",
    "test",
    "urgent",
    "no subject",
    "(no subject)",
    "kein betreff",
    "(kein betreff)",
    "(sans objet)",
    "contact",
    "kontakt",
    "none",
    "thanks",
];

/// The subject alone: no prefixes, no counters, no tags of mailing lists, white space collapsed.
pub(crate) fn base(subject: &str) -> String {
    let subject = crate::text::one_line(subject);
    let mut rest = subject.as_str();
    while let Some((_, after)) = prefix(rest).or_else(|| tag(rest)) {
        rest = after;
    }
    rest.to_owned()
}

/// Whether it says that it answers something.
pub(crate) fn is_answer(subject: &str) -> bool {
    let subject = crate::text::one_line(subject);
    let mut rest = subject.as_str();
    while let Some((is_answer, after)) = prefix(rest).or_else(|| tag(rest)) {
        if is_answer {
            return true;
        }
        rest = after;
    }
    false
}

/// Whether something is passed on: the last thing that was done with it.
pub(crate) fn is_forward(subject: &str) -> bool {
    let subject = crate::text::one_line(subject);
    let rest = tag(&subject).map_or(subject.as_str(), |(_, after)| after);
    prefix(rest).is_some_and(|(is_answer, _)| !is_answer)
}

/// Fit for finding a conversation again.
pub(crate) fn tells(subject: &str) -> bool {
    const WEIGHT_MIN: usize = 3;
    let base = base(subject).to_lowercase();
    // Scripts beyond ASCII say more with a letter.
    let weight: usize = base.chars().filter(|c| c.is_alphanumeric()).map(|c| if c.is_ascii() { 1 } else { 2 }).sum();
    weight >= WEIGHT_MIN && !GENERIC.contains(&base.as_str())
}

/// `Re:` once, whatever stands there.
pub(crate) fn answering(subject: &str) -> String {
    let subject = crate::text::one_line(subject);
    if is_answer(&subject) || subject.is_empty() { subject } else { format!("Re: {subject}") }
}

/// `Re: `, `AW: `, `Re[2]: `, `回复：`; whether it answers, and what follows.
fn prefix(subject: &str) -> Option<(bool, &str)> {
    const CHARS_MAX: usize = 20;
    let colon = subject.char_indices().take(CHARS_MAX).find(|(_, c)| matches!(c, ':' | '：'))?;
    let word = subject[..colon.0].trim().to_lowercase();
    let word = without_counter(&word);
    let is_answer = ANSWER.contains(&word);
    let after = subject[colon.0 + colon.1.len_utf8()..].trim_start();
    (is_answer || FORWARD.contains(&word)).then_some((is_answer, after))
}

/// `re[2]`, `re(2)`, `re^2`.
fn without_counter(word: &str) -> &str {
    let bare = word.trim_end_matches([']', ')']).trim_end_matches(|c: char| c.is_ascii_digit());
    bare.strip_suffix(['[', '(', '^']).map_or(word, str::trim)
}

/// `[listname] ` before more text.
fn tag(subject: &str) -> Option<(bool, &str)> {
    let (tag, after) = subject.strip_prefix('[')?.split_once(']')?;
    let after = after.trim_start();
    (!after.is_empty() && tag.chars().count() <= 40 && !tag.contains('#')).then_some((false, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_go_however_many() {
        for subject in [
            "Order 7",
            "Re: Order 7",
            "RE: AW: Fwd: [list] Order 7",
            "Re[2]:  Order\t7",
            "re (3): Order 7",
            "回复：Order 7",
            "[list] Re: Order 7",
            "Antw: Sv: VS: Order 7",
            "Отв: Order 7",
        ] {
            assert_eq!(base(subject), "Order 7", "{subject}");
        }
        assert_eq!(base("Reorder: 7"), "Reorder: 7");
        assert_eq!(base("[#A1B2] Order"), "[#A1B2] Order");
        assert_eq!(base("[only]"), "[only]");
    }

    #[test]
    fn answers_are_told_from_what_is_passed_on() {
        assert!(is_answer("AW: x") && is_answer("Fwd: Re: x") && is_answer("[l] Re: x"));
        assert!(!is_answer("Fwd: x") && !is_answer("x: Re: y") && !is_answer(""));
    }

    #[test]
    fn what_was_done_last_counts() {
        assert!(is_forward("WG: AW: x") && is_forward("[l] Fwd: x"));
        assert!(!is_forward("Re: Fwd: x") && !is_forward("x"));
    }

    #[test]
    fn an_answer_is_marked_once() {
        assert_eq!(answering("Order 7"), "Re: Order 7");
        assert_eq!(answering("AW: Order 7"), "AW: Order 7");
        assert_eq!(answering(""), "");
    }

    #[test]
    fn greetings_tell_nothing() {
        assert!(tells("Order 7") && !tells("Re: Hello") && !tells("Fwd:") && !tells("a") && !tells("Re: ..."));
        assert!(tells("订单"));
    }
}
