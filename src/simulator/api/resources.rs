//! Finds what a request asks for, or says why not.

use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, FixedOffset};
use serde_json::{Value, json};

use super::answer;
use super::auth::Client;
use super::bodies::{Writer, items};
use super::dialect::{Asked, Dialect, UnknownScopes};
use super::operation::{Operation, Target};
use crate::simulator::world::{Address, Booking, Doctor, Facility, World};

/// The default `limit` of a paginated list.
const PAGE_LIMIT: usize = 100;

type Found<T> = Result<T, Refusal>;

/// Why there is no such thing for this client.
#[derive(Debug)]
pub(super) enum Refusal {
    Invalid(&'static str, String),
    NotYours(&'static str),
    NotFound,
}

impl From<Refusal> for Response {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Invalid(argument, reason) => answer::invalid(argument, &reason),
            Refusal::NotYours(message) => answer::refusal(StatusCode::FORBIDDEN, message),
            Refusal::NotFound => answer::refusal(StatusCode::NOT_FOUND, "Object not found"),
        }
    }
}

/// One authorized question.
pub(super) struct Question<'a> {
    pub(super) world: &'a World,
    pub(super) dialect: &'a Dialect,
    pub(super) client: &'a Client,
    pub(super) target: Target<'a>,
    pub(super) asked: &'a Asked,
}

impl Question<'_> {
    pub(super) fn answer(&self) -> Result<Value, Refusal> {
        self.check_scopes()?;
        let writer = Writer { world: self.world, dialect: self.dialect, asked: self.asked };
        Ok(match self.target.operation {
            Operation::GetFacilities => {
                let all = self.world.facilities().filter(|it| self.client.may_see(&it.id));
                self.list(all.map(|facility| writer.facility(facility)))?
            }
            Operation::GetFacility => writer.facility(self.facility()?),
            Operation::GetDoctors => {
                let all = self.world.doctors_of(&self.facility()?.id);
                self.list(all.map(|doctor| writer.doctor(doctor, false)))?
            }
            Operation::GetDoctor => writer.doctor(self.doctor()?, true),
            Operation::GetAddresses => {
                let all = self.world.addresses_of(&self.doctor()?.id);
                self.list(all.map(|address| writer.address(address)))?
            }
            Operation::GetAddress => writer.single_address(self.address()?),
            Operation::GetServices => {
                let entries = self.world.dictionary().iter();
                self.list(entries.map(|(id, name)| json!({ "id": id, "name": name })))?
            }
            Operation::GetAddressServices => {
                let all = self.world.services_of(&self.address()?.id);
                self.list(all.map(|service| writer.service(service)))?
            }
            Operation::GetAddressService => {
                let address = self.address()?;
                let service = self.world.service(&address.id, self.target.item);
                writer.service(service.ok_or(Refusal::NotFound)?)
            }
            Operation::GetBookings => self.bookings(&writer)?,
            Operation::GetBooking => writer.booking(self.booking()?, true),
            Operation::GetToken | Operation::Other => return Err(Refusal::NotFound),
        })
    }

    fn check_scopes(&self) -> Found<()> {
        if self.dialect.unknown_scopes == UnknownScopes::Ignored {
            return Ok(());
        }
        let mut scopes = self.asked.scopes();
        match scopes.find(|scope| !self.dialect.takes(self.target.operation, scope)) {
            Some(scope) => Err(Refusal::Invalid("with", format!("Unknown scope \"{scope}\""))),
            None => Ok(()),
        }
    }

    fn facility(&self) -> Found<&Facility> {
        let facility = self.world.facility(self.target.facility).ok_or(Refusal::NotFound)?;
        if !self.client.may_see(&facility.id) {
            return Err(Refusal::NotYours("You are not authorized to see this facility"));
        }
        Ok(facility)
    }

    fn doctor(&self) -> Found<&Doctor> {
        let facility = self.facility()?;
        let doctor = self.world.doctor(self.target.doctor).ok_or(Refusal::NotFound)?;
        if doctor.facility_id != facility.id {
            return Err(Refusal::NotYours("You are not authorized to see this doctor"));
        }
        Ok(doctor)
    }

    fn address(&self) -> Found<&Address> {
        let doctor = self.doctor()?;
        let address = self.world.address(self.target.address).ok_or(Refusal::NotFound)?;
        if address.facility_id != doctor.facility_id {
            return Err(Refusal::NotYours("This address does not belong to this facility"));
        }
        if address.doctor_id != doctor.id {
            return Err(Refusal::NotYours("This address does not belong to this doctor"));
        }
        Ok(address)
    }

    fn booking(&self) -> Found<&Booking> {
        let address = self.address()?;
        let booking = self.world.booking(self.target.item).ok_or(Refusal::NotFound)?;
        if booking.address_id != address.id {
            return Err(Refusal::NotYours("This booking does not belong to this address"));
        }
        Ok(booking)
    }

    /// In pages only where the dialect has them.
    fn list(&self, all: impl Iterator<Item = Value>) -> Found<Value> {
        let Some(limit) = self.dialect.page_size else { return Ok(items(all)) };
        let page = self.asked.parameter("page");
        let page = page.map_or(Ok(1), |page| positive("page", page))?;
        Ok(page_of(all.collect(), page, limit))
    }

    /// Paginated only when `page` is asked for.
    fn bookings(&self, writer: &Writer<'_>) -> Found<Value> {
        let address = self.address()?;
        let (start, end) = (self.date("start")?, self.date("end")?);
        let all = self.world.bookings_of(&address.id);
        let all = all.filter(|booking| (start..end).contains(&booking.start_at));
        let bodies: Vec<Value> = all.map(|booking| writer.booking(booking, false)).collect();
        let Some(page) = self.asked.parameter("page") else {
            return Ok(items(bodies.into_iter()));
        };
        let page = positive("page", page)?;
        let limit = self.asked.parameter("limit");
        let limit = limit.map_or(Ok(PAGE_LIMIT), |limit| positive("limit", limit))?;
        Ok(page_of(bodies, page, limit))
    }

    /// The offset's `+` has to be encoded in the query, as everywhere.
    fn date(&self, name: &'static str) -> Found<DateTime<FixedOffset>> {
        let invalid = |reason: &str| Refusal::Invalid(name, reason.to_owned());
        let text = self.asked.parameter(name).ok_or_else(|| invalid("is required"))?;
        DateTime::parse_from_rfc3339(text)
            .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%z"))
            .map_err(|_| invalid("is not a date with an offset"))
    }
}

fn page_of(bodies: Vec<Value>, page: usize, limit: usize) -> Value {
    let total = bodies.len();
    let pages = total.div_ceil(limit);
    let shown = bodies.into_iter().skip((page - 1).saturating_mul(limit)).take(limit);
    let shown: Vec<Value> = shown.collect();
    json!({ "page": page, "limit": limit, "pages": pages, "total": total, "_items": shown })
}

fn positive(name: &'static str, text: &str) -> Found<usize> {
    text.parse()
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| Refusal::Invalid(name, "is not a positive number".to_owned()))
}
