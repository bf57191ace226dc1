//! Mails that nobody wrote, in the real sandbox: those of the cases, broken at random with a fixed seed.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::{plugin_directory, run};

const CASE: &str = "call = \"receive\"\n[settings]\naddress = \"support@example.com\"\n";
const MAILS: usize = 2_000;
/// Of the whole test: a slow machine looks at fewer.
const TIME_MAX: Duration = Duration::from_secs(20);
const MAILS_MIN: usize = 50;

/// xorshift: the same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % limit.max(1)
    }
}

fn corpus() -> Vec<Vec<u8>> {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/email/cases");
    let mut files: Vec<_> = std::fs::read_dir(cases).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "eml"));
    files.sort();
    files.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// The beginning of one mail and the end of another, with bytes changed and pieces lost.
fn broken(random: &mut Random, corpus: &[Vec<u8>]) -> Vec<u8> {
    let (one, other) = (&corpus[random.below(corpus.len())], &corpus[random.below(corpus.len())]);
    let mut mail = one[..random.below(one.len() + 1)].to_vec();
    mail.extend_from_slice(&other[random.below(other.len())..]);
    for _ in 0..random.below(20) {
        let at = random.below(mail.len());
        mail[at] = u8::try_from(random.below(256)).unwrap();
    }
    let lost = random.below(mail.len());
    let end = (lost + random.below(200)).min(mail.len());
    mail.drain(lost..end);
    mail
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_mails_break_no_adapter() {
    let corpus = corpus();
    let mut random = Random(0x0dd_5eed);
    let begin = Instant::now();
    let mut count = 0;
    let mails = std::iter::from_fn(|| {
        count += 1;
        let goes_on = count <= MAILS_MIN || count <= MAILS && begin.elapsed() < TIME_MAX;
        goes_on.then(|| broken(&mut random, &corpus))
    });
    let broken = run::Runner::new(&plugin_directory()).receive("email", CASE, mails).await;
    assert!(broken.is_empty(), "{} of {count} mails, first: {}", broken.len(), broken[0]);
}
