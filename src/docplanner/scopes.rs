//! The `with=` scopes of a question, in every dialect of the API.

use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::Url;

/// The flags of an address, from the scopes that cover both dialects to none: the names of the
/// current API, of the online-features guide, and what is left if neither payment scope is known.
const ADDRESS: &[&str] = &[
    "address.online_only,address.visit_payment,visit.payment",
    "address.online_only,address.visit_payment",
    "address.online_only,visit.payment",
    "address.online_only",
    "",
];

/// A facility's doctors with the flags of their addresses, which saves a request for each doctor.
/// The guide has it (`doctors.addresses`), the current specification only for a single doctor.
const DOCTORS: &[&str] = &[
    "doctor.addresses,doctors.addresses,address.online_only,address.visit_payment,visit.payment",
    "doctor.addresses,address.online_only,address.visit_payment",
    "doctors.addresses,address.online_only,visit.payment",
    "",
];

/// A booking's payment and where it was moved to. The current API tells the payment without being
/// asked and has no scope for it; that of the guide tells it by scope only.
const BOOKING: &[&str] = &["visit.payment,booking.moving", "booking.moving", "visit.payment", ""];

const NONE: &[&str] = &[""];

/// Ways to ask the same question, from the one that asks for most to the one that every API takes.
/// Remembers which one this API takes; it only ever goes down.
pub(super) struct Scopes {
    ways: &'static [&'static str],
    taken: AtomicUsize,
}

impl Scopes {
    pub(super) fn of_address() -> Self {
        Self::new(ADDRESS)
    }

    /// A list without any flag says less than the address by itself might: there is no last way.
    pub(super) fn of_address_list() -> Self {
        Self::new(&ADDRESS[..ADDRESS.len() - 1])
    }

    pub(super) fn of_doctors() -> Self {
        Self::new(DOCTORS)
    }

    pub(super) fn of_booking() -> Self {
        Self::new(BOOKING)
    }

    pub(super) fn none() -> Self {
        Self::new(NONE)
    }

    fn new(ways: &'static [&'static str]) -> Self {
        Self { ways, taken: AtomicUsize::new(0) }
    }

    /// The way to ask first.
    pub(super) fn way(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// The way to ask if the API does not know a scope of this one.
    pub(super) fn after(&self, way: usize) -> Option<usize> {
        Some(way + 1).filter(|next| *next < self.ways.len())
    }

    /// The API took this way. Only that is worth remembering: an API that refuses one question
    /// in every way, because of an id that it cannot read, says nothing about its scopes.
    pub(super) fn are_taken(&self, way: usize) {
        self.taken.fetch_max(way, Ordering::Relaxed);
    }

    /// What the last way asks for that the API took.
    pub(super) fn taken(&self) -> &'static str {
        self.ways[self.way()]
    }

    /// The question asked in this way.
    pub(super) fn ask(&self, way: usize, url: &Url) -> Url {
        let mut url = url.clone();
        if !self.ways[way].is_empty() {
            url.query_pairs_mut().append_pair("with", self.ways[way]);
        }
        url
    }
}
