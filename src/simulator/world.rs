//! What exists at Docplanner: facilities, their doctors, and for each doctor a regular and mostly
//! an online address with its own services. Plus the bookings.
//!
//! A world is generated from a seed or built by hand, and can change while it is being served.

use std::collections::BTreeMap;

pub use country::Country;
pub use generate::WorldOptions;
pub use model::{
    Address, Booking, BookingStatus, CommercialType, Doctor, Facility, Id, Insurance, Moving,
    Patient, Service,
};
use serde::Serialize;

mod country;
mod generate;
mod happenings;
mod make;
mod model;
pub(super) mod names;

/// Everything the API can be asked about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct World {
    /// Where this API client works; a client has one country.
    pub country: Country,
    facilities: BTreeMap<Id, Facility>,
    doctors: BTreeMap<Id, Doctor>,
    addresses: BTreeMap<Id, Address>,
    /// By address first: a service id means something at its own address only.
    #[serde(serialize_with = "model::values")]
    services: BTreeMap<(Id, Id), Service>,
    bookings: BTreeMap<Id, Booking>,
    /// The dictionary of services: `(id, name)`.
    dictionary: Vec<(Id, String)>,
}

impl Default for World {
    /// The generated world that the binary serves when nothing else is asked for.
    fn default() -> Self {
        Self::generate(&WorldOptions::default())
    }
}

impl World {
    /// Nothing but Poland and its dictionary of services.
    #[must_use]
    pub fn empty() -> Self {
        Self::empty_in(Country::Poland)
    }

    /// Nothing but a country and its dictionary of services.
    #[must_use]
    pub fn empty_in(country: Country) -> Self {
        Self {
            country,
            facilities: BTreeMap::new(),
            doctors: BTreeMap::new(),
            addresses: BTreeMap::new(),
            services: BTreeMap::new(),
            bookings: BTreeMap::new(),
            dictionary: names::dictionary(country),
        }
    }

    /// The same options give the same world.
    #[must_use]
    pub fn generate(options: &WorldOptions) -> Self {
        generate::generate(options)
    }

    /// One clinic, one doctor with a regular address (`410150`) and an online one (`410151`) that
    /// takes payments, two services each. Enough for most tests.
    #[must_use]
    pub fn sample() -> Self {
        let mut world = Self::empty();
        world.insert_facility(Facility::new("226402", "Sample clinic"));
        world.insert_doctor(Doctor::new("161262", "226402", "Henryk", "Mikulski"));
        world.insert_address(Address::new("410150", "161262", "226402"));
        world.insert_address(Address::new("410151", "161262", "226402").online().with_payments());
        world.insert_service(Service::new("243665", "410150", "biopsja nerki").priced(50));
        world.insert_service(Service::new("243666", "410150", "USG").priced(150));
        let consultation = names::online_consultation(Country::Poland);
        let consultation = Service::new("243667", "410151", &consultation).of_dictionary("1");
        world.insert_service(consultation.priced(120));
        world.insert_service(Service::new("243668", "410151", "e-recepta").priced(30));
        world
    }

    /// The clinic of the guide's page on online calendars: one doctor (`11`) with a regular address
    /// (`123`) and an online one (`234`), where patients pay when they book. Both have a service
    /// `112233`, each its own.
    #[must_use]
    pub fn guide() -> Self {
        let mut world = Self::empty();
        let named = |address: Address, name: &str| Address {
            name: Some(name.to_owned()),
            street: Some("Obrzezna".to_owned()),
            post_code: Some("02-691".to_owned()),
            ..address
        };
        world.insert_facility(Facility::new("139878", "Medical Clinic \"Test\""));
        world.insert_doctor(Doctor::new("11", "139878", "Henryk", "Mikulski"));
        let regular = Address::new("123", "11", "139878");
        world.insert_address(named(regular, "Medical Clinic \"Test\""));
        let online = Address::new("234", "11", "139878").online().with_payments();
        world.insert_address(named(online, "Medical Clinic \"Test\" online"));
        for (id, name) in
            [("112233", "Regular Visit"), ("223344", "Recurring Visit"), ("445566", "USG")]
        {
            world.insert_service(Service::new(id, "123", name).priced(150));
        }
        let consultation = Service::new("112233", "234", "Regular Visit").of_dictionary("1");
        world.insert_service(consultation.priced(120));
        world
    }
}

/// Changes. An insert replaces what had the same id.
impl World {
    /// Adds or replaces a facility.
    pub fn insert_facility(&mut self, facility: Facility) {
        self.facilities.insert(facility.id.clone(), facility);
    }

    /// Adds or replaces a doctor.
    pub fn insert_doctor(&mut self, doctor: Doctor) {
        self.doctors.insert(doctor.id.clone(), doctor);
    }

    /// Adds or replaces an address.
    pub fn insert_address(&mut self, address: Address) {
        self.addresses.insert(address.id.clone(), address);
    }

