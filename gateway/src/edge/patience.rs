use std::time::Duration;

/// How long somebody slow is waited for. While more than half of the places are taken, an eighth of the time: whoever takes places
/// in order to keep them must come back eight times as often, and whoever has something to say finds one.
pub(super) fn patience(timeout: Duration, taken: usize, max: usize) -> Duration {
    if taken > max / 2 { timeout / 8 } else { timeout }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fuller_the_shorter() {
        let patience = |taken| patience(Duration::from_secs(16), taken, 10).as_secs();
        assert_eq!([patience(0), patience(5), patience(6), patience(10)], [16, 16, 2, 2]);
    }
}
