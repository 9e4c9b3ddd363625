//! One tenant's API: a token, the facilities, one address.

use std::sync::Arc;

use chrono::TimeDelta;

use super::Finding;
use crate::{
    app,
    config::TenantSettings,
    docplanner::{ApiError, Probe, Quota, Sample, http_client},
    metrics::Metrics,
    retry::chain,
};

/// More than this, and what is due by our clock is not due by Docplanner's: a payment would be asked for too early.
const MUCH_SKEW: TimeDelta = TimeDelta::seconds(30);

const RENEW: &str = "copy client_id and client_secret from Docplanner, and look whether the tenant's domain is theirs";
const REACH: &str = "check domain or base_url, and the way out of the cluster";

/// Asks for a token, and if there is one, a few questions.
pub(super) async fn check(settings: &TenantSettings) -> Vec<Finding> {
    let place = place(settings);
    let metrics = Arc::new(Metrics::new([]));
    let http = http_client().map_err(anyhow::Error::from);
    let client = match http.and_then(|http| app::api_client(settings, http, &metrics)) {
        Ok(client) => client,
        Err(error) => return vec![Finding::error(place, format!("{error:#}"), REACH)],
    };
    if let Err(error) = client.check_credentials().await {
        return vec![refused(&place, "no token", &error)];
    }
    let probe = client.probe(settings.facilities.first().map(String::as_str)).await;
    judge(settings, &probe)
}

fn place(settings: &TenantSettings) -> String {
    format!("API of tenant {}", settings.id)
}

fn judge(settings: &TenantSettings, probe: &Probe) -> Vec<Finding> {
    let place = place(settings);
    let mut findings = vec![Finding::ok(&place, "it takes our credentials")];
    match &probe.facilities {
        Ok(shown) => findings.extend(facilities(settings, shown)),
        Err(error) => findings.push(refused(&place, "the list of facilities", error)),
    }
    match &probe.sample {
        // Told already.
        Err(error) if probe.facilities.as_ref().err() == Some(error) => {}
        Err(error) => findings.push(refused(&place, "an address", error)),
        Ok(None) => findings.push(Finding::note(&place, "no address to look at was found")),
        Ok(Some(sample)) => findings.push(address(&place, sample)),
    }
    findings.extend(probe.quota.map(|quota| rate_limit(&place, quota)));
    findings.extend(probe.ahead.map(|ahead| clock(&place, ahead)));
    findings
}

fn facilities(settings: &TenantSettings, shown: &[String]) -> Vec<Finding> {
    let place = place(settings);
    if shown.is_empty() {
        let remedy = "ask Docplanner to give this client access to the facilities";
        return vec![Finding::warning(place, "it shows no facility to this client", remedy)];
    }
    let hidden: Vec<_> = settings.facilities.iter().filter(|id| !shown.contains(id)).collect();
    if hidden.is_empty() {
        return vec![Finding::ok(place, format!("facilities that it shows: {}", shown.len()))];
    }
    let hidden: Vec<_> = hidden.into_iter().map(String::as_str).collect();
    let what = format!("it does not show these facilities to this client: {}", hidden.join(", "));
    let remedy =
        "correct the tenant's facilities, or ask Docplanner to give this client access to them";
    vec![Finding::warning(place, what, remedy)]
}

fn address(place: &str, sample: &Sample) -> Finding {
    let Sample { facility, address, facts, scopes } = sample;
    let scopes = if scopes.is_empty() { "no scope" } else { scopes };
    let subject = format!("address {address} of facility {facility}, asked with {scopes}");
    if facts.online_only.is_some() && facts.visit_payment.is_some() {
        return Finding::ok(place, format!("{subject}: it tells both flags"));
    }
    let told = |flag: Option<bool>| if flag.is_some() { "told" } else { "not told" };
    let what = format!(
        "{subject}: online_only is {}, visit_payment is {}; events go to partner.unclassified for a flag that is not told",
        told(facts.online_only),
        told(facts.visit_payment),
    );
    Finding::warning(place, what, "ask Docplanner to enable the online features for this client")
}

