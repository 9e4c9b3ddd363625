//! What a request asks for.

use serde::Serialize;

/// The beginning of every resource's path.
pub(super) const BASE: &str = "/api/v3/integration";
/// Where tokens come from.
pub(super) const TOKEN_PATH: &str = "/oauth/v2/token";

/// An operation, named as in the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are the specification's own")]
pub enum Operation {
    /// `POST /oauth/v2/token`; the specification gives it no name.
    GetToken,
    GetFacilities,
    GetFacility,
    GetDoctors,
    GetDoctor,
    GetAddresses,
    GetAddress,
    GetServices,
    GetAddressServices,
    GetAddressService,
    GetBookings,
    GetBooking,
    /// Anything that the simulator does not play.
    Other,
}

impl Operation {
    /// As in the specification.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GetToken => "getToken",
            Self::GetFacilities => "getFacilities",
            Self::GetFacility => "getFacility",
            Self::GetDoctors => "getDoctors",
            Self::GetDoctor => "getDoctor",
            Self::GetAddresses => "getAddresses",
            Self::GetAddress => "getAddress",
            Self::GetServices => "getServices",
            Self::GetAddressServices => "getAddressServices",
            Self::GetAddressService => "getAddressService",
            Self::GetBookings => "getBookings",
            Self::GetBooking => "getBooking",
            Self::Other => "other",
        }
    }
}

/// A path taken apart: the operation and the ids on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target<'a> {
    pub(super) operation: Operation,
    pub(super) facility: &'a str,
    pub(super) doctor: &'a str,
    pub(super) address: &'a str,
    /// The service or the booking.
    pub(super) item: &'a str,
}

impl<'a> Target<'a> {
    /// The method is left aside: another than the documented one is another error.
    pub(super) fn of(path: &'a str) -> Self {
        if path == TOKEN_PATH {
            return Self::new(Operation::GetToken, ["", "", "", ""]);
        }
        let Some(rest) = path.strip_prefix(BASE) else { return Self::other() };
        let segments: Vec<&str> = rest.split('/').skip(1).collect();
        Self::of_resource(&segments)
    }

    fn of_resource(segments: &[&'a str]) -> Self {
        match *segments {
            ["services"] => Self::new(Operation::GetServices, ["", "", "", ""]),
            ["facilities"] => Self::new(Operation::GetFacilities, ["", "", "", ""]),
            ["facilities", f] => Self::new(Operation::GetFacility, [f, "", "", ""]),
            ["facilities", f, "doctors"] => Self::new(Operation::GetDoctors, [f, "", "", ""]),
            ["facilities", f, "doctors", d] => Self::new(Operation::GetDoctor, [f, d, "", ""]),
            ["facilities", f, "doctors", d, "addresses", ref rest @ ..] => {
                Self::of_address(f, d, rest)
            }
            _ => Self::other(),
        }
    }

    fn of_address(f: &'a str, d: &'a str, segments: &[&'a str]) -> Self {
        match *segments {
            [] => Self::new(Operation::GetAddresses, [f, d, "", ""]),
            [a] => Self::new(Operation::GetAddress, [f, d, a, ""]),
            [a, "services"] => Self::new(Operation::GetAddressServices, [f, d, a, ""]),
            [a, "services", s] => Self::new(Operation::GetAddressService, [f, d, a, s]),
            [a, "bookings"] => Self::new(Operation::GetBookings, [f, d, a, ""]),
            [a, "bookings", b] => Self::new(Operation::GetBooking, [f, d, a, b]),
            _ => Self::other(),
        }
    }

    fn new(operation: Operation, [facility, doctor, address, item]: [&'a str; 4]) -> Self {
        Self { operation, facility, doctor, address, item }
    }

    fn other() -> Self {
        Self::new(Operation::Other, ["", "", "", ""])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_its_operation_and_its_ids() {
        let path = "/api/v3/integration/facilities/1/doctors/2/addresses/3/bookings/4";
        let expected = Target {
            operation: Operation::GetBooking,
            facility: "1",
            doctor: "2",
            address: "3",
            item: "4",
        };
        assert_eq!(Target::of(path), expected);

        let operation = |path| Target::of(path).operation;
        assert_eq!(operation("/oauth/v2/token"), Operation::GetToken);
        assert_eq!(operation("/api/v3/integration/services"), Operation::GetServices);
        assert_eq!(operation("/api/v3/integration/facilities/1/slots"), Operation::Other);
        assert_eq!(operation("/"), Operation::Other);
    }
}
