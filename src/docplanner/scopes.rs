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

    pub(super) fn none() -> Self {
        Self::new(NONE)
    }

    fn new(ways: &'static [&'static str]) -> Self {
        Self { ways, taken: AtomicUsize::new(0) }
    }

    /// The way to ask now.
    pub(super) fn way(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// The question asked in this way.
    pub(super) fn ask(&self, way: usize, url: &Url) -> Url {
        let mut url = url.clone();
        if !self.ways[way].is_empty() {
            url.query_pairs_mut().append_pair("with", self.ways[way]);
        }
        url
    }

    /// The API does not know a scope of this way; whether there is another one.
    pub(super) fn is_refused(&self, way: usize) -> bool {
        let has_next = way + 1 < self.ways.len();
        if has_next {
            self.taken.fetch_max(way + 1, Ordering::Relaxed);
        }
        has_next
    }
}
