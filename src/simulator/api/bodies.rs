//! The things of a world as the API writes them. Keys come from the specification's examples.

use serde_json::{Map, Value, json};

use super::dialect::{Asked, Dialect, SingleAddress, Values};
use super::operation::BASE;
use crate::simulator::world::{Address, Booking, Doctor, Facility, Patient, Service, World};

/// Collections are always wrapped.
pub(super) fn items(list: impl Iterator<Item = Value>) -> Value {
    json!({ "_items": list.collect::<Vec<_>>() })
}

/// Writes things for one request.
pub(super) struct Writer<'a> {
    pub(super) world: &'a World,
    pub(super) dialect: &'a Dialect,
    pub(super) asked: &'a Asked,
}

impl Writer<'_> {
    pub(super) fn facility(&self, facility: &Facility) -> Value {
        let mut body = json!({ "id": facility.id, "name": facility.name });
        if self.asked.has("facility.doctors") {
            let doctors = self.world.doctors_of(&facility.id);
            body["doctors"] = items(doctors.map(|doctor| self.doctor(doctor, false)));
        }
        body
    }

    /// One doctor comes with specializations even when nobody asks for them.
    pub(super) fn doctor(&self, doctor: &Doctor, is_single: bool) -> Value {
        let mut body = json!({ "id": doctor.id, "name": doctor.name, "surname": doctor.surname });
        if is_single || self.asked.has("doctor.specializations") {
            let one = json!({ "id": "12", "name": doctor.specialization });
            body["specializations"] = items([one].into_iter());
        }
        if self.asked.has("doctor.profile_url") {
            let domain = self.world.country.domain();
            body["profile_url"] = format!("https://www.{domain}/{}", doctor.id).into();
        }
        if self.asked.has("doctor.license_numbers") {
            let one = json!({ "license_number": format!("7{:0>6}", doctor.id) });
            body["license_numbers"] = items([one].into_iter());
        }
        let with_addresses = if is_single {
            self.asked.has("doctor.addresses")
        } else {
            self.asked.has_any(&self.dialect.doctor_addresses)
        };
        if with_addresses {
            let addresses = self.world.addresses_of(&doctor.id);
            body["addresses"] = items(addresses.map(|address| self.address(address)));
        }
        body
    }

    pub(super) fn single_address(&self, address: &Address) -> Value {
        match self.dialect.single_address {
            SingleAddress::Bare => self.address(address),
            SingleAddress::InItems => items([self.address(address)].into_iter()),
        }
    }

    pub(super) fn address(&self, address: &Address) -> Value {
        let mut body = json!({
            "id": address.id,
            "name": address.name,
            "city_name": address.city_name,
            "post_code": address.post_code,
            "street": address.street,
        });
        if self.asked.has_any(&self.dialect.online_only) {
            body["is_online_only"] = address.is_online_only.into();
        }
        if self.asked.has_any(&self.dialect.visit_payment) {
            body["visit_payment"] = address.visit_payment.into();
        }
        if self.asked.has("address.commercial_type") {
            body["commercial_type"] = address.commercial_type.as_str().into();
        }
        if self.asked.has("address.insurance_support") {
            body["insurance_support"] = "private".into();
        }
        if self.asked.has("address.booking_extra_fields") {
            let fields = json!({ "birth_date": false, "gender": false, "nin": false });
            body["booking_extra_fields"] = fields;
        }
        if self.dialect.single_address == SingleAddress::InItems {
            body["_links"] = address_links(address);
        }
        body
    }

    pub(super) fn service(&self, service: &Service) -> Value {
        let mut body = json!({
            "id": service.id,
            "name": service.name,
            "price": service.price,
            "is_price_from": service.is_price_from,
            "is_default": service.is_default,
            "service_id": service.service_id,
            "description": service.description,
            "is_visible": service.is_visible,
        });
        if self.asked.parameter("start").is_some() {
            body["duration"] = service.duration.into();
        }
        if self.asked.has("address_service.allowed_patients") {
            body["allowed_patients"] = Value::Null;
        }
        if self.asked.has("address_service.custom_name") {
            body["custom_name"] = Value::Null;
        }
        if self.asked.has("address_service.public_insurance_flow") {
            body["is_public_insurance_flow"] = false.into();
        }
        body
    }

    /// A single booking has patient and service without asking; in a list they are scopes.
    pub(super) fn booking(&self, booking: &Booking, is_single: bool) -> Value {
        let mut body = json!({
            "id": booking.id,
            "status": booking.status.as_str(),
            "start_at": booking.start_at.to_rfc3339(),
            "end_at": booking.end_at.to_rfc3339(),
            "duration": self.number((booking.end_at - booking.start_at).num_minutes()),
            "booked_by": booking.booked_by,
            "canceled_by": booking.canceled_by,
            "booked_at": booking.booked_at.to_rfc3339(),
            "canceled_at": booking.canceled_at.map(|at| at.to_rfc3339()),
            "comment": booking.comment,
            "insurance": booking.insurance.as_ref().map(
                |it| json!({ "id": it.id, "name": it.name, "plan": null, "plan_id": null })
            ),
        });
        if is_single || self.asked.has("booking.patient") {
            body["patient"] = self.patient(&booking.patient);
        }
        if is_single || self.asked.has("booking.address_service") {
            let id = booking.service_id.as_deref();
            let service = id.and_then(|id| self.world.service(&booking.address_id, id));
            body["address_service"] = service.map_or(Value::Null, |service| self.service(service));
        }
        if let Some(body) = body.as_object_mut() {
            self.write_scopes(booking, body);
        }
        body
    }

    /// What is there by scope, or only where a feature is switched on.
    fn write_scopes(&self, booking: &Booking, body: &mut Map<String, Value>) {
        let mut set = |key: &str, value: Value| {
            body.insert(key.to_owned(), value);
        };
        if self.asked.has("booking.presence") {
            let word = |present| if present { "present" } else { "absent" };
            set("presence", json!(booking.presence.map(word)));
        }
        if self.asked.has("booking.confirmation") {
            set("confirmed", booking.confirmed.into());
        }
        if self.asked.has_any(&self.dialect.booking_moving) {
            set("moving", json!(booking.moving));
        }
        let scopes = &self.dialect.booking_payment;
        if booking.visit_payment.is_some() && (scopes.is_empty() || self.asked.has_any(scopes)) {
            set("visit_payment", json!(booking.visit_payment));
            set("visit_payment_status", json!(booking.visit_payment_status));
        }
        if let Some(url) = &booking.videocall_url {
            set("videocall_url", url.as_str().into());
        }
    }

    fn patient(&self, patient: &Patient) -> Value {
        json!({
            "name": patient.name,
            "surname": patient.surname,
            "email": patient.email,
            "phone": self.digits(patient.phone.as_deref()),
            "birth_date": patient.birth_date,
            "nin": self.digits(patient.nin.as_deref()),
            "gender": patient.gender,
            "is_returning": patient.is_returning,
            "insurance_number": patient.insurance_number,
        })
    }

    fn number(&self, number: i64) -> Value {
        match self.dialect.values {
            Values::Numbers => number.into(),
            Values::Strings => number.to_string().into(),
        }
    }

    /// The specification's examples lose the `+` of a phone number this way, and leading zeros.
    fn digits(&self, text: Option<&str>) -> Value {
        let as_number = text.and_then(|text| text.trim_start_matches('+').parse::<u64>().ok());
        match (self.dialect.values, as_number) {
            (Values::Numbers, Some(number)) => number.into(),
            (Values::Numbers | Values::Strings, _) => json!(text),
        }
    }
}

fn address_links(address: &Address) -> Value {
    let link = |href: String| json!({ "href": href, "method": "get" });
    let facility = format!("{BASE}/facilities/{}", address.facility_id);
    let doctor = format!("{facility}/doctors/{}", address.doctor_id);
    let own = format!("{doctor}/addresses/{}", address.id);
    json!({
        "services": link(format!("{own}/services")),
        "self": link(own),
        "doctor": link(doctor),
        "facility": link(facility),
    })
}
