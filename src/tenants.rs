//! Whose notification it is, and everything that belongs to one tenant.

mod roster;

use std::{collections::HashMap, fmt, sync::Arc};

pub use self::roster::Roster;
use crate::{
    config::{OnEnrichmentFailure, OnMissing, OnlineDetection, RouteSettings, TenantSettings},
    docplanner::{ApiClient, TenantApi},
    event::Event,
    normalize::{AddressFacts, TenantProfile, Unmapped},
    notification::{Fact, presentable_id},
    payment::Terms,
    route::{Conditions, Route, Rule, Target, kinds_of, route},
};

/// A configured tenant, with all that its settings say. A delivery holds on to the one that it began with, whatever
/// becomes of the settings meanwhile.
pub struct Tenant {
    /// What all of this was made from.
    pub settings: TenantSettings,
    /// What shows in its events.
    pub profile: TenantProfile,
    /// Where its events go, in place of the default queues.
    pub rules: Vec<Rule>,
    /// Docplanner's API, as this tenant asks it.
    pub api: TenantApi,
    /// What becomes of a notification whose address's flags cannot be had.
    pub on_enrichment_failure: OnEnrichmentFailure,
    /// What becomes of an event that names something without a mapping.
    pub on_missing: OnMissing,
}

/// All tenants, found by what a notification tells.
#[derive(Default)]
pub struct Tenants {
    all: Vec<Arc<Tenant>>,
    by_id: HashMap<String, usize>,
    by_facility: HashMap<String, usize>,
    /// The only tenant without a list of facilities: the rest is its.
    catch_all: Option<usize>,
    /// No longer configured: what was begun for them is finished, nothing new is taken.
    leaving: Vec<Arc<Tenant>>,
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
    /// These tenants, and those that are leaving.
    #[must_use]
    pub fn new(all: Vec<Arc<Tenant>>, leaving: Vec<Arc<Tenant>>) -> Self {
        let indexed = || all.iter().map(|tenant| &tenant.settings).enumerate();
        let mut without_list = indexed().filter(|(_, tenant)| tenant.facilities.is_empty());
        let catch_all = match (without_list.next(), without_list.next()) {
            (Some((nth, _)), None) => Some(nth),
            (Some(_), Some(_)) | (None, _) => None,
        };
        Self {
            by_id: indexed().map(|(nth, tenant)| (tenant.id.clone(), nth)).collect(),
            by_facility: indexed()
                .flat_map(|(nth, tenant)| tenant.facilities.iter().map(move |f| (f.clone(), nth)))
                .collect(),
            catch_all,
            all,
            leaving,
        }
    }

    /// The tenants that are configured.
    #[must_use]
    pub fn all(&self) -> &[Arc<Tenant>] {
        &self.all
    }

    /// Those that are not any more.
    #[must_use]
    pub fn leaving(&self) -> &[Arc<Tenant>] {
        &self.leaving
    }

    /// The tenant of this id, also one that is leaving.
    #[must_use]
    pub fn of_id(&self, id: &str) -> Option<Arc<Tenant>> {
        let configured = self.by_id.get(id).map(|nth| &self.all[*nth]);
        let leaving = || self.leaving.iter().find(|tenant| tenant.is_of(id));
        configured.or_else(leaving).map(Arc::clone)
    }

    /// Every tenant's id, also of those that are leaving.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        self.all.iter().chain(&self.leaving).map(|tenant| tenant.profile.id.clone()).collect()
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

    /// The tenant by the header, else by the facility, else the only one without a list. What comes back from a
    /// retry queue may be of a tenant that is leaving: the copy's header names it.
    ///
    /// # Errors
    ///
    /// If none of these tells. A header that names nobody is not passed over: the notification
    /// would go to somebody else.
    pub fn resolve(
        &self,
        header: Option<&str>,
        facility: Option<&str>,
        was_begun: bool,
    ) -> Result<Arc<Tenant>, UnknownTenant> {
        if let Some(tenant) = header.filter(|_| was_begun).and_then(|id| self.of_id(id)) {
            return Ok(tenant);
        }
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
    /// A tenant of these settings, which asks its API through this client.
    #[must_use]
    pub fn new(settings: TenantSettings, client: Arc<ApiClient>) -> Self {
        Self {
            profile: TenantProfile::from(&settings),
            rules: settings.routes.iter().map(Rule::from).collect(),
            api: TenantApi { client, flags_ttl: settings.flags_ttl },
            on_enrichment_failure: settings.on_enrichment_failure,
            on_missing: settings.mapping.on_missing,
            settings,
        }
    }

    /// Whether it is the one of this id.
    #[must_use]
    pub fn is_of(&self, id: &str) -> bool {
        self.profile.id == id
    }

    /// Where one of its events goes.
    #[must_use]
    pub fn route(&self, event: &Event, facts: &AddressFacts) -> Route {
        route(event, facts, &self.rules)
    }

    /// What has to be mapped before the event may be published. Nothing holds back that an
    /// address or a service is gone: nobody would map it any more; nor what nobody gets.
    #[must_use]
    pub fn holds(&self, fact: &Fact, event: &Event, route: &Route) -> Option<Unmapped> {
        match self.on_missing {
            OnMissing::Hold if !fact.ends_what_is_mapped() && !route.is_drop() => {
                Unmapped::of(&event.data)
            }
            OnMissing::Hold | OnMissing::Publish => None,
        }
    }
}

impl From<&TenantSettings> for TenantProfile {
    fn from(settings: &TenantSettings) -> Self {
        Self {
            id: settings.id.clone(),
            domain: settings.domain.clone(),
            payment: Terms { window: settings.payments.window, grace: settings.payments.grace },
            fetch_missing_url: settings.video.fetch_missing_url,
            reminders: settings.video.reminders.clone(),
            service_decides: settings.online_detection == OnlineDetection::Service,
        }
    }
}

impl From<&RouteSettings> for Rule {
    fn from(settings: &RouteSettings) -> Self {
        let RouteSettings { matches, queue, exchange, routing_key, drop: _ } = settings;
        let patterns = matches.events.as_ref();
        let conditions = Conditions {
            online_only: matches.online_only,
            visit_payment: matches.visit_payment,
            modality: matches.modality,
            events: patterns.map(|them| them.iter().flat_map(|it| kinds_of(it)).collect()),
        };
        let target = match (queue, exchange) {
            (Some(queue), _) => Target::Queue(queue.clone()),
            (None, Some(exchange)) => Target::Exchange {
                name: exchange.clone(),
                routing_key: routing_key.clone().unwrap_or_default(),
            },
            (None, None) => Target::Drop,
        };
        Self { conditions, target }
    }
}

#[cfg(test)]
mod tests;
