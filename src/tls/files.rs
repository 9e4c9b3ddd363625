//! The PEM files behind a connection, and what can be wrong with them.

use std::path::Path;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

/// The files of one section of the settings, all PEM.
#[derive(Debug, Clone, Copy)]
pub struct TlsFiles<'s> {
    /// The section, for messages.
    pub section: &'static str,
    /// CAs to trust instead of the system's.
    pub ca: Option<&'s Path>,
    /// Our certificate first, then those between it and its CA.
    pub client_cert: Option<&'s Path>,
    /// Its key: PKCS#8, PKCS#1 or SEC1.
    pub client_key: Option<&'s Path>,
}

/// What is wrong with a file. Never quotes one, because it may be the key's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{section}.{setting} {problem}")]
pub struct TlsFileError {
    /// The section of the settings.
    pub section: &'static str,
    /// Which of its settings names the file.
    pub setting: &'static str,
    /// What is wrong, with the file.
    pub problem: String,
}

const CA: &str = "ca_file";
const CERT: &str = "client_cert_file";
const KEY: &str = "client_key_file";

impl<'s> TlsFiles<'s> {
    /// The files that the settings name, each with its setting.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &'s Path)> + use<'s> {
        let files = [(CA, self.ca), (CERT, self.client_cert), (KEY, self.client_key)];
        files.into_iter().filter_map(|(setting, file)| Some((setting, file?)))
    }

    pub(super) fn ca_error(&self, problem: &str) -> TlsFileError {
        self.file_error(CA, self.ca, problem)
    }

    pub(super) fn cert_error(&self, problem: &str) -> TlsFileError {
        self.file_error(CERT, self.client_cert, problem)
    }

    pub(super) fn key_error(&self, problem: &str) -> TlsFileError {
        self.file_error(KEY, self.client_key, problem)
    }

    fn file_error(
        &self,
        setting: &'static str,
        file: Option<&Path>,
        problem: &str,
    ) -> TlsFileError {
        let file = file.unwrap_or(Path::new("the file")).display();
        self.error(setting, format!("{file} {problem}"))
    }

    fn error(&self, setting: &'static str, problem: String) -> TlsFileError {
        TlsFileError { section: self.section, setting, problem }
    }

    fn read(
        &self,
        setting: &'static str,
        file: Option<&Path>,
    ) -> Result<Option<Vec<u8>>, TlsFileError> {
        let Some(file) = file else { return Ok(None) };
        let cannot =
            |error| self.error(setting, format!("cannot read {}: {error}", file.display()));
        std::fs::read(file).map(Some).map_err(cannot)
    }

    /// At least one certificate.
    fn certificates(
        &self,
        setting: &'static str,
        file: &Path,
        pem: &[u8],
    ) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
        let shown = file.display();
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let certificates =
            read.map_err(|_| self.error(setting, format!("{shown} is not whole, or is no PEM")))?;
        if certificates.is_empty() {
            return Err(self.error(setting, format!("{shown} holds no certificate in PEM")));
        }
        Ok(certificates)
    }
}

/// What the files hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Contents {
    ca: Option<Vec<u8>>,
    client_cert: Option<Vec<u8>>,
    client_key: Option<Key>,
}

#[derive(Clone, PartialEq, Eq)]
struct Key(Vec<u8>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<secret>")
    }
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl Contents {
    pub(super) fn read(files: &TlsFiles<'_>) -> Result<Self, TlsFileError> {
        Ok(Self {
            ca: files.read(CA, files.ca)?,
            client_cert: files.read(CERT, files.client_cert)?,
            client_key: files.read(KEY, files.client_key)?.map(Key),
        })
    }

    /// The CAs to trust, if not the system's.
    pub(super) fn authorities(
        &self,
        files: &TlsFiles<'_>,
    ) -> Result<Option<Vec<CertificateDer<'static>>>, TlsFileError> {
        match (&self.ca, files.ca) {
            (Some(pem), Some(file)) => files.certificates(CA, file, pem).map(Some),
            (_, _) => Ok(None),
        }
    }

    /// Our certificate.
    pub(super) fn certificate(
        &self,
        files: &TlsFiles<'_>,
    ) -> Result<Option<Vec<CertificateDer<'static>>>, TlsFileError> {
        match (&self.client_cert, files.client_cert) {
            (Some(pem), Some(file)) => files.certificates(CERT, file, pem).map(Some),
            (_, _) => Ok(None),
        }
    }

    /// Our certificate and its key.
    pub(super) fn identity(&self, files: &TlsFiles<'_>) -> Result<Option<Identity>, TlsFileError> {
        match (self.certificate(files)?, &self.client_key) {
            (None, None) => Ok(None),
            (Some(_), None) => Err(files.error(CERT, "needs client_key_file beside it".to_owned())),
            (None, Some(_)) => Err(files.error(KEY, "needs client_cert_file beside it".to_owned())),
            (Some(chain), Some(key)) => {
                // The parser's error may quote a line of the key.
                let key = PrivateKeyDer::from_pem_slice(&key.0).map_err(|_| {
                    files.key_error(
                        "holds no key in PEM: PKCS#8, PKCS#1 or SEC1, without a password",
                    )
                })?;
                Ok(Some((chain, key)))
            }
        }
    }
}
