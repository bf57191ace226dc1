use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::ops::Range;

/// Chance that can be repeated: `IT_SEED` names the seed, which every test that fails has printed.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new() -> Self {
        let seed = std::env::var("IT_SEED").ok().map(|text| text.parse().expect("IT_SEED is a number"));
        let seed = seed.unwrap_or_else(|| RandomState::new().build_hasher().finish());
        println!("IT_SEED={seed}");
        Self(seed | 1)
    }

    /// Another one, which depends on nothing that happens to this one.
    pub fn fork(&mut self) -> Self {
        Self(self.next() | 1)
    }

    /// xorshift64*
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn within(&mut self, range: Range<usize>) -> usize {
        range.start + (self.next() >> 16) as usize % range.len()
    }
}
