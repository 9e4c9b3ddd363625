//! The API as different readers know it.

use axum::extract::Query;
use axum::http::Uri;

use super::operation::Operation;

/// How the API names its scopes and shapes its answers.
///
/// The specification and the guide page differ, and a client has to live with both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialect {
    /// The scopes of an address's `is_online_only`.
    pub online_only: Vec<&'static str>,
    /// The scopes of an address's `visit_payment`.
    pub visit_payment: Vec<&'static str>,
    /// The scopes of the addresses of each doctor in a list of doctors; none: a list has no addresses.
    pub doctor_addresses: Vec<&'static str>,
    /// Lists come in pages of this size although nobody asked for pages. (In the specification only
    /// those of bookings do, and only when asked.)
    pub page_size: Option<usize>,
    /// The scopes of a booking's payment fields; none: the fields are there without asking.
    pub booking_payment: Vec<&'static str>,
    /// The scopes of where a booking was moved to; none: it is never told.
    pub booking_moving: Vec<&'static str>,
    /// What becomes of a scope nobody knows. (No public text says what Docplanner does.)
    pub unknown_scopes: UnknownScopes,
    /// What the URL of one address answers.
    pub single_address: SingleAddress,
    /// How values are written.
    pub values: Values,
}

/// What becomes of an unknown scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownScopes {
    /// 400 "Invalid arguments"
    Refused,
    /// As if it was not there.
    Ignored,
}

/// What the URL of one address answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SingleAddress {
    /// The object, as in the specification.
    Bare,
    /// `{"_items": […]}` with `_links`, as on the guide page.
    InItems,
}

/// How values are written in the answers about bookings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// `duration`, `phone` and `nin` are numbers, as in the specification's examples.
    Numbers,
    /// They are strings, as on the guide page.
    Strings,
}

impl Default for Dialect {
    fn default() -> Self {
        Self::spec()
    }
}

impl Dialect {
    /// The specification, version 1.14.0.
    #[must_use]
    pub fn spec() -> Self {
        Self {
            online_only: vec!["address.online_only"],
            visit_payment: vec!["address.visit_payment"],
            doctor_addresses: vec![],
            page_size: None,
            booking_payment: vec![],
            booking_moving: vec!["booking.moving"],
            unknown_scopes: UnknownScopes::Refused,
            single_address: SingleAddress::Bare,
            values: Values::Numbers,
        }
    }

    /// The guide page *Online features*.
    #[must_use]
    pub fn source_page() -> Self {
        Self {
            online_only: vec!["address.online_only"],
            visit_payment: vec!["visit.payment"],
            doctor_addresses: vec!["doctors.addresses"],
            page_size: None,
            booking_payment: vec!["visit.payment"],
            booking_moving: vec![],
            unknown_scopes: UnknownScopes::Refused,
            single_address: SingleAddress::InItems,
            values: Values::Strings,
        }
    }

    /// Takes the scopes of both, and ignores those it does not know.
    #[must_use]
    pub fn lenient() -> Self {
        Self {
            visit_payment: vec!["address.visit_payment", "visit.payment"],
            doctor_addresses: vec!["doctor.addresses", "doctors.addresses"],
            unknown_scopes: UnknownScopes::Ignored,
            ..Self::spec()
        }
    }

