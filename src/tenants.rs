//! Whose notification it is.

use std::{collections::HashMap, fmt, sync::Arc};

use crate::{
    config::{OnEnrichmentFailure, OnMissing, OnlineDetection, TenantSettings},
    event::Event,
    normalize::{TenantProfile, Unmapped},
    notification::{Fact, presentable_id},
    payment::Terms,
};

/// A configured tenant.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// What shows in its events.
    pub profile: TenantProfile,
    /// What becomes of a notification whose address's flags cannot be had.
    pub on_enrichment_failure: OnEnrichmentFailure,
    /// What becomes of an event that names something without a mapping.
    pub on_missing: OnMissing,
}

/// All tenants, found by what a notification tells.
#[derive(Debug)]
pub struct Tenants {
    all: Vec<Arc<Tenant>>,
    by_id: HashMap<String, usize>,
    by_facility: HashMap<String, usize>,
    /// The only tenant without a list of facilities: the rest is its.
    catch_all: Option<usize>,
}

/// No configured tenant owns the notification.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownTenant {
    /// The header does not name one.
    #[error("header x-docplanner-tenant names no configured tenant")]
    Header,
    /// There is no header, and the facility is in no list.
    #[error("{0} is in no tenant's list, and there is no header x-docplanner-tenant")]
    Facility(ShownFacility),
    /// There is neither header nor facility.
    #[error("there is neither a header x-docplanner-tenant nor a facility")]
    NothingTold,
}

/// A facility as an error may name it: by its id, unless that is no id but whatever stood in its
/// place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownFacility(Option<String>);

impl ShownFacility {
    fn new(id: &str) -> Self {
        Self(presentable_id(id).map(str::to_owned))
    }
}

impl fmt::Display for ShownFacility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(id) => write!(f, "facility {id}"),
            None => f.write_str("the facility"),
        }
    }
}

impl Tenants {
    /// The tenants of the settings.
    #[must_use]
    pub fn new(settings: &[TenantSettings]) -> Self {
        let indexed = || settings.iter().enumerate();
        let mut without_list = indexed().filter(|(_, tenant)| tenant.facilities.is_empty());
        let catch_all = match (without_list.next(), without_list.next()) {
            (Some((nth, _)), None) => Some(nth),
            (Some(_), Some(_)) | (None, _) => None,
        };
        Self {
            all: settings.iter().map(|tenant| Arc::new(tenant.into())).collect(),
            by_id: indexed().map(|(nth, tenant)| (tenant.id.clone(), nth)).collect(),
            by_facility: indexed()
                .flat_map(|(nth, tenant)| tenant.facilities.iter().map(move |f| (f.clone(), nth)))
                .collect(),
            catch_all,
        }
    }

    /// The tenant of this id.
    #[must_use]
    pub fn of_id(&self, id: &str) -> Option<Arc<Tenant>> {
        self.by_id.get(id).map(|nth| Arc::clone(&self.all[*nth]))
    }

    /// Every tenant's id.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        self.all.iter().map(|tenant| tenant.profile.id.clone()).collect()
    }

    /// Whose a notification must be that cannot be read: who the header names, or the only one
    /// there is.
    #[must_use]
    pub fn presumed(&self, header: Option<&str>) -> Option<&Tenant> {
        let nth = match (header, self.all.len()) {
            (Some(id), _) => self.by_id.get(id).copied(),
            (None, 1) => Some(0),
            (None, _) => None,
        };
        nth.map(|nth| &*self.all[nth])
    }

    /// The tenant by the header, else by the facility, else the only one without a list.
    ///
    /// # Errors
    ///
    /// If none of these tells. A header that names nobody is not passed over: the notification
    /// would go to somebody else.
    pub fn resolve(
        &self,
        header: Option<&str>,
        facility: Option<&str>,
    ) -> Result<Arc<Tenant>, UnknownTenant> {
        let nth = match (header, facility) {
            (Some(id), _) => self.by_id.get(id).copied().ok_or(UnknownTenant::Header),
            (None, Some(facility)) => self
                .by_facility
                .get(facility)
                .copied()
                .or(self.catch_all)
                .ok_or_else(|| UnknownTenant::Facility(ShownFacility::new(facility))),
            (None, None) => self.catch_all.ok_or(UnknownTenant::NothingTold),
        }?;
        Ok(Arc::clone(&self.all[nth]))
    }
}

impl Tenant {
    /// What has to be mapped before the event may be published. Nothing holds back that an
    /// address or a service is gone: nobody would map it any more.
    #[must_use]
    pub fn holds(&self, fact: &Fact, event: &Event) -> Option<Unmapped> {
        match self.on_missing {
            OnMissing::Hold if !fact.ends_what_is_mapped() => Unmapped::of(&event.data),
            OnMissing::Hold | OnMissing::Publish => None,
        }
    }
}

impl From<&TenantSettings> for Tenant {
    fn from(settings: &TenantSettings) -> Self {
        Self {
            profile: TenantProfile {
                id: settings.id.clone(),
                domain: settings.domain.clone(),
                payment: Terms { window: settings.payments.window, grace: settings.payments.grace },
                fetch_missing_url: settings.video.fetch_missing_url,
                reminders: settings.video.reminders.clone(),
                service_decides: settings.online_detection == OnlineDetection::Service,
            },
            on_enrichment_failure: settings.on_enrichment_failure,
            on_missing: settings.mapping.on_missing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenants(lists: &[(&str, &[&str])]) -> Tenants {
        let settings: Vec<_> = lists
            .iter()
            .map(|(id, facilities)| TenantSettings {
                id: (*id).to_owned(),
                facilities: facilities.iter().map(ToString::to_string).collect(),
                ..TenantSettings::default()
            })
            .collect();
        Tenants::new(&settings)
    }

    fn resolved(tenants: &Tenants, header: Option<&str>, facility: Option<&str>) -> String {
        match tenants.resolve(header, facility) {
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
}
