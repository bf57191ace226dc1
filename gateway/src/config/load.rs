use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use toml::de::DeTable;

use super::file::read_text;
use super::place::{Lines, element_path, join, key_lines, parent};
use super::read::{KnownKey, Reading, Section};
use super::{Config, ConfigErrors, Problem, sections, syntax};

/// Larger files are no configuration.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// A configuration that follows every rule that can be checked without plugins.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    /// What is allowed but hardly wanted, in the order of the file.
    pub warnings: Vec<Problem>,
    file: String,
    lines: BTreeMap<String, usize>,
    keys: BTreeMap<String, KnownKey>,
}

impl Loaded {
    /// The line, from 1, of the key at `path`, or of the nearest table around it that was typed.
    pub fn locate(&self, path: &str) -> Option<usize> {
        let around = std::iter::successors(Some(path), |path| parent(path));
        around.filter_map(|path| self.lines.get(path).copied()).next()
    }

    /// Path of a channel's setting from its JSON pointer (RFC 6901) below `settings`, such as `/imap/port` or `/list/1`.
    pub fn settings_path(&self, channel: &str, pointer: &str) -> String {
        let settings = join(&join("channels", channel), "settings");
        pointer.split('/').skip(1).fold(settings, |path, token| {
            let token = token.replace("~1", "/").replace("~0", "~");
            let element = token.parse().ok().map(|index| element_path(&path, index));
            element.filter(|element| self.lines.contains_key(element)).unwrap_or_else(|| join(&path, &token))
        })
    }

    /// Gives a problem that was found later (settings against a plugin's schema) its file and line.
    pub fn place(&self, problem: Problem) -> Problem {
        let line = self.locate(problem.path());
        problem.at(&self.file, line)
    }

    /// The keys that this reading asked for: all of those of the sections and, where at least one of a kind was
    /// configured, of channels, backends and API keys.
    pub fn known_keys(&self) -> impl Iterator<Item = &KnownKey> {
        self.keys.values()
    }
}

impl Config {
    /// Reads and checks a file, with the environment of this process.
    ///
    /// # Errors
    /// Everything that is wrong with the file, or that it cannot be read, is larger than 4 MiB or is not UTF-8.
    pub fn load(path: &Path) -> Result<Loaded, ConfigErrors> {
        let file = path.display().to_string();
        let text = read_text(path, FILE_BYTES_MAX).map_err(|error| unreadable(&file, &error))?;
        let base_dir = path.parent().unwrap_or(Path::new(""));
        parse(&text, &file, base_dir, &|name| std::env::var(name).ok())
    }

    /// Reads and checks a text as if it were the file `config.toml` in `base_dir`, with the variables of `env`.
    ///
    /// # Errors
    /// Everything that is wrong with the text.
    pub fn parse(text: &str, base_dir: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, ConfigErrors> {
        parse(text, "config.toml", base_dir, env)
    }
}

fn parse(
    text: &str,
    file: &str,
    base_dir: &Path,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded, ConfigErrors> {
    let lines = Lines::new(text);
    let (document, errors) = DeTable::parse_recoverable(text);
    let problems = syntax::problems(&errors, &lines, file);
    if !syntax::is_readable(&errors) {
        return Err(ConfigErrors { problems, warnings: Vec::new(), rest: None });
    }
    let reading = Reading {
        file,
        lines,
        base_dir,
        env,
        problems: RefCell::new(problems),
        warnings: RefCell::default(),
        keys: RefCell::default(),
    };
    let config = Section::root(&reading, document.get_ref(), sections::config);
    let key_lines = key_lines(document.get_ref(), &reading.lines);
    let (problems, warnings) = (in_order(reading.problems), in_order(reading.warnings));
    let keys = reading.keys.into_inner();
    let loaded = Loaded { config, warnings, file: file.to_owned(), lines: key_lines, keys };
    if problems.is_empty() {
        return Ok(loaded);
    }
    Err(ConfigErrors { problems, warnings: loaded.warnings.clone(), rest: Some(Box::new(loaded)) })
}

fn in_order(noted: RefCell<Vec<Problem>>) -> Vec<Problem> {
    let mut problems = noted.into_inner();
    problems.sort_by_key(Problem::line);
    problems
}

fn unreadable(file: &str, error: &std::io::Error) -> ConfigErrors {
    let rule = format!("cannot be read: {error}; name another file with --config");
    ConfigErrors { problems: vec![Problem::new("", None, rule).at(file, None)], warnings: Vec::new(), rest: None }
}