    /// Adds or replaces a service of an address.
    pub fn insert_service(&mut self, service: Service) {
        self.services.insert((service.address_id.clone(), service.id.clone()), service);
    }

    /// Adds or replaces a booking.
    pub fn insert_booking(&mut self, booking: Booking) {
        self.bookings.insert(booking.id.clone(), booking);
    }

    /// The address and its services are gone, as when a doctor deletes a calendar: the API
    /// answers 404 from now on. Its bookings stay, out of reach.
    pub fn remove_address(&mut self, id: &str) -> Option<Address> {
        self.services.retain(|(address_id, _), _| address_id != id);
        self.addresses.remove(id)
    }

    /// A service deleted at its address.
    pub fn remove_service(&mut self, address_id: &str, id: &str) -> Option<Service> {
        self.services.remove(&(address_id.to_owned(), id.to_owned()))
    }

    /// An address to change in place: flags, names, commercial type.
    pub fn address_mut(&mut self, id: &str) -> Option<&mut Address> {
        self.addresses.get_mut(id)
    }

    /// A booking to change in place: status, payment status, video link.
    pub fn booking_mut(&mut self, id: &str) -> Option<&mut Booking> {
        self.bookings.get_mut(id)
    }
}

/// Questions. Lists come in the order of ids.
impl World {
    /// The facility of this id.
    #[must_use]
    pub fn facility(&self, id: &str) -> Option<&Facility> {
        self.facilities.get(id)
    }

    /// The doctor of this id.
    #[must_use]
    pub fn doctor(&self, id: &str) -> Option<&Doctor> {
        self.doctors.get(id)
    }

    /// The address of this id.
    #[must_use]
    pub fn address(&self, id: &str) -> Option<&Address> {
        self.addresses.get(id)
    }

    /// The service of this id at this address.
    #[must_use]
    pub fn service(&self, address_id: &str, id: &str) -> Option<&Service> {
        self.services.get(&(address_id.to_owned(), id.to_owned()))
    }

    /// The booking of this id.
    #[must_use]
    pub fn booking(&self, id: &str) -> Option<&Booking> {
        self.bookings.get(id)
    }

    /// All facilities.
    pub fn facilities(&self) -> impl Iterator<Item = &Facility> {
        self.facilities.values()
    }

    /// The doctors of a facility.
    pub fn doctors_of(&self, facility_id: &str) -> impl Iterator<Item = &Doctor> {
        self.doctors.values().filter(move |doctor| doctor.facility_id == facility_id)
    }

    /// All addresses.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.addresses.values()
    }

    /// The addresses of a doctor.
    pub fn addresses_of(&self, doctor_id: &str) -> impl Iterator<Item = &Address> {
        self.addresses.values().filter(move |address| address.doctor_id == doctor_id)
    }

    /// The services of an address.
    pub fn services_of(&self, address_id: &str) -> impl Iterator<Item = &Service> {
        let first = (address_id.to_owned(), Id::new());
        self.services
            .range(first..)
            .map(|(_, service)| service)
            .take_while(move |service| service.address_id == address_id)
    }

    /// The bookings of an address.
    pub fn bookings_of(&self, address_id: &str) -> impl Iterator<Item = &Booking> {
        self.bookings.values().filter(move |booking| booking.address_id == address_id)
    }

    /// The dictionary of services of the country: `(id, name)`, the online consultation first.
    #[must_use]
    pub fn dictionary(&self) -> &[(Id, String)] {
        &self.dictionary
    }

    /// Whether the address has the dictionary's *online consultation* service, which the guide
    /// page recommends for every online address.
    #[must_use]
    pub fn has_online_consultation(&self, address_id: &str) -> bool {
        let consultation = self.dictionary.first().map(|(id, _)| id);
        self.services_of(address_id).any(|service| service.service_id.as_ref() == consultation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_those_of_the_address_asked_for() {
        let world = World::sample();

        let ids: Vec<_> = world.services_of("410150").map(|service| service.id.as_str()).collect();

        assert_eq!(ids, ["243665", "243666"]);
        assert_eq!(world.services_of("41015").count(), 0);
        assert!(world.has_online_consultation("410151"));
        assert!(!world.has_online_consultation("410150"));
    }

    #[test]
    fn a_removed_address_takes_its_services_along() {
        let mut world = World::sample();

        assert!(world.remove_address("410151").is_some());

        assert_eq!(world.address("410151"), None);
        assert_eq!(world.services_of("410151").count(), 0);
        assert_eq!(world.services_of("410150").count(), 2);
    }

    #[test]
    fn flags_change_in_place() {
        let mut world = World::sample();

        if let Some(address) = world.address_mut("410150") {
            address.is_online_only = true;
        }

        assert!(world.address("410150").unwrap().is_online_only);
    }
}
