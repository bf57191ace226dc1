use std::fmt;

use super::Loaded;

/// Characters of a value that a message repeats.
const VALUE_CHARS_MAX: usize = 60;

/// One rule that the configuration breaks: where, what was typed, the rule, and a way out.
///
/// Shown as `config.toml:12: channels.support.concurrency = 0: must be at least 1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    path: String,
    value: Option<String>,
    rule: String,
    file: Option<String>,
    line: Option<usize>,
    excerpt: Option<String>,
}

impl Problem {
    /// A problem with the value at `path` (empty: with the file itself).
    ///
    /// `value` is what was typed. It is cut when it is long, its control characters are escaped, and it is left out
    /// where it might be a secret: callers need not look after that.
    pub fn new(path: impl Into<String>, value: Option<String>, rule: impl Into<String>) -> Self {
        let path = path.into();
        let value = value.filter(|value| !hides(&path, value)).map(|value| cut(&value, VALUE_CHARS_MAX));
        Self { path, value, rule: rule.into(), file: None, line: None, excerpt: None }
    }

    /// The same problem, found in `file`, at `line` (from 1) where that is known.
    pub fn at(mut self, file: &str, line: Option<usize>) -> Self {
        self.file = Some(escaped(file));
        self.line = line;
        self
    }

    /// The same problem with the lines of the file that show it.
    pub(super) fn with_excerpt(mut self, excerpt: String) -> Self {
        self.excerpt = Some(excerpt);
        self
    }

    /// Path of the key, such as `channels.support.concurrency`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The rule that is broken and the way out.
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// Line in the file, from 1.
    pub fn line(&self) -> Option<usize> {
        self.line
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{file}:{line}: ")?,
            (Some(file), None) => write!(f, "{file}: ")?,
            _ => {}
        }
        match (self.path.as_str(), &self.value) {
            ("", _) => {}
            (path, Some(value)) => write!(f, "{path} = {value}: ")?,
            (path, None) => write!(f, "{path}: ")?,
        }
        f.write_str(&self.rule)?;
        self.excerpt.iter().try_for_each(|excerpt| write!(f, "\n{excerpt}"))
    }
}

/// Why a configuration was refused: everything that is wrong with it, in the order of the file.
#[derive(Clone, Debug)]
pub struct ConfigErrors {
    /// At least one.
    pub problems: Vec<Problem>,
    /// What would have been warned of besides.
    pub warnings: Vec<Problem>,
    /// What could be read all the same, defaults in place of what was wrong: to look for more that is wrong, and for nothing else.
    pub rest: Option<Box<Loaded>>,
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Whether a name is one that people give to secrets: `secret`, `auth_token`, `api-key`, `smtp_password`.
pub(super) fn names_secret(name: &str) -> bool {
    const WORDS: [&str; 7] = ["secret", "secrets", "token", "key", "password", "passwd", "credentials"];
    let last_word = name.rsplit(['_', '-']).next().unwrap_or(name);
    WORDS.iter().any(|word| last_word.eq_ignore_ascii_case(word))
}

/// Whether the value at `path` must not be shown.
fn hides(path: &str, value: &str) -> bool {
    let in_secrets = path.split('.').any(|segment| segment == "secrets");
    let last = path.rsplit('.').next().unwrap_or(path);
    let has_credentials = value.contains(':') && value.contains('@');
    in_secrets || names_secret(last) || has_credentials || value.contains("whsec_")
}

/// At most `chars_max` characters on one line.
pub(super) fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => escaped(&text[..end]) + "…",
        None => escaped(text),
    }
}

/// Control characters as escapes: a value must not move the cursor of a terminal.
fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        match c.is_control() {
            true => shown.extend(c.escape_default()),
            false => shown.push(c),
        }
        shown
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(path: &str, value: &str) -> String {
        Problem::new(path, Some(value.into()), "rule").to_string()
    }

    #[test]
    fn names_place_path_value_and_rule() {
        let problem = Problem::new("a.b", Some("0".into()), "must be at least 1");
        assert_eq!(problem.clone().at("c.toml", Some(12)).to_string(), "c.toml:12: a.b = 0: must be at least 1");
        assert_eq!(problem.at("c.toml", None).to_string(), "c.toml: a.b = 0: must be at least 1");
    }

    #[test]
    fn never_shows_what_may_be_a_secret() {
        for path in ["backends.desk.secret", "channels.x.secrets.pin", "channels.x.settings.api_key", "a.auth_token"] {
            assert_eq!(shown(path, "hunter2"), format!("{path}: rule"));
        }
        assert_eq!(shown("a.url", "\"https://ann:hunter2@x\""), "a.url: rule");
        assert_eq!(shown("plugins.limits.kv_keys", "0"), "plugins.limits.kv_keys = 0: rule");
    }

    #[test]
    fn cuts_long_values_and_escapes_control_characters() {
        assert_eq!(shown("a", &"ä".repeat(1 << 20)), format!("a = {}…: rule", "ä".repeat(60)));
        assert_eq!(shown("a", "x\u{1b}[2J\n"), "a = x\\u{1b}[2J\\n: rule");
    }
}
