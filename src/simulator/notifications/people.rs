//! Invented patients and their visits.

use chrono::{DateTime, Duration, FixedOffset, TimeZone, Utc};

use super::life::Place;
use crate::simulator::random::Random;
use crate::simulator::world::names::{Words, national_number, words};
use crate::simulator::world::{Booking, BookingStatus, Country, Id, Insurance, Moving, Patient};

/// Makes patients and visits of one country.
pub(super) struct People {
    country: Country,
    words: &'static Words,
}

impl People {
    pub(super) fn new(country: Country) -> Self {
        Self { country, words: words(country) }
    }

    /// A booking made at this moment.
    pub(super) fn booking(
        &self,
        id: Id,
        place: &Place,
        now: DateTime<Utc>,
        random: &mut Random,
    ) -> Booking {
        let service = (!place.services.is_empty()).then(|| random.pick(&place.services));
        let duration = service.map_or(30, |service| service.duration);
        let start_at = self.visit_time(now, random);
        let booked_by = who(random, [80.0, 17.0, 3.0]);
        let pays = place.address.visit_payment && booked_by == "user";
        let has_video = place.address.is_online_only && random.chance(0.8);
        Booking {
            address_id: place.address.id.clone(),
            service_id: service.map(|service| service.id.clone()),
            status: BookingStatus::Booked,
            start_at,
            end_at: start_at + Duration::minutes(i64::from(duration)),
            booked_by: booked_by.to_owned(),
            booked_at: self.country.local(now),
            canceled_by: String::new(),
            canceled_at: None,
            patient: self.patient(random),
            comment: random.chance(0.6).then(|| self.comment(random)),
            insurance: random.chance(0.15).then(|| self.insurance(random)),
            presence: None,
            confirmed: false,
            visit_payment: pays.then_some(true),
            visit_payment_status: pays.then(|| "new".to_owned()),
            videocall_url: has_video
                .then(|| format!("https://video.example.com/{}", random.hex(24))),
            moving: Some(Moving { origin_booking_id: id.clone(), newest_booking_id: id.clone() }),
            id,
        }
    }

    /// Some are for today, most for one of the next three weeks.
    pub(super) fn visit_time(
        &self,
        now: DateTime<Utc>,
        random: &mut Random,
    ) -> DateTime<FixedOffset> {
        if random.chance(0.3) {
            let quarters = random.signed_between(2, 24);
            let seconds = now.timestamp() / 900 * 900 + quarters * 900;
            let today = DateTime::from_timestamp(seconds, 0).unwrap_or(now);
            return self.country.local(today);
        }
        let day = self.country.local(now) + Duration::days(random.signed_between(1, 21));
        let hour = u32::try_from(random.between(8, 18)).unwrap_or(8);
        let minute = *random.pick(&[0, 15, 20, 30, 45]);
        let time = day.date_naive().and_hms_opt(hour, minute, 0);
        let time = time.and_then(|time| day.offset().from_local_datetime(&time).single());
        self.country.local(time.map_or(now, |time| time.to_utc()))
    }

    fn patient(&self, random: &mut Random) -> Patient {
        let is_woman = random.chance(0.55);
        let names = if is_woman { self.words.women } else { self.words.men };
        let born = (random.between(1936, 2019), random.between(1, 12), random.between(1, 28));
        let birth_date = format!("{}-{:02}-{:02}", born.0, born.1, born.2);
        let phone = random.digits(self.words.phone_digits);
        Patient {
            name: (*random.pick(names)).to_owned(),
            surname: (*random.pick(self.words.surnames)).to_owned(),
            email: random.chance(0.9).then(|| format!("{}@example.com", random.hex(10))),
            phone: Some(format!("{}{phone}", self.words.phone_prefix)),
            nin: random.chance(0.6).then(|| national_number(self.country, &birth_date, random)),
            birth_date: random.chance(0.8).then_some(birth_date),
            gender: random.chance(0.8).then(|| if is_woman { "f" } else { "m" }.to_owned()),
            insurance_number: random.chance(0.1).then(|| format!("CARD-{}", random.digits(7))),
            is_returning: random.chance(0.4),
        }
    }

    fn comment(&self, random: &mut Random) -> String {
        let sentences: Vec<&str> =
            (0..random.between(1, 6)).map(|_| *random.pick(self.words.comments)).collect();
        sentences.join(". ")
    }

    fn insurance(&self, random: &mut Random) -> Insurance {
        let entry = random.index(self.words.insurers.len());
        Insurance { id: (entry + 11).to_string(), name: self.words.insurers[entry].to_owned() }
    }
}

/// Patient, doctor or integration, by weight.
pub(super) fn who(random: &mut Random, weights: [f64; 3]) -> &'static str {
    let chosen = random.weighted(weights.into_iter()).unwrap_or(0);
    ["user", "doctor", "integration"][chosen]
}
