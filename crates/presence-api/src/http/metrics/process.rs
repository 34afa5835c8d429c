//! What the system knows about the process, from `/proc`; nothing where there is no `/proc`.
//!
//! Names are those that Prometheus client libraries agree on. Each scrape reads three small files.

use std::fs;

use prometheus_client::{encoding::NoLabelSet, metrics::MetricType};

use super::Metrics;

pub(super) fn register(metrics: &Metrics) {
    if cpu_seconds().is_none() {
        return;
    }
    metrics.register(
        "process_cpu_seconds",
        "User and system time spent, in seconds",
        MetricType::Counter,
        |mut metric| match cpu_seconds() {
            Some(seconds) => metric.encode_counter::<NoLabelSet, _, f64>(&seconds, None),
            None => Ok(()),
        },
    );
    gauge(
        metrics,
        "process_resident_memory_bytes",
        "Resident memory",
        resident_bytes,
    );
    gauge(
        metrics,
        "process_open_fds",
        "Open file descriptors",
        open_files,
    );
    gauge(
        metrics,
        "process_max_fds",
        "File descriptors that may be open",
        open_files_max,
    );
}

fn gauge(
    metrics: &Metrics,
    name: &'static str,
    help: &'static str,
    read: impl Fn() -> Option<u64> + Send + Sync + 'static,
) {
    metrics.register(
        name,
        help,
        MetricType::Gauge,
        move |mut metric| match read() {
            Some(value) => metric.encode_gauge(&value),
            None => Ok(()),
        },
    );
}

fn cpu_seconds() -> Option<f64> {
    parse_cpu_seconds(&fs::read_to_string("/proc/self/stat").ok()?)
}

fn resident_bytes() -> Option<u64> {
    parse_resident_bytes(&fs::read_to_string("/proc/self/status").ok()?)
}

/// Linux tells the number of open descriptors as the size of the directory since 6.2; before, it has to be counted.
fn open_files() -> Option<u64> {
    match fs::metadata("/proc/self/fd").ok()?.len() {
        0 => u64::try_from(fs::read_dir("/proc/self/fd").ok()?.count()).ok(),
        count => Some(count),
    }
}

fn open_files_max() -> Option<u64> {
    parse_open_files_max(&fs::read_to_string("/proc/self/limits").ok()?)
}

/// The 14th and 15th field of `stat`, counted after the name of the program, which may hold blanks and brackets.
fn parse_cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some((f64::from(user) + f64::from(system)) / TICKS_PER_SECOND)
}

fn parse_resident_bytes(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

fn parse_open_files_max(limits: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// `USER_HZ`: 100 on every architecture that Linux shows to user space, whatever its own tick is.
const TICKS_PER_SECOND: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_found_behind_a_name_with_brackets() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 9 0 0 0 250 50 0 0 20 0 1 0 5 6 7";
        assert_eq!(parse_cpu_seconds(stat), Some(3.0));
        assert_eq!(parse_cpu_seconds("7 (a"), None);
    }

    #[test]
    fn memory_is_told_in_bytes() {
        assert_eq!(
            parse_resident_bytes("Name:\ta\nVmRSS:\t    2048 kB\n"),
            Some(2 * 1024 * 1024)
        );
        assert_eq!(parse_resident_bytes("Name:\ta\n"), None);
    }

    #[test]
    fn the_soft_limit_of_open_files_counts() {
        let limits = "Limit   Soft Limit   Hard Limit   Units\nMax open files            1024                 4096                 files\n";
        assert_eq!(parse_open_files_max(limits), Some(1024));
        assert_eq!(
            parse_open_files_max("Max open files  unlimited  unlimited  files\n"),
            None
        );
    }
}
