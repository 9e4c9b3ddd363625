//! TLS for everything that leaves the process: rustls with `ring`, the server's name and certificate
//! always verified, by the system's CAs or by those of the operator.

mod advice;
mod expiry;
mod files;

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

use self::files::Contents;
pub use self::{
    advice::{advice, advice_if_broken},
    expiry::{Expiry, expiries},
    files::{TlsFileError, TlsFiles},
};
use crate::rotation::LastGood;

/// Makes `ring` the provider of this process. Call it first; a second call changes nothing.
pub fn install_provider() {
    // The error says that a provider is there already, which is all that is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// What TLS needs for one server, made from files that may be replaced while the worker runs. Clones
/// share what they know of the files.
#[derive(Debug, Clone, Default)]
pub struct ClientTls(Arc<LastGood<Made>>);

/// Client settings, and what they were made from.
#[derive(Debug, Clone)]
struct Made {
    contents: Contents,
    config: Arc<ClientConfig>,
}

impl ClientTls {
    /// Client settings from the files as they are now. The same ones as long as the files are the same,
    /// so that sessions are resumed.
    ///
    /// # Errors
    ///
    /// If the files cannot be used, and never could.
    pub fn now(&self, files: &TlsFiles<'_>) -> Result<Arc<ClientConfig>, TlsFileError> {
        let what = format!("{}'s certificates", files.section);
        let made = self.0.or_last(&what, |last| {
            let contents = Contents::read(files)?;
            if let Some(last) = last.filter(|last| last.contents == contents) {
                return Ok(last.clone());
            }
            let config = Arc::new(client_config(files, &contents)?);
            Ok(Made { contents, config })
        })?;
        Ok(made.config)
    }
}

impl PartialEq for Made {
    fn eq(&self, other: &Self) -> bool {
        self.contents == other.contents
    }
}

/// Whether TLS could be set up from these files. Without any it always can.
///
/// # Errors
///
/// The first thing that is wrong.
pub fn check(files: &TlsFiles<'_>) -> Result<(), TlsFileError> {
    if files.named().next().is_none() {
        return Ok(());
    }
    client_config(files, &Contents::read(files)?).map(drop)
}

fn client_config(files: &TlsFiles<'_>, contents: &Contents) -> Result<ClientConfig, TlsFileError> {
    install_provider();
    let mut roots = RootCertStore::empty();
    match contents.authorities(files)? {
        Some(authorities) => {
            for authority in authorities {
                roots.add(authority).map_err(|_| files.ca_error("holds what is no CA"))?;
            }
        }
        // Single unreadable certificates of the system are no reason to trust none.
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let config = ClientConfig::builder().with_root_certificates(roots);
    match contents.identity(files)? {
        None => Ok(config.with_no_client_auth()),
        Some((chain, key)) => {
            config.with_client_auth_cert(chain, key).map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => {
                    files.key_error("is not the certificate's key")
                }
                // rustls words what it does not like of our certificate as if it were the server's.
                rustls::Error::InvalidCertificate(error) => {
                    files.cert_error(&format!("holds a certificate that cannot be used ({error})"))
                }
                error => files.key_error(&format!("cannot be used ({error})")),
            })
        }
    }
}
