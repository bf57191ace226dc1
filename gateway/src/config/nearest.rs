use strsim::damerau_levenshtein;

/// Longer words are never compared: nobody mistypes that much, and the comparison is quadratic.
const WORD_BYTES_MAX: usize = 64;

/// Way out for an unknown name: the nearest of `known`, else all of them.
pub fn suggestion(name: &str, known: &[&str]) -> String {
    match nearest(name, known) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None if known.is_empty() => "nothing is known here".into(),
        None => format!("known here: {}", known.join(", ")),
    }
}

fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    if name.len() > WORD_BYTES_MAX {
        return None;
    }
    let name = name.to_lowercase().replace('-', "_");
    let turned = in_order(&name);
    let distance = |word: &str| damerau_levenshtein(&name, word).min(damerau_levenshtein(&turned, &in_order(word)));
    known.iter().copied().filter(|word| distance(word) <= typos_max(word)).min_by_key(|word| distance(word))
}

/// The words of a name in one order, so that `max_connections` is near `connections_max`.
fn in_order(name: &str) -> String {
    let mut words: Vec<&str> = name.split('_').collect();
    words.sort_unstable();
    words.join("_")
}

/// Typing errors after which a word can still be told: more for longer words.
fn typos_max(word: &str) -> usize {
    1 + word.len() / 5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_nearest_name_or_all() {
        let known = ["url", "secret", "timeout", "concurrency"];
        assert_eq!(suggestion("secrt", &known), "did you mean \"secret\"?");
        assert_eq!(suggestion("Timeuot", &known), "did you mean \"timeout\"?");
        assert_eq!(suggestion("max-conections", &["connections_max"]), "did you mean \"connections_max\"?");
        assert_eq!(suggestion("colour", &known), "known here: url, secret, timeout, concurrency");
        assert_eq!(suggestion(&"s".repeat(1 << 20), &["s"]), "known here: s");
    }
}
