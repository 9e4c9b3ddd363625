//! `mapping sync` and `mapping report`: what exists at Docplanner, and what is to do about it.

mod report;
mod resume;
mod sync;
mod waits;

use docplanner_worker::simulator::{
    api::{Options, Pattern},
    world::{Address, Doctor, Facility, Service, World},
};

use crate::support::{
    Story,
    worker::{Ran, Running, run, start},
};

/// The clinic of the online-features guide's tables: doctor 11 with the regular address 123 and the
/// online address 234, each with its own services. Beside them doctor 12, whose online address 456
/// lacks the online consultation, and doctor 13 without an address.
pub fn world() -> World {
    let mut world = World::empty();
    world.insert_facility(Facility::new("139878", "Gabinet dr Wzorcowa"));
    for id in ["11", "12", "13"] {
        world.insert_doctor(Doctor::new(id, "139878", "Zofia", "Wzorcowa"));
    }
    world.insert_address(Address::new("123", "11", "139878"));
    world.insert_address(Address::new("234", "11", "139878").online().with_payments());
    world.insert_address(Address::new("345", "12", "139878"));
    world.insert_address(Address::new("456", "12", "139878").online());
    for (id, address, name, entry) in [
        ("112233", "123", "Regular Visit", "2"),
        ("223344", "123", "Recurring Visit", "2"),
        ("445566", "123", "USG", "3"),
        ("112233", "234", "konsultacja online", "1"),
        ("556677", "345", "Regular Visit", "2"),
        ("667788", "456", "Regular Visit", "2"),
    ] {
        world.insert_service(Service::new(id, address, name).of_dictionary(entry));
    }
    world
}

/// Lists of [`world`]: dictionary, facilities, doctors, three doctors' addresses, four addresses'
/// services.
const LISTS: usize = 10;

async fn story() -> Story {
    Story::begin_with(Options { world: world(), ..Options::default() }).await
}

/// Runs `mapping …` to its end.
async fn mapping(story: &Story, arguments: &[&str]) -> Ran {
    let config = story.config_file();
    run(&[&["mapping"], arguments, &["--config", config.to_str().unwrap()]].concat(), "").await
}

async fn sync(story: &Story) -> Ran {
    mapping(story, &["sync", "--tenant", "acme"]).await
}

/// Starts `mapping sync`.
async fn start_sync(story: &Story) -> Running {
    let config = story.config_file();
    let arguments = ["mapping", "sync", "--tenant", "acme", "--config", config.to_str().unwrap()];
    start(&[], &arguments, "").await
}

fn assert_good(ran: &Ran) {
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
}

/// How often these lists were asked for.
fn asked(story: &Story, requests: impl Into<Pattern>) -> u64 {
    story.docplanner.count(requests)
}

/// Everything stored that exists: ids, flags, names.
async fn stored(story: &Story) -> String {
    story
        .sql(
            "SELECT string_agg(line, E'\\n' ORDER BY line) FROM (
                SELECT concat_ws(' ', 'facility', facility_id) AS line
                FROM catalog_facilities WHERE gone_at IS NULL
                UNION ALL SELECT concat_ws(' ', 'doctor', facility_id, doctor_id)
                FROM catalog_doctors WHERE gone_at IS NULL
                UNION ALL SELECT concat_ws(' ', 'address', facility_id, doctor_id, address_id,
                                           online_only, visit_payment)
                FROM catalog_addresses WHERE gone_at IS NULL
                UNION ALL SELECT concat_ws(' ', 'service', address_id, service_id, dictionary_id, name)
                FROM catalog_services WHERE gone_at IS NULL) AS lines",
        )
        .await
}
