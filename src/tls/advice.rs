//! From a failed handshake to what to change in the settings.

use std::{error::Error, io};

use rustls::{AlertDescription, CertificateError};

/// What to look at in this section of the settings, if the error is one of TLS.
///
/// With TLS 1.3 a server refuses a client's certificate only after the handshake, so that the error may
/// come from the first read.
#[must_use]
pub fn advice(section: &str, error: &(dyn Error + 'static)) -> Option<String> {
    Some(match rustls_error(error)? {
        rustls::Error::InvalidCertificate(refused) => match refused {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                format!("{section}.ca_file does not hold the CA of the server's certificate")
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!("the server's certificate is not for the host in {section}.url")
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the server's certificate has expired".to_owned()
            }
            _ => format!("the server's certificate cannot be verified with {section}.ca_file"),
        },
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::NoCertificate
            | AlertDescription::HandshakeFailure,
        ) => format!("the server wants a certificate: {section}.client_cert_file"),
        rustls::Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError,
        ) => format!("the server does not accept {section}.client_cert_file"),
        _ => return None,
    })
}

/// The same for a connection that broke at the first words after the handshake: a server that refuses
/// our certificate may be gone before its refusal is read.
#[must_use]
pub fn advice_if_broken(section: &str, error: &(dyn Error + 'static)) -> Option<String> {
    let broken = [
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::ConnectionAborted,
        io::ErrorKind::BrokenPipe,
        io::ErrorKind::UnexpectedEof,
    ];
    let mut causes = std::iter::successors(Some(error), |&error| error.source());
    let kind = causes.find_map(|cause| cause.downcast_ref::<io::Error>())?.kind();
    let told =
        || format!("the server may want a certificate, or another: {section}.client_cert_file");
    broken.contains(&kind).then(told)
}

/// The cause that is rustls's. An [`io::Error`] does not tell the error it was made from as its source.
fn rustls_error<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    if let Some(found) = error.downcast_ref::<rustls::Error>() {
        return Some(found);
    }
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    match inner {
        Some(inner) => rustls_error(inner),
        None => rustls_error(error.source()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("a client crate's error")]
    struct Outer(#[source] io::Error);

    #[test]
    fn advice_is_found_however_deep_the_cause() {
        let refused = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let wrapped = Outer(io::Error::other(io::Error::other(refused)));
        let told = advice("broker", &wrapped).unwrap();
        assert_eq!(told, "broker.ca_file does not hold the CA of the server's certificate");
        assert_eq!(advice("broker", &Outer(io::Error::other("no cause"))), None);
        assert_eq!(advice("broker", &io::Error::from(io::ErrorKind::ConnectionReset)), None);
    }
}
