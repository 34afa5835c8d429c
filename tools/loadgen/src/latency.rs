//! Distributions of waiting times.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Waiting times, to three digits.
#[derive(Debug)]
pub(crate) struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, LONGEST_NANOS, 3);
        Self(histogram.expect("these bounds are valid"))
    }
}

/// What is told of a distribution, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Summary {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

impl Latencies {
    /// Adds a waiting time; what is longer than ten minutes counts as ten minutes.
    pub(crate) fn record(&mut self, waited: Duration) {
        let nanos = u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX);
        self.0.saturating_record(nanos);
    }

    /// Adds all that others have recorded.
    pub(crate) fn add(&mut self, others: &Self) {
        self.0.add(&others.0).expect("all have the same bounds");
    }

    /// None: nothing was recorded.
    pub(crate) fn summary(&self) -> Option<Summary> {
        if self.0.is_empty() {
            return None;
        }
        let micros = |nanos: u64| Duration::from_nanos(nanos).as_secs_f64() * 1e6;
        Some(Summary {
            p50: micros(self.0.value_at_quantile(0.5)),
            p99: micros(self.0.value_at_quantile(0.99)),
            p999: micros(self.0.value_at_quantile(0.999)),
            max: micros(self.0.max()),
        })
    }
}

/// No measurement lasts that long.
const LONGEST_NANOS: u64 = 600_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_counts_as_if_it_were_recorded_here() {
        let (mut all, mut others) = (Latencies::default(), Latencies::default());
        all.record(Duration::from_millis(1));
        others.record(Duration::from_millis(3));
        others.record(Duration::from_millis(5));
        all.add(&others);
        let summary = all.summary().unwrap();
        assert!((summary.p50 / 3000.0 - 1.0).abs() < 0.01);
        assert!((summary.max / 5000.0 - 1.0).abs() < 0.01);
    }

    #[test]
    fn a_summary_tells_the_middle_and_the_ends() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.summary(), None);
        for millis in 1..=1000 {
            latencies.record(Duration::from_millis(millis));
        }
        let summary = latencies.summary().unwrap();
        let close =
            |found: f64, wanted: f64| assert!((found / wanted - 1.0).abs() < 0.002, "{found}");
        close(summary.p50, 500_000.0);
        close(summary.p99, 990_000.0);
        close(summary.p999, 999_000.0);
        close(summary.max, 1_000_000.0);
    }

    #[test]
    fn what_is_out_of_range_still_counts() {
        let mut latencies = Latencies::default();
        latencies.record(Duration::ZERO);
        latencies.record(Duration::from_secs(86_400));
        let summary = latencies.summary().unwrap();
        assert!(summary.p50 < 0.01, "{summary:?}");
        assert!(summary.max > 599_000_000.0, "{summary:?}");
    }
}
