//! The presence service.

use std::process::ExitCode;

/// The system's allocator cuts small pieces out of the large ones that a connection needs only while it begins, and cannot
/// use the rest for the next: some 4 KB more for each idle connection (docs/performance.md).
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    presence_api::cli::run(std::env::args().skip(1).collect(), |app| app)
}
