//! Where the text of a configuration file comes from.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Longest configuration file that is read, in bytes.
///
/// A settings file has a few kilobytes; one of a megabyte is a wrong path (a log, a dump) and not worth the memory.
pub const FILE_SIZE_MAX: u64 = 1024 * 1024;

/// Reads configuration files, or plays a file system in a test.
pub trait Files: std::fmt::Debug {
    /// The text of a file, `None` if there is no such file.
    fn read(&self, path: &Path) -> Result<Option<String>, Unreadable>;
}

/// Why a file that is there could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The operating system refused.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The file is longer than [`FILE_SIZE_MAX`].
    #[error("it is longer than {FILE_SIZE_MAX} bytes")]
    TooLong,
    /// The file is not text in UTF-8.
    #[error("it is not text in UTF-8")]
    NotUtf8,
}

/// The file system of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> Result<Option<String>, Unreadable> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut bytes = Vec::new();
        file.take(FILE_SIZE_MAX + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > FILE_SIZE_MAX {
            return Err(Unreadable::TooLong);
        }
        String::from_utf8(bytes)
            .map(Some)
            .map_err(|_| Unreadable::NotUtf8)
    }
}

impl Files for BTreeMap<PathBuf, String> {
    fn read(&self, path: &Path) -> Result<Option<String>, Unreadable> {
        Ok(self.get(path).cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disk() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("good"), "{}").unwrap();
        std::fs::write(path("binary"), [0xff, 0xfe]).unwrap();
        std::fs::write(path("limit"), " ".repeat(FILE_SIZE_MAX as usize)).unwrap();
        std::fs::write(path("long"), " ".repeat(FILE_SIZE_MAX as usize + 1)).unwrap();

        assert_eq!(Disk.read(&path("good")).unwrap().as_deref(), Some("{}"));
        assert!(Disk.read(&path("missing")).unwrap().is_none());
        assert!(Disk.read(&path("limit")).unwrap().is_some());
        assert!(matches!(
            Disk.read(&path("binary")),
            Err(Unreadable::NotUtf8)
        ));
        assert!(matches!(Disk.read(&path("long")), Err(Unreadable::TooLong)));
        assert!(matches!(
            Disk.read(directory.path()),
            Err(Unreadable::Io(_))
        ));
    }
}
