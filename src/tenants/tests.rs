use super::*;
use crate::{
    clock,
    config::{Credential, LimitSettings},
    docplanner::{ApiClient, ApiSettings, http_client},
    metrics::Metrics,
};

fn tenant(id: &str, facilities: &[&str]) -> Arc<Tenant> {
    let settings = TenantSettings {
        id: id.to_owned(),
        domain: "znanylekarz.pl".to_owned(),
        facilities: facilities.iter().map(ToString::to_string).collect(),
        ..TenantSettings::default()
    };
    // Another test may have done it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let api = ApiSettings {
        tenant: settings.id.clone(),
        base_url: settings.base_url().unwrap(),
        client_id: String::new(),
        client_secret: Credential::default(),
        limits: LimitSettings::default(),
    };
    let client =
        ApiClient::new(api, http_client().unwrap(), clock::system, Arc::new(Metrics::new([])));
    Arc::new(Tenant::new(settings, Arc::new(client)))
}

fn tenants(lists: &[(&str, &[&str])]) -> Tenants {
    let all = lists.iter().map(|(id, facilities)| tenant(id, facilities)).collect();
    Tenants::new(all, vec![])
}

fn resolved(tenants: &Tenants, header: Option<&str>, facility: Option<&str>) -> String {
    told(tenants.resolve(header, facility, false))
}

fn told(resolved: Result<Arc<Tenant>, UnknownTenant>) -> String {
    match resolved {
        Ok(tenant) => tenant.profile.id.clone(),
        Err(error) => error.to_string(),
    }
}

const HEADER: &str = "header x-docplanner-tenant names no configured tenant";
const NOT_LISTED: &str =
    "facility 9 is in no tenant's list, and there is no header x-docplanner-tenant";
const NOTHING: &str = "there is neither a header x-docplanner-tenant nor a facility";

#[test]
fn a_tenant_is_told_by_header_then_facility_then_being_the_only_one_without_a_list() {
    let both = tenants(&[("acme", &["1", "2"]), ("rest", &[])]);
    assert_eq!(resolved(&both, Some("acme"), Some("9")), "acme");
    assert_eq!(resolved(&both, None, Some("2")), "acme");
    assert_eq!(resolved(&both, None, Some("9")), "rest");
    assert_eq!(resolved(&both, None, None), "rest");
    assert_eq!(resolved(&both, Some("nobody"), Some("1")), HEADER);

    let listed = tenants(&[("acme", &["1"])]);
    assert_eq!(resolved(&listed, None, Some("9")), NOT_LISTED);
    assert_eq!(resolved(&listed, None, None), NOTHING);

    assert_eq!(listed.presumed(None).map(|t| t.profile.id.as_str()), Some("acme"));
    assert!(listed.presumed(Some("nobody")).is_none());
    assert!(both.presumed(None).is_none());
    assert_eq!(both.presumed(Some("acme")).map(|t| t.profile.id.as_str()), Some("acme"));

    let two_without = tenants(&[("a", &[]), ("b", &[])]);
    assert_eq!(resolved(&two_without, None, Some("9")), NOT_LISTED);
}

#[test]
fn a_tenant_that_is_leaving_gets_what_was_begun_and_nothing_new() {
    let leaving = tenant("gone", &["1"]);
    let tenants = Tenants::new(vec![tenant("acme", &["2"])], vec![leaving]);
    assert_eq!(told(tenants.resolve(Some("gone"), Some("1"), true)), "gone");
    assert_eq!(told(tenants.resolve(Some("gone"), Some("1"), false)), HEADER);
    assert_eq!(resolved(&tenants, None, Some("1")), NOT_LISTED.replace('9', "1"));
    // Whoever has the facility by now: it was begun for another.
    assert_eq!(told(tenants.resolve(Some("gone"), Some("2"), true)), "gone");
    assert_eq!(told(tenants.resolve(Some("acme"), Some("1"), true)), "acme");
    assert!(tenants.of_id("gone").is_some(), "its timers go on");
    assert!(tenants.presumed(Some("gone")).is_none());
}
