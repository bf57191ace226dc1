//! Medians and percentiles.

use std::time::Duration;

/// The value below which a share `share` (0 to 1) of all lies; zero if there are none.
pub(crate) fn percentile(values: &mut [Duration], share: f64) -> Duration {
    values.sort_unstable();
    let index = (values.len() as f64 * share) as usize;
    values.get(index.min(values.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// Of rounds: one that was disturbed changes nothing.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Of rounds in which two took turns, the one with the median ratio: its figures and their ratio belong together.
pub(crate) fn median_pair(mut pairs: Vec<(f64, f64)>) -> (f64, f64) {
    pairs.sort_by(|one, other| (one.0 / one.1).total_cmp(&(other.0 / other.1)));
    pairs.get(pairs.len() / 2).copied().unwrap_or((f64::NAN, f64::NAN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_of_the_list() {
        let mut values: Vec<_> = (1..=100).rev().map(Duration::from_millis).collect();
        assert_eq!(percentile(&mut values, 0.5), Duration::from_millis(51));
        assert_eq!(percentile(&mut values, 0.99), Duration::from_millis(100));
        assert_eq!(percentile(&mut values, 1.0), Duration::from_millis(100));
        assert_eq!(percentile(&mut [], 0.5), Duration::ZERO);
    }

    #[test]
    fn a_pair_is_of_one_round() {
        assert_eq!(median_pair(vec![(20.0, 30.0), (9.0, 18.0), (19.0, 20.0)]), (20.0, 30.0));
    }

    #[test]
    fn one_odd_round_does_not_move_the_median() {
        assert_eq!(median(vec![10.0, 1.0, 11.0]), 10.0);
    }
}
