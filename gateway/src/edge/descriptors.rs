/// Connections that this process may hold: three quarters of the files that it may open. The others are for the store, for files, and
/// for connections of our own, which nobody from outside may use up. As many as wanted where the system does not say.
pub(super) fn connections_possible() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    files_max(&limits).map_or(usize::MAX, |files| files / 4 * 3)
}

/// The soft limit: `Max open files   1024   524288   files`.
fn files_max(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_read() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max open files            1024                 524288               files\n\
                      Max locked memory         8388608              8388608              bytes\n";
        assert_eq!(files_max(limits), Some(1024));
        assert_eq!(files_max(&limits.replace("1024", "unlimited")), None);
        assert_eq!(files_max(""), None);
        assert!(connections_possible() > 0);
    }
}
