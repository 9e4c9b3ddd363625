//! How the notifications about breaks, services and addresses come about.

use chrono::Duration;
use serde_json::json;

use super::Change;
use super::bodies;
use super::kind::Kind;
use super::life::{Break, Fact, Life};
use crate::simulator::world::{CommercialType, Service};

/// Breaks.
impl Life {
    pub(super) fn break_created(&mut self) -> Fact {
        let (place, id) = (self.pick_any_place(), self.next_id());
        let since = self.people.visit_time(self.clock, &mut self.random);
        let till = since + Duration::minutes(self.random.signed_between(1, 16) * 30);
        let pause = Break { place, id, since, till };
        let fact = self.break_fact(Kind::BreakCreated, &pause);
        self.breaks.push(pause);
        fact
    }

    pub(super) fn break_moved(&mut self) -> Fact {
        let Some(mut pause) = self.take_break() else { return self.break_created() };
        let length = pause.till - pause.since;
        pause.since = self.people.visit_time(self.clock, &mut self.random);
        pause.till = pause.since + length;
        let fact = self.break_fact(Kind::BreakMoved, &pause);
        self.breaks.push(pause);
        fact
    }

    pub(super) fn break_removed(&mut self) -> Fact {
        let Some(pause) = self.take_break() else { return self.break_created() };
        self.break_fact(Kind::BreakRemoved, &pause)
    }

    fn take_break(&mut self) -> Option<Break> {
        let count = self.breaks.len();
        (count > 0).then(|| self.breaks.swap_remove(self.random.index(count)))
    }

    fn break_fact(&mut self, kind: Kind, pause: &Break) -> Fact {
        let (since, till) = (pause.since.to_rfc3339(), pause.till.to_rfc3339());
        let subject = json!({ "break": { "id": pause.id, "since": since, "till": till } });
        let mut fact = self.fact(kind, pause.place, subject);
        fact.ids.pause = Some(pause.id.clone());
        fact
    }
}

/// Services and addresses.
impl Life {
    pub(super) fn service_created(&mut self) -> Fact {
        let (place, id) = (self.pick_any_place(), self.next_id());
        let address_id = self.places[place].address.id.clone();
        let number = self.random.between(2, 99);
        let service = Service::new(&id, &address_id, &format!("USG {number}"));
        let service = service.priced(u32::try_from(number * 10).unwrap_or(100));
        self.places[place].services.push(service.clone());
        self.service_fact(Kind::AddressServiceCreated, place, service)
    }

    pub(super) fn service_changed(&mut self) -> Fact {
        let place = self.pick_place(|place| !place.services.is_empty());
        let Some(index) = self.pick_service(place) else { return self.service_created() };
        let service = &mut self.places[place].services[index];
        service.price = Some(service.price.unwrap_or(100) + 10);
        let service = service.clone();
        self.service_fact(Kind::AddressServiceChanged, place, service)
    }

    pub(super) fn service_deleted(&mut self) -> Fact {
        let place = self.pick_place(|place| place.services.len() > 1);
        let Some(index) = self.pick_service(place) else { return self.service_created() };
        let service = self.places[place].services.swap_remove(index);
        self.service_fact(Kind::AddressServiceDeleted, place, service)
    }

    fn pick_service(&mut self, place: usize) -> Option<usize> {
        let count = self.places[place].services.len();
        (count > 0).then(|| self.random.index(count))
    }

    fn service_fact(&mut self, kind: Kind, place: usize, service: Service) -> Fact {
        let subject = json!({ "address_service": bodies::full_service(&service) });
        let mut fact = self.fact(kind, place, subject);
        fact.ids.service = Some(service.id.clone());
        fact.changes.push(if kind == Kind::AddressServiceDeleted {
            Change::ServiceRemoved { address_id: service.address_id, id: service.id }
        } else {
            Change::Service(service)
        });
        fact
    }

    pub(super) fn commercial_type_changed(&mut self) -> Fact {
        let place = self.pick_any_place();
        let address = &mut self.places[place].address;
        address.commercial_type = match address.commercial_type {
            CommercialType::Premium => CommercialType::Basic,
            CommercialType::SaasOnly => CommercialType::Premium,
            CommercialType::Basic => CommercialType::SaasOnly,
        };
        let address = address.clone();
        let mut fact = self.address_fact(Kind::AddressCommercialTypeChanged, place);
        fact.changes.push(Change::Address(address));
        fact
    }

    /// The last address stays assigned, or nothing could happen any more.
    pub(super) fn address_unassigned(&mut self) -> Fact {
        let place = self.pick_any_place();
        let is_last = self.places.iter().filter(|place| place.is_assigned).count() < 2;
        let mut fact = self.address_fact(Kind::AddressUnassigned, place);
        if !is_last {
            self.places[place].is_assigned = false;
            let id = self.places[place].address.id.clone();
            fact.changes.push(Change::AddressRemoved(id));
        }
        fact
    }

    /// An address that was unassigned before, if there is one.
    pub(super) fn address_assigned(&mut self) -> Fact {
        let gone = self.places.iter().position(|place| !place.is_assigned);
        let place = gone.unwrap_or_else(|| self.pick_any_place());
        self.places[place].is_assigned = true;
        let mut fact = self.address_fact(Kind::AddressAssigned, place);
        let place = &self.places[place];
        fact.changes.push(Change::Address(place.address.clone()));
        fact.changes.extend(place.services.iter().cloned().map(Change::Service));
        fact
    }

    fn address_fact(&mut self, kind: Kind, place: usize) -> Fact {
        let mut fact = self.fact(kind, place, json!({}));
        let commercial_type = self.places[place].address.commercial_type.as_str();
        fact.body["data"]["address"]["commercial_type"] = commercial_type.into();
        fact
    }
}
