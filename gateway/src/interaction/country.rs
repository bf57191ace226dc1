use std::cell::RefCell;
use std::num::NonZeroUsize;

use lru::LruCache;
use phonenumber::Mode;

/// Numbers that each thread has at hand: to read one by the plans takes longer than a call of a plugin, and people write
/// more than once.
const KEPT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(2047);
/// Longer ones are no numbers, and not kept.
const KEPT_BYTES_MAX: usize = 32;

type Numbers = LruCache<(String, Option<Country>), Option<String>>;

thread_local! {
    static NUMBERS: RefCell<Numbers> = RefCell::new(LruCache::new(KEPT));
}

/// A country with a plan of telephone numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Country(phonenumber::country::Id);

impl Country {
    /// From two letters of ISO 3166-1, such as `DE`.
    pub fn parse(code: &str) -> Option<Self> {
        code.parse().ok().map(Self)
    }
}

/// The number in E.164 if the plan of its country has it.
pub(super) fn e164(typed: &str, country: Option<Country>) -> Option<String> {
    if typed.len() > KEPT_BYTES_MAX {
        return read(typed, country);
    }
    NUMBERS
        .with_borrow_mut(|numbers| numbers.get_or_insert((typed.to_owned(), country), || read(typed, country)).clone())
}

fn read(typed: &str, country: Option<Country>) -> Option<String> {
    let number = phonenumber::parse(country.map(|Country(id)| id), typed).ok()?;
    number.is_valid().then(|| number.format().mode(Mode::E164).to_string())
}
