//! Our own certificates, and the CAs we trust.

use chrono::{DateTime, Utc};

use super::Finding;
use crate::tls::{self, Expiry, TlsFiles};

const RENEW: &str = "renew it; a running worker takes the new one with its next connection";

/// Certificates that end within two weeks, or have ended. Files that cannot be read are told with the settings.
#[must_use]
pub fn certificates(files: &TlsFiles<'_>, now: DateTime<Utc>) -> Vec<Finding> {
    let expiries = tls::expiries(files).unwrap_or_default();
    let ending = expiries.into_iter().filter(|expiry| expiry.is_soon(now));
    ending.map(|expiry| judge(files.section, &expiry, now)).collect()
}

fn judge(section: &str, expiry: &Expiry, now: DateTime<Utc>) -> Finding {
    let place = format!("{section}.{}", expiry.setting);
    if expiry.is_over(now) {
        Finding::error(place, format!("the certificate ended {}", expiry.at), RENEW)
    } else {
        Finding::warning(place, format!("the certificate ends {}", expiry.at), RENEW)
    }
}
