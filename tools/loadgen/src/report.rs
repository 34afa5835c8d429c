//! What a run found: a table for people, JSON for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

use crate::latency::Summary;

/// One measurement.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    pub(crate) case: String,
    pub(crate) transport: String,
    pub(crate) protocol: String,
    pub(crate) connections: usize,
    /// What is counted.
    pub(crate) unit: &'static str,
    pub(crate) count: u64,
    /// Connections that ended, answers that were errors, events that were wrong.
    pub(crate) errors: u64,
    pub(crate) seconds: f64,
    pub(crate) rate_per_second: f64,
    /// The server's processor time for each of what is counted, all its threads; none: its process is not known.
    pub(crate) cpu_us: Option<f64>,
    /// The same of Redis.
    pub(crate) redis_cpu_us: Option<f64>,
    /// The generator's own, to see that it is not what is measured.
    pub(crate) loadgen_cpu_us: f64,
    /// From the time when it was due.
    pub(crate) latency_us: Option<Summary>,
    /// The server's resident memory before and after, bytes.
    pub(crate) rss_before: Option<u64>,
    pub(crate) rss_after: Option<u64>,
    /// The server's proportional memory after, bytes.
    pub(crate) pss_after: Option<u64>,
    /// What only this case has, with its unit in its name.
    pub(crate) more: BTreeMap<&'static str, f64>,
}

/// The rows as a table with a line each.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut out = format!(
        "{:<18} {:<11} {:<11} {:>6} {:>9} {:>6} {:>10} {:>9} {:>9} {:>9} {:>10} {:>10} {:>10} {:>10} {:>9}  more\n",
        "case",
        "transport",
        "protocol",
        "conns",
        "count",
        "errors",
        "per second",
        "cpu µs",
        "redis µs",
        "own µs",
        "p50 µs",
        "p99 µs",
        "p99.9 µs",
        "max µs",
        "RSS MiB"
    );
    for row in rows {
        let latency = |pick: fn(&Summary) -> f64| number(row.latency_us.as_ref().map(pick), 0);
        let _ = write!(
            out,
            "{:<18} {:<11} {:<11} {:>6} {:>9} {:>6} {:>10.0} {:>9} {:>9} {:>9.2} {:>10} {:>10} {:>10} {:>10} {:>9} ",
            row.case,
            row.transport,
            row.protocol,
            row.connections,
            row.count,
            row.errors,
            row.rate_per_second,
            number(row.cpu_us, 2),
            number(row.redis_cpu_us, 2),
            row.loadgen_cpu_us,
            latency(|summary| summary.p50),
            latency(|summary| summary.p99),
            latency(|summary| summary.p999),
            latency(|summary| summary.max),
            number(row.rss_after.map(mebibytes), 1),
        );
        for (name, value) in &row.more {
            let _ = write!(out, " {name}={value:.2}");
        }
        out.push('\n');
    }
    out
}

/// Writes the rows as a JSON array.
pub(crate) fn write_json(path: &Path, rows: &[Row]) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(rows)?;
    text.push('\n');
    std::fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "memory in mebibytes is to be read by people"
)]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_a_line_and_what_is_not_known_a_dash() {
        let row = Row {
            case: "calls".to_owned(),
            transport: "websockets".to_owned(),
            protocol: "json".to_owned(),
            connections: 200,
            unit: "call",
            count: 1000,
            errors: 0,
            seconds: 2.0,
            rate_per_second: 500.0,
            cpu_us: Some(5.25),
            redis_cpu_us: None,
            loadgen_cpu_us: 1.5,
            latency_us: None,
            rss_before: None,
            rss_after: Some(3 << 20),
            pss_after: None,
            more: BTreeMap::from([("sent_kib", 1.5)]),
        };
        let table = table(&[row]);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 2);
        let fields: Vec<&str> = lines[1].split_whitespace().collect();
        let wanted = [
            "calls",
            "websockets",
            "json",
            "200",
            "1000",
            "0",
            "500",
            "5.25",
            "-",
            "1.50",
            "-",
            "-",
            "-",
            "-",
            "3.0",
            "sent_kib=1.50",
        ];
        assert_eq!(fields, wanted);
    }
}
