use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

const HOUR: Duration = Duration::from_secs(3600);

/// What visitors may upload on each channel: so many bytes at once, and as many again in an hour. Anybody is a visitor, and
/// whoever fills the disk fills it for everybody.
pub(super) struct Uploads {
    bytes_per_hour: u64,
    buckets: Arc<Buckets>,
}

/// What is left on each channel. A changed configuration goes on with it: else each change would be room for as much again.
#[derive(Default)]
pub struct Buckets(Mutex<HashMap<String, Bucket>>);

struct Bucket {
    left: f64,
    filled: Instant,
}

impl Uploads {
    pub(super) fn new(bytes_per_hour: u64, buckets: Arc<Buckets>) -> Self {
        Self { bytes_per_hour, buckets }
    }

    /// Takes room for a file that is announced; false where there is none.
    pub(super) fn take(&self, channel: &str, bytes: u64, now: Instant) -> bool {
        let max = self.bytes_per_hour as f64;
        let mut buckets = self.buckets.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry(channel.to_owned()).or_insert(Bucket { left: max, filled: now });
        let passed = now.saturating_duration_since(bucket.filled).as_secs_f64() / HOUR.as_secs_f64();
        bucket.left = (bucket.left + max * passed).min(max);
        bucket.filled = now;
        let fits = bucket.left >= bytes as f64;
        if fits {
            bucket.left -= bytes as f64;
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_channel_has_its_hour() {
        let (uploads, began) = (Uploads::new(100, Arc::default()), Instant::now());
        assert!(uploads.take("a", 60, began) && uploads.take("a", 40, began));
        assert!(!uploads.take("a", 1, began));
        assert!(uploads.take("b", 100, began));
        assert!(!uploads.take("a", 51, began + HOUR / 2));
        assert!(uploads.take("a", 50, began + HOUR / 2));
        assert!(!uploads.take("a", 101, began + 9 * HOUR));
    }

    #[test]
    fn a_changed_configuration_gives_no_new_hour() {
        let (earlier, began) = (Uploads::new(100, Arc::default()), Instant::now());
        assert!(earlier.take("a", 60, began));
        let later = Uploads::new(200, earlier.buckets.clone());
        assert!(!later.take("a", 50, began));
        assert!(later.take("a", 40, began));
        assert!(!earlier.take("a", 1, began));
    }
}
