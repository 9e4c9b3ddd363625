//! Order: what concerns one booking is published one after another, as it was delivered.

mod decisions;
mod ledger;
mod pods;
mod stories;
