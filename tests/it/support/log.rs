use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::wait_for;

/// What a process says, line by line, while it says it.
#[derive(Clone)]
pub struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    news: watch::Receiver<usize>,
}

impl Log {
    /// Reads to the end, in a thread of its own.
    pub fn follow(output: impl Read + Send + 'static) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (sender, news) = watch::channel(0);
        let written = lines.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                written.lock().unwrap().push(line);
                sender.send_modify(|count| *count += 1);
            }
        });
        Self { lines, news }
    }

    pub fn text(&self) -> String {
        self.lines.lock().unwrap().join("\n")
    }

    /// How many lines contain `words`.
    pub fn count(&self, words: &str) -> usize {
        self.lines.lock().unwrap().iter().filter(|line| line.contains(words)).count()
    }

    /// The first line that contains `words`, once it is there.
    pub async fn line(&self, words: &str) -> String {
        self.lines(words, 1).await.remove(0)
    }

    /// The first line that contains one of these, once it is there.
    #[allow(dead_code, reason = "the tests of pages start another program that may fail")]
    pub async fn line_of(&self, words: &[&str]) -> String {
        let is_it = |line: &&String| words.iter().any(|words| line.contains(words));
        let find = || self.lines.lock().unwrap().iter().find(is_it).cloned();
        wait_for(&format!("a line with one of {words:?}"), &mut self.news.clone(), find).await
    }

    /// The lines that contain `words`, once there are so many.
    pub async fn lines(&self, words: &str, count: usize) -> Vec<String> {
        let find = || {
            let found: Vec<_> =
                self.lines.lock().unwrap().iter().filter(|line| line.contains(words)).cloned().collect();
            (found.len() >= count).then_some(found)
        };
        wait_for(&format!("{count} lines with {words:?}"), &mut self.news.clone(), find).await
    }
}
