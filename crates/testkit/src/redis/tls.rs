//! Certificates for servers.

use std::{fs, path::Path, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// An authority, and a certificate of it that servers share.
#[derive(Debug, Clone)]
pub(super) struct Certificates {
    texts: Arc<[(&'static str, String)]>,
}

impl Certificates {
    /// Makes an authority and a certificate for some names.
    pub(super) fn new(names: &[&str]) -> Self {
        let authority_key = KeyPair::generate().expect("a key can be made");
        let mut params = CertificateParams::default();
        // An authority named like what it signs would make OpenSSL take the certificate for one that signs itself.
        params
            .distinguished_name
            .push(DnType::CommonName, "authority of a test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params
            .self_signed(&authority_key)
            .expect("an authority can be made");
        let issuer = Issuer::new(params, authority_key);

        let key = KeyPair::generate().expect("a key can be made");
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let certificate = CertificateParams::new(names)
            .and_then(|params| params.signed_by(&key, &issuer))
            .expect("a certificate can be made");
        Self {
            texts: [
                (AUTHORITY, authority.pem()),
                (CERTIFICATE, certificate.pem()),
                (KEY, key.serialize_pem()),
            ]
            .into(),
        }
    }

    /// The authority, in PEM.
    pub(super) fn authority(&self) -> &str {
        &self.texts[0].1
    }

    /// Writes all into a directory of a server.
    pub(super) fn write(&self, directory: &Path) {
        for (name, text) in &*self.texts {
            fs::write(directory.join(name), text).expect("a file can be written");
        }
    }
}

/// What a certificate of a server on loopback is for.
pub(super) const LOOPBACK: [&str; 2] = ["localhost", "127.0.0.1"];

pub(super) const AUTHORITY: &str = "authority.pem";
pub(super) const CERTIFICATE: &str = "certificate.pem";
pub(super) const KEY: &str = "key.pem";
