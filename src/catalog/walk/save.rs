//! What becomes of a list that was read: it is stored, and what is under it is asked for next.

use std::collections::BTreeSet;

use super::{Entry, Question, Walk, WalkError};
use crate::{
    catalog::{Found, Notice, Step, dictionary::online_consultations},
    docplanner::{DictionaryEntry, ListedAddress},
};

impl Walk<'_> {
    pub(super) async fn save(&mut self, step: Step, found: Found) -> Result<(), WalkError> {
        let found = match found {
            Found::Facilities(shown) => Found::Facilities(self.wanted(shown)?),
            found => found,
        };
        let now = (self.plan.clock)();
        self.store.save(&self.plan.tenant, self.begun.walk, now, &step, &found).await?;
        self.done += 1;
        match (step, found) {
            (_, Found::Dictionary(entries)) => self.note_dictionary(&entries),
            (_, Found::Facilities(facilities)) => {
                self.push(facilities.into_iter().map(|facility| Step::Doctors { facility }));
            }
            (Step::Doctors { facility }, Found::Doctors(doctors)) => {
                for doctor in doctors {
                    let (facility, id) = (facility.clone(), doctor.id);
                    match doctor.addresses {
                        Some(addresses) => {
                            self.done += 1;
                            self.push_services(&facility, &id, addresses);
                        }
                        None => self.push([Step::Addresses { facility, doctor: id }]),
                    }
                }
            }
            (Step::Addresses { facility, doctor }, Found::Addresses(addresses)) => {
                self.push_services(&facility, &doctor, addresses);
            }
            (_, Found::Doctors(_) | Found::Addresses(_) | Found::Services(_)) => {}
        }
        Ok(())
    }

    /// The facilities to walk: those of the settings, if they name any.
    fn wanted(&mut self, shown: Vec<String>) -> Result<Vec<String>, WalkError> {
        let shown: BTreeSet<String> = shown.into_iter().collect();
        let named = &self.plan.facilities;
        for facility in named.iter().filter(|facility| !shown.contains(*facility)) {
            self.watch.tell(&Notice::FacilityNotShown { facility });
        }
        let wanted = shown.into_iter().filter(|id| named.is_empty() || named.contains(id));
        let wanted: Vec<String> = wanted.collect();
        if wanted.is_empty() { Err(WalkError::NoFacilities) } else { Ok(wanted) }
    }

    fn note_dictionary(&mut self, entries: &[DictionaryEntry]) {
        let found = online_consultations(entries);
        if found.is_empty() {
            self.watch.tell(&Notice::NoOnlineConsultation);
        }
        self.online_consultation = found
            .into_iter()
            .map(|entry| Entry { id: entry.id.clone(), name: entry.name.clone() })
            .collect();
    }

    fn push(&mut self, steps: impl IntoIterator<Item = Step>) {
        self.left.extend(steps.into_iter().map(Question::new));
    }

    fn push_services(&mut self, facility: &str, doctor: &str, addresses: Vec<ListedAddress>) {
        if addresses.is_empty() {
            self.watch.tell(&Notice::NoAddresses { facility, doctor });
        }
        self.push(addresses.into_iter().map(|address| Step::Services {
            facility: facility.to_owned(),
            doctor: doctor.to_owned(),
            address: address.id,
        }));
    }
}
