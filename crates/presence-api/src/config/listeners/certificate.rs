//! Where a certificate is.

use std::path::{Path, PathBuf};

use dotnet_config::{Reader, Secret, SecretText, Text};

/// Where a certificate and its key are, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The certificate and its chain.
    pub path: PathBuf,
    /// The private key, `None` if it is in the same file.
    pub key_path: Option<PathBuf>,
    /// The password of an encrypted key.
    pub password: Option<Secret>,
}

/// The certificate that a section describes, if it does.
pub(super) fn read(reader: &mut Reader<'_>, section: &str) -> Option<Certificate> {
    let [path_key, key_path_key, password_key] =
        ["Path", "KeyPath", "Password"].map(|name| format!("{section}:{name}"));
    let path = reader.optional(&path_key, &Text::called("the file of a certificate in PEM"));
    let key_path = reader.optional(
        &key_path_key,
        &Text::called("the file of a private key in PEM"),
    );
    let password = reader.optional(&password_key, &SecretText);
    let Some(path) = path.map(PathBuf::from) else {
        if key_path.is_some() {
            reader.refuse(
                &path_key,
                format!("the certificate to the key of {key_path_key}"),
            );
        }
        return None;
    };
    if is_pkcs12(&path) {
        reader.refuse(&path_key, in_pem(&path));
    }
    Some(Certificate {
        path,
        key_path: key_path.map(PathBuf::from),
        password,
    })
}

fn is_pkcs12(path: &Path) -> bool {
    path.extension().is_some_and(|extension| {
        ["pfx", "p12"]
            .iter()
            .any(|other| extension.eq_ignore_ascii_case(other))
    })
}

fn in_pem(path: &Path) -> String {
    let (from, to) = (path.display(), path.with_extension("pem"));
    format!(
        "a file in PEM; convert it with: openssl pkcs12 -in '{from}' -nodes -out '{to}'",
        to = to.display()
    )
}
