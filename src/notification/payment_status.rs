//! The status of a payment, in whichever of the API's vocabularies it is told.

use schemars::JsonSchema;
use serde::Serialize;

/// A payment's status in Docplanner's words. Others may come, in `snake_case`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(into = "String")]
#[schemars(extend("examples" = ["new", "in_progress", "waiting_for_confirmation", "paid", "not_paid", "failed", "canceled", "refunded", "charged_back"]))]
#[expect(missing_docs, reason = "the API's own words")]
pub enum PaymentStatus {
    New,
    InProgress,
    WaitingForConfirmation,
    Paid,
    NotPaid,
    Failed,
    Canceled,
    Refunded,
    ChargedBack,
    /// A word that this version does not know, in `snake_case`.
    Other(String),
}

impl From<&str> for PaymentStatus {
    /// Reads a status in any of the API's vocabularies, those of notifications, of the current API and
    /// of the online-features guide: `not-paid` and `not_paid`, `successful` and `paid` are the same word.
    fn from(word: &str) -> Self {
        match word.trim().to_lowercase().replace(['-', ' '], "_").as_str() {
            "new" => PaymentStatus::New,
            "in_progress" => PaymentStatus::InProgress,
            "waiting_for_confirmation" => PaymentStatus::WaitingForConfirmation,
            "paid" | "successful" => PaymentStatus::Paid,
            "not_paid" => PaymentStatus::NotPaid,
            "failed" => PaymentStatus::Failed,
            "canceled" | "cancelled" => PaymentStatus::Canceled,
            "refunded" => PaymentStatus::Refunded,
            "charged_back" => PaymentStatus::ChargedBack,
            other => PaymentStatus::Other(other.to_owned()),
        }
    }
}

impl PaymentStatus {
    /// The word that events carry.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            PaymentStatus::New => "new",
            PaymentStatus::InProgress => "in_progress",
            PaymentStatus::WaitingForConfirmation => "waiting_for_confirmation",
            PaymentStatus::Paid => "paid",
            PaymentStatus::NotPaid => "not_paid",
            PaymentStatus::Failed => "failed",
            PaymentStatus::Canceled => "canceled",
            PaymentStatus::Refunded => "refunded",
            PaymentStatus::ChargedBack => "charged_back",
            PaymentStatus::Other(word) => word,
        }
    }
}

impl From<PaymentStatus> for String {
    fn from(status: PaymentStatus) -> Self {
        status.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_status_is_the_same_word_in_every_vocabulary() {
        let other = || PaymentStatus::Other("half_paid".to_owned());
        for (word, status, told) in [
            ("new", PaymentStatus::New, "new"),
            ("in_progress", PaymentStatus::InProgress, "in_progress"),
            ("in-progress", PaymentStatus::InProgress, "in_progress"),
            (
                "waiting_for_confirmation",
                PaymentStatus::WaitingForConfirmation,
                "waiting_for_confirmation",
            ),
            ("paid", PaymentStatus::Paid, "paid"),
            ("successful", PaymentStatus::Paid, "paid"),
            ("PAID", PaymentStatus::Paid, "paid"),
            ("not-paid", PaymentStatus::NotPaid, "not_paid"),
            ("not_paid", PaymentStatus::NotPaid, "not_paid"),
            ("failed", PaymentStatus::Failed, "failed"),
            ("canceled", PaymentStatus::Canceled, "canceled"),
            ("cancelled", PaymentStatus::Canceled, "canceled"),
            ("CANCELLED", PaymentStatus::Canceled, "canceled"),
            ("refunded", PaymentStatus::Refunded, "refunded"),
            ("charged_back", PaymentStatus::ChargedBack, "charged_back"),
            ("charged-back", PaymentStatus::ChargedBack, "charged_back"),
            ("Half-Paid", other(), "half_paid"),
        ] {
            assert_eq!(PaymentStatus::from(word), status, "{word}");
            assert_eq!(status.as_str(), told, "{word}");
        }
    }
}
