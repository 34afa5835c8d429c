//! What PEM files of certificates and keys hold.

use jiff::Timestamp;
use pkcs8::EncryptedPrivateKeyInfoRef;
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer,
    pem::{self, PemObject as _},
};
use x509_cert::der::{Decode as _, SliceReader};

/// The certificates of a file, at least one.
pub(super) fn certificates(file: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(file)
        .collect::<Result<_, _>>()
        .map_err(|error| describe(&error))?;
    if chain.is_empty() {
        return Err(
            "there is no \"-----BEGIN CERTIFICATE-----\" in it; PEM is wanted, not PFX or DER"
                .to_owned(),
        );
    }
    Ok(chain)
}

/// The first private key of a file, decrypted if need be.
pub(super) fn private_key(
    file: &[u8],
    password: Option<&str>,
) -> Result<PrivateKeyDer<'static>, String> {
    if let Some(encrypted) = section(file, "ENCRYPTED PRIVATE KEY")? {
        let password =
            password.ok_or("the private key is encrypted, and there is no password for it")?;
        return decrypt(&encrypted, password);
    }
    if contains(file, b"Proc-Type: 4,ENCRYPTED") {
        return Err("the private key is encrypted in the old form of OpenSSL; \
                    \"openssl pkcs8 -topk8\" turns it into one that can be read"
            .to_owned());
    }
    PrivateKeyDer::from_pem_slice(file).map_err(|error| match error {
        pem::Error::NoItemsFound => "there is no private key in it".to_owned(),
        error => describe(&error),
    })
}

/// When a certificate expires.
pub(super) fn expiry(certificate: &CertificateDer<'_>) -> Result<Timestamp, String> {
    let unreadable = |error| format!("the certificate cannot be read: {error}");
    let mut reader = SliceReader::new(certificate).map_err(unreadable)?;
    let certificate = x509_cert::Certificate::decode(&mut reader).map_err(unreadable)?;
    let not_after = certificate.tbs_certificate().validity().not_after;
    // Times before 1970 and after 9999 do not exist in the format.
    let seconds = i64::try_from(not_after.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    Ok(Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX))
}

fn decrypt(encrypted: &[u8], password: &str) -> Result<PrivateKeyDer<'static>, String> {
    let info = EncryptedPrivateKeyInfoRef::try_from(encrypted)
        .map_err(|error| format!("the encrypted private key cannot be read: {error}"))?;
    let key = info.decrypt(password).map_err(|_| {
        "the private key cannot be decrypted: wrong password, or a cipher other than AES".to_owned()
    })?;
    Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into())
}

/// The contents of the first section with this label; the PEM reader of rustls passes over labels it does not know.
fn section(file: &[u8], label: &str) -> Result<Option<Vec<u8>>, String> {
    let Ok(text) = std::str::from_utf8(file) else {
        return Ok(None);
    };
    let begin = format!("-----BEGIN {label}-----");
    let end = format!("-----END {label}-----");
    let Some((_, rest)) = text.split_once(&begin) else {
        return Ok(None);
    };
    let (body, _) = rest
        .split_once(&end)
        .ok_or_else(|| format!("\"{end}\" is missing"))?;
    let body: String = body.split_ascii_whitespace().collect();
    let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, body)
        .map_err(|error| format!("{label} is no base64: {error}"))?;
    Ok(Some(bytes))
}

fn contains(file: &[u8], needle: &[u8]) -> bool {
    file.windows(needle.len()).any(|window| window == needle)
}

fn describe(error: &pem::Error) -> String {
    format!("this is no PEM: {error}")
}
