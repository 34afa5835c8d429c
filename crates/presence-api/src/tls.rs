//! TLS from PEM files, reloaded when they change.
//!
//! A certificate is read once at the start and from then on whenever its files change or the process gets SIGHUP. New
//! files are checked as a whole before they are used; while they are wrong, or only half written, the old pair stays.
//! Connections that are open keep what they were opened with.

mod pem;
mod watch;

use std::{fmt, fs, io, path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use parking_lot::Mutex;
use rustls::{
    ServerConfig,
    crypto::CryptoProvider,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use thiserror::Error;

use crate::listen::Protocol;

/// Where a certificate and its key are.
#[derive(Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM: the certificate, followed by the chain up to but without the root.
    pub certificate: PathBuf,
    /// PEM: the private key (PKCS#8, PKCS#1 or SEC1); none when it is in the same file as the certificate.
    pub key: Option<PathBuf>,
    /// The password of a key that is an `ENCRYPTED PRIVATE KEY`.
    pub password: Option<String>,
}

/// Why a certificate cannot be used.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}", path = .path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is far larger than any certificate.
    #[error("{path} is larger than {FILE_MAX} bytes, which no certificate or key is", path = .path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
    },
    /// A file does not hold what it should.
    #[error("{path}: {problem}", path = .path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Each file is right, but they do not belong together or TLS cannot use them.
    #[error("{certificate} and {key}: {source}", certificate = .certificate.display(), key = .key.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What TLS said.
        source: rustls::Error,
    },
    /// A new certificate is over already, so the old one is the better one.
    #[error("{path} has expired at {at}", path = .path.display())]
    Expired {
        /// The certificate's file.
        path: PathBuf,
        /// When it expired.
        at: Timestamp,
    },
}

/// What a reload brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// The files are those that were read last.
    Unchanged,
    /// New connections get the new certificate.
    Replaced,
}

/// A certificate that follows its files.
pub struct ReloadingCertificate {
    files: CertificateFiles,
    current: ArcSwap<Loaded>,
    /// What the files held when they were last looked at, whether it was any good or not: a mistake is reported once,
    /// not at every look.
    seen: Mutex<Contents>,
}

/// A pair that has passed every check.
struct Loaded {
    key: Arc<CertifiedKey>,
    expires: Timestamp,
}

/// The bytes of the two files. Kept to see changes that leave no trace in the modification time, such as the symlink
/// swaps of Kubernetes.
#[derive(PartialEq, Eq)]
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl ReloadingCertificate {
    /// Reads and checks the pair.
    ///
    /// A certificate that has expired is taken all the same, with a warning: clients that trust it by name go on, and
    /// those that do not say so better than a service that does not start.
    pub fn load(files: CertificateFiles, now: Timestamp) -> Result<Arc<Self>, CertificateError> {
        let contents = files.read()?;
        let loaded = files.check(&contents)?;
        if loaded.expires <= now {
            tracing::warn!(path = %files.certificate.display(), expired = %loaded.expires, "the certificate has expired");
        }
        Ok(Arc::new(Self {
            files,
            current: ArcSwap::from_pointee(loaded),
            seen: Mutex::new(contents),
        }))
    }

    /// Looks at the files again; uses what they hold if it is new and right.
    ///
    /// After an error the old pair stays in use, and the same contents are not tried again.
    pub fn reload(&self, now: Timestamp) -> Result<Reload, CertificateError> {
        let contents = self.files.read()?;
        let mut seen = self.seen.lock();
        if *seen == contents {
            return Ok(Reload::Unchanged);
        }
        let checked = self.files.check(&contents);
        *seen = contents;
        drop(seen);
        let loaded = checked?;
        if loaded.expires <= now {
            return Err(CertificateError::Expired {
                path: self.files.certificate.clone(),
                at: loaded.expires,
            });
        }
        self.current.store(Arc::new(loaded));
        Ok(Reload::Replaced)
    }

    /// When the certificate in use expires, for a gauge.
    pub fn expires(&self) -> Timestamp {
        self.current.load().expires
    }

    /// The TLS settings of a listener: TLS 1.2 and 1.3, this certificate, and the HTTP versions of `protocol`.
    pub fn server_config(self: &Arc<Self>, protocol: Protocol) -> Arc<ServerConfig> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("the provider has cipher suites for TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = match protocol {
            Protocol::Http1AndHttp2 => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            Protocol::Http2 => vec![b"h2".to_vec()],
        };
        Arc::new(config)
    }
}

impl CertificateFiles {
    fn key_path(&self) -> &PathBuf {
        self.key.as_ref().unwrap_or(&self.certificate)
    }

    fn read(&self) -> Result<Contents, CertificateError> {
        let certificate = read_file(&self.certificate)?;
        let key = match &self.key {
            Some(path) => read_file(path)?,
            None => certificate.clone(),
        };
        Ok(Contents { certificate, key })
    }

    fn check(&self, contents: &Contents) -> Result<Loaded, CertificateError> {
        let wrong = |path: &PathBuf, problem| CertificateError::Content {
            path: path.clone(),
            problem,
        };
        let chain =
            pem::certificates(&contents.certificate).map_err(|p| wrong(&self.certificate, p))?;
        let expires = pem::expiry(&chain[0]).map_err(|p| wrong(&self.certificate, p))?;
        let key = pem::private_key(&contents.key, self.password.as_deref())
            .map_err(|p| wrong(self.key_path(), p))?;
        let key = CertifiedKey::from_der(chain, key, &provider()).map_err(|source| {
            CertificateError::Pair {
                certificate: self.certificate.clone(),
                key: self.key_path().clone(),
                source,
            }
        })?;
        Ok(Loaded {
            key: Arc::new(key),
            expires,
        })
    }
}

fn read_file(path: &PathBuf) -> Result<Vec<u8>, CertificateError> {
    let failed = |source| CertificateError::Read {
        path: path.clone(),
        source,
    };
    if fs::metadata(path).map_err(failed)?.len() > FILE_MAX {
        return Err(CertificateError::TooLarge { path: path.clone() });
    }
    fs::read(path).map_err(failed)
}

/// The one provider of cryptography in the whole service.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

impl ResolvesServerCert for ReloadingCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.load().key))
    }
}

impl fmt::Debug for ReloadingCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReloadingCertificate")
            .field("files", &self.files)
            .field("expires", &self.expires())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for CertificateFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateFiles")
            .field("certificate", &self.certificate)
            .field("key", &self.key)
            .field("password", &self.password.as_ref().map(|_| "***"))
            .finish()
    }
}

/// Largest file that is read: 1 MiB; a chain of ten certificates with RSA-4096 keys is under 30 KiB.
const FILE_MAX: u64 = 1024 * 1024;

#[cfg(test)]
mod tests;
