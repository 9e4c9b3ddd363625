//! The partner's own identifiers in an event, and what has none.

use crate::{
    event::{Data, Mappable, Modality},
    notification::presentable_id,
};

/// The partner's own identifiers of what a notification names. `None`: not mapped, or not named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartnerIds {
    /// The clinic.
    pub facility: Option<String>,
    /// The doctor.
    pub doctor: Option<String>,
    /// The calendar.
    pub address: Option<String>,
    /// The service of the booking, or the service that the notification is about.
    pub service: Option<String>,
    /// Whether that service takes place online, where its mapping says so.
    pub service_online: Option<bool>,
    /// The service of the booking that was moved, at the only address that a move names.
    pub previous_service: Option<String>,
}

/// What of an event is not mapped, by Docplanner's ids.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not mapped: {0}")]
pub struct Unmapped(String);

impl Unmapped {
    /// `None` if everything is mapped. Tells ids only, and only what looks like one.
    #[must_use]
    pub fn of(data: &Data) -> Option<Self> {
        let address = data.address.id.as_deref();
        let of = |what: &Mappable| match what {
            Mappable::Facility => shown(*what, data.facility.id.as_deref()),
            Mappable::Doctor => shown(*what, data.doctor.id.as_deref()),
            Mappable::Address => shown(*what, address),
            Mappable::Service => {
                let (service, partner_id) = data.named_service().unwrap_or_default();
                let why = partner_id.map_or("", |_| " (mapped without `online`)");
                let address = shown(Mappable::Address, address);
                format!("{} at {address}{why}", shown(*what, service))
            }
        };
        let told: Vec<_> = data.unmapped.iter().map(of).collect();
        (!told.is_empty()).then(|| Self(told.join(", ")))
    }
}

fn shown(what: Mappable, id: Option<&str>) -> String {
    let what = what.as_str();
    match id.and_then(presentable_id) {
        Some(id) => format!("{what} {id}"),
        None => format!("the {what}"),
    }
}

impl Data {
    /// Fills in the partner's identifiers and tells what is missing. If `service_decides`, the
    /// mapping of the service says whether the visit is online, where it does say so.
    pub(super) fn identify(&mut self, partner: &PartnerIds, service_decides: bool) {
        self.facility.partner_id.clone_from(&partner.facility);
        self.doctor.partner_id.clone_from(&partner.doctor);
        self.address.partner_id.clone_from(&partner.address);
        if let Some(service) = self.booking.as_mut().and_then(|booking| booking.service.as_mut()) {
            service.partner_id.clone_from(&partner.service);
        }
        if let Some(service) = &mut self.service {
            service.partner_id.clone_from(&partner.service);
        }
        let previous = self.previous_booking.as_mut();
        if let Some(service) = previous.and_then(|booking| booking.service.as_mut()) {
            service.partner_id.clone_from(&partner.previous_service);
        }
        if service_decides && partner.service_online.is_some() {
            self.modality = Modality::from(partner.service_online);
        }
        self.unmapped = self.without_mapping(service_decides && partner.service_online.is_none());
    }

    /// What is named and has no identifier of the partner's. What the notification does not name
    /// cannot be mapped; the service of the previous booking may long be gone.
    fn without_mapping(&self, service_lacks_online: bool) -> Vec<Mappable> {
        let lacks =
            |id: &Option<String>, partner_id: &Option<String>| id.is_some() && partner_id.is_none();
        let service = self.named_service();
        let service_lacks = service.is_some_and(|(id, partner_id)| {
            id.is_some() && (partner_id.is_none() || service_lacks_online)
        });
        [
            (Mappable::Facility, lacks(&self.facility.id, &self.facility.partner_id)),
            (Mappable::Doctor, lacks(&self.doctor.id, &self.doctor.partner_id)),
            (Mappable::Address, lacks(&self.address.id, &self.address.partner_id)),
            (Mappable::Service, service_lacks),
        ]
        .into_iter()
        .filter_map(|(what, lacks)| lacks.then_some(what))
        .collect()
    }

    /// The service that the event is about, with its identifier of the partner's.
    fn named_service(&self) -> Option<(Option<&str>, Option<&str>)> {
        let booked = self.booking.as_ref().and_then(|booking| booking.service.as_ref());
        let booked = booked.map(|service| (service.id.as_deref(), service.partner_id.as_deref()));
        let changed = self.service.as_ref();
        booked.or(changed.map(|service| (service.id.as_deref(), service.partner_id.as_deref())))
    }
}

#[cfg(test)]
mod tests;
