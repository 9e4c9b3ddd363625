//! The report for spreadsheets: a line for each thing, with what is to do about it.

use std::collections::HashMap;

use anyhow::Context;
use serde::Serialize;

use crate::catalog::{AddressReport, DoctorReport, Finding, Report, Subject};

/// One line. Empty where it does not apply.
#[derive(Clone, Default, Serialize)]
struct Line<'r> {
    tenant: &'r str,
    kind: &'static str,
    facility_id: Option<&'r str>,
    doctor_id: Option<&'r str>,
    address_id: Option<&'r str>,
    service_id: Option<&'r str>,
    name: Option<&'r str>,
    online_only: Option<bool>,
    visit_payment: Option<bool>,
    partner_id: Option<&'r str>,
    mapped: bool,
    /// Kinds of findings, with a space between them.
    to_do: String,
}

/// Facility, doctor, address, service.
type Ids<'r> = [Option<&'r str>; 4];

pub(super) fn write(reports: &[Report]) -> anyhow::Result<String> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    for line in reports.iter().flat_map(lines) {
        writer.serialize(line)?;
    }
    let bytes = writer.into_inner().context("cannot write the report")?;
    Ok(String::from_utf8(bytes)?)
}

fn lines(report: &Report) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    let tenant = Line { tenant: &report.tenant, ..Line::default() };
    let mut facility = None;
    for doctor in &report.doctors {
        let is_other = facility.replace(&doctor.facility_id) != Some(&doctor.facility_id);
        doctor_lines(doctor, is_other, &tenant, &mut lines);
    }
    add_findings(&report.findings, &tenant, &mut lines);
    lines
}

fn doctor_lines<'r>(
    doctor: &'r DoctorReport,
    with_facility: bool,
    tenant: &Line<'r>,
    lines: &mut Vec<Line<'r>>,
) {
    let of_facility = Line { facility_id: Some(&doctor.facility_id), ..tenant.clone() };
    let of_doctor = Line { doctor_id: Some(&doctor.doctor_id), ..of_facility.clone() };
    if with_facility {
        lines.push(of_facility.mapped("facility", doctor.facility_partner_id.as_deref()));
    }
    lines.push(of_doctor.clone().mapped("doctor", doctor.doctor_partner_id.as_deref()));
    for address in &doctor.addresses {
        let AddressReport { online_only, visit_payment, .. } = *address;
        let of_address = Line { address_id: Some(&address.id), ..of_doctor.clone() };
        let itself = Line { online_only, visit_payment, ..of_address.clone() };
        lines.push(itself.mapped("address", address.partner_id.as_deref()));
        for service in &address.services {
            let (service_id, name) = (Some(service.id.as_str()), Some(service.name.as_str()));
            let line = Line { service_id, name, ..of_address.clone() };
            lines.push(line.mapped("service", service.partner_id.as_deref()));
        }
    }
}

/// Puts each finding beside its thing; what has no line (a row of something that does not exist,
/// the sync itself) gets one of its own.
fn add_findings<'r>(findings: &'r [Finding], tenant: &Line<'r>, lines: &mut Vec<Line<'r>>) {
    let places: HashMap<Ids<'_>, usize> =
        lines.iter().enumerate().map(|(nth, line)| (line.ids(), nth)).collect();
    for finding in findings {
        let nth = places.get(&ids(&finding.subject)).copied().unwrap_or_else(|| {
            lines.push(line_of(&finding.subject, tenant));
            lines.len() - 1
        });
        let line = &mut lines[nth];
        if !line.to_do.is_empty() {
            line.to_do.push(' ');
        }
        line.to_do.push_str(finding.kind.as_str());
    }
}

fn line_of<'r>(subject: &'r Subject, tenant: &Line<'r>) -> Line<'r> {
    let [facility_id, doctor_id, address_id, service_id] = ids(subject);
    let kinds = [service_id, address_id, doctor_id, facility_id];
    let names = ["service", "address", "doctor", "facility"];
    let kind = kinds.iter().zip(names).find_map(|(id, name)| id.map(|_| name));
    let line = Line { facility_id, doctor_id, address_id, service_id, ..tenant.clone() };
    line.mapped(kind.unwrap_or("tenant"), subject.partner_id.as_deref())
}

impl<'r> Line<'r> {
    fn mapped(self, kind: &'static str, partner_id: Option<&'r str>) -> Self {
        Self { kind, partner_id, mapped: partner_id.is_some(), ..self }
    }

    fn ids(&self) -> Ids<'r> {
        [self.facility_id, self.doctor_id, self.address_id, self.service_id]
    }
}

fn ids(subject: &Subject) -> Ids<'_> {
    let Subject { facility_id, doctor_id, address_id, service_id, .. } = subject;
    [facility_id, doctor_id, address_id, service_id].map(Option::as_deref)
}
