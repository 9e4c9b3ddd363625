//! What can be wrong with a mapping, and what to do about it.

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

use crate::catalog::MappingRow;

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What is wrong.
    pub kind: FindingKind,
    /// Whether it makes the report fail: something is missing in the mapping, or wrong.
    pub is_problem: bool,
    /// About what.
    #[serde(flatten)]
    pub subject: Subject,
    /// What to do.
    pub remedy: &'static str,
}

/// What is wrong. In the order of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "`FindingKind::title` says it")]
pub enum FindingKind {
    NeverSynced,
    OnlineAddressUnmapped,
    RegularAddressUnmapped,
    SameSchedule,
    ServiceUnmapped,
    DoctorUnmapped,
    FacilityUnmapped,
    MappedToNothing,
    NoOnlineConsultation,
    OnlineConsultationUnknown,
    SyncUnfinished,
    SyncOld,
}

/// What a finding is about: the ids on the way to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Subject {
    /// The facility.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facility_id: Option<String>,
    /// The doctor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doctor_id: Option<String>,
    /// The address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_id: Option<String>,
    /// The service at that address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_id: Option<String>,
    /// The partner's identifier that is concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partner_id: Option<String>,
    /// When the absence of a mapped thing was noticed; none: it was never seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gone_at: Option<DateTime<Utc>>,
}

impl FindingKind {
    /// The word for machines.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NeverSynced => "never_synced",
            Self::OnlineAddressUnmapped => "online_address_unmapped",
            Self::RegularAddressUnmapped => "regular_address_unmapped",
            Self::SameSchedule => "same_schedule",
            Self::ServiceUnmapped => "service_unmapped",
            Self::DoctorUnmapped => "doctor_unmapped",
            Self::FacilityUnmapped => "facility_unmapped",
            Self::MappedToNothing => "mapped_to_nothing",
            Self::NoOnlineConsultation => "no_online_consultation",
            Self::OnlineConsultationUnknown => "online_consultation_unknown",
            Self::SyncUnfinished => "sync_unfinished",
            Self::SyncOld => "sync_old",
        }
    }

    /// What is wrong, as a heading.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::NeverSynced => "never synced completely",
            Self::OnlineAddressUnmapped => "online address without a mapping",
            Self::RegularAddressUnmapped => "regular address without a mapping",
            Self::SameSchedule => {
                "one partner schedule for both the regular and the online address"
            }
            Self::ServiceUnmapped => "service without a mapping",
            Self::DoctorUnmapped => "doctor without a mapping",
            Self::FacilityUnmapped => "facility without a mapping",
            Self::MappedToNothing => "mapping of something that does not exist",
            Self::NoOnlineConsultation => "online address without the online consultation service",
            Self::OnlineConsultationUnknown => "online consultation service not known",
            Self::SyncUnfinished => "a later sync is unfinished",
            Self::SyncOld => "synced long ago",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::NeverSynced => "run `mapping sync` for the tenant",
            Self::OnlineAddressUnmapped => {
                "open a separate schedule for online consultations and import a row `address` with its identifier"
            }
            Self::RegularAddressUnmapped => {
                "import a row `address` with the identifier of the doctor's schedule at the clinic"
            }
            Self::SameSchedule => {
                "give the online address a schedule of its own, or set online_detection = \"service\""
            }
            Self::ServiceUnmapped => {
                "import a row `service` with the address, the service and your identifier"
            }
            Self::DoctorUnmapped => "import a row `doctor`",
            Self::FacilityUnmapped => "import a row `facility`",
            Self::MappedToNothing => {
                "remove the row, or find out what took its place: a calendar opened again has new identifiers"
            }
            Self::NoOnlineConsultation => {
                "add the dictionary's online consultation to the address at Docplanner: patients filter by it"
            }
            Self::OnlineConsultationUnknown => {
                "no entry of the dictionary reads like it: look at the online addresses yourself"
            }
            Self::SyncUnfinished => "run `mapping sync` again: it goes on where it was",
            Self::SyncOld => "run `mapping sync` again: calendars may have come and gone",
        }
    }

    /// Whether the mapping is incomplete or wrong: what a pipeline should stop at. The rest is to be
    /// known, and is not about the mapping.
    #[must_use]
    pub fn is_problem(self) -> bool {
        match self {
            Self::NeverSynced
            | Self::OnlineAddressUnmapped
            | Self::RegularAddressUnmapped
            | Self::SameSchedule
            | Self::ServiceUnmapped
            | Self::DoctorUnmapped
            | Self::FacilityUnmapped
            | Self::MappedToNothing => true,
            Self::NoOnlineConsultation
            | Self::OnlineConsultationUnknown
            | Self::SyncUnfinished
            | Self::SyncOld => false,
        }
    }
}

impl Serialize for FindingKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Subject {
    pub(super) fn facility(id: &str) -> Self {
        Self { facility_id: Some(id.to_owned()), ..Self::default() }
    }

    pub(super) fn of_row(row: &MappingRow) -> Self {
        let id = Some(row.docplanner_id.clone());
        let partner_id = Some(row.partner_id.clone());
        let subject = Self { partner_id, ..Self::default() };
        match row.kind.as_str() {
            "facility" => Self { facility_id: id, ..subject },
            "doctor" => Self { doctor_id: id, ..subject },
            "address" => Self { address_id: id, ..subject },
            _ => {
                let address_id = Some(row.address_id.clone());
                Self { address_id, service_id: id, ..subject }
            }
        }
    }
}
