//! TLS for everything that leaves the process: rustls with `ring`, the system's certificates, and a
//! CA file of the operator's where one is set.

use std::path::Path;

use anyhow::Context;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

/// Makes `ring` the provider of this process. Call it first; a second call changes nothing.
pub fn install_provider() {
    // The error says that a provider is there already, which is all that is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Client settings that always verify the server's name and certificate.
///
/// # Errors
///
/// If `ca_file` cannot be read or holds no certificate.
pub fn client_config(ca_file: Option<&Path>) -> anyhow::Result<ClientConfig> {
    install_provider();
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca_file {
        for certificate in CertificateDer::pem_file_iter(path)
            .with_context(|| format!("cannot read CA file {}", path.display()))?
        {
            roots.add(certificate?).with_context(|| format!("CA file {}", path.display()))?;
        }
        anyhow::ensure!(!roots.is_empty(), "CA file {} holds no certificate", path.display());
    } else {
        // Single unreadable certificates of the system are no reason to trust none.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}
