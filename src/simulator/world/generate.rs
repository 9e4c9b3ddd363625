//! A world from a seed.

use super::names::{Words, words};
use super::{Address, CommercialType, Country, Doctor, Facility, Id, Service, World};
use crate::simulator::random::Random;

/// How large a world to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorldOptions {
    /// The same seed gives the same world.
    pub seed: u64,
    /// How many clinics.
    pub facilities: u32,
    /// How many doctors each has.
    pub doctors_per_facility: u32,
    /// Where; `None` lets the seed choose.
    pub country: Option<Country>,
}

impl Default for WorldOptions {
    fn default() -> Self {
        Self { seed: 1, facilities: 3, doctors_per_facility: 5, country: None }
    }
}

pub(super) fn generate(options: &WorldOptions) -> World {
    let mut random = Random::new(options.seed, "world");
    let by_seed = *random.pick(&Country::ALL);
    let country = options.country.unwrap_or(by_seed);
    let mut builder = Builder {
        world: World::empty_in(country),
        words: words(country),
        ids: Ids::new(&mut random),
        random,
    };
    for _ in 0..options.facilities {
        builder.add_facility(options.doctors_per_facility);
    }
    builder.world
}

struct Builder {
    world: World,
    words: &'static Words,
    ids: Ids,
    random: Random,
}

/// Where a clinic is: its calendars share it.
struct Place {
    facility_id: Id,
    name: String,
    street: String,
    post_code: String,
    city: String,
}

impl Builder {
    fn add_facility(&mut self, doctors: u32) {
        let random = &mut self.random;
        let (city, post_prefix) = *random.pick(self.words.cities);
        let place = Place {
            facility_id: self.ids.facility.next(random),
            name: format!("{} {city}", random.pick(self.words.clinics)),
            street: format!("{} {}", random.pick(self.words.streets), random.between(1, 140)),
            post_code: format!("{post_prefix}{}", random.digits(post_digits(post_prefix))),
            city: city.to_owned(),
        };
        self.world.insert_facility(Facility::new(&place.facility_id, &place.name));
        for _ in 0..doctors {
            self.add_doctor(&place);
        }
    }

    fn add_doctor(&mut self, place: &Place) {
        let random = &mut self.random;
        let given_names = if random.chance(0.5) { self.words.women } else { self.words.men };
        let doctor = Doctor {
            id: self.ids.doctor.next(random),
            facility_id: place.facility_id.clone(),
            name: (*random.pick(given_names)).to_owned(),
            surname: (*random.pick(self.words.surnames)).to_owned(),
            specialization: (*random.pick(self.words.specializations)).to_owned(),
        };
        self.add_regular_address(place, &doctor);
        if self.random.chance(0.85) {
            self.add_online_address(place, &doctor);
        }
        self.world.insert_doctor(doctor);
    }

    fn add_regular_address(&mut self, place: &Place, doctor: &Doctor) {
        let address = self.address(place, doctor, place.name.clone());
        let offered = usize::try_from(self.random.between(2, 4)).unwrap_or(2);
        for entry in 1..=offered {
            self.add_service(&address.id, entry, entry == 1);
        }
        let visit_payment = self.random.chance(0.2);
        self.world.insert_address(Address { visit_payment, ..address });
    }

    fn add_online_address(&mut self, place: &Place, doctor: &Doctor) {
        let name = format!("{} {}", place.name, self.words.online);
        let address = self.address(place, doctor, name);
        let is_set_up_as_recommended = self.random.chance(0.9);
        if is_set_up_as_recommended {
            self.add_service(&address.id, 0, true);
        }
        if self.random.chance(0.5) || !is_set_up_as_recommended {
            self.add_service(&address.id, 1, !is_set_up_as_recommended);
        }
        let visit_payment = self.random.chance(0.7);
        self.world.insert_address(Address { is_online_only: true, visit_payment, ..address });
    }