    /// Whether this operation takes this scope. The names come from the specification and its
    /// change log; `getBooking` still takes those it had until 1.0.34.
    pub(super) fn takes(&self, operation: Operation, scope: &str) -> bool {
        let flags: [&[&str]; 2] = [&self.online_only, &self.visit_payment];
        let (fixed, flexible): (&[&str], [&[&str]; 2]) = match operation {
            Operation::GetFacility => (&["facility.doctors"], [&[], &[]]),
            Operation::GetDoctors if self.doctor_addresses.contains(&scope) => return true,
            Operation::GetDoctors if self.doctor_addresses.is_empty() => (DOCTOR, [&[], &[]]),
            Operation::GetDoctor if scope == "doctor.addresses" => return true,
            Operation::GetDoctors | Operation::GetDoctor => (DOCTOR, flags),
            Operation::GetAddresses | Operation::GetAddress => (ADDRESS, flags),
            Operation::GetServices => (&["services.only_diagnostics"], [&[], &[]]),
            Operation::GetAddressServices | Operation::GetAddressService => {
                (ADDRESS_SERVICE, [&[], &[]])
            }
            Operation::GetBookings | Operation::GetBooking => {
                (BOOKING, [&self.booking_payment, &self.booking_moving])
            }
            Operation::GetToken | Operation::GetFacilities | Operation::Other => (&[], [&[], &[]]),
        };
        let is_embedded = matches!(operation, Operation::GetDoctor) && ADDRESS.contains(&scope);
        fixed.contains(&scope) || is_embedded || flexible.concat().contains(&scope)
    }
}

const DOCTOR: &[&str] = &["doctor.profile_url", "doctor.specializations", "doctor.license_numbers"];
const ADDRESS: &[&str] =
    &["address.commercial_type", "address.insurance_support", "address.booking_extra_fields"];
const ADDRESS_SERVICE: &[&str] = &[
    "address_service.allowed_patients",
    "address_service.custom_name",
    "address_service.public_insurance_flow",
];
const BOOKING: &[&str] = &[
    "booking.patient",
    "booking.address_service",
    "booking.presence",
    "booking.confirmation",
    "address_service.public_insurance_flow",
];

/// A query taken apart.
#[derive(Debug, Default)]
pub(super) struct Asked {
    scopes: Vec<String>,
    parameters: Vec<(String, String)>,
}

impl Asked {
    /// Scopes come as `with=a,b`, as repeated `with=`, or, in some clients, as `with[]=`.
    pub(super) fn of(uri: &Uri) -> Self {
        let parameters =
            Query::<Vec<(String, String)>>::try_from_uri(uri).map(|Query(q)| q).unwrap_or_default();
        let (with, parameters): (Vec<_>, Vec<_>) =
            parameters.into_iter().partition(|(key, _)| key == "with" || key == "with[]");
        let scopes = with.iter().flat_map(|(_, value)| value.split(',')).map(str::trim);
        let scopes = scopes.filter(|scope| !scope.is_empty()).map(str::to_owned).collect();
        Self { scopes, parameters }
    }

    pub(super) fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().map(String::as_str)
    }

    pub(super) fn has(&self, scope: &str) -> bool {
        self.scopes().any(|asked| asked == scope)
    }

    pub(super) fn has_any(&self, scopes: &[&str]) -> bool {
        self.scopes().any(|asked| scopes.contains(&asked))
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_in_every_spelling() {
        let asked =
            Asked::of(&Uri::from_static("/a?with=x,y&with=z&with%5B%5D=w&start=2020-01-01"));

        assert_eq!(asked.scopes().collect::<Vec<_>>(), ["x", "y", "z", "w"]);
        assert_eq!(asked.parameter("start"), Some("2020-01-01"));
        assert_eq!(asked.parameter("end"), None);
    }

    #[test]
    fn each_dialect_has_its_own_name_for_payments() {
        let takes = |dialect: Dialect, scope| dialect.takes(Operation::GetAddress, scope);

        assert!(takes(Dialect::spec(), "address.visit_payment"));
        assert!(!takes(Dialect::spec(), "visit.payment"));
        assert!(takes(Dialect::source_page(), "visit.payment"));
        assert!(!takes(Dialect::source_page(), "address.visit_payment"));
        assert!(!Dialect::spec().takes(Operation::GetBooking, "visit.payment"));
        assert!(Dialect::source_page().takes(Operation::GetBooking, "visit.payment"));
        assert!(!Dialect::spec().takes(Operation::GetDoctors, "doctor.addresses"));
        assert!(!Dialect::spec().takes(Operation::GetDoctors, "address.online_only"));
        assert!(Dialect::spec().takes(Operation::GetDoctor, "doctor.addresses"));
        assert!(Dialect::source_page().takes(Operation::GetDoctors, "doctors.addresses"));
    }
}