fn rate_limit(place: &str, quota: Quota) -> Finding {
    let Quota { limit, remaining, ends_at, .. } = quota;
    let what = format!("{remaining} of {limit} requests are left until {ends_at}");
    if remaining < limit / 10 {
        let remedy = "look who else uses this client; what needs the API waits until then";
        Finding::warning(place, what, remedy)
    } else {
        Finding::ok(place, what)
    }
}

fn clock(place: &str, ahead: TimeDelta) -> Finding {
    if ahead.abs() > MUCH_SKEW {
        let seconds = ahead.num_seconds();
        let word = if seconds > 0 { "ahead of" } else { "behind" };
        let what = format!("its clock is {} s {word} ours", seconds.abs());
        let remedy = "let this machine follow NTP: payments would be decided at the wrong time";
        Finding::warning(place, what, remedy)
    } else {
        Finding::ok(place, format!("its clock is within {} s of ours", MUCH_SKEW.num_seconds()))
    }
}

fn refused(place: &str, what: &str, error: &ApiError) -> Finding {
    let remedy = match error {
        ApiError::Unauthorized | ApiError::SecretRefused { .. } => RENEW,
        ApiError::Unknown { .. } => {
            "look whether the facility is this client's, and ask Docplanner for access to it"
        }
        ApiError::RateLimited { .. } | ApiError::Paused { .. } | ApiError::OutOfQuota { .. } => {
            "look who else uses this client, and ask again later"
        }
        ApiError::Firewall { .. } => {
            "ask Docplanner to let this cluster's address through its firewall"
        }
        _ => REACH,
    };
    Finding::error(place, format!("{what}: {}", chain(error)), remedy)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use chrono::Utc;

    use super::*;
    use crate::{checkup::Level, normalize::AddressFacts};

    fn settings() -> TenantSettings {
        let facilities = vec!["1".to_owned()];
        TenantSettings { id: "acme".into(), facilities, ..TenantSettings::default() }
    }

    fn sample(online_only: Option<bool>) -> Sample {
        let facts =
            AddressFacts { online_only, visit_payment: Some(true), ..AddressFacts::default() };
        Sample { facility: "1".into(), address: "2".into(), facts, scopes: "address.online_only" }
    }

    fn good() -> Probe {
        Probe {
            facilities: Ok(vec!["1".into(), "9".into()]),
            sample: Ok(Some(sample(Some(false)))),
            quota: None,
            ahead: Some(TimeDelta::zero()),
        }
    }

    fn quota(remaining: u64) -> Quota {
        let resets_at = Instant::now() + Duration::from_mins(1);
        Quota { limit: 8000, remaining, resets_at, ends_at: Utc::now() }
    }

    #[test]
    fn each_thing_that_is_wrong_with_an_api_is_told() {
        let failed = || ApiError::Failed { status: 503 };
        let cases = [
            (good(), Level::Ok),
            (Probe { facilities: Ok(vec![]), ..good() }, Level::Warning),
            (Probe { facilities: Ok(vec!["9".into()]), ..good() }, Level::Warning),
            (Probe { facilities: Err(failed()), ..good() }, Level::Error),
            (Probe { sample: Err(failed()), ..good() }, Level::Error),
            (Probe { sample: Ok(None), ..good() }, Level::Note),
            (Probe { sample: Ok(Some(sample(None))), ..good() }, Level::Warning),
            (Probe { quota: Some(quota(4000)), ..good() }, Level::Ok),
            (Probe { quota: Some(quota(40)), ..good() }, Level::Warning),
            (Probe { ahead: Some(TimeDelta::seconds(29)), ..good() }, Level::Ok),
            (Probe { ahead: Some(TimeDelta::seconds(31)), ..good() }, Level::Warning),
            (Probe { ahead: Some(TimeDelta::seconds(-31)), ..good() }, Level::Warning),
        ];
        for (probe, level) in cases {
            let worst = judge(&settings(), &probe).into_iter().map(|finding| finding.level).max();
            assert_eq!(worst, Some(level), "{probe:?}");
        }
    }

    #[test]
    fn one_failure_of_the_whole_api_is_told_once() {
        let failed = || ApiError::Failed { status: 503 };
        let probe = Probe { facilities: Err(failed()), sample: Err(failed()), ..good() };
        let errors = judge(&settings(), &probe);
        assert_eq!(errors.iter().filter(|finding| finding.level == Level::Error).count(), 1);
    }
}