    fn address(&mut self, place: &Place, doctor: &Doctor, name: String) -> Address {
        let random = &mut self.random;
        let types = [CommercialType::Premium, CommercialType::SaasOnly, CommercialType::Basic];
        let known =
            |value: &str, random: &mut Random| (!random.chance(0.08)).then(|| value.to_owned());
        Address {
            id: self.ids.address.next(random),
            doctor_id: doctor.id.clone(),
            facility_id: place.facility_id.clone(),
            name: Some(name),
            street: known(&place.street, random),
            post_code: known(&place.post_code, random),
            city_name: known(&place.city, random),
            is_online_only: false,
            visit_payment: false,
            commercial_type: types[random.weighted([7.0, 1.0, 2.0].into_iter()).unwrap_or(0)],
        }
    }

    /// `entry` is the service's place in the dictionary.
    fn add_service(&mut self, address_id: &str, entry: usize, is_default: bool) {
        let random = &mut self.random;
        let entry = entry % self.words.services.len();
        let priced = !random.chance(0.1);
        let price = random.between(self.words.price / 2, self.words.price * 2) / 10 * 10;
        self.world.insert_service(Service {
            id: self.ids.service.next(random),
            address_id: address_id.to_owned(),
            name: self.words.services[entry].to_owned(),
            price: priced.then(|| u32::try_from(price).unwrap_or(u32::MAX)),
            is_price_from: random.chance(0.2),
            is_default,
            is_visible: !random.chance(0.05),
            service_id: (!random.chance(0.05) || entry == 0).then(|| (entry + 1).to_string()),
            description: random.chance(0.3).then(|| self.words.services[entry].to_uppercase()),
            duration: *random.pick(&[15, 20, 30, 30, 45, 60]),
        });
    }
}

/// Post codes have five digits, whatever stands between them.
fn post_digits(prefix: &str) -> usize {
    match prefix.chars().filter(char::is_ascii_digit).count() {
        5 => 3,
        digits => 5 - digits,
    }
}

/// Ids of each kind rise with gaps, as those of a shared database do.
struct Ids {
    facility: Counter,
    doctor: Counter,
    address: Counter,
    service: Counter,
}

struct Counter(u64);

impl Ids {
    fn new(random: &mut Random) -> Self {
        let mut from = |low, high| Counter(random.between(low, high));
        Self {
            facility: from(120_000, 180_000),
            doctor: from(90_000, 160_000),
            address: from(300_000, 420_000),
            service: from(2_000_000, 2_900_000),
        }
    }
}

impl Counter {
    fn next(&mut self, random: &mut Random) -> Id {
        self.0 += random.between(1, 37);
        self.0.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn large(seed: u64) -> World {
        World::generate(&WorldOptions {
            seed,
            facilities: 20,
            doctors_per_facility: 10,
            country: None,
        })
    }

    #[test]
    fn the_same_seed_gives_the_same_world() {
        assert_eq!(large(7), large(7));
        assert_ne!(large(7), large(8));
    }

    #[test]
    fn every_doctor_has_a_regular_address_and_most_have_an_online_one() {
        let world = large(1);
        let doctors: Vec<_> =
            world.facilities().flat_map(|facility| world.doctors_of(&facility.id)).collect();
        assert_eq!(doctors.len(), 200);

        let online = |doctor: &&&Doctor| world.addresses_of(&doctor.id).any(|a| a.is_online_only);
        assert!(
            doctors.iter().all(|doctor| world.addresses_of(&doctor.id).any(|a| !a.is_online_only))
        );
        assert!((140..200).contains(&doctors.iter().filter(online).count()));
    }

    #[test]
    fn an_online_address_mostly_has_the_online_consultation_and_a_regular_one_never() {
        let world = large(1);
        let (online, regular): (Vec<_>, Vec<_>) =
            world.addresses().partition(|address| address.is_online_only);

        let recommended = online.iter().filter(|a| world.has_online_consultation(&a.id)).count();

        assert!(recommended > online.len() * 3 / 4 && recommended < online.len());
        assert!(!regular.iter().any(|address| world.has_online_consultation(&address.id)));
        assert!(world.addresses().all(|address| world.services_of(&address.id).count() > 0));
    }

    #[test]
    fn some_addresses_lack_what_the_api_may_leave_out() {
        let world = large(1);

        assert!(world.addresses().any(|address| address.city_name.is_none()));
        assert!(world.addresses().any(|address| address.street.is_none()));
    }
}
