//! What happens in a world, told as Docplanner pushes it.
//!
//! ```
//! # use docplanner_worker::simulator::notifications::{Generator, GeneratorOptions};
//! # use docplanner_worker::simulator::world::World;
//! let world = World::sample();
//! let options = GeneratorOptions { duplicates: 0.1, ..GeneratorOptions::default() };
//! for notification in Generator::new(1, &world, options).take(3) {
//!     println!("{}: {}", notification.name, notification.body);
//! }
//! ```

use chrono::{DateTime, TimeZone, Utc};
use serde::Serialize;

pub use by_hand::Teller;
pub use defect::Defect;
pub use generator::Generator;
pub use kind::{Kind, Mix};

use super::world::{Address, Booking, Id, Service, World};

mod bodies;
mod bookings;
mod by_hand;
mod defect;
mod generator;
mod kind;
mod life;
mod payments;
mod people;
mod retell;
mod schedule;

/// What to tell, and how badly.
#[derive(Debug, Clone, PartialEq)]
pub struct GeneratorOptions {
    /// When it begins. The clock then goes on by some minutes from one fact to the next.
    pub start: DateTime<Utc>,
    /// How often each kind comes. Where something is paid, payments and cancellations follow in
    /// addition, unless the mix has none of them.
    pub mix: Mix,
    /// Begins with one of each kind, in an order in which they can happen.
    pub one_of_each: bool,
    /// The share of notifications that repeat an earlier one.
    pub duplicates: f64,
    /// The share of these that repeat it in another dialect; the others repeat its bytes.
    pub other_dialect: f64,
    /// The share of notifications that come up to eight places late.
    pub reorder: f64,
    /// The share of notifications that are bad input.
    pub malformed: f64,
    /// The share of the world's addresses at which something happens.
    pub addresses: f64,
    /// How many notifications to make; `None` goes on for ever. Unlike `take`, this leaves
    /// nothing behind that was to come late.
    pub count: Option<usize>,
}

impl Default for GeneratorOptions {
    /// A realistic mix from January 2026 on: no duplicates, in order, well-formed, for ever.
    fn default() -> Self {
        Self {
            start: Utc.with_ymd_and_hms(2026, 1, 12, 7, 0, 0).single().unwrap_or_default(),
            mix: Mix::realistic(),
            one_of_each: false,
            duplicates: 0.0,
            other_dialect: 0.5,
            reorder: 0.0,
            malformed: 0.0,
            addresses: 1.0,
            count: None,
        }
    }
}

/// A notification, and what there is to know about it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Generated {
    /// Its place in the sequence, from zero.
    pub index: usize,
    /// What it is, or what it was before it was spoiled.
    pub kind: Kind,
    /// The `name` on the wire: mostly that of the kind.
    pub name: String,
    /// The body on the wire: JSON, unless it has a defect.
    pub body: String,
    /// Whom it is about.
    pub ids: Ids,
    /// The index of the notification whose fact it repeats.
    pub duplicate_of: Option<usize>,
    /// What is wrong with it.
    pub defect: Option<Defect>,
    /// What became of the world. Empty for what is no news.
    #[serde(skip)]
    pub changes: Vec<Change>,
}

/// Whom a notification is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Ids {
    /// The facility.
    pub facility: Id,
    /// The doctor.
    pub doctor: Id,
    /// The address.
    pub address: Id,
    /// The booking; the new one of a move.
    pub booking: Option<Id>,
    /// The booking that is moved away.
    pub previous_booking: Option<Id>,
    /// The break.
    pub pause: Option<Id>,
    /// The service of `address-service-*`.
    pub service: Option<Id>,
}

/// A change of the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A booking is now this.
    Booking(Box<Booking>),
    /// A service is now this.
    Service(Service),
    /// A service is gone.
    ServiceRemoved {
        /// From where.
        address_id: Id,
        /// Which.
        id: Id,
    },
    /// An address is now this; its flags stay as they are.
    Address(Address),
    /// An address is gone with its services.
    AddressRemoved(Id),
}

impl Generated {
    /// Changes the world as this notification tells, so that an API that serves the world agrees
    /// with it.
    pub fn apply_to(&self, world: &mut World) {
        for change in self.changes.iter().cloned() {
            change.apply_to(world);
        }
    }
}

impl Change {
    fn apply_to(self, world: &mut World) {
        match self {
            Self::Booking(booking) => world.insert_booking(*booking),
            Self::Service(service) => world.insert_service(service),
            Self::ServiceRemoved { address_id, id } => {
                world.remove_service(&address_id, &id);
            }
            Self::Address(address) => match world.address_mut(&address.id) {
                Some(known) => known.commercial_type = address.commercial_type,
                None => world.insert_address(address),
            },
            Self::AddressRemoved(id) => {
                world.remove_address(&id);
            }
        }
    }
}

/// One of each of the 17 kinds at least, in an order in which they can happen.
#[must_use]
pub fn one_of_each(seed: u64, world: &World, start: DateTime<Utc>) -> Vec<Generated> {
    let options = GeneratorOptions { start, one_of_each: true, ..GeneratorOptions::default() };
    let mut missing: Vec<Kind> = Kind::ALL.to_vec();
    let mut told = Vec::new();
    for notification in Generator::new(seed, world, options) {
        missing.retain(|kind| *kind != notification.kind);
        told.push(notification);
        if missing.is_empty() {
            break;
        }
    }
    told
}
