//! Until when the certificates in the settings are good.

use chrono::{DateTime, TimeDelta, Utc};
use rustls::pki_types::CertificateDer;
use x509_cert::{Certificate, der::Decode};

use super::files::{Contents, TlsFileError, TlsFiles};

/// How long before its end a certificate is told of.
const SOON: TimeDelta = TimeDelta::days(14);

/// When the certificates of a file end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// The setting that names the file, without its section.
    pub setting: &'static str,
    /// The end: of the CA that lasts longest, of our own certificate.
    pub at: DateTime<Utc>,
}

impl Expiry {
    /// Whether nobody accepts it any more.
    #[must_use]
    pub fn is_over(&self, now: DateTime<Utc>) -> bool {
        self.at <= now
    }

    /// Whether it is time to renew it.
    #[must_use]
    pub fn is_soon(&self, now: DateTime<Utc>) -> bool {
        self.at <= now + SOON
    }
}

/// When the certificates in these files end, as far as that can be read.
///
/// # Errors
///
/// If the files cannot be used.
pub fn expiries(files: &TlsFiles<'_>) -> Result<Vec<Expiry>, TlsFileError> {
    let contents = Contents::read(files)?;
    let longest = contents.authorities(files)?.iter().flatten().filter_map(end_of).max();
    let own = contents.certificate(files)?.iter().flatten().next().and_then(end_of);
    let expiry = |(setting, at): (_, Option<_>)| Some(Expiry { setting, at: at? });
    Ok([("ca_file", longest), ("client_cert_file", own)].into_iter().filter_map(expiry).collect())
}

fn end_of(certificate: &CertificateDer<'_>) -> Option<DateTime<Utc>> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let end = certificate.tbs_certificate.validity.not_after.to_unix_duration();
    DateTime::from_timestamp(end.as_secs().try_into().ok()?, 0)
}
