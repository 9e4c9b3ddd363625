//! The report for people, at most 120 columns wide.

use crate::catalog::{AddressReport, Calendar, DoctorReport, Finding, Report, Subject};

/// The columns: what it is, which calendar, whether paid, the partner's identifier.
const WHAT: usize = 68;
const CALENDAR: usize = 9;
const PAYMENT: usize = 8;
const PARTNER_ID: usize = 32;

/// For an identifier that is missing.
const NOT_MAPPED: &str = "NOT MAPPED";

pub(super) fn write(reports: &[Report]) -> String {
    let mut lines = Lines::default();
    for (nth, report) in reports.iter().enumerate() {
        if nth > 0 {
            lines.push("");
        }
        lines.report(report);
    }
    lines.0
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    fn push(&mut self, line: &str) {
        self.0.push_str(line.trim_end());
        self.0.push('\n');
    }

    fn report(&mut self, report: &Report) {
        let synced = report.synced_at.map_or("never synced completely".to_owned(), |at| {
            format!("synced {}", at.format("%Y-%m-%d %H:%M:%S UTC"))
        });
        self.push(&format!("tenant {}: {synced}", report.tenant));
        if !report.doctors.is_empty() {
            self.push("");
            self.row("", "CALENDAR", "PAYMENT", "PARTNER ID");
        }
        let mut facility = None;
        for doctor in &report.doctors {
            if facility.replace(&doctor.facility_id) != Some(&doctor.facility_id) {
                let what = format!("facility {}", doctor.facility_id);
                self.mapped(&what, doctor.facility_partner_id.as_deref());
            }
            self.doctor(doctor);
        }
        self.push("");
        self.findings(&report.findings);
    }

    fn doctor(&mut self, doctor: &DoctorReport) {
        let what = format!("  doctor {}", doctor.doctor_id);
        if doctor.addresses.is_empty() {
            let partner_id = doctor.doctor_partner_id.as_deref().unwrap_or_default();
            return self.row(&format!("{what} (no address)"), "", "", partner_id);
        }
        self.mapped(&what, doctor.doctor_partner_id.as_deref());
        for address in &doctor.addresses {
            self.address(address);
        }
    }

    fn address(&mut self, address: &AddressReport) {
        let calendar = match address.calendar {
            Calendar::Regular => "regular",
            Calendar::Online => "online",
            Calendar::Unknown => "unknown",
        };
        let payment = match address.visit_payment {
            Some(true) => "yes",
            Some(false) => "no",
            None => "unknown",
        };
        let what = format!("    address {}", address.id);
        let partner_id = address.partner_id.as_deref().unwrap_or(NOT_MAPPED);
        self.row(&what, calendar, payment, partner_id);
        for service in &address.services {
            let is_online = if service.online_consultation { " (online consultation)" } else { "" };
            let what = format!("      service {} {}{is_online}", service.id, service.name);
            self.mapped(&what, service.partner_id.as_deref());
        }
    }

    fn mapped(&mut self, what: &str, partner_id: Option<&str>) {
        self.row(what, "", "", partner_id.unwrap_or(NOT_MAPPED));
    }

    fn row(&mut self, what: &str, calendar: &str, payment: &str, partner_id: &str) {
        let (what, partner_id) = (fitted(what, WHAT), fitted(partner_id, PARTNER_ID));
        self.push(&format!("{what:<WHAT$} {calendar:<CALENDAR$} {payment:<PAYMENT$} {partner_id}"));
    }

    /// One heading for each kind, because a large tenant has hundreds of the same.
    fn findings(&mut self, findings: &[Finding]) {
        if findings.is_empty() {
            return self.push("Nothing to do: everything is mapped.");
        }
        let problems = findings.iter().filter(|finding| finding.is_problem).count();
        let advice = findings.len() - problems;
        self.push(&format!("TO DO: {problems} to fix, {advice} to know"));
        for same in findings.chunk_by(|a, b| a.kind == b.kind) {
            let kind = same[0].kind;
            let mark = if kind.is_problem() { "!" } else { "-" };
            self.push("");
            self.push(&format!("{mark} {} ({})", kind.title(), same.len()));
            self.push(&format!("  → {}", kind.remedy()));
            for finding in same {
                let subject = in_words(&finding.subject);
                if !subject.is_empty() {
                    self.push(&format!("    {}", fitted(&subject, 110)));
                }
            }
        }
    }
}

/// The innermost thing first: `service 3 at address 2 of doctor 1`.
fn in_words(subject: &Subject) -> String {
    let parts = [
        ("service", &subject.service_id),
        ("address", &subject.address_id),
        ("doctor", &subject.doctor_id),
        ("facility", &subject.facility_id),
    ];
    let told = parts.into_iter().filter_map(|(what, id)| Some(format!("{what} {}", id.as_ref()?)));
    let ids = told.collect::<Vec<_>>().join(", ");
    let partner_id = subject.partner_id.as_ref().map(|id| format!(" = {id}")).unwrap_or_default();
    let gone = subject.gone_at.map(|at| format!(", gone since {}", at.format("%Y-%m-%d")));
    format!("{ids}{partner_id}{}", gone.unwrap_or_default())
}

/// Cut to a width; what is cut shows.
fn fitted(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_row_is_wider_than_120_columns() {
        let mut lines = Lines::default();
        let long = "ż".repeat(300);
        lines.row(&long, "regular", "unknown", &long);
        assert_eq!(lines.0.trim_end().chars().count(), 120);
    }
}
