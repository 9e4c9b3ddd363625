//! One tenant's API that is dead, slow or out of quota delays that tenant, and asks no more than it should.

mod breaker;
mod neighbours;
mod quota;

use docplanner_worker::simulator::{
    api::{Dialect, Handle},
    world::{Address, Doctor},
};
use serde_json::Value;

use crate::support::clinic;

/// Requests for the addresses of any doctor.
const LISTS: &str = "GET /doctors/*/addresses$";

/// One booking at each of so many doctors of whom nothing is known: each needs a request.
fn bookings_at_unknown_doctors(docplanner: &Handle, count: usize) -> Vec<Value> {
    docplanner.set_dialect(Dialect::lenient());
    let at = |nth: usize| {
        let (doctor, address) = (format!("9{nth}"), format!("5{nth}"));
        docplanner.world(|world| {
            world.insert_doctor(Doctor::new(&doctor, "1", "Sample", "Doctor"));
            world.insert_address(Address::new(&address, &doctor, "1").online());
        });
        clinic::with_doctor(clinic::slot_booked(&format!("new-{nth}"), &address), &doctor)
    };
    (0..count).map(at).collect()
}
