//! Certificates for a server.

use std::{fs, path::Path};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

pub(super) const AUTHORITY: &str = "authority.pem";
pub(super) const CERTIFICATE: &str = "certificate.pem";
pub(super) const KEY: &str = "key.pem";

/// Writes an authority, a certificate and its key; gives the authority in PEM.
pub(super) fn write_certificates(directory: &Path) -> String {
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
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names)
        .and_then(|params| params.signed_by(&key, &issuer))
        .expect("a certificate can be made");

    let authority = authority.pem();
    for (name, text) in [
        (AUTHORITY, authority.clone()),
        (CERTIFICATE, certificate.pem()),
        (KEY, key.serialize_pem()),
    ] {
        fs::write(directory.join(name), text).expect("a file can be written");
    }
    authority
}
