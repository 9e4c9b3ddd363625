//! Short ways to make the things of a world by hand.

use chrono::{DateTime, Duration, FixedOffset};

use super::model::{
    Address, Booking, BookingStatus, CommercialType, Doctor, Facility, Moving, Patient, Service,
};

impl Facility {
    /// A clinic.
    #[must_use]
    pub fn new(id: &str, name: &str) -> Self {
        Self { id: id.to_owned(), name: name.to_owned() }
    }
}

impl Doctor {
    /// A cardiologist, as good as any.
    #[must_use]
    pub fn new(id: &str, facility_id: &str, name: &str, surname: &str) -> Self {
        Self {
            id: id.to_owned(),
            facility_id: facility_id.to_owned(),
            name: name.to_owned(),
            surname: surname.to_owned(),
            specialization: "kardiolog".to_owned(),
        }
    }
}

impl Address {
    /// A regular address without payments.
    #[must_use]
    pub fn new(id: &str, doctor_id: &str, facility_id: &str) -> Self {
        Self {
            id: id.to_owned(),
            doctor_id: doctor_id.to_owned(),
            facility_id: facility_id.to_owned(),
            name: Some("Przychodnia Kolejowa".to_owned()),
            street: Some("Kolejowa 5".to_owned()),
            post_code: Some("01-217".to_owned()),
            city_name: Some("Warszawa".to_owned()),
            is_online_only: false,
            visit_payment: false,
            commercial_type: CommercialType::Premium,
        }
    }

    /// The same, for online consultations only.
    #[must_use]
    pub fn online(mut self) -> Self {
        self.is_online_only = true;
        self
    }

    /// The same, where patients pay when they book.
    #[must_use]
    pub fn with_payments(mut self) -> Self {
        self.visit_payment = true;
        self
    }
}

impl CommercialType {
    /// As the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Premium => "premium",
            Self::SaasOnly => "saas-only",
            Self::Basic => "basic",
        }
    }
}

impl Service {
    /// A visible service of half an hour, without a price.
    #[must_use]
    pub fn new(id: &str, address_id: &str, name: &str) -> Self {
        Self {
            id: id.to_owned(),
            address_id: address_id.to_owned(),
            name: name.to_owned(),
            price: None,
            is_price_from: false,
            is_default: false,
            is_visible: true,
            service_id: None,
            description: None,
            duration: 30,
        }
    }

    /// The same at a price.
    #[must_use]
    pub fn priced(mut self, price: u32) -> Self {
        self.price = Some(price);
        self
    }

    /// The same, known to the dictionary.
    #[must_use]
    pub fn of_dictionary(mut self, service_id: &str) -> Self {
        self.service_id = Some(service_id.to_owned());
        self
    }
}

impl Booking {
    /// Half an hour, booked by its patient a day before, nothing to pay.
    #[must_use]
    pub fn new(id: &str, address_id: &str, start_at: DateTime<FixedOffset>) -> Self {
        Self {
            id: id.to_owned(),
            address_id: address_id.to_owned(),
            service_id: None,
            status: BookingStatus::Booked,
            start_at,
            end_at: start_at + Duration::minutes(30),
            booked_by: "user".to_owned(),
            booked_at: start_at - Duration::days(1),
            canceled_by: String::new(),
            canceled_at: None,
            patient: Patient::sample(),
            comment: None,
            insurance: None,
            presence: None,
            confirmed: false,
            visit_payment: None,
            visit_payment_status: None,
            videocall_url: None,
            moving: Some(Moving {
                origin_booking_id: id.to_owned(),
                newest_booking_id: id.to_owned(),
            }),
        }
    }

    /// The same, to be paid: `new`, `successful`, `failed`, …
    #[must_use]
    pub fn with_payment(mut self, status: &str) -> Self {
        self.visit_payment = Some(true);
        self.visit_payment_status = Some(status.to_owned());
        self
    }

    /// The same with a video call.
    #[must_use]
    pub fn with_video_call(mut self, url: &str) -> Self {
        self.videocall_url = Some(url.to_owned());
        self
    }

    /// The same, canceled.
    #[must_use]
    pub fn canceled(mut self, by: &str, at: DateTime<FixedOffset>) -> Self {
        self.status = BookingStatus::Canceled;
        by.clone_into(&mut self.canceled_by);
        self.canceled_at = Some(at);
        self
    }
}

impl BookingStatus {
    /// As the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Booked => "booked",
            Self::Canceled => "canceled",
        }
    }
}

impl Patient {
    /// Somebody with everything filled in.
    #[must_use]
    pub fn sample() -> Self {
        Self {
            name: "Zofia".to_owned(),
            surname: "Wzorcowa".to_owned(),
            email: Some("zofia.wzorcowa@example.com".to_owned()),
            phone: Some("+48500100200".to_owned()),
            birth_date: Some("1985-01-01".to_owned()),
            nin: Some("85010112345".to_owned()),
            gender: Some("f".to_owned()),
            insurance_number: None,
            is_returning: false,
        }
    }
}
