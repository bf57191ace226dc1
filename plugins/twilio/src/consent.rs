//! Words that are an order and not a message: <https://help.twilio.com/articles/223134027>

/// `ARRET` is Canada's; Twilio itself acts on the others, for SMS.
const STOP: [&str; 9] = ["STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT", "ARRET"];
/// Twilio also takes a bare `YES`. Here it does not count: mostly it answers a question, and doubt must not open what was
/// closed. Advanced Opt-Out says `OptOutType=START` where it is meant.
const START: [&str; 2] = ["START", "UNSTOP"];

/// Whether the person agrees to be written to, if the message says anything about it.
pub(crate) fn given(opt_out_type: Option<&str>, body: &str) -> Option<bool> {
    match opt_out_type {
        Some("STOP") => Some(false),
        Some("START") => Some(true),
        Some(_) => None,
        None => by_word(body),
    }
}

/// Only if the word is the whole message.
fn by_word(body: &str) -> Option<bool> {
    const LONGEST: usize = 20;
    let body = body.trim().trim_end_matches(['.', '!']);
    if body.len() > LONGEST {
        return None;
    }
    let word: String = body.chars().filter(|c| !matches!(c, ' ' | '-')).collect::<String>().to_uppercase();
    match word.replace('Ê', "E").as_str() {
        word if STOP.contains(&word) => Some(false),
        word if START.contains(&word) => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_counts_if_it_is_the_whole_message() {
        for stop in ["STOP", "stop", " Stop. ", "Stop all", "OPT-OUT", "arrêt"] {
            assert_eq!(given(None, stop), Some(false), "{stop}");
        }
        for start in ["START", "unstop!"] {
            assert_eq!(given(None, start), Some(true), "{start}");
        }
        for other in ["please stop calling", "HELP", "YES", "", "cancel my order", "STOPPED"] {
            assert_eq!(given(None, other), None, "{other}");
        }
    }

    #[test]
    fn the_provider_knows_better_than_the_word() {
        assert_eq!(given(Some("STOP"), "basta"), Some(false));
        assert_eq!(given(Some("START"), "YES"), Some(true));
        assert_eq!(given(Some("HELP"), "STOP"), None);
    }
}
