//! What a process spends, as the operating system counts it.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::sleep;

/// Reads one process.
#[derive(Debug)]
pub(crate) struct Meter {
    pid: u32,
    /// Nanoseconds on a processor, by thread; of threads that have ended, the last that was seen.
    threads: HashMap<u32, u64>,
}

/// A moment in the life of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Time on a processor since its start, all threads.
    pub(crate) cpu: Duration,
    /// Resident memory, bytes.
    pub(crate) rss: u64,
    /// Resident memory, shared pages counted in parts, bytes.
    pub(crate) pss: u64,
}

impl Meter {
    pub(crate) fn new(pid: u32) -> anyhow::Result<Self> {
        let mut meter = Self {
            pid,
            threads: HashMap::new(),
        };
        meter
            .read()
            .with_context(|| format!("process {pid} cannot be read"))?;
        Ok(meter)
    }

    /// Looks for the process that listens on a port of this machine.
    pub(crate) fn of_listener(port: u16) -> anyhow::Result<Self> {
        let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
            .iter()
            .filter_map(|table| fs::read_to_string(table).ok())
            .flat_map(|table| listening_inodes(&table, port))
            .collect();
        for entry in fs::read_dir("/proc")?.flatten() {
            let pid = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            if let Some(pid) = pid
                && holds_any(&entry.path(), &inodes)
            {
                return Self::new(pid);
            }
        }
        bail!(
            "no process of this machine that may be looked at listens on port {port}; name it with --pid"
        )
    }

    /// Processor time and memory.
    pub(crate) fn read(&mut self) -> anyhow::Result<Reading> {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid))?;
        Ok(Reading {
            cpu: self.cpu()?,
            rss: kibibytes(&rollup, "Rss:")? * 1024,
            pss: kibibytes(&rollup, "Pss:")? * 1024,
        })
    }

    /// Processor time alone, which is read more cheaply.
    pub(crate) fn cpu(&mut self) -> anyhow::Result<Duration> {
        for entry in fs::read_dir(format!("/proc/{}/task", self.pid))?.flatten() {
            let thread = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            // A thread that ended since the directory was read keeps what was seen of it.
            let times = fs::read_to_string(entry.path().join("schedstat")).ok();
            if let (Some(thread), Some(times)) = (thread, times)
                && let Some(nanos) = times.split(' ').next().and_then(|first| first.parse().ok())
            {
                self.threads.insert(thread, nanos);
            }
        }
        Ok(Duration::from_nanos(self.threads.values().sum()))
    }

    /// Waits until the process has nothing to do any more, for at most `longest`.
    ///
    /// What a server puts off (announcements, freeing) belongs to the load that caused it.
    pub(crate) async fn settle(&mut self, longest: Duration) -> anyhow::Result<()> {
        let mut waited = Duration::ZERO;
        let mut before = self.cpu()?;
        while waited < longest {
            sleep(SETTLE_STEP).await;
            waited += SETTLE_STEP;
            let now = self.cpu()?;
            if now - before < SETTLE_STEP / 50 {
                break;
            }
            before = now;
        }
        Ok(())
    }
}

/// Bytes that the machine's TCP sockets hold, of all processes.
pub(crate) fn socket_memory() -> anyhow::Result<u64> {
    let text = fs::read_to_string("/proc/net/sockstat").context("/proc/net/sockstat")?;
    let line = text.lines().find(|line| line.starts_with("TCP:"));
    let pages = line
        .and_then(|line| line.split(" mem ").nth(1))
        .and_then(|pages| pages.trim().parse::<u64>().ok())
        .context("/proc/net/sockstat tells no memory of TCP")?;
    Ok(pages * 4096)
}

/// How many files this process may have open.
pub(crate) fn open_files_max() -> u64 {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .and_then(|numbers| numbers.split_whitespace().next()?.parse().ok())
        .unwrap_or(u64::MAX)
}

fn listening_inodes(table: &str, port: u16) -> Vec<String> {
    let suffix = format!(":{port:04X}");
    table
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
            (local.ends_with(&suffix) && *state == "0A").then(|| format!("socket:[{inode}]"))
        })
        .collect()
}

fn holds_any(process: &Path, sockets: &[String]) -> bool {
    let Ok(files) = fs::read_dir(process.join("fd")) else {
        return false;
    };
    files
        .flatten()
        .filter_map(|file| fs::read_link(file.path()).ok())
        .any(|link| {
            sockets
                .iter()
                .any(|socket| link.as_os_str() == socket.as_str())
        })
}

fn kibibytes(rollup: &str, name: &str) -> anyhow::Result<u64> {
    rollup
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.trim().strip_suffix(" kB")?.parse().ok())
        .with_context(|| format!("the memory of the process has no {name}"))
}

/// Short beside what is measured, long beside the scheduler's tick of 4 ms.
const SETTLE_STEP: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_found_by_its_port() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:138E 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 777 1 0 100 0 0 10 0\n\
            1: 0100007F:138E 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 778 1 0 20 4 30 10 -1\n\
            2: 0100007F:138F 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 779 1 0 100 0 0 10 0\n";
        assert_eq!(listening_inodes(table, 5006), ["socket:[777]"]);
        assert!(listening_inodes(table, 80).is_empty());
    }

    #[test]
    fn this_process_listens_where_it_listens() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let meter = Meter::of_listener(listener.local_addr().unwrap().port()).unwrap();
        assert_eq!(meter.pid, std::process::id());
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let error = Meter::of_listener(port).unwrap_err().to_string();
        assert!(error.contains("--pid"), "{error}");
    }

    #[test]
    fn work_costs_time_and_memory_is_counted() {
        let mut meter = Meter::new(std::process::id()).unwrap();
        let before = meter.read().unwrap();
        let ballast = vec![1u8; 32 << 20];
        // Passes over 32 MiB take some milliseconds on any machine.
        let sum: u64 = (0..2)
            .map(|pass| {
                ballast
                    .iter()
                    .map(|byte| u64::from(*byte) ^ pass)
                    .sum::<u64>()
            })
            .sum();
        let after = meter.read().unwrap();
        assert!(sum > 0);
        assert!(after.cpu > before.cpu, "{before:?} {after:?}");
        assert!(after.rss >= before.rss + (24 << 20), "{before:?} {after:?}");
        assert!(after.pss <= after.rss);
        drop(ballast);
    }

    #[test]
    fn a_process_that_is_not_there_cannot_be_read() {
        let error = Meter::new(u32::MAX).unwrap_err().to_string();
        assert!(error.contains("4294967295"), "{error}");
    }
}
